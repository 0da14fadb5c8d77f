"""Row access to features for compiled loops, in channels-last memory.

bfloat16 rows are widened to float32, computed on and narrowed again, one at a time. NumPy has no
such type: its arrays are uint16, the upper halves of float32's bits. float32 and float64 rows are
used in place, without copies.
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
"""The types that kernels support, and the types they compute in."""
COST_PER_NUMBER = 16  # time of an elementwise operation, in multiply-adds


def has_kernel(x: Tensor) -> bool:
    """Whether kernels support x."""
    return (
        x.dtype in COMPUTE_DTYPES and x.device.type == "cpu" and not torch.compiler.is_compiling()
    )


def to_channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def empty_channels_last(x: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)


def view_rows(x: Tensor) -> np.ndarray:
    """View (N, C, H, W) in channels-last memory as a C-contiguous (N, H, W, C)."""
    N, C, H, W = x.shape
    x = x.detach().as_strided((N, H, W, C), (H * W * C, W * C, C, 1))
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def empty_workspace(x: Tensor, n_lines: int = 3) -> np.ndarray:
    """Allocate rows of x (N, C, H, W) with twice its features, in the compute dtype."""
    return np.empty((n_lines, 2 * x.shape[1] * x.shape[3]), COMPUTE_DTYPES[x.dtype])


def run_over_batch(N: int, size: int, work: Callable[[slice], None]) -> None:
    """Call work(slice) on slices of N pictures, in PyTorch's number of threads."""
    run_in_threads(work, split_batch(N, torch.get_num_threads()), size * COST_PER_NUMBER)


@numba.njit(**JIT_OPTIONS)
def widen(x, workspace):
    """workspace (rows, C) float32 = x; returns workspace."""
    C = x.shape[1]
    for s in range(x.shape[0]):
        line, to = x[s], workspace[s]
        for k in range(C):
            to[k] = np.uint32(np.uint32(line[k]) << np.uint32(16)).view(np.float32)
    return workspace


@numba.njit(**INNER_JIT_OPTIONS)
def narrow(workspace, x):
    """x = workspace (rows, C) float32, rounded to nearest even."""
    C = x.shape[1]
    for s in range(x.shape[0]):
        line, to = workspace[s], x[s]
        for k in range(C):
            bits = np.float32(line[k]).view(np.uint32)
            odd = (bits >> np.uint32(16)) & np.uint32(1)
            up = (bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)
            cut = (bits | np.uint32(0x400000)) >> np.uint32(
                16
            )  # rounding could turn a NaN into infinity
            to[k] = np.uint16(up) if line[k] == line[k] else np.uint16(cut)


@numba.njit(**INNER_JIT_OPTIONS)
def fill_zeros(x):
    """x = 0, for (rows, C)."""
    for s in range(x.shape[0]):
        for k in range(x.shape[1]):
            x[s, k] = 0


def dispatch_by_dtype(wide: Any, bf16: Any) -> Any:
    """Build a kernel function: `wide` for rows x of float32 or float64, else `bf16`."""

    def choose(x: Any, workspace: Any) -> Any:
        raise NotImplementedError  # only called from compiled code

    overload(choose)(lambda x, workspace: wide if x.dtype != types.uint16 else bf16)
    return choose


# A line x (rows, C) for reading: x itself, or widened into the workspace.
read_row = dispatch_by_dtype(lambda x, workspace: x, lambda x, workspace: widen(x, workspace))  # noqa: PLW0108
# The array to write a line x (rows, C) to: x itself, or the workspace.
select_output = dispatch_by_dtype(lambda x, workspace: x, lambda x, workspace: workspace)
# Write `select_output(x, workspace)` back to x.
write_back = dispatch_by_dtype(lambda x, workspace: None, lambda x, workspace: narrow(workspace, x))
# Copy a line x (rows, C) into the workspace.
load_row = dispatch_by_dtype(
    lambda x, workspace: repeat(data_pointer(x), data_pointer(workspace), 1, x.size),
    lambda x, workspace: widen(x, workspace),  # noqa: PLW0108
)
