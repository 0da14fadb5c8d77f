"""A kd-tree over the patches of a picture, and the search through its leaves (He and Sun 2012)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.patchmatch.components import components
from smalti.patchmatch.kernels import FAR, NEIGHBOURS, allowed, neighbour
from smalti.patchmatch.patches import JIT, Pair, distance

LEAF = 8
"""A leaf holds at least so many places, and fewer than twice as many."""
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
    return Leaves(places, bounds, leaf.reshape(b.shape[:2]), home.reshape(a.shape[:2]))


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
        part = places[first:last].copy()
        axes[node] = widest(points, part)
        values = np.empty(part.size, np.float32)
        for n in range(part.size):
            values[n] = points[part[n], axes[node]]
        order = np.argpartition(values, middle - first)
        for n in range(part.size):
            places[first + n] = part[order[n]]
        cuts[node] = points[places[middle], axes[node]]


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


@numba.njit(**JIT)
def look(pair, leaves, leaf, p, best):
    """The nearest patch of a leaf to the one at p, if it is nearer than `best`; -1 if none is."""
    x, y, a_runs, b_runs, real = pair.x, pair.y, pair.a_runs, pair.b_runs, pair.real
    place = np.int64(-1)
    for n in range(leaves.bounds[leaf], leaves.bounds[leaf + 1]):
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
    for i in range(top, bottom):
        for j in range(left, right):
            now = leaves.of_b[field[i, j, 0], field[i, j, 1]]
            cost[i, j] = FAR
            for leaf in (leaves.of_a[i, j], now):
                if leaf >= 0:
                    improve(pair, leaves, field, cost, (i, j), leaf)


@numba.njit(**JIT)
def improve(pair, leaves, field, cost, here, leaf):
    i, j = here
    p = i * pair.a_down + j * pair.right
    place, best = look(pair, leaves, leaf, p, cost[i, j])
    if place >= 0:
        field[i, j, 0], field[i, j, 1] = divmod(place, pair.width)
        cost[i, j] = best


@numba.njit(**JIT)
def spread(pair, leaves, field, cost, tile, step):
    """One iteration within a tile: the leaves in which the neighbours' matches lie, shifted."""
    top, bottom, left, right = tile
    size = pair.height, pair.width
    for u in range(bottom - top):
        i = top + u if step > 0 else bottom - 1 - u
        for v in range(right - left):
            j = left + v if step > 0 else right - 1 - v
            for n in range(NEIGHBOURS):
                row, column = neighbour(field, i, j, n, step)
                if not allowed(row, column, leaves.of_b[:0], size):
                    continue
                leaf = leaves.of_b[row, column]
                own = leaves.of_b[field[i, j, 0], field[i, j, 1]]
                if leaf >= 0 and leaf != own and leaf != leaves.of_a[i, j]:  # else looked through
                    improve(pair, leaves, field, cost, (i, j), leaf)
