"""The compiled loops of walkers: products with packed weights, gates, exp.

They work on raw addresses of float32 or float64, release the GIL, and sum in an order independent
of the number of rows: a picture's numbers are the same alone and in a batch, except for its
condition, which PyTorch multiplies. PyTorch's product of 16 rows by a (32, 32) matrix reaches
7 GFLOP/s on a core that can do 100; this one reaches 85, since it is never called from Python.

Arrays instead of addresses, with views taken in compiled code, took five times as long to compile.
All loops are in one file, since Numba's cache is valid until that file changes.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from smalti.kernels.jit import INNER_JIT_OPTIONS, JIT_OPTIONS
from smalti.kernels.panels import PANEL_BYTES

PREFETCH_BYTES = 8192
"""Bytes of weights to prefetch: with few rows, memory is the bottleneck."""
IS_WIDE = bool(get_host_cpu_features().get("avx512f"))
"""Whether there are 32 registers of 64 bytes. Others hold fewer sums."""
TILE_ROWS, TILE_BYTES = (8, PANEL_BYTES) if IS_WIDE else (4, PANEL_BYTES // 2)
"""Rows of a tile, and bytes of its columns."""
FASTMATH_FLAGS = {
    "contract",
    "nnan",
    "nsz",
    "arcp",
}  # fused multiply-adds, but no reordering of sums
instructions: Any = intrinsic  # intrinsics omit the first argument when called
PRODUCT, REPEAT, ADD, RELU, GATE, ADD_GATED, CONCAT_ELU, ELU = range(8)


@instructions
def to_pointer(typing, address, like):
    """Convert an int64 address to a pointer with the dtype of the array `like`."""
    kind = types.CPointer(like.dtype)

    def code(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(kind))

    return kind(types.int64, like), code


@instructions
def data_pointer(typing, x):
    """A pointer to the first element of a C-contiguous array."""

    def code(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(x.dtype)(x), code


@instructions
def offset_pointer(typing, x, n):
    """The pointer x advanced by n elements."""
    signature = x(x, types.intp)
    return signature, lambda context, builder, sig, args: builder.gep(args[0], [args[1]])


@instructions
def cast_like(typing, value, like):
    """Cast a value to the type of the pointer `like`; Python numbers would widen the result."""

    def code(context, builder, signature, args):
        return context.cast(builder, args[0], value, like.dtype)

    return like.dtype(value, like), code


def build_tile(rows: int) -> Any:
    """Build out[r, :] += sum_k x[r, k] w[k, :] for `rows` rows and the columns of a tile.

    Sums stay in registers; their order does not depend on the tile.
    """

    @instructions
    def tile(typing, x, xs, w, k, out, outs):
        """x and out: pointers to rows with strides xs and outs; w: to rows of panels."""
        i = types.intp
        signature = types.void(x, i, w, i, out, i)
        return signature, lambda context, builder, sig, args: emit_tile(
            rows, context, builder, sig, args
        )

    return tile


def emit_tile(rows: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Emit a tile's instructions, with vectors of 64 bytes, which narrower machines split."""
    x, xs, w, k, out, outs = args
    scalar = context.get_value_type(signature.args[0].dtype)
    size = signature.args[0].dtype.bitwidth // 8
    lanes, number = 64 // size, k.type
    vector = ir.VectorType(scalar, lanes)
    halves = range(TILE_BYTES // 64)

    def vector_pointer(base: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

    def broadcast(value: Any) -> Any:
        one = builder.insert_element(vector(ir.Undefined), value, ir.IntType(32)(0))
        zeros = ir.VectorType(ir.IntType(32), lanes)(None)
        return builder.shuffle_vector(one, vector(ir.Undefined), zeros)

    name = f"llvm.fmuladd.v{lanes}f{8 * size}"
    kind = ir.FunctionType(vector, [vector] * 3)
    multiply_add = cgutils.get_or_insert_function(builder.module, kind, name)
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, *[ir.IntType(32)] * 3])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    starts = [builder.mul(outs, number(r)) for r in range(rows)]
    pointers = [
        [vector_pointer(out, builder.add(s, number(lanes * h))) for h in halves] for s in starts
    ]
    totals = [
        [cgutils.alloca_once_value(builder, builder.load(p, align=size)) for p in row]
        for row in pointers
    ]
    lines = [builder.gep(x, [builder.mul(xs, number(r))]) for r in range(rows)]
    with cgutils.for_range(builder, k, intp=number) as loop:
        line = builder.gep(w, [builder.mul(loop.index, number(PANEL_BYTES // size))])
        weights = [
            builder.load(vector_pointer(line, number(lanes * h)), align=size) for h in halves
        ]
        for h in halves:
            later = builder.bitcast(
                vector_pointer(line, number(PREFETCH_BYTES // size + lanes * h)), byte
            )
            builder.call(prefetch, [later, *(ir.IntType(32)(v) for v in (0, 3, 1))])
        for r in range(rows):
            value = broadcast(builder.load(builder.gep(lines[r], [loop.index])))
            for total, weight in zip(totals[r], weights, strict=True):
                new = builder.call(multiply_add, [value, weight, builder.load(total)])
                builder.store(new, total)
    for row, targets in zip(totals, pointers, strict=True):
        for total, target in zip(row, targets, strict=True):
            builder.store(builder.load(total), target, align=size)
    return context.get_dummy_value()


tile_rows, tile2, tile1 = build_tile(TILE_ROWS), build_tile(2), build_tile(1)


@numba.njit(**INNER_JIT_OPTIONS)
def add_product(x, w, out, rows, k, panels, width):
    """out += x w, for x (rows, k), packed w (panels, k, width), out (rows, panels width)."""
    o, step = panels * width, width * TILE_BYTES // PANEL_BYTES
    for c in range(0, o, step):
        tile, to = offset_pointer(w, c // width * width * k + c % width), offset_pointer(out, c)
        s = 0
        while s + TILE_ROWS <= rows:
            tile_rows(offset_pointer(x, s * k), k, tile, k, offset_pointer(to, s * o), o)
            s += TILE_ROWS
        while s + 2 <= rows:
            tile2(offset_pointer(x, s * k), k, tile, k, offset_pointer(to, s * o), o)
            s += 2
        if s < rows:
            tile1(offset_pointer(x, s * k), k, tile, k, offset_pointer(to, s * o), o)


def fast_exp(x: Any) -> Any:
    """e^x for |x| <= 80, accurate to the last bit or two: 2^n times a series."""
    return math.exp(x)


@overload(fast_exp, jit_options={"fastmath": FASTMATH_FLAGS, "error_model": "numpy"})
def _fast_exp(x: Any) -> Any:
    """A series that the compiler can vectorize, unlike a call of exp."""
    if x == types.float32:
        return _exp32
    if x == types.float64:
        return _exp64
    return None


def _exp32(x: Any) -> Any:
    n = np.rint(x * np.float32(1.4426950408889634))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    e = np.float32(1 / 5040)
    e = e * r + np.float32(1 / 720)
    e = e * r + np.float32(1 / 120)
    e = e * r + np.float32(1 / 24)
    e = e * r + np.float32(1 / 6)
    e = e * r + np.float32(1 / 2)
    e = e * r + np.float32(1)
    e = e * r + np.float32(1)
    return e * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


def _exp64(x: Any) -> Any:
    n = np.rint(x * 1.4426950408889634)
    r = x - n * 0.693145751953125 - n * 1.42860682030941723212e-6
    e = 1 / 6227020800.0
    e = e * r + 1 / 479001600.0
    e = e * r + 1 / 39916800.0
    e = e * r + 1 / 3628800.0
    e = e * r + 1 / 362880.0
    e = e * r + 1 / 40320.0
    e = e * r + 1 / 5040.0
    e = e * r + 1 / 720.0
    e = e * r + 1 / 120.0
    e = e * r + 1 / 24.0
    e = e * r + 1 / 6.0
    e = e * r + 0.5
    e = e * r + 1.0
    e = e * r + 1.0
    return e * np.int64((np.int64(n) + 1023) << 52).view(np.float64)


@numba.njit(**INNER_JIT_OPTIONS)
def repeat(x, out, times, size):
    """out = x (size,), repeated `times` times."""
    for t in range(times):
        to = offset_pointer(out, t * size)
        for k in range(size):
            to[k] = x[k]


@numba.njit(**INNER_JIT_OPTIONS)
def add(x, out, times, size):
    """out += x (size,), repeated `times` times."""
    for t in range(times):
        to = offset_pointer(out, t * size)
        for k in range(size):
            to[k] += x[k]


@numba.njit(**INNER_JIT_OPTIONS)
def relu(x, out, size):
    """out = max(x, 0)."""
    zero = cast_like(0, x)
    for k in range(size):
        out[k] = max(x[k], zero)


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def gate(x, out, rows, p):
    """out = tanh(a) sigmoid(b), x (rows, 2p) = [a, b], out (rows, p); with a single division."""
    one, far, wide = cast_like(1, x), cast_like(20, x), cast_like(40, x)
    minus_two = cast_like(-2, x)
    for s in range(rows):
        a, b, to = (
            offset_pointer(x, 2 * s * p),
            offset_pointer(x, 2 * s * p + p),
            offset_pointer(out, s * p),
        )
        for k in range(p):
            t = fast_exp(minus_two * min(max(a[k], -far), far))
            g = fast_exp(-min(max(b[k], -wide), wide))
            to[k] = (one - t) / ((one + t) * (one + g))


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def add_gated(x, out, rows, p):
    """out += a sigmoid(b), x (rows, 2p) = [a, b], out (rows, p)."""
    one, wide = cast_like(1, x), cast_like(40, x)
    for s in range(rows):
        a, b, to = (
            offset_pointer(x, 2 * s * p),
            offset_pointer(x, 2 * s * p + p),
            offset_pointer(out, s * p),
        )
        for k in range(p):
            to[k] += a[k] / (one + fast_exp(-min(max(b[k], -wide), wide)))


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def concat_elu(x, out, rows, p):
    """out = [elu(x), elu(-x)]: x (rows, p), out (rows, 2p)."""
    zero, one, far = cast_like(0, x), cast_like(1, x), cast_like(80, x)
    for s in range(rows):
        value, plus, minus = (
            offset_pointer(x, s * p),
            offset_pointer(out, 2 * s * p),
            offset_pointer(out, 2 * s * p + p),
        )
        for k in range(p):
            v = value[k]
            e = fast_exp(-min(abs(v), far)) - one
            plus[k] = v if v > zero else e
            minus[k] = e if v > zero else -v


@numba.njit(**INNER_JIT_OPTIONS, fastmath=FASTMATH_FLAGS)
def elu(x, out, size):
    """out = ELU of x."""
    zero, one, far = cast_like(0, x), cast_like(1, x), cast_like(80, x)
    for k in range(size):
        v = x[k]
        e = fast_exp(-min(abs(v), far)) - one
        out[k] = v if v > zero else e


@numba.njit(**JIT_OPTIONS)
def play(steps, like):
    """Execute steps (count, 7) int64: the loop, addresses of x, w and out, and three sizes.

    like: an array of the dtype of all arrays.
    """
    width = PANEL_BYTES // like.itemsize
    for t in range(steps.shape[0]):
        kind, rows, k = steps[t, 0], steps[t, 4], steps[t, 5]
        x, out = to_pointer(steps[t, 1], like), to_pointer(steps[t, 3], like)
        if kind == PRODUCT:
            add_product(x, to_pointer(steps[t, 2], like), out, rows, k, steps[t, 6], width)
        elif kind == REPEAT:
            repeat(x, out, rows, k)
        elif kind == ADD:
            add(x, out, rows, k)
        elif kind == RELU:
            relu(x, out, rows * k)
        elif kind == GATE:
            gate(x, out, rows, k)
        elif kind == ADD_GATED:
            add_gated(x, out, rows, k)
        elif kind == CONCAT_ELU:
            concat_elu(x, out, rows, k)
        elif kind == ELU:
            elu(x, out, rows * k)
