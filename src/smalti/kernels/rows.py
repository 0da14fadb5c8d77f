"""Compiled pieces of the walkers: products with packed weights, the gate, exp.

Everything runs over C-contiguous arrays of float32 or float64, holds no lock of Python, and adds
in an order that does not depend on how many rows there are: a picture's numbers are the same
alone and in a batch, but for its condition, which PyTorch multiplies. PyTorch's product of 16 rows
by a (32, 32) matrix reaches 7 GFLOP/s on a core that can do 100; this one reaches 85, since it is
never called from Python.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from smalti.kernels.jit import can_cache

BYTES = 128
"""Of a panel's row: 32 columns in float32, 16 in float64; two vectors of AVX-512, four of AVX."""
AHEAD = 8192
"""Bytes of weights that are fetched ahead: for few rows they come no faster than memory gives."""
JIT: dict[str, Any] = {"nogil": True, "cache": can_cache(), "error_model": "numpy"}
ARITHMETIC = {"contract", "nnan", "nsz", "arcp"}  # one multiply-add, but no other order of sums


def width(dtype: Any) -> int:
    """Columns of a panel."""
    return BYTES // np.dtype(dtype).itemsize


def padded(n: int, dtype: Any) -> int:
    """n, up to whole panels."""
    return -(-n // width(dtype)) * width(dtype)


def pack(weight: np.ndarray) -> np.ndarray:
    """(..., K, O) as panels of columns, (..., O / width, K, width): read from front to back."""
    *lead, k, o = weight.shape
    columns = width(weight.dtype)
    return np.ascontiguousarray(
        weight.reshape(*lead, k, o // columns, columns).swapaxes(-3, -2)
    )  # (..., O / width, K, width)


def tile_of(rows: int) -> Any:
    """out[r, :] += sum_k x[r, k] w[k, :] for so many rows and a panel, all sums in registers."""

    @intrinsic
    def tile(typing, x, x0, xs, w, out, out0, outs):
        """x, out: (rows, ...) whose first number is at x0, and rows xs apart; w: (K, width)."""
        i = types.intp
        signature = types.void(x, i, i, w, out, i, i)
        return signature, lambda context, builder, sig, args: emit(
            rows, context, builder, sig, args
        )

    return tile


def emit(rows: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """The instructions of a tile; vectors of 64 bytes, which smaller machines split."""
    _, x0, xs, _, _, out0, outs = args
    array = [context.make_array(signature.args[a])(context, builder, args[a]) for a in (0, 3, 4)]
    (data, panel, sums), k = (a.data for a in array), builder.extract_value(array[1].shape, 0)
    scalar = context.get_value_type(signature.args[0].dtype)
    size = signature.args[0].dtype.bitwidth // 8
    lanes, number = 64 // size, x0.type
    vector = ir.VectorType(scalar, lanes)
    halves = range(BYTES // 64)

    def at(pointer: Any, start: Any, step: int) -> Any:
        where = builder.gep(pointer, [builder.add(start, number(step))])
        return builder.bitcast(where, vector.as_pointer())

    def spread(value: Any) -> Any:
        one = builder.insert_element(vector(ir.Undefined), value, ir.IntType(32)(0))
        zeros = ir.VectorType(ir.IntType(32), lanes)(None)
        return builder.shuffle_vector(one, vector(ir.Undefined), zeros)

    name = f"llvm.fmuladd.v{lanes}f{8 * size}"
    kind = ir.FunctionType(vector, [vector] * 3)
    multiply_add = cgutils.get_or_insert_function(builder.module, kind, name)
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, *[ir.IntType(32)] * 3])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    starts = [builder.add(out0, builder.mul(outs, number(r))) for r in range(rows)]
    places = [[at(sums, start, lanes * h) for h in halves] for start in starts]
    totals = [
        [cgutils.alloca_once_value(builder, builder.load(p, align=size)) for p in row]
        for row in places
    ]
    lines = [builder.add(x0, builder.mul(xs, number(r))) for r in range(rows)]
    with cgutils.for_range(builder, k, intp=number) as loop:
        start = builder.mul(loop.index, number(lanes * len(halves)))
        weights = [builder.load(at(panel, start, lanes * h), align=size) for h in halves]
        for h in halves:
            line = builder.bitcast(at(panel, start, AHEAD // size + lanes * h), byte)
            builder.call(prefetch, [line, *(ir.IntType(32)(v) for v in (0, 3, 1))])
        for r in range(rows):
            value = spread(builder.load(builder.gep(data, [builder.add(lines[r], loop.index)])))
            for total, weight in zip(totals[r], weights, strict=True):
                new = builder.call(multiply_add, [value, weight, builder.load(total)])
                builder.store(new, total)
    for row, there in zip(totals, places, strict=True):
        for total, place in zip(row, there, strict=True):
            builder.store(builder.load(total), place, align=size)
    return context.get_dummy_value()


tile8, tile2, tile1 = tile_of(8), tile_of(2), tile_of(1)


@numba.njit(**JIT)
def add_product(x, w, out):
    """out += x w, for x (rows, K), packed w (O / width, K, width), out (rows, O)."""
    rows, k, o = x.shape[0], x.shape[1], out.shape[1]
    flat, sums = x.reshape(-1), out.reshape(-1)
    for p in range(w.shape[0]):
        panel, column = w[p], p * w.shape[2]
        s = 0
        while s + 8 <= rows:
            tile8(flat, s * k, k, panel, sums, s * o + column, o)
            s += 8
        while s + 2 <= rows:
            tile2(flat, s * k, k, panel, sums, s * o + column, o)
            s += 2
        if s < rows:
            tile1(flat, s * k, k, panel, sums, s * o + column, o)


def fast_exp(x: Any) -> Any:
    """e^x for |x| <= 80, to the last bit or two: 2^n times a series of the rest."""
    return math.exp(x)


@overload(fast_exp, jit_options={"fastmath": ARITHMETIC, "error_model": "numpy"})
def _fast_exp(x: Any) -> Any:
    """A series that the compiler turns into vectors, where a call of exp stays a call."""
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


@numba.njit(**JIT, fastmath=ARITHMETIC)
def gate(x, out):
    """out = tanh(a) sigmoid(b), x (rows, 2p) = [a, b], out (rows, p); by one division."""
    p = out.shape[1]
    one, far, wide = x.dtype.type(1), x.dtype.type(20), x.dtype.type(40)
    for s in range(out.shape[0]):
        a, b, to = x[s, :p], x[s, p:], out[s]
        for o in range(p):
            t = fast_exp(-2 * min(max(a[o], -far), far))
            g = fast_exp(-min(max(b[o], -wide), wide))
            to[o] = (one - t) / ((one + t) * (one + g))


@numba.njit(**JIT)
def add(x, out):
    """out += x, where x may be shorter, and is repeated."""
    x, out = x.reshape(-1), out.reshape(-1)
    for start in range(0, out.size, x.size):
        part = out[start : start + x.size]
        for i in range(x.size):
            part[i] += x[i]


@numba.njit(**JIT)
def repeat(x, out):
    """out = x, repeated; `out[:] = x` takes ten times as long to compile."""
    x, out = x.reshape(-1), out.reshape(-1)
    for start in range(0, out.size, x.size):
        part = out[start : start + x.size]
        for i in range(x.size):
            part[i] = x[i]


@numba.njit(**JIT)
def relu(x, out):
    """out = max(x, 0), for C-contiguous arrays of one shape."""
    x, out = x.reshape(-1), out.reshape(-1)
    for i in range(x.size):
        out[i] = max(x[i], x.dtype.type(0))


@numba.njit(**JIT)
def take_windows(x, i, window):
    """Of row i of windows, each k wide, over a padded x (.., W + k - 1, n, C): (W, n, rows k C)."""
    W, n, size = window.shape
    C = x.shape[3]
    k = x.shape[1] - W + 1
    for j in range(W):
        for s in range(n):
            for at in range(size):
                window[j, s, at] = x[i + at // (k * C), j + at // C % k, s, at % C]


@numba.njit(**JIT)
def take_left(line, j, near):
    """What lies in a padded line (.., n, C) from place j on: (n, taps C)."""
    C = line.shape[2]
    for s in range(near.shape[0]):
        for at in range(near.shape[1]):
            near[s, at] = line[j + at // C, s, at % C]


@numba.njit(**JIT)
def head(w, x, middle, c, out):
    """The logits (n, L) of channel c from features after ReLU, x (n, K); room middle (n, D)."""
    repeat(w.bias_hidden, middle)
    add_product(x, w.hidden, middle)
    relu(middle, middle)
    repeat(w.bias_logits[c], out)
    add_product(middle, w.logits[c], out)
