"""The condition encoder: conditions as the vector or the tokens that a network takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Condition
from smalti.core.ranges import LengthRange
from smalti.layers.caption import CaptionConfig, CaptionEncoder

ConditionValues = Mapping[str, Tensor | list[str]]
ConditionKind = Literal["vector", "tokens"]


@dataclass(frozen=True)
@check_fields
class Choice:
    """One of several named values, e.g. a class."""

    values: Annotated[tuple[str, ...], LengthRange(1, 2**20)] = ("no", "yes")
    """Names of the values."""
    name: str = "class"
    """Name of the condition."""
    optional: bool = False
    """Whether a sample without a value has none. Otherwise its value is drawn at random."""


ConditionConfigs = tuple[Choice | CaptionConfig, ...]
"""The conditions of a model."""


def make_choices(values: tuple[str, ...], name: str = "class") -> tuple[Choice, ...]:
    """Return one choice, or none if there are no values."""
    return (Choice(values, name),) if values else ()


def compute_width(conditions: ConditionConfigs, reserve_none: bool) -> int:
    """Compute D, the length of the condition vector: one per value of a choice, plus one for "none"
    if `reserve_none`; and a caption's width.
    """
    return sum(
        c.width if isinstance(c, CaptionConfig) else len(c.values) + reserve_none
        for c in conditions
    )


def describe_conditions(
    conditions: ConditionConfigs, dropout: float, kind: ConditionKind = "vector"
) -> tuple[Condition, ...]:
    """Describe the conditions for the model's spec; kind: of the choices."""
    return tuple(
        Condition(c.name, "vector", (), dropout > 0)
        if isinstance(c, CaptionConfig)
        else Condition(c.name, kind, c.values, dropout > 0, has_default=c.optional and dropout > 0)
        for c in conditions
    )


class ConditionEncoder(nn.Module):
    """Encodes all conditions as one concatenated vector (n, D).

    A choice is a one-hot, with a last entry for "none" if there is dropout or `reserve_none`; a
    caption is its encoder's output. In training each condition is dropped independently with
    probability `dropout`: a choice becomes "none", a caption empty.
    """

    zero: Tensor

    def __init__(
        self,
        conditions: ConditionConfigs,
        dropout: float = 0.0,
        kind: ConditionKind = "vector",
        reserve_none: bool = False,
    ):
        super().__init__()
        names = [c.name for c in conditions]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"two conditions are named {twice[0]!r}; give each a different name")
        self.dropout, self.reserve_none = dropout, reserve_none or dropout > 0
        self.spec = describe_conditions(conditions, dropout, kind)
        self.width = compute_width(conditions, self.reserve_none)
        self.encoders = nn.ModuleList(
            c.build() if isinstance(c, CaptionConfig) else nn.Identity() for c in conditions
        )
        self.register_buffer("zero", torch.zeros(()), persistent=False)  # for device and dtype

    def to_vector(self, condition_values: ConditionValues, n: int) -> Tensor | None:
        """Encode the values of `resolve_conditions` as (n, D); None without conditions.

        Missing conditions are dropped. UserError if the model was not trained without them.
        """
        parts = [
            self.encode_text(condition_values.get(c.name), encoder, n)
            if isinstance(encoder, CaptionEncoder)
            else self.encode_choice(condition_values.get(c.name), c, n)
            for c, encoder in zip(self.spec, self.encoders, strict=True)
        ]
        return torch.cat(parts, 1) if parts else None

    def to_unconditional_vector(self, n: int) -> Tensor | None:
        """Encode n times "no condition", for guidance: (n, D). UserError if not trained so."""
        if never := [c.name for c in self.spec if not c.allows_none]:
            raise UserError(
                f"this model was not trained without {never[0]}; give it, and set guidance to 1"
            )
        return self.to_vector({}, n)

    def to_indices(self, condition_values: ConditionValues, n: int) -> Tensor:
        """Encode the choices as (n, c) int64, for networks that take tokens."""
        rows = [self.to_index(condition_values.get(c.name), c, n) for c in self.spec if c.values]
        return torch.stack(rows, 1) if rows else torch.zeros(n, 0, dtype=torch.int64)

    def encode_choice(self, value: Tensor | list[str] | None, c: Condition, n: int) -> Tensor:
        K = len(c.values) + self.reserve_none
        if isinstance(value, Tensor) and value.is_floating_point():  # shares (n, K)
            return F.pad(value.to(self.zero), (0, int(self.reserve_none)))
        return F.one_hot(self.to_index(value, c, n), K).to(self.zero.dtype)  # (n, K)

    def encode_text(
        self, text: Tensor | list[str] | None, encoder: CaptionEncoder, n: int
    ) -> Tensor:
        captions = [""] * n if text is None else [*map(str, text)]
        if self.training and self.dropout:
            dropped = (torch.rand(n) < self.dropout).tolist()
            captions = ["" if drop else one for one, drop in zip(captions, dropped, strict=True)]
        return encoder(*encoder.tokenize(captions))  # (n, width)

    def to_index(self, value: Tensor | list[str] | None, c: Condition, n: int) -> Tensor:
        """Convert a choice's values to indices (n,); in training some are dropped."""
        if value is None and not c.allows_none:
            raise UserError(
                f"this model was not trained without {c.name}; give one for each of {n} pictures"
            )
        if value is None:
            return torch.full((n,), len(c.values), device=self.zero.device)
        y = torch.as_tensor(value, device=self.zero.device)
        if y.is_floating_point():
            raise UserError(f"this model takes {c.name} as tokens, not in shares; give one of each")
        if self.training and self.dropout:
            dropped = torch.rand(n, device=y.device) < self.dropout
            y = y.masked_fill(dropped, len(c.values))
        return y
