"""Levels to bits and back: a range coder under the distributions that a model's walk shows.

Both sides take the same walk. A forward over whole pictures gives the same numbers only up to
rounding, and a decoder that rounds otherwise loses its way, so the encoder walks, too.
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
"""One distribution a symbol, in 24 bits of fixed point, where no level has less than one step."""


PROBABILITY_STEP = 2.0**-24
SLACK_BITS = 64
"""Bits that a coder may hold back."""


class StreamMismatch(UserError):
    """The bits are not of this walk."""


class Encoder:
    """Writes what it is shown to be there."""

    def __init__(self) -> None:
        self.coder = coders.queue.RangeEncoder()

    def walk(
        self, model: AutoregressiveModel, levels: Tensor, inputs: SamplingInputs
    ) -> Iterator[Canvas]:
        """Encode levels (n, C, H, W), int64, along the model's walk; yields after each row."""

        flat = levels.permute(0, 2, 3, 1).flatten(1)  # (n, T)

        def choose_symbols(k: int, symbols: SymbolDistribution) -> Tensor:
            here = flat[:, k]
            self.coder.encode(
                here.numpy().astype(np.int32), CATEGORICAL, compute_probabilities(symbols)
            )
            return here

        return model.walk(choose_symbols, len(levels), inputs)

    def to_bytes(self) -> bytes:
        return self.coder.get_compressed().astype("<u4").tobytes()


class Decoder:
    """Reads what an `Encoder` wrote, by the same walks in the same order."""

    def __init__(self, payload: bytes):
        words = np.frombuffer(payload, "<u4").astype(np.uint32)
        self.coder = coders.queue.RangeDecoder(words)
        self.bits_left = 8.0 * len(payload) + SLACK_BITS  # bits

    def walk(self, model: AutoregressiveModel, n: int, inputs: SamplingInputs) -> Iterator[Canvas]:
        """The canvas of n pictures after each row."""

        def choose_symbols(k: int, symbols: SymbolDistribution) -> Tensor:
            p = compute_probabilities(symbols)
            try:
                read = self.coder.decode(CATEGORICAL, p)
            except AssertionError as error:  # bits that no encoder writes under these tables
                raise StreamMismatch("the bits are not of this walk") from error
            self.bits_left -= compute_min_bits(p, read)
            if self.bits_left < 0:  # it is past their end
                raise StreamMismatch("the bits are not of this walk")
            return torch.from_numpy(read.astype(np.int64))

        return model.walk(choose_symbols, n, inputs)


def compute_min_bits(p: np.ndarray, symbols: np.ndarray) -> float:
    """What these symbols took at least; rounding gives none more than two steps of fixed point.

    p: (n, L); symbols: (n,).
    """
    return -float(
        np.log2(np.minimum(p[np.arange(len(p)), symbols] + 2 * PROBABILITY_STEP, 1)).sum()
    )


def compute_probabilities(symbols: SymbolDistribution) -> np.ndarray:
    """(n, L) float64. UserError when the model does not know what it says."""
    p = symbols.logits.double().exp().cpu().contiguous().numpy()
    if not np.isfinite(p).all():
        raise UserError("the model gives probabilities that are no numbers; train it anew")
    return p
