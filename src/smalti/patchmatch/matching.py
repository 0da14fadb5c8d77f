"""`match`: a field of nearest patches."""

from __future__ import annotations

from typing import Literal

import numpy as np

from smalti.core.errors import UserError
from smalti.patchmatch import checks, kernels
from smalti.patchmatch.patches import patches_of
from smalti.patchmatch.result import Match

Method = Literal["classic"]
METHODS = ("classic",)


def match(
    a: np.ndarray,
    b: np.ndarray,
    patch: int = 3,
    iterations: int = 5,
    seed: int = 0,
    init: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    method: Method = "classic",
    threads: int | None = None,
) -> Match:
    """For every patch of a, a patch of b that looks like it (Barnes et al. 2009, PatchMatch).

    a, b: pictures (H, W) or (H, W, C) of uint8 or float, of any sizes and the same channels; their
    edges are repeated where a patch reaches beyond them.  patch: an odd width in pixels.
    init: a field to begin with, (Ha, Wa, 2); otherwise it is drawn from the seed.
    mask: (Hb, Wb) of b, true where no match's centre may lie.
    method: "classic", the only one so far, which sweeps in one thread whatever `threads` allows.
    Raises `UserError` for anything else.
    """
    two = checks.pair(a, b)
    p = checks.patch_size(patch, [two.a.shape, two.b.shape])
    rounds, start = checks.whole(iterations, "iterations", 0), checks.whole(seed, "seed", 0)
    closed = checks.closed(mask, two.b.shape)
    checks.thread_count(threads)
    if method not in METHODS:
        raise UserError(f"method is {method!r}; give {' or '.join(METHODS)}")
    if init is None:
        field = drawn(two.a.shape, two.b.shape, closed, start)
    else:
        field = checks.beginning(init, two.a.shape, two.b.shape)
    x, y = patches_of(two.a, p), patches_of(two.b, p)
    cost = np.empty(field.shape[:2], np.float32)
    kernels.measure(x, y, field, cost, closed)
    for n in range(rounds):
        key = np.uint64((start * 0x9E3779B97F4A7C15 + (n + 1) * 2**40) % 2**64)
        kernels.sweep(x, y, closed, field, cost, key, n % 2 == 0)
    return Match(field, (cost * (two.scale**2 / (p * p * two.a.shape[2]))).astype(np.float32))


def drawn(a: tuple[int, ...], b: tuple[int, ...], closed: np.ndarray, seed: int) -> np.ndarray:
    """A random field (Ha, Wa, 2) that avoids what is closed."""
    rng = np.random.Generator(np.random.Philox(key=seed % 2**64))
    if closed.size:
        places = np.flatnonzero(~closed)
        flat = places[rng.integers(places.size, size=a[:2])]
    else:
        flat = rng.integers(b[0] * b[1], size=a[:2])
    return np.ascontiguousarray(np.stack(np.divmod(flat, b[1]), axis=-1), dtype=np.int32)
