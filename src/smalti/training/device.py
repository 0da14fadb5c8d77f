"""Which arithmetic a device is fast at."""

from __future__ import annotations

from typing import Literal

import torch
from lightning_fabric import Fabric

from smalti.training.config import Training

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def precision_of(training: Training) -> Precision:
    """The training's precision, with "auto" resolved for this machine."""
    if training.precision == "auto":
        return fast_precision()
    named: dict[str, Precision] = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
    return named[training.precision]


def fast_precision() -> Precision:
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    # bf16 pays on a CPU only with matrix units (AMX); elsewhere it is emulated or no faster
    return "bf16-mixed" if torch.cpu.get_capabilities().get("amx_bf16") else "32-true"


def fabric_for(training: Training) -> Fabric:
    strategy = "auto" if training.devices == 1 else "ddp_spawn"
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    return Fabric(
        accelerator=accelerator,
        devices=training.devices,
        strategy=strategy,
        precision=precision_of(training),
    )
