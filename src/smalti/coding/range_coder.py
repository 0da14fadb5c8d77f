"""Range coding of levels under the distributions of a model's walk.

Encoder and decoder run the same walk. A forward pass over whole pictures gives the same
probabilities only up to rounding, which would desynchronize the decoder.
"""

from __future__ import annotations

from collections.abc import Iterator

import constriction
import numpy as np
import torch
from torch import Tensor

from smalti.core.canvas import Canvas
from smalti.core.errors import UserError
from smalti.core.protocols import AutoregressiveModel, SymbolDistribution
from smalti.core.sampling_inputs import SamplingInputs

coders = constriction.stream  # pyright: ignore[reportAttributeAccessIssue] # compiled, untyped
CATEGORICAL = coders.model.Categorical(perfect=False)
"""One distribution per symbol, in 24-bit fixed point, with at least one step per level."""
PROBABILITY_STEP = 2.0**-24
SLACK_BITS = 64
"""Bits that a coder may buffer."""


class StreamMismatch(UserError):
    """The bits do not decode under this walk."""


class Encoder:
    """Encodes given levels along a model's walk."""

    def __init__(self) -> None:
        self.coder = coders.queue.RangeEncoder()
        self.bits: list[np.ndarray] = []
        """Bits of the levels (n,) at each position of the last walk."""

    def walk(
        self, model: AutoregressiveModel, levels: Tensor, inputs: SamplingInputs
    ) -> Iterator[Canvas]:
        """Encode levels (n, C, H, W), int64, along the model's walk; yields after each row."""
        flat, rows = model.to_sequence(levels), np.arange(len(levels))  # (n, T)
        self.bits = []

        def choose_symbols(k: int, symbols: SymbolDistribution) -> Tensor:
            levels_k = flat[:, k]
            p = compute_probabilities(symbols)
            self.coder.encode(levels_k.numpy().astype(np.int32), CATEGORICAL, p)
            self.bits.append(-np.log2(np.maximum(p[rows, levels_k], PROBABILITY_STEP)))
            return levels_k

        return model.walk(choose_symbols, len(levels), inputs)

    def to_bytes(self) -> bytes:
        return self.coder.get_compressed().astype("<u4").tobytes()


class Decoder:
    """Decodes the output of an `Encoder` by the same walks in the same order."""

    def __init__(self, payload: bytes):
        words = np.frombuffer(payload, "<u4").astype(np.uint32)
        self.coder = coders.queue.RangeDecoder(words)
        self.bits_left = 8.0 * len(payload) + SLACK_BITS

    def walk(self, model: AutoregressiveModel, n: int, inputs: SamplingInputs) -> Iterator[Canvas]:
        """The canvas of n pictures after each row."""

        def choose_symbols(k: int, symbols: SymbolDistribution) -> Tensor:
            p = compute_probabilities(symbols)
            try:
                read = self.coder.decode(CATEGORICAL, p)
            except AssertionError as error:  # no encoder writes these bits
                raise StreamMismatch("the bits do not match this model") from error
            self.bits_left -= compute_min_bits(p, read)
            if self.bits_left < 0:  # past the end
                raise StreamMismatch("the bits do not match this model")
            return torch.from_numpy(read.astype(np.int64))

        return model.walk(choose_symbols, n, inputs)


def compute_min_bits(p: np.ndarray, symbols: np.ndarray) -> float:
    """Lower bound of the bits of these symbols; rounding adds at most two fixed-point steps.

    p: (n, L); symbols: (n,).
    """
    return -float(
        np.log2(np.minimum(p[np.arange(len(p)), symbols] + 2 * PROBABILITY_STEP, 1)).sum()
    )


def compute_probabilities(symbols: SymbolDistribution) -> np.ndarray:
    """(n, L) float64. UserError if they are not finite."""
    p = symbols.logits.double().exp().cpu().contiguous().numpy()
    if not np.isfinite(p).all():
        raise UserError("the model's probabilities are not finite; use another checkpoint")
    return p
