"""Propagation-assisted kd-trees over the patches of a picture (He and Sun 2012)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from smalti.kernels.jit import JIT_OPTIONS
from smalti.patchmatch.components import N_COMPONENTS, compute_components
from smalti.patchmatch.kernels import FAR, N_NEIGHBORS, propagate_match
from smalti.patchmatch.patches import compute_distance

LEAF_SIZE = 8
"""A leaf holds at least LEAF_SIZE positions, and fewer than twice as many."""
ROUNDING_MARGIN = np.float32(1.001)
"""Exceeds 1 by more than the rounding error of the components."""
AXIS_SAMPLES = 256
"""Approximate number of patches that a node's split axis is chosen from."""


class KDTree(NamedTuple):
    """The allowed positions of b, in the order of their leaves."""

    indices: np.ndarray
    """(N,) int32: row * width + column; leaf k is leaf_bounds[k] .. leaf_bounds[k + 1] - 1."""
    leaf_bounds: np.ndarray
    b_leaves: np.ndarray
    """(Hb, Wb) int32: the leaf of each position, -1 where matches are not allowed."""
    a_leaves: np.ndarray
    """(Ha, Wa) int32: the leaf that each patch of a falls into."""
    b_components: np.ndarray
    """(N, K): the components of the positions, in the order of `indices`."""
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
    """Sort positions so that each node's lower half along its widest axis precedes the upper one.

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
    """Partition values, and indices with them, around the value of rank `middle` (Hoare).

    np.argpartition does the same, but takes Numba eight seconds to compile.
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
    """The axis of largest variance over a sample of the points."""
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
    """Set leaf (N,) to the leaf that each point (N, K) falls into."""
    for n in range(points.shape[0]):
        node = 0
        for _ in range(depth):
            node = 2 * node + 1 + (points[n, axes[node]] >= cuts[node])
        leaf[n] = node - axes.size


@numba.njit(fastmath={"reassoc", "contract", "nsz"}, **JIT_OPTIONS)
def lower_bound_distance(b_components, a_components, n, i, j):
    """Lower bound of the distance of two patches, up to rounding."""
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
    """The patch of a leaf nearest to that at `position`, if nearer than `best`; else -1."""
    x, y, a_runs, b_runs, valid = pair.x, pair.y, pair.a_runs, pair.b_runs, pair.valid
    b_components, a_components, (i, j) = tree.b_components, tree.a_components, position
    p, index = i * pair.a_row_stride + j * pair.column_stride, np.int64(-1)
    for n in range(tree.leaf_bounds[leaf], tree.leaf_bounds[leaf + 1]):
        if lower_bound_distance(b_components, a_components, n, i, j) >= ROUNDING_MARGIN * best:
            continue
        row, column = divmod(tree.indices[n], pair.b_width)
        q = row * pair.b_row_stride + column * pair.column_stride
        d = compute_distance(x, y, a_runs, b_runs, valid, p, q, best)
        if d < best:
            best, index = d, np.int64(tree.indices[n])
    return index, best


@numba.njit(**JIT_OPTIONS)
def search_initial_leaves(pair, tree, field, cost, tile):
    """Search the leaf of each patch in a tile, and the leaf of its current match."""
    top, bottom, left, right = tile
    a_leaves, b_leaves, width = tree.a_leaves, tree.b_leaves, pair.b_width
    for i in range(top, bottom):
        for j in range(left, right):
            match_leaf = b_leaves[field[i, j, 0], field[i, j, 1]]
            index, best = search_leaf(pair, tree, a_leaves[i, j], (i, j), FAR)
            field[i, j, 0], field[i, j, 1] = divmod(index, width)
            if match_leaf >= 0 and match_leaf != a_leaves[i, j]:
                index, best = search_leaf(pair, tree, match_leaf, (i, j), best)
                if index >= 0:
                    field[i, j, 0], field[i, j, 1] = divmod(index, width)
            cost[i, j] = best


@numba.njit(**JIT_OPTIONS)
def improve_match(pair, tree, field, cost, changed_at, position, n):
    """Iteration n for one patch: search the leaves of the neighbors' shifted matches.

    changed_at (Ha, Wa): the iteration in which a match last changed. Matches unchanged since
    iteration n - 1 were already searched two iterations ago.
    """
    b_leaves, own_leaf = tree.b_leaves, tree.a_leaves[position]
    (i, j), step, best = position, 1 - 2 * (n % 2), cost[position]
    match_leaf = b_leaves[field[i, j, 0], field[i, j, 1]]
    for k in range(N_NEIGHBORS):
        row, column = propagate_match(field, i, j, k, step)
        leaf = find_leaf(row, column, b_leaves)
        if leaf < 0 or leaf in (match_leaf, own_leaf):  # outside, excluded, or already searched
            continue
        if changed_at[i - step * (k != 0), j - step * (k != 1)] < n - 1:
            continue
        index, best = search_leaf(pair, tree, leaf, position, best)
        if index >= 0:
            match_leaf, changed_at[position], cost[position] = leaf, n, best
            field[i, j, 0], field[i, j, 1] = divmod(index, pair.b_width)


@numba.njit(**JIT_OPTIONS)
def find_leaf(row, column, b_leaves):
    """The leaf of a position in b, -1 outside."""
    if row < 0 or column < 0 or row >= b_leaves.shape[0] or column >= b_leaves.shape[1]:
        return np.int32(-1)
    return b_leaves[row, column]


@numba.njit(**JIT_OPTIONS)
def sweep(pair, tree, field, cost, changed_at, tile, n):
    """Iteration n in a tile: from the top left for even n, from the bottom right for odd n."""
    top, bottom, left, right = tile
    for u in range(bottom - top):
        i = top + u if n % 2 == 0 else bottom - 1 - u
        for v in range(right - left):
            j = left + v if n % 2 == 0 else right - 1 - v
            improve_match(pair, tree, field, cost, changed_at, (i, j), n)
