"""How long and how fast to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from smalti.core.errors import UserError


@dataclass(frozen=True)
class Training:
    """How a run is trained. `minutes` becomes `steps` once, after a timed probe."""

    steps: int | None = None
    """Optimiser steps; None takes what --minutes allows."""
    batch: int = 128
    """Pictures per optimiser step, over all devices and accumulations together."""
    rate: float = 2e-3
    """Peak learning rate of AdamW."""
    warmup: int = 200
    """Steps over which the rate rises from 0; after them it falls to 0 along a cosine."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.999
    """Decay of the averaged weights, which are what is sampled and saved as the model."""
    accumulate: int = 1
    """Parts that a batch is split into, for less memory."""
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """auto takes bf16 where the device has fast units for it, else 32."""
    devices: int = 1
    """Processes (CPU) or GPUs."""
    flip: bool = False
    """Mirror half of the pictures, at random."""
    compile: bool = False
    """Compile the network first, by a C++ compiler: steps begin a minute later and are shorter."""
    recover: int = 0
    """How often a run whose loss explodes may step back to its last save, with half the rate."""
    explode: float = 10.0
    """With --recover: a loss so many times the median of the last 100 has exploded."""
    save: int = 500
    """Steps between saved checkpoints with their sample grids."""
    seed: int = 0
    """Seed of initial weights, noise and data order."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "devices", "save"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"training.{name} is {value}; give at least 1")
        parts = self.devices * self.accumulate
        if self.batch % parts:
            raise UserError(
                f"a batch of {self.batch} does not divide into {self.devices} devices x "
                f"{self.accumulate} accumulations; choose a multiple of {parts}"
            )
        for name in ("warmup", "weight_decay", "seed", "recover"):
            if getattr(self, name) < 0:
                raise UserError(f"training.{name} is {getattr(self, name)}; give 0 or more")
        if not self.explode > 1:
            raise UserError(f"training.explode is {self.explode}; give a factor above 1")
        if not self.clip > 0:
            raise UserError(f"training.clip is {self.clip}; give a number above 0")
        if not 0 < self.rate < 1:
            raise UserError(f"training.rate is {self.rate}; give a number between 0 and 1")
        if not 0 <= self.ema < 1:
            raise UserError(f"training.ema is {self.ema}; give a number from 0 up to, not with, 1")
