"""What an autoregressive model asks of its network, and what a network's config says of itself."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import nn

from smalti.autoregressive.output import Output
from smalti.core.errors import UserError
from smalti.core.protocols import Codec
from smalti.layers.conditions import Choice, Conditional, count_columns

N = TypeVar("N", bound="NetworkConfig")


@dataclass(frozen=True)
class Needs:
    """The sizes of a model's codec, output and conditions."""

    grid: tuple[int, int, int]
    """C symbols at each of h x w places."""
    symbols: int
    """K that there are."""
    ordered: bool
    """Whether symbols have values, which a network may take in their place."""
    numbers: int
    """P, parameters of a symbol's distribution; of all symbols at a place, where it is joint."""
    joint: bool
    """Whether one set of parameters is for all channels of a place."""
    width: int
    """Length of the vector of conditions."""
    choices: tuple[int, ...]
    """Values of each condition that is a choice."""
    texts: tuple[str, ...]
    """Names of those that are text."""
    moves: int
    """Ways in which pictures are moved in training; 0 for none."""

    @property
    def length(self) -> int:
        """T, symbols of a picture."""
        return math.prod(self.grid)

    @property
    def condition(self) -> int:
        """D, length of the vector that the network is told; 0 for none."""
        return self.width + self.moves

    @property
    def front(self) -> int:
        """Tokens in front of the symbols: one that says nothing, where there are no choices."""
        return max(len(self.choices), 1) + (self.moves > 0)

    @property
    def rows(self) -> int:
        """Rows of a table of tokens: symbols, each choice's values and its "none", moves."""
        return self.symbols + (sum(K + 1 for K in self.choices) or 1) + self.moves

    def __str__(self) -> str:
        kind = "levels" if self.ordered else "codes"
        return f"{self.symbols} {kind}, {self.length} a picture, the output and the conditions"


@runtime_checkable
class NetworkConfig(Protocol):
    """The config of any network that an autoregressive model may have.

    accepts: how it is told of conditions. "vector": it is called as `network(x, y)`, x (N, C, h, w)
    and y (N, D) or None, and puts out parameters (N, P, C, h, w), or (N, P, h, w) for all channels
    of a place. "tokens": it is called as `network(tokens)`, (N, T) integers, those of conditions in
    front, and puts out logits (N, T, rows) of what follows each.
    takes: what x is, "values" in the network's `range`, or "symbols" as int64.
    """

    @property
    def accepts(self) -> tuple[str, ...]: ...
    @property
    def takes(self) -> str: ...

    def find_sizes(self, needs: Needs) -> dict[str, Any]:
        """What its own fields must be, by name. UserError where it cannot do what is asked."""
        ...

    def build(self) -> nn.Module: ...


def find_needs(
    codec: Codec,
    size: tuple[int, int],
    output: Output,
    conditions: Conditional = (),
    dropout: float = 0.0,
    shift: int = 0,
) -> Needs:
    """What a model of these parts asks of its network; size: of the pictures.

    UserError for an output of numbers where the codec's symbols are none.
    """
    C, h, w = (1, *codec.grid(size))[-3:]
    if output.joint and codec.values is None:
        raise UserError(
            f"output is {type(output).__name__}, of numbers in order, and the codec's "
            f"{codec.count} codes have none; give Categorical"
        )
    return Needs(
        grid=(C, h, w),
        symbols=codec.count,
        ordered=codec.values is not None,
        numbers=output.numbers(C, codec.count),
        joint=output.joint,
        width=count_columns(conditions, spare=dropout > 0),
        choices=tuple(len(c.values) for c in conditions if isinstance(c, Choice)),
        texts=tuple(c.name for c in conditions if not isinstance(c, Choice)),
        moves=(2 * shift + 1) ** 2 if shift else 0,
    )


def check_network(network: NetworkConfig, needs: Needs) -> None:
    """UserError unless the network's fields are as the model needs them."""
    for name, value in network.find_sizes(needs).items():
        if (own := getattr(network, name)) != value:
            raise UserError(f"network.{name} is {own}, but {needs} want {value}; make them equal")
    if needs.texts and "vector" not in network.accepts:
        raise UserError(
            f"{needs.texts[0]} is told by a vector, and this network takes tokens; leave it out, "
            "or give a PixelCNN"
        )
    if network.takes == "values" and not needs.ordered:
        raise UserError(
            f"this network takes values, and {needs.symbols} codes have none; give one that takes "
            "symbols"
        )


def fit_network(network: N, needs: Needs) -> N:
    """The network with what was left at its default as the model needs it."""
    default: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(network)}  # pyright: ignore
    sizes = network.find_sizes(needs)
    left = {k: v for k, v in sizes.items() if getattr(network, k) == default[k]}
    return dataclasses.replace(network, **left)  # pyright: ignore
