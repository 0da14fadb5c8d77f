"""Attention of one query to a key-value cache, which it reads once, row after row.

Keys and values may be bfloat16, as uint16, and are widened in registers.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import overload

from smalti.kernels.jit import INNER_JIT_OPTIONS
from smalti.kernels.loops import cast_like, fast_exp, instructions, offset_pointer
from smalti.kernels.weight_rows import AHEAD_BYTES, SUM_FLAGS, VECTOR_BYTES, add_lanes, prefetch

ROWS = VECTOR_BYTES // 4
"""Keys in a tile: as many as a register has float32 lanes."""
BLOCK = 4
"""Registers of a sum of values."""


def read_number(x, k, like):
    """x[k] as a number of the pointer `like`; uint16 are bits of bfloat16."""
    raise NotImplementedError  # only called from compiled code


@overload(read_number)
def _read_number(x, k, like):
    if x.dtype == types.uint16:
        return lambda x, k, like: cast_like(
            np.uint32(np.uint32(x[k]) << np.uint32(16)).view(np.float32), like
        )
    return lambda x, k, like: x[k]


def write_number(x, k, value):
    """x[k] = value, which is rounded to nearest even for bfloat16."""
    raise NotImplementedError


@overload(write_number)
def _write_number(x, k, value):
    def narrow(x, k, value):
        bits = np.float32(value).view(np.uint32)
        odd = (bits >> np.uint32(16)) & np.uint32(1)
        x[k] = np.uint16((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))

    def store(x, k, value):
        x[k] = value

    return narrow if x.dtype == types.uint16 else store


class Emitter:
    """Emits loads and sums of vectors of the type of `like`."""

    def __init__(self, context: Any, builder: Any, like: Any):
        self.context, self.builder, scalar = context, builder, like.type.pointee
        self.lanes = VECTOR_BYTES // context.get_abi_sizeof(scalar)
        self.scalar, self.vector = scalar, ir.VectorType(scalar, self.lanes)

    def load(self, base: Any, index: Any, ahead: bool = False) -> Any:
        """The vector from base[index] on, widened, with a prefetch of what comes later."""
        pointee, builder = base.type.pointee, self.builder
        found = ir.VectorType(pointee, self.lanes)
        pointer = builder.bitcast(builder.gep(base, [index]), found.as_pointer())
        loaded = builder.load(pointer, align=1)
        if ahead:
            prefetch(builder, base, index, AHEAD_BYTES // self.context.get_abi_sizeof(pointee))
        if found == self.vector:
            return loaded
        wide, half = ir.VectorType(ir.IntType(32), self.lanes), ir.IntType(32)(16)
        bits = builder.shl(builder.zext(loaded, wide), ir.Constant(wide, [half] * self.lanes))
        floats = builder.bitcast(bits, ir.VectorType(ir.FloatType(), self.lanes))
        return floats if floats.type == self.vector else builder.fpext(floats, self.vector)

    def multiply_add(self, a: Any, b: Any, total: Any) -> None:
        """total += a b."""
        bits = 32 if self.scalar == ir.FloatType() else 64
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{bits}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        value = self.builder.call(function, [a, b, self.builder.load(total)])
        self.builder.store(value, total)


@instructions
def multiply_keys(typing, q, keys, rows, d, k, out):
    """out (ROWS,) = products of q with each key, rows of d numbers; the last repeats beyond `rows`.

    k: columns to sum, whole vectors.
    """
    i = types.intp
    return types.void(q, keys, i, i, i, q), emit_multiply_keys


def emit_multiply_keys(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    q, keys, rows, d, k, out = args
    emitter, number = Emitter(context, builder, q), k.type
    found, last = [], builder.sub(rows, number(1))
    for r in range(ROWS):
        row = builder.select(builder.icmp_signed("<", number(r), rows), number(r), last)
        key, total = builder.gep(keys, [builder.mul(row, d)]), emitter.vector(None)
        total = cgutils.alloca_once_value(builder, total)
        builder.store(emitter.vector(None), total)
        step = number(emitter.lanes)
        with cgutils.for_range_slice(builder, number(0), k, step, intp=number) as (i, _):
            emitter.multiply_add(emitter.load(q, i), emitter.load(key, i, ahead=True), total)
        found.append(builder.load(total))
    for t in range(0, ROWS, emitter.lanes):
        line = add_lanes(builder, found[t : t + emitter.lanes])
        pointer = builder.bitcast(builder.gep(out, [number(t)]), line.type.as_pointer())
        builder.store(line, pointer, align=1)
    return context.get_dummy_value()


@instructions
def add_values(typing, weights, values, T, d, out):
    """out = the sum of T rows of values, d apart, times their weights, in BLOCK vectors."""
    i = types.intp
    return types.void(weights, values, i, i, weights), emit_add_values


def emit_add_values(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    weights, values, T, d, out = args
    emitter, number = Emitter(context, builder, weights), T.type
    totals = [cgutils.alloca_once_value(builder, emitter.vector(None)) for _ in range(BLOCK)]
    for total in totals:
        builder.store(emitter.vector(None), total)
    zeros = ir.VectorType(ir.IntType(32), emitter.lanes)(None)
    with cgutils.for_range(builder, T, intp=number) as loop:
        weight = builder.load(builder.gep(weights, [loop.index]))
        none = ir.Constant(emitter.vector, ir.Undefined)
        first = builder.insert_element(none, weight, ir.IntType(32)(0))
        repeated = builder.shuffle_vector(first, none, zeros)
        row = builder.gep(values, [builder.mul(loop.index, d)])
        for b, total in enumerate(totals):
            loaded = emitter.load(row, number(b * emitter.lanes), ahead=True)
            emitter.multiply_add(repeated, loaded, total)
    for b, total in enumerate(totals):
        pointer = builder.gep(out, [number(b * emitter.lanes)])
        pointer = builder.bitcast(pointer, emitter.vector.as_pointer())
        builder.store(builder.load(total), pointer, align=1)
    return context.get_dummy_value()


@numba.njit(**INNER_JIT_OPTIONS, fastmath=SUM_FLAGS)
def attend(q, keys, values, out, scores, T, d, lanes):
    """out (d,) = softmax(q keys^T / sqrt(d)) values, for q (d,), keys and values (T, d).

    scores (T + ROWS,) is workspace; lanes: of a vector of q's type.
    """
    zero, scale = cast_like(0, q), cast_like(1 / math.sqrt(d), q)
    whole = d // lanes * lanes
    for t in range(0, T, ROWS):
        key = offset_pointer(keys, t * d)
        multiply_keys(q, key, min(ROWS, T - t), d, whole, offset_pointer(scores, t))
    for t in range(T if whole < d else 0):
        for i in range(whole, d):
            scores[t] += q[i] * read_number(keys, t * d + i, q)
    top, total = scores[0], zero
    for t in range(T):
        top = scores[t] if scores[t] > top else top
    for t in range(T):
        scores[t] = fast_exp(max((scores[t] - top) * scale, cast_like(-80, q)))
        total += scores[t]
    blocks = d // (BLOCK * lanes) * BLOCK * lanes
    for i in range(0, blocks, BLOCK * lanes):
        add_values(scores, offset_pointer(values, i), T, d, offset_pointer(out, i))
    for i in range(blocks, d):
        out[i] = zero
    if blocks < d:
        for t in range(T):
            for i in range(blocks, d):
                out[i] += scores[t] * read_number(values, t * d + i, q)
    for i in range(d):
        out[i] /= total
