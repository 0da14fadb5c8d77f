"""What an autoregressive model requires of its network, and the interface of network configs."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from smalti.autoregressive.caption_tokens import CaptionTokens
from smalti.autoregressive.map_encoder import MAP_WIDTH
from smalti.autoregressive.orders import Order, RowMajor
from smalti.autoregressive.output import Output
from smalti.autoregressive.picture_condition import PictureCondition
from smalti.autoregressive.raster_order import to_grid, to_sequence
from smalti.core.errors import UserError
from smalti.core.protocols import Codec
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import Choice, ConditionConfigs, compute_width

N = TypeVar("N", bound="NetworkConfig")
ROW_MAJOR = RowMajor()
FrontCondition = PictureCondition | CaptionTokens
"""A condition of several tokens in front of a GPT's symbols."""
PriorConditions = tuple[Choice | CaptionConfig | FrontCondition, ...]
"""The conditions of an autoregressive model."""


@dataclass(frozen=True)
class Requirements:
    """Sizes derived from a model's codec, output and conditions."""

    grid: tuple[int, int, int]
    """C symbols at each of h x w positions."""
    n_symbols: int
    """K, the size of the symbol alphabet."""
    ordered: bool
    """Whether symbols have numeric values, which a network may take as input."""
    n_parameters: int
    """P, parameters of a symbol's distribution; of all symbols of a pixel if joint."""
    joint: bool
    """Whether all channels of a pixel share one set of parameters."""
    encoder_width: int
    """Length of the condition encoder's vector."""
    choice_sizes: tuple[int, ...]
    """Number of values of each choice."""
    text_names: tuple[str, ...]
    """Names of the text conditions."""
    n_shifts: int
    """Number of shifts used in training; 0 for none."""
    order: Order = ROW_MAJOR
    """The order of the grid's positions."""
    pictures: tuple[tuple[str, int, int], ...] = ()
    """Name, number of symbols and tokens of each picture condition."""
    map_names: tuple[str, ...] = ()
    """Names of those that may be maps beside the grid instead."""
    shared_table: bool = False
    """Whether conditions have the same rows of the token table as symbols."""
    drops_conditions: bool = False
    """Whether conditions are dropped in training, so that each has a token for "none"."""

    @cached_property
    def places(self) -> Tensor | None:
        """(h w,) the pixel at each position of the sequence; None for row by row."""
        return None if self.order.is_raster else self.order.list_places(*self.grid[1:])

    def to_sequence(self, z: Tensor) -> Tensor:
        """Arrange symbols (N, C, h, w) in the model's order: (N, T)."""
        return to_sequence(z, self.places)

    def to_grid(self, sequence: Tensor) -> Tensor:
        """Arrange a sequence (N, T, ...) as grids (N, C, h, w, ...)."""
        return to_grid(sequence, self.grid, self.places)

    @property
    def sequence_length(self) -> int:
        """T, symbols per picture."""
        return math.prod(self.grid)

    @property
    def condition_width(self) -> int:
        """D, length of the condition vector, or features of a condition map; 0 for none."""
        return self.encoder_width + self.n_shifts + len(self.map_names) * MAP_WIDTH

    @property
    def has_start(self) -> bool:
        """Whether an empty token stands in front, since nothing else does."""
        return not self.choice_sizes and not self.pictures

    @property
    def prefix_sizes(self) -> tuple[int, ...]:
        """Values of each condition in front, in their order: choices, shifts, pictures."""
        sizes = self.choice_sizes or (1,) * self.has_start
        shifts = (self.n_shifts,) if self.n_shifts else ()
        return (*sizes, *shifts, *(K for _, K, _ in self.pictures))

    @property
    def prefix_length(self) -> int:
        """Prefix tokens before the symbols."""
        return (
            (len(self.choice_sizes) or self.has_start)
            + (self.n_shifts > 0)
            + sum(length for _, _, length in self.pictures)
        )

    @property
    def prefix_rows(self) -> tuple[tuple[int, int], ...]:
        """For each of `prefix_sizes`, its first row of the token table, and the row of "none".

        Own rows come after the symbols': each condition's values, then its "none". With
        `shared_table` all values begin at row 0, and each "none" has a row after all.
        """
        if self.shared_table:
            last = max(self.n_symbols, *self.prefix_sizes)
            return tuple((0, last + k) for k in range(len(self.prefix_sizes)))
        rows, first = [], self.n_symbols
        for k, K in enumerate(self.prefix_sizes):
            rows.append((first, first + K))
            first += K + self.has_none_row(k)
        return tuple(rows)

    def has_none_row(self, k: int) -> bool:
        """Whether a condition's own rows have one for "none": choices always do, shifts never."""
        n = len(self.choice_sizes) or self.has_start
        if k < len(self.choice_sizes):
            return True
        return k >= n + (self.n_shifts > 0) and self.drops_conditions

    @property
    def vocab_size(self) -> int:
        """Rows of the token table."""
        sizes, rows = self.prefix_sizes, self.prefix_rows
        if self.shared_table:
            return rows[0][1] + (len(sizes) if self.drops_conditions else 0)
        return rows[-1][0] + sizes[-1] + self.has_none_row(len(sizes) - 1)

    def __str__(self) -> str:
        kind = "levels" if self.ordered else "codes"
        return (
            f"{self.n_symbols} {kind}, {self.sequence_length} per picture, "
            "the output and the conditions"
        )


