"""Compile networks with torch.compile."""

from __future__ import annotations

import os
import shutil

import torch
from torch import nn

from smalti.core.errors import UserError


def compile_networks(model: nn.Module) -> None:
    """Compile the model's networks on their first call; the names of weights do not change.

    Raises UserError if the machine has no compiler.
    """
    compilers = (os.environ.get("CXX"), "g++", "clang++")
    if not torch.cuda.is_available() and not any(c and shutil.which(c) for c in compilers):
        raise UserError(
            "training.compile needs a C++ compiler, but there is none; install g++ or leave it out"
        )
    for network in model.children():
        network.compile()
