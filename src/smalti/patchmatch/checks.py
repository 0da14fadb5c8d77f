"""Validation of PatchMatch's arguments."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from smalti.core.config import coerce_value
from smalti.core.errors import UserError, shorten
from smalti.core.ranges import RepeatCount, Seed, ThreadCount, Width

EXPECTED = "a picture (H, W) or (H, W, C) of uint8 or float numbers"
MAX_INT32 = 2**31 - 1  # fields are int32, and so are positions within a picture


class PicturePair(NamedTuple):
    """Two pictures in the kernels' format: (H, W, C), both uint8 or both float32.

    Floats are (x - shift) / scale, so that no square overflows or underflows.
    """

    a: np.ndarray
    b: np.ndarray
    scale: float


def to_picture_pair(a: object, b: object) -> PicturePair:
    x, y = to_picture(a, "a"), to_picture(b, "b")
    if x.shape[2] != y.shape[2]:
        raise UserError(
            f"a has {x.shape[2]} channels and b {y.shape[2]}; give both the same number"
        )
    if x.dtype == y.dtype == np.uint8:
        return PicturePair(np.ascontiguousarray(x), np.ascontiguousarray(y), 1.0)
    x, y = x.astype(np.float64), y.astype(np.float64)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    shift, scale = low / 2 + high / 2, high / 2 - low / 2
    scale = float(2.0 ** np.floor(np.log2(scale))) if scale > 0 else 1.0
    return PicturePair(to_float32((x - shift) / scale), to_float32((y - shift) / scale), scale)


def to_float32(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, dtype=np.float32)


def to_picture(value: object, name: str) -> np.ndarray:
    """Convert an array, PIL image or tensor (H, W) or (H, W, C) to an array (H, W, C)."""
    try:
        x = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU or with a gradient
        raise UserError(
            f"{name} is not an array ({shorten(str(error))}); give {EXPECTED}"
        ) from error
    if x.dtype.kind not in "buif":
        raise UserError(f"{name} holds {x.dtype}; give {EXPECTED}")
    if x.ndim not in (2, 3) or x.size == 0:
        raise UserError(f"{name} has shape {x.shape}; give {EXPECTED}")
    if x.ndim == 3 and x.shape[0] in (1, 3, 4) and min(x.shape[1:]) >= 8:
        raise UserError(
            f"{name} has shape {x.shape}, channels first; give {EXPECTED}, such as "
            f"{name}.permute(1, 2, 0) of a tensor or {name}.transpose(1, 2, 0) of an array"
        )
    if x.shape[0] * x.shape[1] > MAX_INT32 // 4:
        raise UserError(f"{name} has {x.shape[0]} x {x.shape[1]} pixels; give at most 2**29")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise UserError(f"{name} holds NaN or infinite numbers; replace them first")
    return x[:, :, None] if x.ndim == 2 else x


def check_patch(patch: object, shapes: list[tuple[int, ...]]) -> int:
    p = coerce_value(patch, Width, "patch")
    if p % 2 == 0:
        raise UserError(f"patch is {p}, which has no center; give an odd number")
    for name, shape in zip("ab", shapes, strict=True):
        if p > min(shape[:2]):
            raise UserError(
                f"patch is {p}, but {name} has only {shape[0]} x {shape[1]} pixels; "
                "give a smaller patch or a larger picture"
            )
    return p


def check_search(iterations: object, seed: object, threads: object) -> tuple[int, int, int]:
    """Validate iterations, seed and threads; threads=None means one per core."""
    return (
        coerce_value(iterations, RepeatCount, "iterations"),
        check_seed(seed),
        resolve_threads(threads),
    )


def check_seed(seed: object) -> int:
    return coerce_value(seed, Seed, "seed")


def read_excluded(mask: object, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool of b, true where matches are not allowed; (0, 0) without a mask."""
    if mask is None:
        return np.zeros((0, 0), np.bool_)
    words = "b", "matches are not allowed", "no match is possible"
    return np.ascontiguousarray(read_mask(mask, shape, *words))


def read_mask(
    mask: object, shape: tuple[int, ...], picture_name: str, meaning: str, consequence: str
) -> np.ndarray:
    """(H, W) bool, not all true. The strings complete the error messages."""
    m = np.asarray(mask)
    if m.shape != shape[:2]:
        raise UserError(f"mask has shape {m.shape}; give {shape[:2]}, the size of {picture_name}")
    if m.dtype.kind not in "bui":
        raise UserError(f"mask holds {m.dtype}; give an array of bool, true where {meaning}")
    if (m != 0).all():
        raise UserError(f"mask is true everywhere, so {consequence}; clear part of it")
    return m != 0


def read_init(init: object, a: tuple[int, ...], b: tuple[int, ...]) -> np.ndarray:
    """Read an initial field: (Ha, Wa, 2) integers within b, as a new int32 array."""
    field = np.asarray(init)
    if field.shape != (*a[:2], 2):
        raise UserError(
            f"init has shape {field.shape}; give {(*a[:2], 2)}: (row, column) per pixel"
        )
    if field.dtype.kind not in "ui":
        raise UserError(f"init holds {field.dtype}; give integers")
    check_inside(field, b, "init", "b")
    return np.array(field, dtype=np.int32, order="C")


def check_inside(field: np.ndarray, shape: tuple[int, ...], name: str, picture_name: str) -> None:
    """UserError unless rows and columns (H, W, 2) lie within a picture of this shape."""
    H, W = shape[:2]
    if (field < 0).any() or (field >= (H, W)).any():
        raise UserError(
            f"{name} points outside of {picture_name}; give rows in 0..{H - 1} and "
            f"columns in 0..{W - 1}"
        )


def resolve_threads(threads: object) -> int:
    if threads is not None:
        return coerce_value(threads, ThreadCount, "threads")
    get_affinity = getattr(os, "sched_getaffinity", None)  # this process's cores; not on macOS
    return len(get_affinity(0)) if get_affinity else os.cpu_count() or 1


def repeat_edges(picture: np.ndarray, patch: int) -> np.ndarray:
    """Pad by half a patch r, repeating edges: (H, W, C) -> (H + 2r, W + 2r, C)."""
    r = patch // 2
    return np.pad(picture, ((r, r), (r, r), (0, 0)), mode="edge")
