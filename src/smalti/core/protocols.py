"""Protocols and small records that the packages of smalti share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from smalti.core.canvas import Canvas
from smalti.core.errors import UserError
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.score import Score
from smalti.core.short_repr import format_short_repr
from smalti.core.tensors import to_float_pictures

S = TypeVar("S", bound="SamplingState")
Sampler = Any
"""A frozen dataclass of the model's family, one of `Spec.samplers`; core cannot import it."""


class Condition(NamedTuple):
    """A condition that a model accepts."""

    name: str
    """Name: class, text, style ..."""
    kind: Literal["vector", "tokens", "map"]
    """How the network takes it: a vector, a token sequence before the input, or a feature map."""
    values: tuple[str, ...] = ()
    """Names of its values; empty for free text and pictures."""
    allows_none: bool = False
    """Whether "none" is allowed: the model was trained without the condition, too."""
    is_picture: bool = False
    """Whether its values are pictures (n, C, H, W), or their codes (n, h, w) as int64."""
    has_default: bool = False
    """Whether the model knows a value where none is given, such as the place of a crop."""
    takes_labels: bool = False
    """Whether its pictures are label maps: levels (of 255) are labels, and do not blend."""
    is_derived: bool = False
    """Whether it is made of any picture, such as its edges, and needs no data of its own."""


@dataclass(frozen=True)
class Spec:
    """What a model outputs and accepts; the command line is built from it."""

    output: Literal["picture", "text", "codes", "latents", "indices"]
    """Codecs have codes, or continuous latents only, and draw no samples. Indices are codes without
    a codec to decode them."""
    channels: int = 0
    """Channels of the pictures."""
    size: tuple[int, int] | None = None
    """Height and width; None if any size is allowed."""
    free_size: bool = False
    """Whether `SamplingInputs.size` may set another height and width."""
    conditions: tuple[Condition, ...] = ()
    """The conditions that the model accepts."""
    accepted_inputs: tuple[str, ...] = ()
    """The fields of `SamplingInputs` that the model accepts."""
    samplers: tuple[Sampler, ...] = ()
    """One of each accepted type; the first is the model's default, others have default options."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty for unconditional models."""
        return next((c.values for c in self.conditions if c.name == "class"), ())


def list_samplers(native_sampler: object, *other_samplers: object) -> tuple[object, ...]:
    """List the model's default sampler, then those of other types, for `Spec.samplers`."""
    return native_sampler, *(
        other for other in other_samplers if type(other) is not type(native_sampler)
    )


class Batch(NamedTuple):
    """A training batch: pictures, codes or sentence pairs."""

    __repr__ = format_short_repr

    pictures: Tensor | None = None
    """(B, C, H, W) in [0, 1]."""
    labels: Tensor | None = None
    """(B,) integers."""
    text: list[str] | None = None
    """B captions."""
    conditions: Mapping[str, Tensor | list[str]] = {}
    """Other conditions by name: (B,) integers, B texts, or pictures (B, C, H, W)."""
    codes: Tensor | None = None
    """(B, C, h, w) int64: codes of encoded pictures."""
    latents: Tensor | None = None
    """(B, D, h, w) float32: continuous latents of encoded pictures."""
    pairs: tuple[Tensor, Tensor] | None = None
    """(B, S) and (B, T) int64: tokens of sentences and of their translations, padded."""

    def require_pictures(self) -> Tensor:
        """Return the pictures, floats (B, C, H, W). UserError if missing or invalid."""
        if self.pictures is None:
            raise UserError("the batch has no pictures, which this model takes; give pictures")
        return to_float_pictures(self.pictures, "pictures")


class BatchOrder(Protocol):
    """The indices of the items of each training step."""

    def select_indices(self, step: int) -> Tensor: ...  # (B,) int64 of step 0, 1, ...


class Dataset(Protocol):
    """A dataset: pictures, codes or sentence pairs.

    It may implement `HasFacts`, too: facts that a resumed run compares with the new data.
    """

    item_name: ClassVar[str]
    """What an item is called: "picture", "sentence pair"."""

    @property
    def name(self) -> str: ...  # its source, for logs and model cards
    def __len__(self) -> int: ...
    def make_batch(self, indices: Tensor, device: torch.device) -> Batch: ...

    def plan_batches(self, seed: int, batch_size: int) -> BatchOrder:
        """Plan the batches of all steps, with every item once per epoch.

        batch_size: items or, for sentence pairs, tokens.
        """
        ...

    def split_indices(self, batch_size: int) -> Iterable[Tensor]:
        """Split the indices of all items into fixed batches of at most `batch_size`."""
        ...

    def compute_fingerprint(self) -> str: ...  # hash of the data, and of a codec that made it


@runtime_checkable
class HasFacts(Protocol):
    """A dataset or config with facts for resuming, or for the model card."""

    def collect_facts(self) -> dict[str, Any]: ...  # plain values by name


class Loss(NamedTuple):
    """The result of a training step."""

    __repr__ = format_short_repr

    total: Tensor
    """Scalar, differentiable."""
    terms: dict[str, Tensor]
    """Detached scalars, for the log."""
    carry: object = None
    """Detached values for the next player of the same step."""
    weight: float | Tensor | None = None
    """Elements that total and terms are means over, such as tokens; weights the average over
    micro-batches and processes. None: the number of items."""


