"""Where models run."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.errors import UserError, shorten

KINDS = ("cpu", "cuda", "mps", "xpu")


def check_device(name: str | torch.device) -> torch.device:
    """A device of this machine by its name, such as "cpu" or "cuda:1"; "auto" is CUDA where there
    is one.  UserError for others.
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
    """x on the device; a GPU's own work goes on meanwhile."""
    if device.type != "cuda" or x.device.type != "cpu":
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)
