"""The likelihood of pictures under a model."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.short_repr import format_short_repr


class Score(NamedTuple):
    """The likelihood of pictures under a model."""

    __repr__ = format_short_repr

    nats: Tensor
    """(B,) float64: -log p(x) of each 8-bit picture, or an upper bound on it."""
    dims: int
    """Numbers in a picture, C*H*W, or codes: bits/dim is nats / (dims log 2)."""
    kind: Literal["exact", "bound", "codes"]
    """Exact, an upper bound (diffusion), or of the picture's codes only."""
    standard_error: Tensor | None = None
    """(B,) standard error of `nats` for Monte Carlo estimates; None otherwise."""
    terms: dict[str, Tensor] = {}  # noqa: RUF012
    """Terms that sum to `nats`, by name, (B,) each."""

    @property
    def bits_per_dim(self) -> Tensor:
        """(B,) float64: bits per dimension; uncompressed 8-bit levels have 8.

        UserError for a score of codes, which has no bits per dimension.
        """
        if self.kind == "codes":
            raise UserError("this is a score of codes, not of pixels: it has no bits/dim; use nats")
        return self.to_bits_per_dim(self.nats)

    def to_bits_per_dim(self, nats: Tensor) -> Tensor:
        """Convert nats of these pictures, such as `standard_error` or a term, to bits/dim."""
        return nats / (self.dims * math.log(2))
