"""Products of a few rows with a matrix in PyTorch's order, which read its weights once.

At a few rows a product takes as long as reading the weights. PyTorch's reaches a third of the
memory's speed there; this one does not need a packed copy either. Weights may be int8 and are
widened in registers. The sums do not depend on the number of rows.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils

from smalti.kernels.jit import INNER_JIT_OPTIONS
from smalti.kernels.loops import FASTMATH_FLAGS, cast_like, instructions, offset_pointer

VECTOR_BYTES = 32
"""Of an AVX2 register. Sixteen of them hold the eight sums of a tile and what enters these."""
AHEAD_BYTES = 4096
"""Bytes of weights to prefetch: processors stop reading ahead at the end of a page."""
SUM_FLAGS = FASTMATH_FLAGS | {"reassoc"}
"""Also reorders sums, so that they are vectorized."""


@instructions
def multiply_tile(typing, w, v, a, b, c, d, k, out):
    """out (8,) = products of the rows w and v (k,), floats or int8, with a, b, c and d (k,).

    k: a multiple of the lanes of a vector.
    """
    return types.void(w, w, a, a, a, a, types.intp, a), emit_tile


def emit_tile(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Emit a tile's instructions."""
    weights, xs, (k, out) = args[:2], args[2:6], args[6:]
    scalar, number = context.get_value_type(signature.args[2].dtype), args[6].type
    size, weight_size = (signature.args[i].dtype.bitwidth // 8 for i in (2, 0))
    lanes, flag, byte = VECTOR_BYTES // size, ir.IntType(32), ir.IntType(8).as_pointer()
    vector, kind = ir.VectorType(scalar, lanes), f"v{lanes}f{8 * size}"

    def declare(name: str, result: Any, *arguments: Any) -> Any:
        signature = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(builder.module, signature, name)

    def load(base: Any, index: Any) -> Any:
        found = ir.VectorType(base.type.pointee, lanes)
        x = builder.load(builder.bitcast(builder.gep(base, [index]), found.as_pointer()), align=1)
        return builder.sitofp(x, vector) if base.type.pointee == ir.IntType(8) else x

    multiply_add = declare(f"llvm.fmuladd.{kind}", vector, vector, vector, vector)
    prefetch = declare("llvm.prefetch.p0", ir.VoidType(), byte, flag, flag, flag)
    add = declare(f"llvm.vector.reduce.fadd.{kind}", scalar, scalar, vector)
    totals = [cgutils.alloca_once_value(builder, vector([scalar(0)] * lanes)) for _ in range(8)]
    with cgutils.for_range_slice(builder, number(0), k, number(lanes), intp=number) as (i, _):
        later = builder.add(builder.add(i, i), number(AHEAD_BYTES // weight_size))
        later = builder.bitcast(builder.gep(weights[0], [later]), byte)
        builder.call(prefetch, [later, *(flag(v) for v in (0, 3, 1))])
        rows = [load(w, i) for w in weights]
        for r, x in enumerate(xs):
            value = load(x, i)
            for row, total in zip(rows, totals[r::4], strict=True):
                builder.store(builder.call(multiply_add, [row, value, builder.load(total)]), total)
    for t, total in enumerate(totals):
        value = builder.call(add, [scalar(0), builder.load(total)], fastmath=("reassoc",))
        builder.store(value, builder.gep(out, [number(t)]))
    return context.get_dummy_value()


@numba.njit(**INNER_JIT_OPTIONS)
def multiply_rows(x, w, out, rows, k, columns, first, last, lanes, tile):
    """out (rows, columns) = x (rows, k) w^T in columns first .. last - 1; w: (columns, k).

    lanes: of a vector; tile (8,) is workspace.
    """
    whole = k // lanes * lanes
    for j in range(first, last, 2):
        m = min(j + 1, last - 1)
        v, u = offset_pointer(w, j * k), offset_pointer(w, m * k)
        for s in range(0, rows, 4):
            r, t, q = min(s + 1, rows - 1), min(s + 2, rows - 1), min(s + 3, rows - 1)
            a, b = offset_pointer(x, s * k), offset_pointer(x, r * k)
            c, d = offset_pointer(x, t * k), offset_pointer(x, q * k)
            multiply_tile(v, u, a, b, c, d, whole, tile)
            for i in range(whole, k):
                one, two = cast_like(v[i], x), cast_like(u[i], x)
                tile[0] += one * a[i]
                tile[1] += one * b[i]
                tile[2] += one * c[i]
                tile[3] += one * d[i]
                tile[4] += two * a[i]
                tile[5] += two * b[i]
                tile[6] += two * c[i]
                tile[7] += two * d[i]
            for i in range(min(4, rows - s)):
                out[(s + i) * columns + j] = tile[i]
                out[(s + i) * columns + m] = tile[4 + i]
