"""Options of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Count, FractionBelowOne, Positive, Range, Seed, TrainingSteps, Weight


@dataclass(frozen=True)
@check_fields
class Training:
    """Options of a training run. `minutes` is converted to `steps` once, by timing a few steps."""

    steps: TrainingSteps | None = None
    """Optimizer steps. Default: as many as fit into --minutes."""
    batch_size: Count = 128
    """Pictures per optimizer step, or tokens of text. Of the longer side of sentence pairs, with
    padding. Counts all devices and accumulated parts together."""
    learning_rate: Annotated[float, Range(0, 1, excludes_low=True, excludes_high=True)] = 2e-3
    """Peak learning rate."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """AdamW, or Muon for matrices and convolutions."""
    warmup: Annotated[int, Range(0, 10**9)] = 200
    """Steps of linear learning rate warm-up."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after the warm-up: to 0, or constant."""
    weight_decay: Weight = 0.01
    """Weight decay of matrices and convolutions."""
    max_grad_norm: Positive = 1.0
    """Gradient norm above which gradients are clipped."""
    ema: FractionBelowOne = 0.999
    """Decay of the averaged weights (EMA). They are what is sampled and saved as the model."""
    accumulate: Count = 1
    """Gradient accumulation: parts of a batch. More parts take less memory."""
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """Floating-point precision. With auto, bf16 if the device is fast at it, else 32."""
    devices: Annotated[int, Range(1, 1_024)] = 1
    """Number of GPUs, or of processes on a CPU."""
    flip: bool = False
    """Mirror half of the pictures at random."""
    compile: bool = False
    """Compile the network first. Takes a C++ compiler and about a minute; steps become faster."""
    max_recoveries: Annotated[int, Range(0, 1_000)] = 0
    """Rollbacks to the last save if the loss diverges. Each halves the learning rate."""
    explosion_factor: Annotated[float, Range(1, 1e9, excludes_low=True)] = 10.0
    """Divergence threshold: multiple of the median loss.

    The median is over the last 100 steps. Used if max_recoveries is above 0.
    """
    save_every: TrainingSteps = 500
    """Steps between checkpoints and previews."""
    patience: Annotated[int, Range(1, 10_000)] | None = None
    """Validations without improvement before training stops. The best step is kept then. Default:
    never."""
    seed: Seed = 0
    """Seed of the weights, the noise and the data order."""

    def __post_init__(self) -> None:
        parts = self.devices * self.accumulate
        if self.batch_size % parts:
            raise UserError(
                f"a batch size of {self.batch_size} does not divide into {self.devices} devices x "
                f"{self.accumulate} accumulations; choose a multiple of {parts}"
            )
