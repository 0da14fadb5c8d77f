"""What the verbs that draw from a model read alike."""

from __future__ import annotations

import torch

from smalti.core.device import check_device
from smalti.core.errors import UserError


def chosen_device(name: str) -> str:
    """A device of this machine: "auto" is CUDA where there is one. UserError for one it lacks."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        check_device(name)
    except UserError as error:
        raise UserError(
            f"--device {name}: PyTorch finds no such device here; use --device cpu"
        ) from error
    return name
