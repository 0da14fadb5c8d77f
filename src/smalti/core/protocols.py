"""What the rooms of smalti know of each other: protocols and the small records they exchange."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from smalti.core.canvas import Canvas
from smalti.core.errors import UserError
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.short_repr import format_short_repr
from smalti.core.tensors import to_float_pictures

S = TypeVar("S", bound="SamplingState")
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
    allows_none: bool = False
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
    accepted_inputs: tuple[str, ...] = ()
    """The fields of `Given` that the model takes."""
    samplers: tuple[Sampler, ...] = ()
    """One of each type that it takes; the first is the model's own, the others have defaults."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes; empty without any."""
        return next((c.values for c in self.conditions if c.name == "class"), ())


def list_samplers(native_sampler: object, *other_samplers: object) -> tuple[object, ...]:
    """The model's own sampler, then those of other types, for `Spec.samplers`."""
    return native_sampler, *(
        other for other in other_samplers if type(other) is not type(native_sampler)
    )


class Batch(NamedTuple):
    """What a training step is given: pictures, codes or sentence pairs."""

    __repr__ = format_short_repr

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
        return to_float_pictures(self.pictures, "pictures")


class BatchOrder(Protocol):
    """Which items each step of a training is given."""

    def select_indices(self, step: int) -> Tensor: ...  # (B,) int64 of step 0, 1, ...


class Dataset(Protocol):
    """What training indexes: pictures, codes, sentence pairs.

    It may have `facts()` (`Described`), too: what a resume names when it has changed.
    """

    item_name: ClassVar[str]
    """What one of it is called: "picture", "sentence pair"."""

    @property
    def name(self) -> str: ...  # where it comes from, for logs and model cards
    def __len__(self) -> int: ...
    def make_batch(self, indices: Tensor, device: torch.device) -> Batch: ...

    def plan_batches(self, seed: int, batch_size: int) -> BatchOrder:
        """Batches of all steps, every item once an epoch: of `batch_size` items, or of `batch_size` tokens."""
        ...

    def split_indices(self, batch_size: int) -> Iterable[Tensor]:
        """Indices of all items once, in batches of at most `batch_size`, always the same."""
        ...

    def compute_fingerprint(
        self,
    ) -> str: ...  # other when the data are; of codes also when the codec is


@runtime_checkable
class HasFacts(Protocol):
    """Data, or a model's config, that have more to say: to a resume, or on the model's card."""

    def collect_facts(self) -> dict[str, Any]: ...  # plain values by name


class Loss(NamedTuple):
    """What a training step gives back."""

    __repr__ = format_short_repr

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
    def vocab_size(self) -> int: ...
    @property
    def symbol_values(self) -> Tensor | None:
        """(count,) float64 in [0, 1]: what a symbol means; None where symbols have no order."""
        ...

    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """(H, W) -> (C, h, w), or (h, w) where a place has one symbol."""
        ...

    def encode(self, x: Tensor) -> Tensor: ...  # (N, *grid) int64
    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor: ...


class LatentCodec(Codec, Protocol):
    """A codec with continuous latents (N, D, h, w) before its quantizer."""

    def encode_latents(self, x: Tensor) -> Tensor: ...
    def decode_latents(self, z: Tensor, size: tuple[int, int] | None = None) -> Tensor: ...


class SamplingState(Protocol):
    """Where a walk is; what else it holds is its model's, which renders it."""

    @property
    def step(self) -> int: ...  # done
    @property
    def steps(self) -> int: ...  # in all
    @property
    def unit(self) -> str: ...  # what one of them is: "step", "row"


class HasSpec(Protocol):
    """A model that says what it draws and takes."""

    @property
    def spec(self) -> Spec: ...


@runtime_checkable
class GenerativeModel(Protocol[S]):
    """All that sampling, CLI, web page and metrics know."""

    @property
    def spec(self) -> Spec: ...

    def stream(
        self, rng: Rng, inputs: SamplingInputs = SamplingInputs(), sampler: Sampler | None = None
    ) -> Iterator[S]: ...

    def render(self, state: S) -> Tensor | list[str]: ...


class SymbolDistribution(Protocol):
    """What a model says of the next symbol of n pictures: a distribution over whole numbers."""

    @property
    def logits(self) -> Tensor:
        """(n, L) float64 log-probabilities of every level; each row's probabilities sum to one."""
        ...

    def sample(
        self, u: Tensor, temperature: float = 1.0
    ) -> Tensor: ...  # u: (n, 2) in [0, 1) -> (n,)


ChooseSymbols = Callable[[int, SymbolDistribution], Tensor]
"""Which symbols, (n,) int64, stand at a position: drawn, given, or read from a file."""


class Walker(Protocol):
    """A network gone through symbol by symbol, for n pictures at once.

    A position k counts along row-major order, channels innermost: k = (i * W + j) * C + c. At every
    position first `parameters`, then `put`, once each.
    """

    def predict(self, k: int) -> Tensor:
        """(n, P): what the network puts out there."""
        ...

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        """symbols (n,) int64: what stands there; the walker knows what the network sees of it."""
        ...


class BeamWalker(Walker, Protocol):
    """A walker whose rows can be taken apart."""

    def reorder(self, parents: Tensor) -> None:
        """Go on with the rows `parents` (m,), which may be fewer, or some of them twice."""
        ...


class AutoregressiveModel(Protocol):
    """A model that goes through a picture symbol by symbol."""

    def walk(
        self, choose_symbols: ChooseSymbols, n: int, inputs: SamplingInputs = SamplingInputs()
    ) -> Iterator[Canvas]: ...


class Score(NamedTuple):
    """How likely pictures are under a model."""

    __repr__ = format_short_repr

    nats: Tensor
    """(B,) float64: -log p(x) of each picture of 8-bit levels, or an upper bound of it."""
    dims: int
    """Numbers in a picture, C*H*W: bits/dim is nats / (dims log 2); or its codes."""
    kind: Literal["exact", "bound", "codes"]
    """Exact, an upper bound (diffusion), or of the codes of a picture alone."""
    standard_error: Tensor | None = None
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
        return self.to_bits_per_dim(self.nats)

    def to_bits_per_dim(self, nats: Tensor) -> Tensor:
        """Nats of these pictures, such as `error` or one of `terms`, as bits/dim."""
        return nats / (self.dims * math.log(2))


class HasLikelihood(Protocol):
    """A model that can tell how likely pictures are."""

    def score(self, batch: Batch, rng: Rng) -> Score: ...  # rng: one stream per picture


class LikelihoodModel(HasLikelihood, HasSpec, Protocol):
    """One that says of what size and classes these are, too, and where its weights are."""

    def parameters(self) -> Iterator[nn.Parameter]: ...


class LosslessModel(LikelihoodModel, AutoregressiveModel, Protocol):
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
