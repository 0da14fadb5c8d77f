"""How long and how fast to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Count, FractionBelowOne, Positive, Range, Seed, TrainingSteps, Weight


@dataclass(frozen=True)
@check_fields
class Training:
    """How a run is trained. `minutes` becomes `steps` once, after a timed probe."""

    steps: TrainingSteps | None = None
    """Optimizer steps; None takes what --minutes allows."""
    batch_size: Count = 128
    """Pictures per optimizer step, over all devices and accumulations together."""
    learning_rate: Annotated[float, Range(0, 1, excludes_low=True, excludes_high=True)] = 2e-3
    """Peak learning rate of AdamW."""
    warmup: Annotated[int, Range(0, 10**9)] = 200
    """Steps over which the rate rises from 0; after them it falls to 0 along a cosine."""
    weight_decay: Weight = 0.01
    """AdamW's weight decay."""
    max_grad_norm: Positive = 1.0
    """Largest norm of the gradient."""
    ema: FractionBelowOne = 0.999
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
    max_recoveries: Annotated[int, Range(0, 1_000)] = 0
    """How often a run whose loss explodes may step back to its last save, with half the rate."""
    explosion_factor: Annotated[float, Range(1, 1e9, excludes_low=True)] = 10.0
    """With --recover: a loss so many times the median of the last 100 has exploded."""
    save_every: TrainingSteps = 500
    """Steps between saved checkpoints with their sample grids."""
    seed: Seed = 0
    """Seed of initial weights, noise and data order."""

    def __post_init__(self) -> None:
        parts = self.devices * self.accumulate
        if self.batch_size % parts:
            raise UserError(
                f"a batch of {self.batch_size} does not divide into {self.devices} devices x "
                f"{self.accumulate} accumulations; choose a multiple of {parts}"
            )
