"""What the rooms of smalti know of each other: protocols and the small records they exchange."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from smalti.core.brief import tell_briefly
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.rng import Rng
from smalti.core.states import Canvas
from smalti.core.tensors import to_floats

S = TypeVar("S", bound="State")
Sampler = Any
"""A frozen dataclass of the model's family, which no room above it can name: `Spec.samplers` lists
them, and core/sampling.py lets no other through.
"""


class Condition(NamedTuple):
    """Something that a model may be told."""

    name: str
    """class, text, style ..."""
    kind: Literal["vector", "tokens", "map"]
    """How its network is told: one vector, a sequence in front, a grid beside."""
    values: tuple[str, ...] = ()
    """Its values by name; empty for free text."""
    unknown: bool = False
    """Whether "none" may be asked for: the model learned without it, too."""


@dataclass(frozen=True)
class Spec:
    """All that the CLI and the web page need to build their forms."""

    output: Literal["picture", "text", "codes", "indices"]
    """A codec's output is codes: it draws nothing by itself. Indices are drawn, codes without a
    codec that makes pictures of them."""
    channels: int = 0
    """Channels of the pictures."""
    size: tuple[int, int] | None = None
    """Height and width; None when any size goes."""
    free_size: bool = False
    """Whether `Given.size` may ask for another height and width."""
    conditions: tuple[Condition, ...] = ()
    """What it may be told."""
    given: tuple[str, ...] = ()
    """The fields of `Given` that the model takes."""
    samplers: tuple[Sampler, ...] = ()
    """One of each type that it takes; the first is the model's own, the others have defaults."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes; empty without any."""
        return next((c.values for c in self.conditions if c.name == "class"), ())


def list_samplers(own: object, *others: object) -> tuple[object, ...]:
    """The model's own sampler, then those of other types, for `Spec.samplers`."""
    return own, *(other for other in others if type(other) is not type(own))


class Batch(NamedTuple):
    """What a training step is given: pictures, codes or sentence pairs."""

    __repr__ = tell_briefly

    pictures: Tensor | None = None
    """(B, C, H, W) in [0, 1]."""
    labels: Tensor | None = None
    """(B,) integers."""
    text: list[str] | None = None
    """B captions."""
    conditions: Mapping[str, Tensor | list[str]] = {}
    """What else is told of each, by name: (B,) integers, or B texts."""
    codes: Tensor | None = None
    """(B, C, h, w) int64, of pictures that a codec has encoded."""
    pairs: tuple[Tensor, Tensor] | None = None
    """(B, S) and (B, T) int64: tokens of sentences and of their translations, padded."""

    def require_pictures(self) -> Tensor:
        """Its pictures, floats (B, C, H, W). UserError where it has none, or others."""
        if self.pictures is None:
            raise UserError("the batch has no pictures, and this model takes them; give pictures")
        return to_floats(self.pictures, "pictures")


class Order(Protocol):
    """Which items each step of a training is given."""

    def indices(self, step: int) -> Tensor: ...  # (B,) int64 of step 0, 1, ...


class Dataset(Protocol):
    """What training indexes: pictures, codes, sentence pairs.

    It may have `facts()` (`Described`), too: what a resume names when it has changed.
    """

    item: ClassVar[str]
    """What one of it is called: "picture", "sentence pair"."""

    @property
    def name(self) -> str: ...  # where it comes from, for logs and model cards
    def __len__(self) -> int: ...
    def batch(self, indices: Tensor, device: torch.device) -> Batch: ...

    def plan(self, seed: int, size: int) -> Order:
        """Batches of all steps, every item once an epoch: of `size` items, or of `size` tokens."""
        ...

    def parts(self, size: int) -> Iterable[Tensor]:
        """Indices of all items once, in batches of at most `size`, always the same."""
        ...

    def fingerprint(self) -> str: ...  # other when the data are; of codes also when the codec is


@runtime_checkable
class Described(Protocol):
    """Data, or a model's config, that have more to say: to a resume, or on the model's card."""

    def facts(self) -> dict[str, Any]: ...  # plain values by name


class Loss(NamedTuple):
    """What a training step gives back."""

    __repr__ = tell_briefly

    total: Tensor
    """Scalar, differentiable."""
    terms: dict[str, Tensor]
    """Detached scalars, for the log."""
    carry: object = None
    """Detached, handed to the next player of the same step."""
    weight: float | Tensor | None = None
    """What total and terms are means over, such as tokens: parts of a batch and processes are
    averaged by it. None: its items."""


@runtime_checkable
class Player(Protocol):
    """All that training knows; a player registers only what it trains.

    core/players.py says what it may have beside.
    """

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss: ...


@runtime_checkable
class ModelConfig(Protocol):
    """How a model is built: a frozen dataclass, which a checkpoint stores."""

    def build(self) -> nn.Module: ...


