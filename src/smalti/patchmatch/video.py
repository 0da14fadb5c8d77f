"""Match the frames of a video, each initialized from the previous frame's field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from smalti.core.errors import UserError
from smalti.patchmatch import checks
from smalti.patchmatch.matching import Method, match
from smalti.patchmatch.result import Match


class PreviousFrame(NamedTuple):
    """The previous frame and its field in the reference."""

    frame: np.ndarray  # (H, W, C)
    field: np.ndarray  # (H, W, 2)


def track(
    frames: Iterable[np.ndarray],
    reference: np.ndarray | None = None,
    patch: int = 3,
    iterations: int = 2,
    first_iterations: int = 5,
    warm_start: bool = True,
    seed: int = 0,
    mask: np.ndarray | None = None,
    method: Method = "classic",
    threads: int | None = None,
) -> Iterator[Match]:
    """Match every frame of a video against one picture; yields a Match per frame.

    frames: pictures (H, W) or (H, W, C), consumed lazily.
    reference: the picture to match against.  Default: the first frame.  iterations: per frame;
    first_iterations: for frames without a previous one.  warm_start: initialize from the previous
    frame's field, shifted by the estimated motion; otherwise every frame starts from a random
    field, with `first_iterations` iterations.  Other arguments as in `match`.
    Raises `UserError`, naming the frame.

    The article also matches every frame against the first, but passes its field on unshifted.
    """
    previous: PreviousFrame | None = None
    for number, frame in enumerate(frames):
        known = reference is None and mask is None
        reference = frame if reference is None else reference
        try:
            picture = checks.to_picture(frame, "the picture")
            init = make_identity_field(picture) if known else warp_previous_field(previous, picture)
            rounds = 0 if known else first_iterations if init is None else iterations
            frame_seed = (checks.check_seed(seed) + number) % 2**64
            found = match(frame, reference, patch, rounds, frame_seed, init, mask, method, threads)
        except UserError as error:
            raise UserError(f"frame {number}: {error}") from error
        previous = PreviousFrame(picture, found.field) if warm_start else None
        yield found


def make_identity_field(picture: np.ndarray) -> np.ndarray:
    """(H, W, 2): the field that maps every pixel to itself."""
    return np.moveaxis(np.indices(picture.shape[:2], np.int32), 0, -1)


def warp_previous_field(previous: PreviousFrame | None, picture: np.ndarray) -> np.ndarray | None:
    """The previous field, shifted by the estimated motion where that fits the frame better.

    None without a previous frame of this size.
    """
    if previous is None or previous.frame.shape != picture.shape:
        return None
    last, now = to_grayscale(previous.frame), to_grayscale(picture)
    shift = estimate_motion(last, now)
    if shift == (0, 0):
        return previous.field
    H, W = now.shape
    rows = (np.arange(H) - shift[0]).clip(0, H - 1)
    columns = (np.arange(W) - shift[1]).clip(0, W - 1)
    still, moved = (ndimage.uniform_filter(abs(now - x), 5) for x in (last, last[rows][:, columns]))
    better = (moved < still)[..., None]  # (H, W, 1)
    return np.where(better, previous.field[rows][:, columns], previous.field)


def to_grayscale(picture: np.ndarray) -> np.ndarray:
    """(H, W) float32, the mean of the channels."""
    return picture.mean(-1, dtype=np.float32)


def estimate_motion(last: np.ndarray, now: np.ndarray) -> tuple[int, int]:
    """Estimate the global motion of a picture (H, W), in rows and columns, by phase correlation."""
    H, W = now.shape
    window = np.outer(np.hanning(H), np.hanning(W)).astype(np.float32)
    spectra = [np.asarray(fft.rfft2((x - x.mean()) * window)) for x in (now, last)]
    cross = spectra[0] * spectra[1].conj()
    peaks = np.asarray(fft.irfft2(cross / np.maximum(abs(cross), 1e-9), s=(H, W)))
    row, column = np.unravel_index(int(peaks.argmax()), (H, W))
    return wrap_shift(int(row), H), wrap_shift(int(column), W)


def wrap_shift(shift: int, size: int) -> int:
    return shift - size if shift > size // 2 else shift
