"""Products of a few rows with a matrix in PyTorch's order, which read its weights once.

At a few rows a product takes as long as reading the weights. PyTorch's reaches a third of the
memory's speed there; this one does not need a packed copy either. Weights may be int8: float32 rows
are rounded to int16 for these, whose products the processor adds in pairs. The sums do not depend
on the number of rows.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils

from smalti.kernels.jit import INNER_JIT_OPTIONS
from smalti.kernels.loops import (
    FASTMATH_FLAGS,
    IS_WIDE,
    cast_like,
    instructions,
    offset_pointer,
)

VECTOR_BYTES, WEIGHT_ROWS = (64, 4) if IS_WIDE else (32, 2)
"""Of a register, and rows of weights in a tile, whose sums fill the registers."""
INPUT_ROWS = 4
"""Rows of a tile that the weights are multiplied with."""
TILE = WEIGHT_ROWS * INPUT_ROWS
AHEAD_BYTES = 1024
"""Bytes to prefetch of each row: processors stop reading ahead at the end of a page."""
PAIR_SUMS = {64: "llvm.x86.avx512.pmaddw.d.512", 32: "llvm.x86.avx2.pmadd.wd"}
HAS_PAIR_SUMS = bool(get_host_cpu_features().get("avx512bw" if IS_WIDE else "avx2"))
"""Whether the processor multiplies int16 and adds the products in pairs, to int32."""
LARGEST = 32767
"""Of int16."""
LARGEST_SUM = (2**31 - 1) // 127
"""Of int16 that are multiplied by int8 and added as int32."""
ROUNDER = 1.5 * 2**23
"""Added to a float32 below 2^22, it leaves the nearest integer in the low bits."""
SUM_FLAGS = FASTMATH_FLAGS | {"reassoc"}
"""Also reorders sums, so that they are vectorized."""


@instructions
def multiply_tile(typing, w, w_rows, w_stride, x, x_rows, x_stride, k, out):
    """out (WEIGHT_ROWS, INPUT_ROWS) = products of rows of w with rows of x, in k columns.

    Rows are a stride apart. Beyond the number of rows the last one is repeated. k: whole
    vectors. w and x: floats, or int8 and int16.
    """
    i = types.intp
    return types.void(w, i, i, x, i, i, i, out), emit_tile


def emit_tile(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Emit a tile's instructions."""
    w, w_rows, w_stride, x, x_rows, x_stride, k, out = args
    number = k.type
    value, result = x.type.pointee, out.type.pointee
    size = context.get_abi_sizeof(value)
    lanes, weight_size = VECTOR_BYTES // size, context.get_abi_sizeof(w.type.pointee)
    vector = ir.VectorType(value, lanes)
    is_integer = isinstance(value, ir.IntType)
    sums = ir.VectorType(ir.IntType(32), lanes // 2) if is_integer else vector

    def declare(name: str, result: Any, *arguments: Any) -> Any:
        signature = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(builder.module, signature, name)

    def point_to_rows(base: Any, rows: Any, stride: Any, most: int) -> list[Any]:
        last = builder.sub(rows, number(1))
        pointers = []
        for r in range(most):
            inside = builder.icmp_signed("<", number(r), rows)
            row = builder.select(inside, number(r), last)
            pointers.append(builder.gep(base, [builder.mul(row, stride)]))
        return pointers

    def load(base: Any, index: Any) -> Any:
        found = ir.VectorType(base.type.pointee, lanes)
        loaded = builder.load(
            builder.bitcast(builder.gep(base, [index]), found.as_pointer()), align=1
        )
        if found == vector:
            return loaded
        return builder.sext(loaded, vector) if is_integer else builder.sitofp(loaded, vector)

    def multiply_add(a: Any, b: Any, total: Any) -> Any:
        if not is_integer:
            name = f"llvm.fmuladd.v{lanes}f{8 * size}"
            return builder.call(declare(name, sums, sums, sums, sums), [a, b, total])
        pairs = declare(PAIR_SUMS[VECTOR_BYTES], sums, vector, vector)
        return builder.add(total, builder.call(pairs, [a, b]))

    ws = point_to_rows(w, w_rows, w_stride, WEIGHT_ROWS)
    xs = point_to_rows(x, x_rows, x_stride, INPUT_ROWS)
    zero = sums(None)
    totals = [[cgutils.alloca_once_value(builder, zero) for _ in xs] for _ in ws]
    with cgutils.for_range_slice(builder, number(0), k, number(lanes), intp=number) as (i, _):
        for base in ws:
            prefetch(builder, base, i, AHEAD_BYTES // weight_size)
        values = [load(base, i) for base in xs]
        for base, line in zip(ws, totals, strict=True):
            weights = load(base, i)
            for b, total in zip(values, line, strict=True):
                builder.store(multiply_add(weights, b, builder.load(total)), total)
    found = [builder.load(total) for line in totals for total in line]
    if is_integer:
        found = [builder.sitofp(x, ir.VectorType(result, sums.count)) for x in found]
    for t in range(0, TILE, sums.count):
        lane = builder.gep(out, [number(t)])
        line = add_lanes(builder, found[t : t + sums.count])
        builder.store(line, builder.bitcast(lane, line.type.as_pointer()), align=1)
    return context.get_dummy_value()


def prefetch(builder: Any, base: Any, index: Any, ahead: int) -> None:
    """Emit the prefetch of base[index + ahead]."""
    flag, byte = ir.IntType(32), ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    later = builder.gep(base, [builder.add(index, index.type(ahead))])
    builder.call(function, [builder.bitcast(later, byte), flag(0), flag(3), flag(1)])


def add_lanes(builder: Any, vectors: list[Any]) -> Any:
    """Emit the vector of the sums of as many vectors as each has lanes: adjacent lanes, in turn."""
    lanes = len(vectors)
    even, odd = (
        ir.Constant(ir.VectorType(ir.IntType(32), lanes), [*range(first, 2 * lanes, 2)])
        for first in (0, 1)
    )
    while len(vectors) > 1:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, even), builder.shuffle_vector(a, b, odd))
            for a, b in pairs
        ]
    return vectors[0]


