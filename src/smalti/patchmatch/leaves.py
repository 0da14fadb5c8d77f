"""A kd-tree over the patches of a picture, and the search through its leaves (He and Sun 2012)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.kernels.jit import JIT
from smalti.patchmatch.components import COMPONENTS, components
from smalti.patchmatch.kernels import FAR, NEIGHBOURS, neighbour
from smalti.patchmatch.patches import distance

LEAF = 8
"""A leaf holds at least so many places, and fewer than twice as many."""
SURE = np.float32(1.001)
"""Above 1 by more than components may be rounded."""
LOOK = 256
"""Patches of a node, about, by which its axis is chosen."""


class Leaves(NamedTuple):
    """The open places of b, in the order of the leaves that they lie in."""

    places: np.ndarray
    """(N,) int32: row * width + column; leaf k holds those from bounds[k] to bounds[k + 1] - 1."""
    bounds: np.ndarray
    of_b: np.ndarray
    """(Hb, Wb) int32: each place's leaf, -1 for what is closed."""
    of_a: np.ndarray
    """(Ha, Wa) int32: the leaf that a patch of a would lie in."""
    offered: np.ndarray
    """(N, K): the components of the places, in their order."""
    wanted: np.ndarray
    """(Ha, Wa, K): the components of the patches of a."""


def leaves_of(a: np.ndarray, b: np.ndarray, patch: int, closed: np.ndarray) -> Leaves:
    """a, b: (H, W, C); closed: (Hb, Wb) bool, or empty."""
    of_a, of_b = components(a, b, patch)
    places = np.flatnonzero(~closed.ravel()) if closed.size else np.arange(len(of_b))
    places = places.astype(np.int32)
    depth = max(0, int(np.log2(places.size / LEAF)))
    axes, cuts = np.zeros(2**depth - 1, np.int32), np.zeros(2**depth - 1, np.float32)
    grow(of_b, places, depth, axes, cuts)
    bounds = places.size * np.arange(2**depth + 1) >> depth
    leaf = np.full(len(of_b), -1, np.int32)
    leaf[places] = np.repeat(np.arange(2**depth), np.diff(bounds))
    home = np.empty(len(of_a), np.int32)
    descend(of_a, depth, axes, cuts, home)
    return Leaves(
        places,
        bounds,
        leaf.reshape(b.shape[:2]),
        home.reshape(a.shape[:2]),
        of_b[places],
        of_a.reshape(*a.shape[:2], -1),
    )


@numba.njit(**JIT)
def grow(points, places, depth, axes, cuts):
    """Order places so that each node's lower half, along its widest axis, stands before the upper.

    points: (all, K).  The children of node k are 2 k + 1 and 2 k + 2.
    """
    for node in range(axes.size):
        level = int(np.log2(node + 1))
        k = node + 1 - 2**level
        first, last = places.size * k >> level, places.size * (k + 1) >> level
        middle = places.size * (2 * k + 1) >> (level + 1)
        part = places[first:last]
        axes[node] = widest(points, part)
        values = np.empty(part.size, np.float32)
        for n in range(part.size):
            values[n] = points[part[n], axes[node]]
        halve(values, part, middle - first)
        cuts[node] = values[middle - first]


