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
from smalti.layers.condition_encoder import Choice, ConditionConfigs, compute_width

N = TypeVar("N", bound="NetworkConfig")


@dataclass(frozen=True)
class Requirements:
    """The sizes of a model's codec, output and conditions."""

    grid: tuple[int, int, int]
    """C symbols at each of h x w places."""
    n_symbols: int
    """K that there are."""
    ordered: bool
    """Whether symbols have values, which a network may take in their place."""
    n_parameters: int
    """P, parameters of a symbol's distribution; of all symbols at a place, where it is joint."""
    joint: bool
    """Whether one set of parameters is for all channels of a place."""
    encoder_width: int
    """Length of the vector of conditions."""
    choice_sizes: tuple[int, ...]
    """Values of each condition that is a choice."""
    text_names: tuple[str, ...]
    """Names of those that are text."""
    n_shifts: int
    """Ways in which pictures are moved in training; 0 for none."""

    @property
    def sequence_length(self) -> int:
        """T, symbols of a picture."""
        return math.prod(self.grid)

    @property
    def condition_width(self) -> int:
        """D, length of the vector that the network is told; 0 for none."""
        return self.encoder_width + self.n_shifts

    @property
    def prefix_length(self) -> int:
        """Tokens in front of the symbols: one that says nothing, where there are no choices."""
        return max(len(self.choice_sizes), 1) + (self.n_shifts > 0)

    @property
    def vocab_size(self) -> int:
        """Rows of a table of tokens: symbols, each choice's values and its "none", moves."""
        return self.n_symbols + (sum(K + 1 for K in self.choice_sizes) or 1) + self.n_shifts

    def __str__(self) -> str:
        kind = "levels" if self.ordered else "codes"
        return f"{self.n_symbols} {kind}, {self.sequence_length} a picture, the output and the conditions"


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
    def condition_kinds(self) -> tuple[str, ...]: ...
    @property
    def input_kind(self) -> str: ...

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        """What its own fields must be, by name. UserError where it cannot do what is asked."""
        ...

    def build(self) -> nn.Module: ...


def compute_requirements(
    codec: Codec,
    size: tuple[int, int],
    output: Output,
    conditions: ConditionConfigs = (),
    condition_dropout: float = 0.0,
    max_shift: int = 0,
) -> Requirements:
    """What a model of these parts asks of its network; size: of the pictures.

    UserError for an output of numbers where the codec's symbols are none.
    """
    C, h, w = (1, *codec.compute_code_shape(size))[-3:]
    if output.joint and codec.symbol_values is None:
        raise UserError(
            f"output is {type(output).__name__}, of numbers in order, and the codec's "
            f"{codec.vocab_size} codes have none; give Categorical"
        )
    return Requirements(
        grid=(C, h, w),
        n_symbols=codec.vocab_size,
        ordered=codec.symbol_values is not None,
        n_parameters=output.count_parameters(C, codec.vocab_size),
        joint=output.joint,
        encoder_width=compute_width(conditions, reserve_none=condition_dropout > 0),
        choice_sizes=tuple(len(c.values) for c in conditions if isinstance(c, Choice)),
        text_names=tuple(c.name for c in conditions if not isinstance(c, Choice)),
        n_shifts=(2 * max_shift + 1) ** 2 if max_shift else 0,
    )


def check_network(network: NetworkConfig, requirements: Requirements) -> None:
    """UserError unless the network's fields are as the model needs them."""
    for name, value in network.derive_fields(requirements).items():
        if (own := getattr(network, name)) != value:
            raise UserError(
                f"network.{name} is {own}, but {requirements} want {value}; make them equal"
            )
    if requirements.text_names and "vector" not in network.condition_kinds:
        raise UserError(
            f"{requirements.text_names[0]} is told by a vector, and this network takes tokens; leave it out, "
            "or give a PixelCNN"
        )
    if network.input_kind == "values" and not requirements.ordered:
        raise UserError(
            f"this network takes values, and {requirements.n_symbols} codes have none; give one that takes "
            "symbols"
        )


def fill_network_sizes(network: N, requirements: Requirements) -> N:
    """The network with what was left at its default as the model needs it."""
    default: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(network)}  # pyright: ignore
    sizes = network.derive_fields(requirements)
    left = {k: v for k, v in sizes.items() if getattr(network, k) == default[k]}
    return dataclasses.replace(network, **left)  # pyright: ignore
