"""Devices that models run on."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.errors import UserError, shorten

KINDS = ("cpu", "cuda", "mps", "xpu")


def check_device(name: str | torch.device) -> torch.device:
    """Return a device by its name, such as "cpu" or "cuda:1"; "auto" prefers CUDA.

    UserError if PyTorch does not find it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in KINDS or (device.type == "cpu" and device.index):
            raise RuntimeError
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise UserError(
            f"device {shorten(name)}: PyTorch finds no such device here; use cpu"
        ) from error
    return device


def move_to_device(x: Tensor, device: torch.device) -> Tensor:
    """Move x to the device; copies to CUDA do not block."""
    if device.type != "cuda" or x.device.type != "cpu":
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)
