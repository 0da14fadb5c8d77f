"""Random numbers, one stream per sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from smalti.core.config import coerce_value
from smalti.core.errors import UserError
from smalti.core.ranges import Seed

if TYPE_CHECKING:
    from torch import Tensor


def list_seeds(first_seed: int, n: int) -> range:
    """List n consecutive seeds. UserError if they exceed 2^64 - 1."""
    first_seed = coerce_value(first_seed, Seed, "seed")
    if first_seed + n > 2**64:
        raise UserError(
            f"seed is {first_seed}, and {n:,} seeds from there exceed 2^64 - 1; give a smaller seed"
        )
    return range(first_seed, first_seed + n)


class Rng:
    """n independent streams (NumPy's Philox), one per seed.

    Row i of every draw comes only from the stream of seed i, in float64 on the CPU, and does not
    depend on how the draws are split. So a sample depends only on its seed, up to the rounding of
    what a network computes on other batches, processes or devices.
    """

    def __init__(self, seeds: Sequence[int]):
        self.seeds = tuple(coerce_value(seed, Seed, "seed") for seed in seeds)
        self.streams = [np.random.Generator(np.random.Philox(seed)) for seed in self.seeds]

    def __len__(self) -> int:
        return len(self.seeds)

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers, (n, *shape) float64."""
        return self.stack_rows([stream.standard_normal(shape) for stream in self.streams], shape)

    def uniform(self, *shape: int) -> Tensor:
        """Draw uniform numbers in [0, 1), (n, *shape) float64."""
        return self.stack_rows([stream.random(shape) for stream in self.streams], shape)

    def stack_rows(self, rows: list, shape: tuple[int, ...]) -> Tensor:
        import torch  # imported late: list_seeds does not need it

        return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, *shape).double()
