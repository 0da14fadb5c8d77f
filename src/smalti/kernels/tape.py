"""Tapes: a walker's steps at a position, recorded once and replayed at every picture and row.

A row or a pixel takes the same few steps each time, on the same memory. Recording them in Python
and playing them in one compiled loop serves all walkers; separate kernels per network took tens of
seconds to compile.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from smalti.kernels import loops


class Tape:
    """Steps on C-contiguous arrays of one dtype, which the tape keeps alive.

    A repeated array's size divides the output's. Mismatched sizes raise AssertionError when a step
    is recorded; nothing is checked when it is played.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[int, ...]] = []
        self.kept_arrays: dict[int, np.ndarray] = {}
        self.cost = 0  # multiply-adds of all products

    def add_product(self, x: np.ndarray, w: np.ndarray, out: np.ndarray) -> None:
        """out += x w, for x (..., K), packed w (O / width, K, width), out (..., O)."""
        panels, k, width = w.shape
        assert x.shape[-1] == k and out.shape[-1] == panels * width
        assert x.size // k * panels * width == out.size
        self.cost += x.size * out.shape[-1]
        self.record(loops.PRODUCT, x, w, out, x.size // k, k, panels)

    def repeat(self, x: np.ndarray, out: np.ndarray) -> None:
        """out = x, repeated to fill out."""
        assert out.size % x.size == 0
        self.record(loops.REPEAT, x, x, out, out.size // x.size, x.size)

    def add(self, x: np.ndarray, out: np.ndarray) -> None:
        """out += x, repeated to fill out."""
        assert out.size % x.size == 0
        self.record(loops.ADD, x, x, out, out.size // x.size, x.size)

    def relu(self, x: np.ndarray, out: np.ndarray) -> None:
        """out = max(x, 0)."""
        self.record_rows(loops.RELU, x, out, 1, 1)

    def elu(self, x: np.ndarray, out: np.ndarray) -> None:
        """out = x where x > 0, else e^x - 1."""
        self.record_rows(loops.ELU, x, out, 1, 1)

    def gate(self, x: np.ndarray, out: np.ndarray) -> None:
        """out = tanh(a) sigmoid(b), x (..., 2p) = [a, b], out (..., p)."""
        self.record_rows(loops.GATE, x, out, 2, 1)

    def add_gated(self, x: np.ndarray, out: np.ndarray) -> None:
        """out += a sigmoid(b), x (..., 2p) = [a, b], out (..., p)."""
        self.record_rows(loops.ADD_GATED, x, out, 2, 1)

    def concat_elu(self, x: np.ndarray, out: np.ndarray) -> None:
        """out = [elu(x), elu(-x)]: x (..., p), out (..., 2p)."""
        self.record_rows(loops.CONCAT_ELU, x, out, 1, 2)

    def record_rows(
        self, kind: int, x: np.ndarray, out: np.ndarray, x_factor: int, out_factor: int
    ) -> None:
        """Record a step from rows of `x_factor` p elements to rows of `out_factor` p."""
        p = x.shape[-1] // x_factor
        assert (x.shape[-1], out.shape[-1]) == (x_factor * p, out_factor * p)
        assert x.size * out_factor == out.size * x_factor
        self.record(kind, x, x, out, x.size // x.shape[-1], p)

    def record(self, kind: int, x: np.ndarray, w: np.ndarray, out: np.ndarray, *sizes: int) -> None:
        for array in (x, w, out):
            assert array.flags.c_contiguous and array.dtype == out.dtype
            owner = array if array.base is None else array.base
            self.kept_arrays[id(owner)] = array
        addresses = (read_address(x), read_address(w), read_address(out))
        self.steps.append((kind, *addresses, *sizes, *(0,) * (3 - len(sizes))))

    def play(self) -> None:
        """Execute all steps in order."""
        loops.play(*self.encoded_steps)

    def extrapolate(self, previous: Tape) -> Tape:
        """Return the next tape of an evenly spaced series, from this one and the previous."""
        tape, (steps, like) = Tape(), self.encoded_steps
        tape.kept_arrays, tape.encoded_steps = (
            self.kept_arrays,
            (2 * steps - previous.encoded_steps[0], like),
        )
        return tape

    @cached_property
    def encoded_steps(self) -> tuple[np.ndarray, np.ndarray]:
        """The steps (count, 7) int64, and an array of their dtype."""
        kinds = {array.dtype for array in self.kept_arrays.values()}
        assert len(kinds) == 1
        return np.array(self.steps, np.int64), np.empty(0, kinds.pop())


def read_address(x: np.ndarray) -> int:
    """Read a writable array's address, in a third of the time of `x.ctypes.data`."""
    return ctypes.addressof(ctypes.c_char.from_buffer(x.data))


def record_tapes(positions: Iterable[int], record: Callable[[Tape, int], None]) -> list[Tape]:
    """Record a tape for each position."""
    tapes = []
    for position in positions:
        tape = Tape()
        record(tape, position)
        tapes.append(tape)
    return tapes


def record_column_tapes(
    columns: int, record: Callable[[Tape, int], None], period: int = 2
) -> list[Tape]:
    """Record a tape for each column, whose every `period`-th has the same steps, evenly spaced.

    Two periods are recorded; the others are extrapolated.
    """
    tapes = record_tapes(range(min(columns, 2 * period)), record)
    while len(tapes) < columns:
        tapes.append(tapes[-period].extrapolate(tapes[-2 * period]))
    return tapes
