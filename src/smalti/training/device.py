"""Which arithmetic a device is fast at."""

from __future__ import annotations

import copy
import logging
from typing import Any, Literal, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import Tensor

from smalti.core.errors import UserError
from smalti.training.config import Training

# it tells the rank of every process, line by line; a run's events say all at once
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

T = TypeVar("T")
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def choose_precision(training: Training) -> Precision:
    """The training's precision, with "auto" resolved for this machine."""
    if training.precision == "auto":
        return find_fast_precision()
    named: dict[str, Precision] = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
    return named[training.precision]


def find_fast_precision() -> Precision:
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    # bf16 pays on a CPU only with matrix units (AMX); elsewhere it is emulated or no faster
    # (where an older PyTorch cannot tell, 32 bits are never wrong)
    abilities = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16-mixed" if abilities.get("amx_bf16") else "32-true"


def build_fabric(training: Training) -> Fabric:
    """One process here, or `training.devices` of them to launch. UserError beyond the GPUs here."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus and training.devices > gpus:
        raise UserError(f"training.devices is {training.devices}; GPUs here: {gpus}")
    if training.precision == "fp16" and not gpus:
        raise UserError("training.precision is fp16, which takes a GPU; choose bf16, 32 or auto")
    accelerator, precision = "cuda" if gpus else "cpu", choose_precision(training)
    return Fabric(
        accelerator=accelerator,
        devices=training.devices,
        strategy="auto" if training.devices == 1 else "ddp_spawn",
        plugins=None
        if precision == "32-true"
        else [FullInputMixedPrecision(precision, accelerator)],
    )


class FullInputMixedPrecision(MixedPrecision):
    """Layers in 16 bits on batches in 32, so that noise, levels and targets stay exact."""

    def convert_input(self, data: Any) -> Any:
        return data  # Fabric's own would round the pictures, with several processes


def is_any_process_true(fabric: Fabric, value: bool) -> bool:
    """Whether any process says so."""
    if fabric.world_size == 1:
        return value
    return bool(all_reduce(fabric, torch.tensor(float(value)), "sum") > 0)


def all_reduce(fabric: Fabric, value: Tensor, reduce_op: Literal["mean", "sum", "max"]) -> Tensor:
    """`value` over all processes."""
    result = fabric.all_reduce(value, reduce_op=reduce_op)
    assert isinstance(result, Tensor)
    return result


def all_gather(fabric: Fabric, value: T) -> list[T]:
    """`value` of every process, in their order."""
    values = [copy.deepcopy(value)] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(values, value)
    return values
