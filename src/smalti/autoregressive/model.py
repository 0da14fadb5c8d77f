"""An autoregressive model: a network over the symbols of a codec, drawn one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from smalti.autoregressive.augment import corrupt_symbols, shift_pictures
from smalti.autoregressive.condition_sampling import (
    draw_conditions,
    list_combinations,
    list_unspecified,
)
from smalti.autoregressive.conditioning import (
    TokenConditioning,
    VectorConditioning,
    to_network_input,
)
from smalti.autoregressive.frozen import FrozenCodec, UnregisteredCodec
from smalti.autoregressive.network import (
    NetworkConfig,
    Requirements,
    check_network,
    compute_requirements,
    fill_network_sizes,
)
from smalti.autoregressive.output import Categorical, Output
from smalti.autoregressive.pixelcnn.gated.network import GatedPixelCNNConfig
from smalti.autoregressive.walk import encode_known, walk_rows
from smalti.core.canvas import Canvas
from smalti.core.conditions import (
    ConditionValues,
    list_input_fields,
    merge_shorthands,
    resolve_conditions,
)
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.model import Model
from smalti.core.protocols import (
    Batch,
    ChooseSymbols,
    Codec,
    Loss,
    Score,
    Spec,
    SymbolDistribution,
    Walker,
)
from smalti.core.ranges import FractionBelowOne, PictureShape, Range
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.condition_encoder import ConditionConfigs, ConditionEncoder
from smalti.layers.eval_mode import eval_mode
from smalti.layers.pixel_levels import Levels
from smalti.layers.symbol_sampling import Ancestral, draw_symbols


@runtime_checkable
class CodecConfig(Protocol):
    """Names a codec, and the pictures that its symbols are of."""

    @property
    def shape(self) -> PictureShape: ...  # C, H, W
    @property
    def lossless(self) -> bool: ...  # whether the symbols are the picture
    @property
    def has_pictures(self) -> bool: ...  # whether symbols can be shown as such

    def load(self) -> Codec: ...


@dataclass(frozen=True)
@check_fields
class AutoregressiveConfig:
    """An autoregressive model: a network over the symbols of a codec."""

    codec: CodecConfig = field(default_factory=Levels)
    """Whose symbols it draws: the levels of pixels, or the codes of a trained codec."""
    network: NetworkConfig = field(default_factory=GatedPixelCNNConfig)
    """The network that predicts."""
    output: Output = field(default_factory=Categorical)
    """What its numbers mean."""
    conditions: ConditionConfigs = ()
    """What it is told of a picture."""
    condition_dropout: FractionBelowOne = 0.0
    """In training, share of pictures of which a condition is hidden."""
    symbol_noise: FractionBelowOne = 0.0
    """In training, share of symbols that the network sees replaced by random ones."""
    max_shift: Annotated[int, Range(0, 1_024)] = 0
    """In training, pixels that pictures are moved by at most; the network is told by how many."""
    sampler: Ancestral = field(default_factory=Ancestral)
    """The sampler used when none is asked for."""

    def __post_init__(self) -> None:
        if not self.max_shift < min(self.shape[1:]):
            raise UserError(
                f"max_shift is {self.max_shift}; give 0 or more, less than a picture's side"
            )
        if not isinstance(self.codec, FrozenCodec):  # it lies on the disk, and is loaded to be used
            check_network(self.network, self.compute_requirements(self.codec.load()))

    @property
    def shape(self) -> PictureShape:
        """Channels, height and width of the pictures."""
        return self.codec.shape

    def compute_requirements(self, codec: Codec) -> Requirements:
        """What is asked of the network. UserError where the other parts do not fit each other."""
        told = self.conditions, self.condition_dropout, self.max_shift
        return compute_requirements(codec, self.shape[1:], self.output, *told)

    def build(self) -> Autoregressive:
        return Autoregressive(self)


class Autoregressive(Model):
    """p(symbols) = prod_k p(symbol k | symbols before it, conditions), in row-major order.

    PixelCNN (arXiv:1601.06759), Gated PixelCNN (arXiv:1606.05328), PixelCNN++ (arXiv:1701.05517)
    or a GPT (arXiv:2012.09841), over the levels of pixels or over a codec's codes.

    `loss` trains it, `score` tells nats of symbols, `stream` draws them row by row, `walk` goes
    through them one by one. Symbols are (n, C, h, w) int64, codes with C = 1.
    """

    network: Any

    def __init__(self, config: AutoregressiveConfig):
        super().__init__()
        self.config = config
        self.codec_holder = UnregisteredCodec(config.codec.load())
        self.requirements = config.compute_requirements(self.codec_holder.codec)
        check_network(config.network, self.requirements)
        kind = "vector" if "vector" in config.network.condition_kinds else "tokens"
        self.conditioning = (
            VectorConditioning(self.requirements)
            if kind == "vector"
            else TokenConditioning(self.requirements)
        )
        self.conditions = ConditionEncoder(config.conditions, config.condition_dropout, kind)
        self.network = config.network.build()
        completes = ("known", "mask") if self.is_lossless else ()
        self.spec = Spec(
            output="picture" if config.codec.has_pictures else "indices",
            channels=config.shape[0],
            size=config.shape[1:],
            conditions=self.conditions.spec,
            accepted_inputs=(*list_input_fields(self.conditions.spec), *completes),
            samplers=(config.sampler,),
        )

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def codec(self) -> Any:
        """The codec, on this model's device."""
        return self.codec_holder.move_codec(self.device)

    @property
    def is_lossless(self) -> bool:
        """Whether the symbols are the picture, so that it can be completed and compressed."""
        return self.config.codec.lossless

    @property
    def values(self) -> Tensor | None:
        """(K,) float64, what the network is shown of symbols; None where it is shown themselves."""
        return (
            self.codec_holder.move_values(self.device)
            if self.config.network.input_kind == "values"
            else None
        )

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Mean nats of a symbol."""
        z, moves = self.read_symbols(batch)
        names = {c.name for c in self.spec.conditions}
        told = {k: v for k, v in merge_shorthands(batch).items() if k in names}
        y = self.encode_conditions(told, len(z), moves)
        dtype = batch.require_pictures().dtype if batch.codes is None else torch.float32
        seen = z
        if self.training and self.config.symbol_noise:
            seen = corrupt_symbols(z, self.requirements.n_symbols, self.config.symbol_noise)
        if not getattr(self.network, "is_initialized", True):  # by what a first batch shows
            self.network.initialize(to_network_input(self.network, seen, self.values, dtype), y)
        parameters = self.conditioning.predict(self.network, seen, y, self.values, dtype)
        nats = self.config.output.compute_nats(parameters, z, self.requirements.n_symbols).mean()
        if self.is_lossless:
            return Loss(nats, {"bits_per_dim": nats.detach() / math.log(2)})
        return Loss(nats, {"nats_per_code": nats.detach()})

    def read_symbols(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Symbols of a batch that is learned from, and how pictures were moved for it."""
        if batch.codes is not None:
            return self.check_codes(batch.codes), None
        x, moves = self.shift_randomly(batch.require_pictures())
        return self.encode(x), moves

    def shift_randomly(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """In training, pictures moved by up to `shift` pixels, and which way each was: (N,)."""
        if not (self.training and (s := self.config.max_shift)):
            return x, None
        moves = torch.randint(-s, s + 1, (len(x), 2), device=x.device)
        return shift_pictures(x, moves), (moves[:, 0] + s) * (2 * s + 1) + moves[:, 1] + s

    def encode(self, x: Tensor) -> Tensor:
        """Pictures -> symbols (N, C, h, w), in full precision whatever trains the network."""
        if x.shape[1:] != self.config.shape:
            raise UserError(
                f"pictures have shape {tuple(x.shape[1:])}, and this model's have "
                f"{self.config.shape}; give such pictures"
            )
        with torch.autocast(x.device.type, enabled=False):
            z = self.codec.encode(x if self.is_lossless else x.float())
        return z.reshape(len(x), *self.requirements.grid)

    def check_codes(self, codes: Tensor) -> Tensor:
        """Symbols (N, C, h, w) that are given as such. UserError for those of another codec."""
        if codes.shape[1:] != self.requirements.grid:
            raise UserError(
                f"codes have shape {tuple(codes.shape[1:])}, and this model's have "
                f"{self.requirements.grid}; encode pictures by its codec"
            )
        return codes

    def encode_conditions(
        self, condition_values: ConditionValues, n: int, shifts: Tensor | None = None
    ) -> Tensor | None:
        """What the network is told of n pictures: a vector (n, D), or tokens (n, c).

        shifts: (n,) which way each was moved; not at all when None.
        """
        if shifts is None:
            shifts = torch.full((n,), self.requirements.n_shifts // 2, device=self.device)
        return self.conditioning.encode_conditions(self.conditions, condition_values, n, shifts)

    @torch.no_grad()
    def score(self, batch: Batch, rng: Rng) -> Score:
        """-log p of the pictures' symbols, given what the batch tells of them.

        Exact for pixels, of the codes alone for a codec's. A choice that is not told and that the
        model never learned without is summed over: the mean of p over all its values.
        """
        with eval_mode(self):  # where nothing is moved
            z, _ = self.read_symbols(batch)
        z, n = z.to(self.device), len(z)
        told = resolve_conditions(batch, self.spec, n)
        untold = [c for c in list_unspecified(self.spec.conditions, told) if not c.allows_none]
        kind = "exact" if self.is_lossless else "codes"
        if not untold:
            return Score(self.sum_nats(z, told), self.requirements.sequence_length, kind)
        names = [c.name for c in untold]
        each = [
            self.sum_nats(z, {**told, **dict(zip(names, row[:, None].expand(-1, n), strict=True))})
            for row in list_combinations(untold)
        ]
        nats = math.log(len(each)) - torch.logsumexp(-torch.stack(each), dim=0)
        return Score(nats, self.requirements.sequence_length, kind)

    def sum_nats(self, z: Tensor, condition_values: ConditionValues) -> Tensor:
        """(N,) float64 nats of symbols z (N, C, h, w)."""
        with eval_mode(self):
            y, dtype = (
                self.encode_conditions(condition_values, len(z)),
                next(self.network.parameters()).dtype,
            )
            parameters = self.conditioning.predict(self.network, z, y, self.values, dtype).double()
        return (
            self.config.output.compute_nats(parameters, z, self.requirements.n_symbols)
            .flatten(1)
            .sum(1)
        )

    def stream(
        self, rng: Rng, inputs: SamplingInputs = SamplingInputs(), sampler: Ancestral | None = None
    ) -> Iterator[Canvas]:
        """Symbols, after each row.

        Choices that are not made are drawn for each sample (`draw_choices`). With given.known and
        given.mask what the mask says is filled in, and the rest is kept. Of each row, sample i
        draws 2 uniform numbers a level, or 1 a code, from its own stream.
        """
        sampler = sampler or self.config.sampler
        C, _, w = self.requirements.grid
        count, numbers = w * C, 2 if self.requirements.ordered else 1  # a mixture takes two
        u = torch.empty(0)

        def choose(k: int, symbols: SymbolDistribution) -> Tensor:
            nonlocal u
            if k % count == 0:
                u = rng.uniform(count, numbers)
            own = u[:, k % count]
            if sampler.is_truncated:
                return draw_symbols(symbols.logits, own[:, 0], sampler)
            return symbols.sample(own, sampler.temperature)

        return self.walk(choose, len(rng), self.draw_conditions(rng, inputs))

    def draw_conditions(self, rng: Rng, inputs: SamplingInputs) -> SamplingInputs:
        """The same, with values drawn for the choices that are not made; rng: one stream a sample.

        As probable as they are given the known part before its first gap, if there is one.
        """
        return draw_conditions(self, rng, inputs)

    def walk(
        self, choose_symbols: ChooseSymbols, n: int, inputs: SamplingInputs = SamplingInputs()
    ) -> Iterator[Canvas]:
        """Goes through n pictures row by row, column by column, channel by channel.

        At each position k = (i w + j) C + c `choose_symbols` is shown the distributions and says the
        symbols (n,). Yields them all after each row; what given.mask leaves is taken from
        given.known instead.
        """
        told = resolve_conditions(inputs, self.spec, n)
        for c in list_unspecified(self.spec.conditions, told):
            if not c.allows_none:
                raise UserError(f"this model has {c.name}; give one for each picture")
        with torch.no_grad(), eval_mode(self):
            y = self.encode_conditions(told, n)
        return walk_rows(self, choose_symbols, n, y, encode_known(self, inputs, n))

    def build_walker(self, n: int, y: Tensor | None) -> Walker:
        """Of n pictures, of which the network is told y."""
        return self.conditioning.build_walker(self.network, n, y, self.values)

    def render(self, state: Canvas) -> Tensor:
        """Symbols as pictures, (n, C, H, W) float32 in [0, 1]; codes without a codec stay codes."""
        size = self.config.shape[1:]
        z = state.symbols
        return self.codec.decode(z.reshape(len(z), *self.codec.compute_code_shape(size)), size)


SOFTMAX = Categorical()


def build_config(
    codec: CodecConfig,
    network: NetworkConfig,
    output: Output = SOFTMAX,
    conditions: ConditionConfigs = (),
    condition_dropout: float = 0.0,
    max_shift: int = 0,
    **others: Any,
) -> AutoregressiveConfig:
    """A config whose network has the sizes that were left at their defaults as the rest wants them.

    A frozen codec is pinned by its hash. others: fields of the config.
    """
    codec = codec.pin_hash() if isinstance(codec, FrozenCodec) else codec
    told = conditions, condition_dropout
    needs = compute_requirements(codec.load(), codec.shape[1:], output, *told, max_shift)
    fitted = fill_network_sizes(network, needs)
    return AutoregressiveConfig(codec, fitted, output, *told, max_shift=max_shift, **others)
