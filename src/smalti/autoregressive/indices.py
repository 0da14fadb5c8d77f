"""Codes without a codec: a grid of integers, as in published checkpoints of priors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import CodebookSize, Width


@dataclass(frozen=True)
@check_fields
class IndexCodec:
    """A grid of codes without a codec."""

    vocab_size: CodebookSize = 512
    """Number of codes."""
    size: tuple[Width, Width] = (28, 28)
    """Rows and columns of the grid."""

    symbol_values = None
    lossless = False
    has_pictures = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns."""
        return (1, *self.size)

    def load(self) -> IndexCodec:
        return self

    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, int]:
        return size

    def encode(self, x: Tensor) -> NoReturn:
        raise UserError(
            "this model has no codec, so pictures cannot be encoded; "
            "give --codec when converting the model"
        )

    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return the codes unchanged."""
        return codes