@runtime_checkable
class Codec(Protocol):
    """Pictures (N, C, H, W) in [0, 1] to grids of symbols 0 .. count-1, and back."""

    @property
    def count(self) -> int: ...
    @property
    def values(self) -> Tensor | None:
        """(count,) float64 in [0, 1]: what a symbol means; None where symbols have no order."""
        ...

    def grid(self, size: tuple[int, int]) -> tuple[int, ...]:
        """(H, W) -> (C, h, w), or (h, w) where a place has one symbol."""
        ...

    def encode(self, x: Tensor) -> Tensor: ...  # (N, *grid) int64
    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor: ...


class LatentCodec(Codec, Protocol):
    """A codec with continuous latents (N, D, h, w) before its quantiser."""

    def latents(self, x: Tensor) -> Tensor: ...
    def from_latents(self, z: Tensor, size: tuple[int, int] | None = None) -> Tensor: ...


class State(Protocol):
    """Where a walk is; what else it holds is its model's, which renders it."""

    @property
    def step(self) -> int: ...  # done
    @property
    def steps(self) -> int: ...  # in all
    @property
    def unit(self) -> str: ...  # what one of them is: "step", "row"


class Specified(Protocol):
    """A model that says what it draws and takes."""

    @property
    def spec(self) -> Spec: ...


@runtime_checkable
class Generative(Protocol[S]):
    """All that sampling, CLI, web page and metrics know."""

    @property
    def spec(self) -> Spec: ...

    def stream(
        self, rng: Rng, given: Given = Given(), sampler: Sampler | None = None
    ) -> Iterator[S]: ...

    def render(self, state: S) -> Tensor | list[str]: ...


class Symbols(Protocol):
    """What a model says of the next symbol of n pictures: a distribution over whole numbers."""

    @property
    def logits(self) -> Tensor:
        """(n, L) float64 log-probabilities of every level; each row's probabilities sum to one."""
        ...

    def draw(
        self, u: Tensor, temperature: float = 1.0
    ) -> Tensor: ...  # u: (n, 2) in [0, 1) -> (n,)


Choose = Callable[[int, Symbols], Tensor]
"""Which symbols, (n,) int64, stand at a position: drawn, given, or read from a file."""


class Walker(Protocol):
    """A network gone through symbol by symbol, for n pictures at once.

    A position k counts along row-major order, channels innermost: k = (i * W + j) * C + c. At every
    position first `parameters`, then `put`, once each.
    """

    def parameters(self, k: int) -> Tensor:
        """(n, P): what the network puts out there."""
        ...

    def put(self, k: int, symbols: Tensor) -> None:
        """symbols (n,) int64: what stands there; the walker knows what the network sees of it."""
        ...


class BeamWalker(Walker, Protocol):
    """A walker whose rows can be taken apart."""

    def reorder(self, parents: Tensor) -> None:
        """Go on with the rows `parents` (m,), which may be fewer, or some of them twice."""
        ...


class Autoregressive(Protocol):
    """A model that goes through a picture symbol by symbol."""

    def walk(self, choose: Choose, n: int, given: Given = Given()) -> Iterator[Canvas]: ...


class Score(NamedTuple):
    """How likely pictures are under a model."""

    __repr__ = tell_briefly

    nats: Tensor
    """(B,) float64: -log p(x) of each picture of 8-bit levels, or an upper bound of it."""
    dims: int
    """Numbers in a picture, C*H*W: bits/dim is nats / (dims log 2); or its codes."""
    kind: Literal["exact", "bound", "codes"]
    """Exact, an upper bound (diffusion), or of the codes of a picture alone."""
    error: Tensor | None = None
    """(B,) standard error of each of `nats`, where it is estimated by drawing; None where not."""
    terms: dict[str, Tensor] = {}  # noqa: RUF012
    """(B,) each: parts that add up to `nats`, by name."""

    @property
    def bits_per_dim(self) -> Tensor:
        """(B,) float64: bits per number of the picture; 8 is what storing the levels takes.

        UserError for a score of codes, which says nothing of the picture's numbers.
        """
        if self.kind == "codes":
            raise UserError("this is a score of codes, not of pixels: it has no bits/dim, but nats")
        return self.in_bits(self.nats)

    def in_bits(self, nats: Tensor) -> Tensor:
        """Nats of these pictures, such as `error` or one of `terms`, as bits/dim."""
        return nats / (self.dims * math.log(2))


class Likelihood(Protocol):
    """A model that can tell how likely pictures are."""

    def score(self, batch: Batch, rng: Rng) -> Score: ...  # rng: one stream per picture


class Scored(Likelihood, Specified, Protocol):
    """One that says of what size and classes these are, too, and where its weights are."""

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Lossless(Scored, Autoregressive, Protocol):
    """One whose scores are exact and whose walk a file can follow."""

    @property
    def codec(self) -> Codec: ...  # 8-bit levels to symbols and back, without a loss


@dataclass(frozen=True)
class Card:
    """What is known of a trained model; written beside its weights."""

    name: str = ""
    summary: str = ""
    data: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """Minutes, seed, hardware, numbers: whatever the recipe reports."""

    def __repr__(self) -> str:
        facts = f"; facts: {', '.join(self.facts)}" if self.facts else ""
        return f"<Card {': '.join(filter(None, (self.name, self.summary))) or 'empty'}{facts}>"
