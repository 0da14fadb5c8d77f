"""The known part of pictures to complete: which symbols are kept, and which pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.core.canvas import KnownPixels
from smalti.core.protocols import Codec
from smalti.core.sampling_inputs import SamplingInputs, read_known_and_mask

if TYPE_CHECKING:
    from smalti.autoregressive.mixing.model import ContextMixing
    from smalti.autoregressive.model import Autoregressive

FILLINGS = (0.0, 0.5, 1.0)
"""The gray levels that fill a hole to find the codes that see it."""


class KnownSymbols(NamedTuple):
    """The known symbols of n pictures to complete."""

    symbols: Tensor
    """(n, T) int64."""
    missing: Tensor
    """(n, T) bool: True where symbols are drawn."""
    pixels: KnownPixels | None = None
    """Pixels that replace the decoded ones; None where the symbols determine them."""

    def find_drawn_range(self) -> tuple[int, int]:
        """The positions first <= k < end outside which nothing is missing; (T, T) for no hole."""
        where = self.missing.any(0).nonzero()
        if not len(where):
            return self.missing.shape[1], self.missing.shape[1]
        return int(where[0]), int(where[-1]) + 1


def encode_known(
    model: Autoregressive | ContextMixing, inputs: SamplingInputs, n: int
) -> KnownSymbols | None:
    """Encode the known part of n pictures; None without any. UserError when it does not fit.

    Where a symbol is a pixel's level, the pixels' symbols are kept. Codes see their neighbors: the
    hole is filled in several ways, and the codes that differ, or that cover a part of the hole, are
    missing. The known pixels are kept besides.
    """
    hole = read_known_and_mask(inputs, (n, model.spec.channels, *(model.spec.size or ())))
    if hole is None:
        return None
    known, mask = (x.to(model.device) for x in hole)
    if model.is_lossless:
        symbols, missing, pixels = model.encode(known), mask, None
    else:
        symbols, *others = (model.encode(known.masked_fill(mask, gray)) for gray in FILLINGS)
        missing = torch.stack([symbols != other for other in others]).any(0)
        missing = missing | find_covering_codes(model.codec, mask)
        pixels = KnownPixels(known.float(), mask)
    to_sequence = model.requirements.to_sequence
    return KnownSymbols(to_sequence(symbols), to_sequence(missing), pixels)


def find_covering_codes(codec: Codec, mask: Tensor) -> Tensor:
    """Find the codes (n, 1, h, w) that cover a pixel of the mask (n, C, H, W)."""
    H, W = mask.shape[2:]
    rows = sum(codec.compute_code_shape((k, W))[-2] == 1 for k in range(1, H + 1))
    columns = sum(codec.compute_code_shape((H, k))[-1] == 1 for k in range(1, W + 1))
    any_channel = mask.any(1, keepdim=True).float()
    return F.max_pool2d(any_channel, (rows, columns), ceil_mode=True) > 0
