"""bfloat16 in compiled loops: a line of it is widened to float32, worked on, and narrowed again.

NumPy has no such type, so that its arrays are of uint16: the upper halves of float32's bits. For
arrays of float32 and float64 nothing is copied: their lines are worked on where they lie.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numba import types
from numba.extending import overload
from torch import Tensor

from smalti.pixelcnn.kernels import JIT

WORKS: dict[torch.dtype, Any] = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.bfloat16: np.float32,
}
"""The types there are kernels for, and what these calculate in."""


def array_of(x: Tensor) -> np.ndarray:
    """The same memory, in which bfloat16 is uint16."""
    x = x.detach()
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def read(x: Any, room: Any) -> Any:
    """The numbers of a line x (rows, C), for reading: x itself, or widened into the room."""
    raise NotImplementedError  # only compiled loops call it


def place(x: Any, room: Any) -> Any:
    """Where the numbers of a line x (rows, C) are written to: x itself, or the room."""
    raise NotImplementedError


def settle(room: Any, x: Any) -> None:
    """What was written to `place(x, room)` is in x now."""
    raise NotImplementedError


@overload(read)
def _read(x, room):
    wide = x.dtype != types.uint16
    return (lambda x, room: x) if wide else (lambda x, room: widen(x, room))  # noqa: PLW0108


@overload(place)
def _place(x, room):
    wide = x.dtype != types.uint16
    return (lambda x, room: x) if wide else (lambda x, room: room)


@overload(settle)
def _settle(room, x):
    wide = x.dtype != types.uint16
    return (lambda room, x: None) if wide else (lambda room, x: narrow(room, x))  # noqa: PLW0108


@numba.njit(**JIT)
def widen(x, room):
    """room (rows, C) float32 = x, which is returned."""
    C = x.shape[1]
    for s in range(x.shape[0]):
        line, to = x[s], room[s]
        for k in range(C):
            to[k] = np.uint32(np.uint32(line[k]) << np.uint32(16)).view(np.float32)
    return room


@numba.njit(**JIT)
def narrow(room, x):
    """x = room (rows, C) float32, rounded to the nearest, of two the even one."""
    C = x.shape[1]
    for s in range(x.shape[0]):
        line, to = room[s], x[s]
        for k in range(C):
            bits = np.float32(line[k]).view(np.uint32)
            odd = (bits >> np.uint32(16)) & np.uint32(1)
            up = (bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)
            cut = (bits | np.uint32(0x400000)) >> np.uint32(16)  # rounding might end a NaN
            to[k] = np.uint16(up) if line[k] == line[k] else np.uint16(cut)
