"""Features as compiled loops take them: line by line, in channels-last memory.

Numbers of bfloat16 are widened to float32, worked on and narrowed again, a line at a time. NumPy
has no such type: its arrays are of uint16, the upper halves of float32's bits. Of float32 and
float64 nothing is copied; their lines are worked on where they lie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba import types
from numba.extending import overload
from torch import Tensor

from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.loops import data_pointer, repeat
from smalti.kernels.threads import run_in_threads, split_batch

COMPUTE_DTYPES: dict[torch.dtype, Any] = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.bfloat16: np.float32,
}
"""The types there are kernels for, and what these calculate in."""
COST_PER_NUMBER = 16  # multiply-adds that a number of a pass takes as long as


def has_kernel(x: Tensor) -> bool:
    """Whether kernels take x."""
    return (
        x.dtype in COMPUTE_DTYPES and x.device.type == "cpu" and not torch.compiler.is_compiling()
    )


def to_channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def empty_channels_last(x: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)


def view_rows(x: Tensor) -> np.ndarray:
    """(N, C, H, W) in channels-last memory as a C-contiguous (N, H, W, C)."""
    N, C, H, W = x.shape
    x = x.detach().as_strided((N, H, W, C), (H * W * C, W * C, C, 1))
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def empty_workspace(x: Tensor, n_lines: int = 3) -> np.ndarray:
    """For lines of x (N, C, H, W), each with twice its features, in what is worked in."""
    return np.empty((n_lines, 2 * x.shape[1] * x.shape[3]), COMPUTE_DTYPES[x.dtype])


def run_over_batch(N: int, size: int, work: Callable[[slice], None]) -> None:
    """work(some of N pictures), in as many threads as PyTorch has."""
    run_in_threads(work, split_batch(N, torch.get_num_threads()), size * COST_PER_NUMBER)


@numba.njit(**JIT_OPTIONS)
def widen(x, workspace):
    """room (rows, C) float32 = x, which is returned."""
    C = x.shape[1]
    for s in range(x.shape[0]):
        line, to = x[s], workspace[s]
        for k in range(C):
            to[k] = np.uint32(np.uint32(line[k]) << np.uint32(16)).view(np.float32)
    return workspace


@numba.njit(**INNER_JIT_OPTIONS)
def narrow(workspace, x):
    """x = room (rows, C) float32, rounded to the nearest, of two the even one."""
    C = x.shape[1]
    for s in range(x.shape[0]):
        line, to = workspace[s], x[s]
        for k in range(C):
            bits = np.float32(line[k]).view(np.uint32)
            odd = (bits >> np.uint32(16)) & np.uint32(1)
            up = (bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)
            cut = (bits | np.uint32(0x400000)) >> np.uint32(16)  # rounding might end a NaN
            to[k] = np.uint16(up) if line[k] == line[k] else np.uint16(cut)


@numba.njit(**INNER_JIT_OPTIONS)
def fill_zeros(x):
    """x = 0, for (rows, C)."""
    for s in range(x.shape[0]):
        for k in range(x.shape[1]):
            x[s, k] = 0


def dispatch_by_dtype(wide: Any, bf16: Any) -> Any:
    """A function of compiled loops: `wide` where a line x is of float32 or float64, else `bf16`."""

    def choose(x: Any, workspace: Any) -> Any:
        raise NotImplementedError  # only compiled loops call it

    overload(choose)(lambda x, workspace: wide if x.dtype != types.uint16 else bf16)
    return choose


# The numbers of a line x (rows, C), for reading: x itself, or widened into the room.
read_row = dispatch_by_dtype(lambda x, workspace: x, lambda x, workspace: widen(x, workspace))  # noqa: PLW0108
# Where the numbers of a line x (rows, C) are written to: x itself, or the room.
select_output = dispatch_by_dtype(lambda x, workspace: x, lambda x, workspace: workspace)
# What was written to `place(x, room)` is in x now.
write_back = dispatch_by_dtype(lambda x, workspace: None, lambda x, workspace: narrow(workspace, x))
# What is calculated in, the room, becomes the numbers of a line x (rows, C).
load_row = dispatch_by_dtype(
    lambda x, workspace: repeat(data_pointer(x), data_pointer(workspace), 1, x.size),
    lambda x, workspace: widen(x, workspace),  # noqa: PLW0108
)
