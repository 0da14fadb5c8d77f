"""Random numbers with one stream per sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from smalti.core.errors import UserError


class Rng:
    """n independent streams (NumPy's Philox), one per seed.

    Row i of every draw comes from the stream of seed i alone, in float64 on the CPU, and is the
    same whether it is asked for in one draw or in many. So a sample depends on its own seed, and
    not on the batch, the process count or the device.
    """

    def __init__(self, seeds: Sequence[int]):
        if bad := [seed for seed in seeds if seed < 0]:
            raise UserError(f"seed {bad[0]} is negative; give seeds of 0 or more")
        self.seeds = tuple(int(seed) for seed in seeds)
        self.streams = [np.random.Generator(np.random.Philox(seed)) for seed in self.seeds]

    def __len__(self) -> int:
        return len(self.seeds)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, (n, *shape) float64."""
        return self.stack([stream.standard_normal(shape) for stream in self.streams], shape)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), (n, *shape) float64."""
        return self.stack([stream.random(shape) for stream in self.streams], shape)

    def stack(self, rows: list, shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, *shape).double()
