"""How long and how fast to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.ranges import Count, Positive, Range, Rate, Seed, Steps, Weight


@dataclass(frozen=True)
@checked
class Training:
    """How a run is trained. `minutes` becomes `steps` once, after a timed probe."""

    steps: Steps | None = None
    """Optimiser steps; None takes what --minutes allows."""
    batch: Count = 128
    """Pictures per optimiser step, over all devices and accumulations together."""
    rate: Annotated[float, Range(0, 1, above=True, below=True)] = 2e-3
    """Peak learning rate of AdamW."""
    warmup: Annotated[int, Range(0, 10**9)] = 200
    """Steps over which the rate rises from 0; after them it falls to 0 along a cosine."""
    weight_decay: Weight = 0.01
    """AdamW's weight decay."""
    clip: Positive = 1.0
    """Largest norm of the gradient."""
    ema: Rate = 0.999
    """Decay of the averaged weights, which are what is sampled and saved as the model."""
    accumulate: Count = 1
    """Parts that a batch is split into, for less memory."""
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """auto takes bf16 where the device has fast units for it, else 32."""
    devices: Annotated[int, Range(1, 1_024)] = 1
    """Processes (CPU) or GPUs."""
    flip: bool = False
    """Mirror half of the pictures, at random."""
    compile: bool = False
    """Compile the network first, by a C++ compiler: steps begin a minute later and are shorter."""
    recover: Annotated[int, Range(0, 1_000)] = 0
    """How often a run whose loss explodes may step back to its last save, with half the rate."""
    explode: Annotated[float, Range(1, 1e9, above=True)] = 10.0
    """With --recover: a loss so many times the median of the last 100 has exploded."""
    save: Steps = 500
    """Steps between saved checkpoints with their sample grids."""
    seed: Seed = 0
    """Seed of initial weights, noise and data order."""

    def __post_init__(self) -> None:
        parts = self.devices * self.accumulate
        if self.batch % parts:
            raise UserError(
                f"a batch of {self.batch} does not divide into {self.devices} devices x "
                f"{self.accumulate} accumulations; choose a multiple of {parts}"
            )
