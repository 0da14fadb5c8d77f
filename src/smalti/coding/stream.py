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

from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.protocols import Autoregressive, Symbols
from smalti.core.states import Canvas

coders = constriction.stream  # pyright: ignore[reportAttributeAccessIssue] # compiled, untyped
TABLES = coders.model.Categorical(perfect=False)
"""One distribution a symbol, in 24 bits of fixed point, where no level has less than one step."""


STEP = 2.0**-24
SLACK = 64
"""Bits that a coder may hold back."""


class Astray(UserError):
    """The bits are not of this walk."""


class Encoder:
    """Writes what it is shown to be there."""

    def __init__(self) -> None:
        self.coder = coders.queue.RangeEncoder()

    def walk(self, model: Autoregressive, levels: Tensor, given: Given) -> Iterator[Canvas]:
        """Encode levels (n, C, H, W), int64, along the model's walk; yields after each row."""

        flat = levels.permute(0, 2, 3, 1).flatten(1)  # (n, T)

        def choose(k: int, symbols: Symbols) -> Tensor:
            here = flat[:, k]
            self.coder.encode(here.numpy().astype(np.int32), TABLES, probabilities(symbols))
            return here

        return model.walk(choose, len(levels), given)

    def payload(self) -> bytes:
        return self.coder.get_compressed().astype("<u4").tobytes()


class Decoder:
    """Reads what an `Encoder` wrote, by the same walks in the same order."""

    def __init__(self, payload: bytes):
        words = np.frombuffer(payload, "<u4").astype(np.uint32)
        self.coder = coders.queue.RangeDecoder(words)
        self.left = 8.0 * len(payload) + SLACK  # bits

    def walk(self, model: Autoregressive, n: int, given: Given) -> Iterator[Canvas]:
        """The canvas of n pictures after each row."""

        def choose(k: int, symbols: Symbols) -> Tensor:
            p = probabilities(symbols)
            try:
                read = self.coder.decode(TABLES, p)
            except AssertionError as error:  # bits that no encoder writes under these tables
                raise Astray("the bits are not of this walk") from error
            self.left -= fewest_bits(p, read)
            if self.left < 0:  # it is past their end
                raise Astray("the bits are not of this walk")
            return torch.from_numpy(read.astype(np.int64))

        return model.walk(choose, n, given)


def fewest_bits(p: np.ndarray, read: np.ndarray) -> float:
    """What these symbols took at least; rounding gives none more than two steps of fixed point.

    p: (n, L); read: (n,).
    """
    return -float(np.log2(np.minimum(p[np.arange(len(p)), read] + 2 * STEP, 1)).sum())


def probabilities(symbols: Symbols) -> np.ndarray:
    """(n, L) float64. UserError when the model does not know what it says."""
    p = symbols.logits.double().exp().cpu().contiguous().numpy()
    if not np.isfinite(p).all():
        raise UserError("the model gives probabilities that are no numbers; train it anew")
    return p
