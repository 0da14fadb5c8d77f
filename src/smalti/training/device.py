"""Precision, Fabric and communication between processes."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import Tensor

from smalti.core.errors import UserError
from smalti.training.config import Training

# it logs a line for the rank of every process; the Started event has the number
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

T = TypeVar("T")
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def choose_precision(training: Training) -> Precision:
    """Choose the precision, with "auto" resolved for this machine."""
    if training.precision == "auto":
        return find_fast_precision()
    named: dict[str, Precision] = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
    return named[training.precision]


def find_fast_precision() -> Precision:
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    # an older PyTorch cannot tell: 32 bits are always correct
    abilities = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16-mixed" if is_fast_at_bf16(abilities) else "32-true"


def is_fast_at_bf16(abilities: Mapping[str, Any]) -> bool:
    """Whether a processor, described by torch.cpu, multiplies faster in bf16 than in 32 bits.

    It does with matrix units (AMX), and with AMD's dot products. Those of Intel are half as fast:
    a digits-autoencoder's step took 1.75 times as long in bf16 on a Xeon whose AMX was hidden.
    """
    has_dot_products = abilities.get("avx512_bf16", False)
    return bool(
        abilities.get("amx_bf16", False)
        or (has_dot_products and str(abilities.get("cpu_name", "")).startswith("AMD"))
    )


def build_fabric(training: Training) -> Fabric:
    """Build a Fabric of `training.devices` processes. Raises UserError if there are fewer GPUs."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus and training.devices > gpus:
        raise UserError(f"training.devices is {training.devices}; GPUs here: {gpus}")
    if training.precision == "fp16" and not gpus:
        raise UserError("training.precision is fp16, which needs a GPU; choose bf16, 32 or auto")
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
    """Mixed precision with batches in 32 bits, so that noise, levels and targets stay exact."""

    def convert_input(self, data: Any) -> Any:
        return data  # Fabric's default rounds the pictures with several processes


def is_any_process_true(fabric: Fabric, value: bool) -> bool:
    """Whether `value` is true on any process."""
    if fabric.world_size == 1:
        return value
    return bool(all_reduce(fabric, torch.tensor(float(value)), "sum") > 0)


def all_reduce(fabric: Fabric, value: Tensor, reduce_op: Literal["mean", "sum", "max"]) -> Tensor:
    """Reduce `value` over all processes."""
    result = fabric.all_reduce(value, reduce_op=reduce_op)
    assert isinstance(result, Tensor)
    return result


def all_gather(fabric: Fabric, value: T) -> list[T]:
    """Gather `value` of every process, in their order."""
    values = [copy.deepcopy(value)] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(values, value)
    return values