@runtime_checkable
class NetworkConfig(Protocol):
    """The interface of network configs for autoregressive models.

    condition_kinds: how conditions enter. "vector": `network(x, y)` takes x (N, C, h, w) and y
    (N, D) or None, and returns parameters (N, P, C, h, w), or joint ones (N, P, h, w). "map": y may
    also be a map (N, D, h, w), whose positions are not masked. "tokens":
    `network(tokens)` takes (N, T) integers, conditions first, and returns next-token logits
    (N, T, vocab_size).
    input_kind: what x is, "values" in the network's `range`, or "symbols" as int64.
    """

    @property
    def condition_kinds(self) -> tuple[str, ...]: ...
    @property
    def input_kind(self) -> str: ...

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        """The required values of its fields, by name. UserError when it cannot meet them."""
        ...

    def build(self) -> nn.Module: ...


def split_conditions(
    conditions: PriorConditions,
) -> tuple[ConditionConfigs, tuple[FrontCondition, ...]]:
    """Split conditions: choices and captions, then those of several tokens.

    UserError if two share a name.
    """
    names = [c.name for c in conditions]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two conditions are named {twice[0]!r}; give each a different name")
    pictures = tuple(c for c in conditions if isinstance(c, FrontCondition))
    return tuple(c for c in conditions if not isinstance(c, FrontCondition)), pictures


def compute_requirements(
    codec: Codec,
    size: tuple[int, int],
    output: Output,
    conditions: PriorConditions = (),
    condition_dropout: float = 0.0,
    max_shift: int = 0,
    order: Order = ROW_MAJOR,
    shared_table: bool = False,
) -> Requirements:
    """Compute the requirements of a model of these parts; size: of the pictures.

    UserError when the output needs ordered values and the codec's symbols have none.
    """
    C, h, w = (1, *codec.compute_code_shape(size))[-3:]
    if output.joint and codec.symbol_values is None:
        raise UserError(
            f"output is {type(output).__name__}, which needs ordered values, but the codec's "
            f"{codec.vocab_size} codes have none; give Categorical"
        )
    vectors, pictures = split_conditions(conditions)
    encoders = [condition.build() for condition in pictures]
    return Requirements(
        grid=(C, h, w),
        n_symbols=codec.vocab_size,
        ordered=codec.symbol_values is not None,
        n_parameters=output.count_parameters(C, codec.vocab_size),
        joint=output.joint,
        encoder_width=compute_width(vectors, reserve_none=condition_dropout > 0),
        choice_sizes=tuple(len(c.values) for c in vectors if isinstance(c, Choice)),
        text_names=tuple(c.name for c in vectors if not isinstance(c, Choice)),
        n_shifts=(2 * max_shift + 1) ** 2 if max_shift else 0,
        order=order,
        pictures=tuple((e.name, e.vocab_size, e.n_tokens) for e in encoders),
        map_names=tuple(e.name for e in encoders if e.is_picture),
        shared_table=shared_table,
        drops_conditions=condition_dropout > 0,
    )


def check_network(network: NetworkConfig, requirements: Requirements) -> None:
    """Check that the network's fields meet the model's requirements, else UserError."""
    for name, value in network.derive_fields(requirements).items():
        if (actual := getattr(network, name)) != value:
            raise UserError(
                f"network.{name} is {actual}, but {requirements} require {value}; set it to {value}"
            )
    if requirements.text_names and "vector" not in network.condition_kinds:
        raise UserError(
            f"condition {requirements.text_names[0]!r} is a vector, but this network takes tokens; "
            "give CaptionTokens, or a PixelCNN"
        )
    maps = requirements.map_names if "map" in network.condition_kinds else ()
    others = [name for name, _, _ in requirements.pictures if name not in maps]
    if others and "tokens" not in network.condition_kinds:
        raise UserError(
            f"condition {others[0]!r} is encoded as tokens, but this network takes "
            f"{' and '.join(f'{kind}s' for kind in network.condition_kinds)}; "
            "remove it, or give a GPT"
        )
    if not requirements.order.is_raster and "tokens" not in network.condition_kinds:
        raise UserError(
            f"order is {type(requirements.order).__name__}, but this network predicts row by row; "
            "give order RowMajor, or a GPT"
        )
    if network.input_kind == "values" and not requirements.ordered:
        raise UserError(
            f"this network takes values, but the codec's {requirements.n_symbols} codes have none; "
            "give a network that takes symbols"
        )


def fill_network_sizes(network: N, requirements: Requirements) -> N:
    """Fill in the network's default fields with the values the model requires."""
    default: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(network)}  # pyright: ignore
    sizes = network.derive_fields(requirements)
    changes = {k: v for k, v in sizes.items() if getattr(network, k) == default[k]}
    return dataclasses.replace(network, **changes)  # pyright: ignore
