"""A kd-tree over the patches of a picture, and the search through its leaves (He and Sun 2012)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS
from smalti.patchmatch.components import N_COMPONENTS, compute_components
from smalti.patchmatch.kernels import FAR, N_NEIGHBORS, propagate_match
from smalti.patchmatch.patches import compute_distance

LEAF_SIZE = 8
"""A leaf holds at least so many places, and fewer than twice as many."""
ROUNDING_MARGIN = np.float32(1.001)
"""Above 1 by more than components may be rounded."""
AXIS_SAMPLES = 256
"""Patches of a node, about, by which its axis is chosen."""


class KDTree(NamedTuple):
    """The open places of b, in the order of the leaves that they lie in."""

    indices: np.ndarray
    """(N,) int32: row * width + column; leaf k holds those from bounds[k] to bounds[k + 1] - 1."""
    leaf_bounds: np.ndarray
    b_leaves: np.ndarray
    """(Hb, Wb) int32: each place's leaf, -1 for what is closed."""
    a_leaves: np.ndarray
    """(Ha, Wa) int32: the leaf that a patch of a would lie in."""
    b_components: np.ndarray
    """(N, K): the components of the places, in their order."""
    a_components: np.ndarray
    """(Ha, Wa, K): the components of the patches of a."""


def build_kdtree(a: np.ndarray, b: np.ndarray, patch: int, excluded: np.ndarray) -> KDTree:
    """a, b: (H, W, C); excluded: (Hb, Wb) bool, or empty."""
    a_components, b_components = compute_components(a, b, patch)
    indices = np.flatnonzero(~excluded.ravel()) if excluded.size else np.arange(len(b_components))
    indices = indices.astype(np.int32)
    depth = max(0, int(np.log2(indices.size / LEAF_SIZE)))
    axes, cuts = np.zeros(2**depth - 1, np.int32), np.zeros(2**depth - 1, np.float32)
    split_nodes(b_components, indices, depth, axes, cuts)
    bounds = indices.size * np.arange(2**depth + 1) >> depth
    b_leaves = np.full(len(b_components), -1, np.int32)
    b_leaves[indices] = np.repeat(np.arange(2**depth), np.diff(bounds))
    a_leaves = np.empty(len(a_components), np.int32)
    assign_leaves(a_components, depth, axes, cuts, a_leaves)
    return KDTree(
        indices,
        bounds,
        b_leaves.reshape(b.shape[:2]),
        a_leaves.reshape(a.shape[:2]),
        b_components[indices],
        a_components.reshape(*a.shape[:2], -1),
    )


@numba.njit(**JIT_OPTIONS)
def split_nodes(points, indices, depth, axes, cuts):
    """Order places so that each node's lower half, along its widest axis, stands before the upper.

    points: (all, K).  The children of node k are 2 k + 1 and 2 k + 2.
    """
    for node in range(axes.size):
        level = int(np.log2(node + 1))
        k = node + 1 - 2**level
        first, last = indices.size * k >> level, indices.size * (k + 1) >> level
        middle = indices.size * (2 * k + 1) >> (level + 1)
        part = indices[first:last]
        axes[node] = find_widest_axis(points, part)
        values = np.empty(part.size, np.float32)
        for n in range(part.size):
            values[n] = points[part[n], axes[node]]
        quickselect(values, part, middle - first)
        cuts[node] = values[middle - first]


@numba.njit(**JIT_OPTIONS)
def quickselect(values, indices, middle):
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
                indices[i], indices[j] = indices[j], indices[i]
                i, j = i + 1, j - 1
        if j < middle < i:
            break
        low, high = (low, j) if middle <= j else (i, high)


