"""What a model is told of a picture, as the vector or the tokens that its network takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.protocols import Condition
from smalti.core.ranges import Length
from smalti.layers.caption import CaptionConfig, CaptionEncoder

Told = Mapping[str, Tensor | list[str]]
Kind = Literal["vector", "tokens"]


@dataclass(frozen=True)
@checked
class Choice:
    """One of named values: a class, a category, a style."""

    values: Annotated[tuple[str, ...], Length(1, 2**20)] = ("no", "yes")
    """The values' names."""
    name: str = "class"
    """What the condition is called."""


Conditional = tuple[Choice | CaptionConfig, ...]
"""The conditions of a model."""


def named_choice(values: tuple[str, ...], name: str = "class") -> tuple[Choice, ...]:
    """One choice, or none where there are no values."""
    return (Choice(values, name),) if values else ()


def count_columns(conditions: Conditional, spare: bool) -> int:
    """D, the length of the vector that tells these: a number for every value of a choice and, where
    `spare`, for "none"; and a caption's width.
    """
    return sum(
        c.width if isinstance(c, CaptionConfig) else len(c.values) + spare for c in conditions
    )


def describe(
    conditions: Conditional, dropout: float, kind: Kind = "vector"
) -> tuple[Condition, ...]:
    """What is said of conditions to those who ask a model for samples; kind: of the choices."""
    return tuple(
        Condition(c.name, "vector", (), dropout > 0)
        if isinstance(c, CaptionConfig)
        else Condition(c.name, kind, c.values, dropout > 0)
        for c in conditions
    )


class Conditions(nn.Module):
    """All that a model is told, side by side in one vector: (n, D).

    A choice is a one-hot, whose last place is "none" where the model learns without, or where
    `spare` keeps one all the same; a caption is what its encoder says. In training each is hidden
    by itself, as often as `dropout` says: a choice is "none" then, a caption is empty.
    """

    zero: Tensor

    def __init__(
        self,
        conditions: Conditional,
        dropout: float = 0.0,
        kind: Kind = "vector",
        spare: bool = False,
    ):
        super().__init__()
        names = [c.name for c in conditions]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"two conditions are called {twice[0]!r}; give each its own name")
        self.dropout, self.spare = dropout, spare or dropout > 0
        self.spec = describe(conditions, dropout, kind)
        self.width = count_columns(conditions, self.spare)
        self.encoders = nn.ModuleList(
            c.build() if isinstance(c, CaptionConfig) else nn.Identity() for c in conditions
        )
        self.register_buffer("zero", torch.zeros(()), persistent=False)  # knows device and dtype

    def vector(self, told: Told, n: int) -> Tensor | None:
        """(n, D) of what `core.conditions.resolve` gives; None for a model that is told nothing.

        What is missing is hidden. UserError where the model never learned without it.
        """
        parts = [
            self.encode_text(told.get(c.name), encoder, n)
            if isinstance(encoder, CaptionEncoder)
            else self.encode_choice(told.get(c.name), c, n)
            for c, encoder in zip(self.spec, self.encoders, strict=True)
        ]
        return torch.cat(parts, 1) if parts else None

    def nothing(self, n: int) -> Tensor | None:
        """(n, D) with all hidden, for guidance. UserError where the model never learned without."""
        if never := [c.name for c in self.spec if not c.unknown]:
            raise UserError(
                f"this model never learned without {never[0]}; give it, and leave guidance at 1"
            )
        return self.vector({}, n)

    def indices(self, told: Told, n: int) -> Tensor:
        """(n, c) int64 of the choices, in their order, for networks that take tokens."""
        rows = [self.index(told.get(c.name), c, n) for c in self.spec if c.values]
        return torch.stack(rows, 1) if rows else torch.zeros(n, 0, dtype=torch.int64)

    def encode_choice(self, value: Tensor | list[str] | None, c: Condition, n: int) -> Tensor:
        places = len(c.values) + self.spare
        return F.one_hot(self.index(value, c, n), places).to(self.zero.dtype)  # (n, places)

    def encode_text(
        self, text: Tensor | list[str] | None, encoder: CaptionEncoder, n: int
    ) -> Tensor:
        told = [""] * n if text is None else [*map(str, text)]
        if self.training and self.dropout:
            hidden = (torch.rand(n) < self.dropout).tolist()
            told = ["" if gone else one for one, gone in zip(told, hidden, strict=True)]
        return encoder(*encoder.read(told))  # (n, width)

    def index(self, value: Tensor | list[str] | None, c: Condition, n: int) -> Tensor:
        """(n,) places of a choice's values; in training some are hidden."""
        if value is None and not c.unknown:
            raise UserError(
                f"this model never learned without {c.name}; give one for each of {n} pictures"
            )
        if value is None:
            return torch.full((n,), len(c.values), device=self.zero.device)
        y = torch.as_tensor(value, device=self.zero.device)
        if self.training and self.dropout:
            hidden = torch.rand(n, device=y.device) < self.dropout
            y = y.masked_fill(hidden, len(c.values))
        return y
