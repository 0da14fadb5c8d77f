"""Codes without pictures behind them: a grid of whole numbers, as published files have it."""

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
    """A grid of codes, whose codec is not known."""

    vocab_size: CodebookSize = 512
    """Codes there are."""
    size: tuple[Width, Width] = (28, 28)
    """Rows and columns."""

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
            "no codec stands behind these codes, so pictures cannot become such; "
            "name one when the model is converted"
        )

    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """The codes as they are."""
        return codes
