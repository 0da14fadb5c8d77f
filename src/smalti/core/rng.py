"""Random numbers with one stream per sample."""

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
    """The seeds of n samples, counted up. UserError where they pass the largest, 2^64 - 1."""
    first_seed = coerce_value(first_seed, Seed, "seed")
    if first_seed + n > 2**64:
        raise UserError(
            f"seed is {first_seed}, and {n:,} seeds from there pass 2^64 - 1; begin lower"
        )
    return range(first_seed, first_seed + n)


class Rng:
    """n independent streams (NumPy's Philox), one per seed.

    Row i of every draw comes from the stream of seed i alone, in float64 on the CPU, and is the
    same whether it is asked for in one draw or in many. So a sample depends on its own seed, and
    only by the rounding of what a network computes on the batch, the processes or the device.
    """

    def __init__(self, seeds: Sequence[int]):
        self.seeds = tuple(coerce_value(seed, Seed, "seed") for seed in seeds)
        self.streams = [np.random.Generator(np.random.Philox(seed)) for seed in self.seeds]

    def __len__(self) -> int:
        return len(self.seeds)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, (n, *shape) float64."""
        return self.stack_rows([stream.standard_normal(shape) for stream in self.streams], shape)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), (n, *shape) float64."""
        return self.stack_rows([stream.random(shape) for stream in self.streams], shape)

    def stack_rows(self, rows: list, shape: tuple[int, ...]) -> Tensor:
        import torch  # here: seeds are counted without it

        return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, *shape).double()
