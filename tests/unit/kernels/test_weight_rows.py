"""Products and attention of a few rows against their obvious twins."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from smalti.kernels.cache_attention import ROWS, attend
from smalti.kernels.loops import data_pointer
from smalti.kernels.weight_rows import (
    HAS_PAIR_SUMS,
    TILE,
    VECTOR_BYTES,
    multiply_rounded_rows,
    multiply_rows,
)

random = np.random.default_rng(0)


@numba.njit
def run_product(x, w, out, first, last, lanes, tile):
    multiply_rows(
        data_pointer(x), data_pointer(w), data_pointer(out),
        x.shape[0], x.shape[1], w.shape[0], first, last, lanes, data_pointer(tile),
    )  # fmt: skip


@numba.njit
def run_rounded_product(x, w, out, rounded, tile):
    multiply_rounded_rows(
        data_pointer(x), data_pointer(w), data_pointer(out), data_pointer(rounded),
        x.shape[0], x.shape[1], w.shape[0], 0, w.shape[0], data_pointer(tile),
    )  # fmt: skip


@numba.njit
def run_attention(q, keys, values, out, scores, T, lanes):
    attend(
        data_pointer(q), data_pointer(keys), data_pointer(values), data_pointer(out),
        data_pointer(scores), T, len(q), lanes,
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "error"), [(np.float32, 1e-4), (np.float64, 1e-12)])
@pytest.mark.parametrize("rows", [1, 4, 6])
def test_products_of_any_columns_are_exact(kind: type, error: float, rows: int) -> None:
    for k, columns, first, last in ((5, 3, 0, 3), (64, 9, 2, 9), (35, 8, 4, 5), (16, 4, 3, 3)):
        x, w = (random.normal(size=(n, k)).astype(kind) for n in (rows, columns))
        out, tile = np.full((rows, columns), 7, kind), np.empty(TILE, kind)
        run_product(x, w, out, first, last, VECTOR_BYTES // x.itemsize, tile)
        np.testing.assert_allclose(out[:, first:last], (x @ w.T)[:, first:last], atol=error)
        assert (np.delete(out, np.s_[first:last], 1) == 7).all()


@pytest.mark.skipif(not HAS_PAIR_SUMS, reason="this processor multiplies int8 as float32")
@pytest.mark.parametrize("k", [7, 64, 100, 20_000])
def test_rows_rounded_to_int16_hardly_change_products(k: int) -> None:
    x, w = random.normal(size=(5, k)).astype(np.float32), np.full((6, k), 127, np.int8)
    x[1], x[2], w[1:] = 0, 1, random.integers(-127, 128, (5, k))  # the largest sums there are
    out, tile = np.empty((5, 6), np.float32), np.empty(TILE, np.float32)
    run_rounded_product(x, w, out, np.empty(5 * (k // 2 + 2), np.float32), tile)
    exact = x.astype(float) @ w.T.astype(float)
    size = np.abs(x).astype(float) @ np.abs(w).T.astype(float)
    assert np.abs(out - exact).max() < 1e-3 * size.max()
    assert (out[1] == 0).all()


@pytest.mark.parametrize("d", [3, 16, 24, 64, 80])
@pytest.mark.parametrize("T", [1, 16, 37])
def test_attention_reads_a_cache_of_both_precisions(d: int, T: int) -> None:
    q, keys, values = (random.normal(size=s).astype(np.float32) for s in ((d,), (T, d), (T, d)))
    for narrow in (False, True):
        bits = [(x.view(np.uint32) >> 16).astype(np.uint16) for x in (keys, values)]
        k, v = bits if narrow else (keys, values)
        wide = [(x.astype(np.uint32) << 16).view(np.float32) for x in bits]
        exact_k, exact_v = wide if narrow else (keys, values)
        p = np.exp((exact_k @ q / d**0.5).astype(float))
        out, scores = np.empty(d, np.float32), np.empty(T + ROWS, np.float32)
        run_attention(q, k, v, out, scores, T, VECTOR_BYTES // 4)
        np.testing.assert_allclose(out, p @ exact_v / p.sum(), atol=1e-5)