@numba.njit(**JIT)
def halve(values, places, middle):
    """Swap values and their places until none before the middle is larger, none behind smaller.

    Hoare's selection: np.argpartition does the same, and takes Numba eight seconds to compile.
    """
    low, high = 0, values.size - 1
    while low < high:
        pivot, i, j = values[(low + high) // 2], low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                places[i], places[j] = places[j], places[i]
                i, j = i + 1, j - 1
        if j < middle < i:
            break
        low, high = (low, j) if middle <= j else (i, high)


@numba.njit(**JIT)
def widest(points, part):
    """The axis along which some of the points differ most."""
    best, axis, step = -1.0, 0, max(1, part.size // LOOK)
    some = part[::step]
    for d in range(points.shape[1]):
        total = squares = 0.0
        for n in some:
            total += points[n, d]
            squares += np.float64(points[n, d]) ** 2
        spread = squares - total * total / some.size
        if spread > best:
            best, axis = spread, d
    return axis


@numba.njit(**JIT)
def descend(points, depth, axes, cuts, home):
    """home (N,): the leaf that each point (N, K) comes to."""
    for n in range(points.shape[0]):
        node = 0
        for _ in range(depth):
            node = 2 * node + 1 + (points[n, axes[node]] >= cuts[node])
        home[n] = node - axes.size


@numba.njit(fastmath={"reassoc", "contract", "nsz"}, **JIT)
def at_least(offered, wanted, n, i, j):
    """Two patches are at least so far apart, but for rounding."""
    total = np.float32(0)
    for k in range(COMPONENTS):
        d = offered[np.uintp(n), np.uintp(k)] - wanted[np.uintp(i), np.uintp(j), np.uintp(k)]
        total += d * d
    return total


@numba.njit(**JIT)
def look(pair, leaves, leaf, here, best):
    """The nearest patch of a leaf to the one `here`, if it is nearer than `best`; -1 if none is."""
    x, y, a_runs, b_runs, real = pair.x, pair.y, pair.a_runs, pair.b_runs, pair.real
    offered, wanted, (i, j) = leaves.offered, leaves.wanted, here
    p, place = i * pair.a_down + j * pair.right, np.int64(-1)
    for n in range(leaves.bounds[leaf], leaves.bounds[leaf + 1]):
        if at_least(offered, wanted, n, i, j) >= SURE * best:
            continue
        row, column = divmod(leaves.places[n], pair.width)
        q = row * pair.b_down + column * pair.right
        d = distance(x, y, a_runs, b_runs, real, p, q, best)
        if d < best:
            best, place = d, np.int64(leaves.places[n])
    return place, best


@numba.njit(**JIT)
def settle(pair, leaves, field, cost, tile):
    """Look through the leaf of each patch within a tile, and through that of its match so far."""
    top, bottom, left, right = tile
    of_a, of_b, width = leaves.of_a, leaves.of_b, pair.width
    for i in range(top, bottom):
        for j in range(left, right):
            now = of_b[field[i, j, 0], field[i, j, 1]]
            place, best = look(pair, leaves, of_a[i, j], (i, j), FAR)
            field[i, j, 0], field[i, j, 1] = divmod(place, width)
            if now >= 0 and now != of_a[i, j]:
                place, best = look(pair, leaves, now, (i, j), best)
                if place >= 0:
                    field[i, j, 0], field[i, j, 1] = divmod(place, width)
            cost[i, j] = best


@numba.njit(**JIT)
def improve(pair, leaves, field, cost, moved, here, n):
    """Iteration n for one patch: the leaves in which the neighbours' matches lie, shifted.

    moved (Ha, Wa): the iteration in which a match was last changed. What a neighbour had when it
    was last asked, two iterations ago, was looked through then.
    """
    of_b, home = leaves.of_b, leaves.of_a[here]
    (i, j), step, best = here, 1 - 2 * (n % 2), cost[here]
    own = of_b[field[i, j, 0], field[i, j, 1]]
    for k in range(NEIGHBOURS):
        row, column = neighbour(field, i, j, k, step)
        leaf = inside(row, column, of_b)
        if leaf < 0 or leaf in (own, home):  # outside, closed, or looked through already
            continue
        if moved[i - step * (k != 0), j - step * (k != 1)] < n - 1:
            continue
        place, best = look(pair, leaves, leaf, here, best)
        if place >= 0:
            own, moved[here], cost[here] = leaf, n, best
            field[i, j, 0], field[i, j, 1] = divmod(place, pair.width)


@numba.njit(**JIT)
def inside(row, column, of_b):
    """The leaf of a place in b, -1 outside."""
    if row < 0 or column < 0 or row >= of_b.shape[0] or column >= of_b.shape[1]:
        return np.int32(-1)
    return of_b[row, column]


@numba.njit(**JIT)
def sweep(pair, leaves, field, cost, moved, tile, n):
    """Iteration n within a tile: from the top left for an even n, from the end for an odd one."""
    top, bottom, left, right = tile
    for u in range(bottom - top):
        i = top + u if n % 2 == 0 else bottom - 1 - u
        for v in range(right - left):
            j = left + v if n % 2 == 0 else right - 1 - v
            improve(pair, leaves, field, cost, moved, (i, j), n)