@runtime_checkable
class Player(Protocol):
    """A module with a loss; it registers only the parameters that it trains.

    core/players.py has optional protocols.
    """

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss: ...


@runtime_checkable
class ModelConfig(Protocol):
    """The config of a model: a frozen dataclass, stored in checkpoints."""

    def build(self) -> nn.Module: ...


@runtime_checkable
class Codec(Protocol):
    """Encodes pictures (N, C, H, W) in [0, 1] as grids of symbols 0 .. K-1, and decodes them."""

    @property
    def vocab_size(self) -> int: ...
    @property
    def symbol_values(self) -> Tensor | None:
        """(K,) float64 in [0, 1]: the gray level of each symbol; None if symbols have no order."""
        ...

    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """(H, W) -> (C, h, w), or (h, w) if a position has one symbol."""
        ...

    def encode(self, x: Tensor) -> Tensor: ...  # (N, *code_shape) int64
    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor: ...


@runtime_checkable
class LatentCodec(Protocol):
    """Encodes pictures (N, C, H, W) in [0, 1] as continuous latents, and decodes them.

    Those of a codec with codes are the latents before its quantizer, which decoding applies.
    """

    @property
    def latent_channels(self) -> int: ...  # D
    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, ...]: ...  # (H, W) -> (h, w)
    def encode_latents(self, x: Tensor) -> Tensor: ...  # (N, D, h, w)
    def decode_latents(self, z: Tensor, size: tuple[int, int] | None = None) -> Tensor: ...


class SamplingState(Protocol):
    """A state of sampling; the model that made it renders it."""

    @property
    def step(self) -> int: ...  # done
    @property
    def steps(self) -> int: ...  # in all
    @property
    def unit(self) -> str: ...  # name of a step: "step", "row"


class HasSpec(Protocol):
    """A model with a spec."""

    @property
    def spec(self) -> Spec: ...


@runtime_checkable
class GenerativeModel(Protocol[S]):
    """A model to draw samples from."""

    @property
    def spec(self) -> Spec: ...

    def stream(
        self, rng: Rng, inputs: SamplingInputs = SamplingInputs(), sampler: Sampler | None = None
    ) -> Iterator[S]: ...

    def render(self, state: S) -> Tensor | list[str]: ...


class SymbolDistribution(Protocol):
    """The predicted distribution of the next symbol of n pictures."""

    @property
    def logits(self) -> Tensor:
        """(n, K) float64 log-probabilities of every symbol; the probabilities of a row sum to 1."""
        ...

    def sample(self, u: Tensor, temperature: float = 1.0) -> Tensor:
        """u (n, 2) in [0, 1) -> (n,) symbols."""
        ...


ChooseSymbols = Callable[[int, SymbolDistribution], Tensor]
"""Chooses the symbols (n,) int64 at a position: drawn, given, or decoded from a file."""


class Walker(Protocol):
    """Evaluates a network symbol by symbol, for n pictures at once.

    Position k counts in row-major order, channels innermost: k = (i * W + j) * C + c. At every
    position `predict` is called once, then `set_symbols`.
    """

    def predict(self, k: int) -> Tensor:
        """Return the network's output (n, P) at position k."""
        ...

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        """Set the symbols (n,) int64 at position k, as input of the next positions."""
        ...


class BeamWalker(Walker, Protocol):
    """A walker whose rows can be reordered, for beam search."""

    def reorder(self, parents: Tensor) -> None:
        """Continue with the rows `parents` (m,), which may be fewer or repeated."""
        ...


class AutoregressiveModel(Protocol):
    """A model that generates a picture symbol by symbol."""

    def walk(
        self, choose_symbols: ChooseSymbols, n: int, inputs: SamplingInputs = SamplingInputs()
    ) -> Iterator[Canvas]: ...

    def to_sequence(self, z: Tensor) -> Tensor:
        """Arrange symbols (n, C, h, w) in the order of the walk's positions: (n, T)."""
        ...


class HasLikelihood(Protocol):
    """A model that computes the likelihood of pictures."""

    def score(self, batch: Batch, rng: Rng) -> Score: ...  # rng: one stream per picture


class LikelihoodModel(HasLikelihood, HasSpec, Protocol):
    """A likelihood model with a spec and parameters."""

    def parameters(self) -> Iterator[nn.Parameter]: ...


class LosslessModel(LikelihoodModel, AutoregressiveModel, Protocol):
    """A model with exact likelihood, for lossless compression."""

    @property
    def codec(self) -> Codec: ...  # lossless: 8-bit levels <-> symbols


@dataclass(frozen=True)
class Card:
    """A model card; stored with the weights."""

    name: str = ""
    summary: str = ""
    data: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """Minutes, seed, hardware, metrics: whatever the recipe reports."""

    def __repr__(self) -> str:
        facts = f"; facts: {', '.join(self.facts)}" if self.facts else ""
        return f"<Card {': '.join(filter(None, (self.name, self.summary))) or 'empty'}{facts}>"