@numba.njit(**INNER_JIT_OPTIONS)
def multiply_rows(x, w, out, rows, k, columns, first, last, lanes, tile):
    """out (rows, columns) = x (rows, k) w^T in columns first .. last - 1; w: (columns, k).

    lanes: of a vector; tile (TILE,) is workspace.
    """
    whole, part = k // lanes * lanes, (last - first + WEIGHT_ROWS - 1) // WEIGHT_ROWS
    for j in range(first, first + part):
        v, ws = offset_pointer(w, j * k), (last - j + part - 1) // part
        for s in range(0, rows, INPUT_ROWS):
            a, xs = offset_pointer(x, s * k), min(INPUT_ROWS, rows - s)
            multiply_tile(v, ws, part * k, a, xs, k, whole, tile)
            for r in range(ws if whole < k else 0):
                for i in range(xs):
                    for c in range(whole, k):
                        product = cast_like(v[r * part * k + c], out) * cast_like(a[i * k + c], out)
                        tile[r * INPUT_ROWS + i] += product
            for i in range(xs):
                for r in range(ws):
                    out[(s + i) * columns + j + r * part] = tile[r * INPUT_ROWS + i]


@numba.njit(**INNER_JIT_OPTIONS)
def round_rows(x, out, scales, rows, k, limit):
    """out (rows, k) int16 = x / scales (rows,), rounded; the largest number of a row is `limit`.

    x: float32. Works on bits, whose loops are vectorized.
    """
    for s in range(rows):
        line, to, top = offset_pointer(x, s * k), offset_pointer(out, s * k), np.uint32(0)
        for i in range(k):
            top = max(top, np.uint32(np.float32(line[i]).view(np.uint32) & np.uint32(0x7FFFFFFF)))
        largest = max(np.uint32(top).view(np.float32), np.float32(1e-30))
        scales[s], factor = largest / np.float32(limit), np.float32(limit) / largest
        for i in range(k):
            to[i] = np.int16(np.float32(line[i] * factor + np.float32(ROUNDER)).view(np.uint32))


@instructions
def point_to_int16(typing, x):
    """The pointer x as one to int16."""
    kind = types.CPointer(types.int16)
    return kind(x), lambda context, builder, sig, args: builder.bitcast(
        args[0], context.get_value_type(kind)
    )


@numba.njit(**INNER_JIT_OPTIONS)
def multiply_rounded_rows(x, w, out, rounded, rows, k, columns, first, last, tile):
    """As `multiply_rows`, for float32 x and int8 w, with x rounded to int16 first.

    rounded: workspace, rows (k / 2 + 1) floats.
    """
    scales, integers = rounded, point_to_int16(offset_pointer(rounded, rows))
    lanes = VECTOR_BYTES // 2
    limit = min(LARGEST, LARGEST_SUM // (2 * (k // lanes + 1)))  # a sum has 2 products per vector
    round_rows(x, integers, scales, rows, k, limit)
    multiply_rows(integers, w, out, rows, k, columns, first, last, lanes, tile)
    for s in range(rows):
        for j in range(first, last):
            out[s * columns + j] *= scales[s]