@numba.njit(**JIT_OPTIONS)
def find_widest_axis(points, indices):
    """The axis along which some of the points differ most."""
    best, axis, step = -1.0, 0, max(1, indices.size // AXIS_SAMPLES)
    some = indices[::step]
    for d in range(points.shape[1]):
        total = squares = 0.0
        for n in some:
            total += points[n, d]
            squares += np.float64(points[n, d]) ** 2
        spread = squares - total * total / some.size
        if spread > best:
            best, axis = spread, d
    return axis


@numba.njit(**JIT_OPTIONS)
def assign_leaves(points, depth, axes, cuts, leaf):
    """home (N,): the leaf that each point (N, K) comes to."""
    for n in range(points.shape[0]):
        node = 0
        for _ in range(depth):
            node = 2 * node + 1 + (points[n, axes[node]] >= cuts[node])
        leaf[n] = node - axes.size


@numba.njit(fastmath={"reassoc", "contract", "nsz"}, **JIT_OPTIONS)
def lower_bound_distance(b_components, a_components, n, i, j):
    """Two patches are at least so far apart, but for rounding."""
    total = np.float32(0)
    for k in range(N_COMPONENTS):
        d = (
            b_components[np.uintp(n), np.uintp(k)]
            - a_components[np.uintp(i), np.uintp(j), np.uintp(k)]
        )
        total += d * d
    return total


@numba.njit(**JIT_OPTIONS)
def search_leaf(pair, tree, leaf, position, best):
    """The nearest patch of a leaf to the one `position`, if it is nearer than `best`; -1 if none is."""
    x, y, a_runs, b_runs, real = pair.x, pair.y, pair.a_runs, pair.b_runs, pair.valid
    b_components, a_components, (i, j) = tree.b_components, tree.a_components, position
    p, index = i * pair.a_row_stride + j * pair.column_stride, np.int64(-1)
    for n in range(tree.leaf_bounds[leaf], tree.leaf_bounds[leaf + 1]):
        if lower_bound_distance(b_components, a_components, n, i, j) >= ROUNDING_MARGIN * best:
            continue
        row, column = divmod(tree.indices[n], pair.b_width)
        q = row * pair.b_row_stride + column * pair.column_stride
        d = compute_distance(x, y, a_runs, b_runs, real, p, q, best)
        if d < best:
            best, index = d, np.int64(tree.indices[n])
    return index, best


@numba.njit(**JIT_OPTIONS)
def search_initial_leaves(pair, tree, field, cost, tile):
    """Look through the leaf of each patch within a tile, and through that of its match so far."""
    top, bottom, left, right = tile
    a_leaves, b_leaves, width = tree.a_leaves, tree.b_leaves, pair.b_width
    for i in range(top, bottom):
        for j in range(left, right):
            now = b_leaves[field[i, j, 0], field[i, j, 1]]
            index, best = search_leaf(pair, tree, a_leaves[i, j], (i, j), FAR)
            field[i, j, 0], field[i, j, 1] = divmod(index, width)
            if now >= 0 and now != a_leaves[i, j]:
                index, best = search_leaf(pair, tree, now, (i, j), best)
                if index >= 0:
                    field[i, j, 0], field[i, j, 1] = divmod(index, width)
            cost[i, j] = best


@numba.njit(**JIT_OPTIONS)
def improve_match(pair, tree, field, cost, changed_at, position, n):
    """Iteration n for one patch: the leaves in which the neighbors' matches lie, shifted.

    moved (Ha, Wa): the iteration in which a match was last changed. What a neighbor had when it
    was last asked, two iterations ago, was looked through then.
    """
    b_leaves, own_leaf = tree.b_leaves, tree.a_leaves[position]
    (i, j), step, best = position, 1 - 2 * (n % 2), cost[position]
    match_leaf = b_leaves[field[i, j, 0], field[i, j, 1]]
    for k in range(N_NEIGHBORS):
        row, column = propagate_match(field, i, j, k, step)
        leaf = find_leaf(row, column, b_leaves)
        if leaf < 0 or leaf in (match_leaf, own_leaf):  # outside, closed, or looked through already
            continue
        if changed_at[i - step * (k != 0), j - step * (k != 1)] < n - 1:
            continue
        index, best = search_leaf(pair, tree, leaf, position, best)
        if index >= 0:
            match_leaf, changed_at[position], cost[position] = leaf, n, best
            field[i, j, 0], field[i, j, 1] = divmod(index, pair.b_width)


@numba.njit(**JIT_OPTIONS)
def find_leaf(row, column, b_leaves):
    """The leaf of a place in b, -1 outside."""
    if row < 0 or column < 0 or row >= b_leaves.shape[0] or column >= b_leaves.shape[1]:
        return np.int32(-1)
    return b_leaves[row, column]


@numba.njit(**JIT_OPTIONS)
def sweep(pair, tree, field, cost, changed_at, tile, n):
    """Iteration n within a tile: from the top left for an even n, from the end for an odd one."""
    top, bottom, left, right = tile
    for u in range(bottom - top):
        i = top + u if n % 2 == 0 else bottom - 1 - u
        for v in range(right - left):
            j = left + v if n % 2 == 0 else right - 1 - v
            improve_match(pair, tree, field, cost, changed_at, (i, j), n)
