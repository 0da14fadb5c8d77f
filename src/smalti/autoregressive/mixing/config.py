"""The config of an autoregressive model that is mixed with counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from smalti.autoregressive.mixing.base_model import BaseModel
from smalti.autoregressive.mixing.contexts import NEIGHBORS
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Range
from smalti.layers.symbol_sampling import Ancestral

if TYPE_CHECKING:
    from smalti.autoregressive.mixing.model import ContextMixing

Order = Annotated[int, Range(1, len(NEIGHBORS))]
"""Neighbors of a context."""
MAX_ORDERS = 8
"""Orders of contexts, at most."""


@dataclass(frozen=True)
@check_fields
class ContextMixingConfig:
    """An autoregressive model of pixels, mixed with counts of exact contexts."""

    base: BaseModel = field(default_factory=BaseModel)
    """The model whose distributions are mixed."""
    orders: tuple[Order, ...] = (2, 3, 4, 6)
    """Neighbors of each context, increasing."""
    counts_bytes: Annotated[int, Range(0, 1 << 28)] = 0
    """Bytes of the packed counts; 0 for none."""
    sampler: Ancestral = field(default_factory=Ancestral)
    """Default sampler of the model."""

    def __post_init__(self) -> None:
        if not 0 < len(self.orders) <= MAX_ORDERS or sorted({*self.orders}) != [*self.orders]:
            raise UserError(
                f"orders is {self.orders}; give 1 to {MAX_ORDERS} increasing numbers of neighbors"
            )

    def build(self) -> ContextMixing:
        from smalti.autoregressive.mixing.model import ContextMixing

        return ContextMixing(self)
