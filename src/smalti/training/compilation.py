"""Networks as machine code of their own: torch.compile, where a compiler is at hand."""

from __future__ import annotations

import os
import shutil

import torch
from torch import nn

from smalti.core.errors import UserError


def compile_networks(model: nn.Module) -> None:
    """Let the model's networks be compiled when they are first called; weights keep their names.

    UserError where the machine has no compiler.
    """
    compilers = (os.environ.get("CXX"), "g++", "clang++")
    if not torch.cuda.is_available() and not any(c and shutil.which(c) for c in compilers):
        raise UserError(
            "training.compile takes a C++ compiler, and there is none; install g++ or leave it out"
        )
    for network in model.children():
        network.compile()
