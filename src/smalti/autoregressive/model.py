"""An autoregressive model: a network over the symbols of a codec, drawn one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from smalti.autoregressive.augment import disturb_symbols, shift_pictures
from smalti.autoregressive.calling import TokenCall, VectorCall, show_symbols
from smalti.autoregressive.choices import combine_values, draw_choices, list_untold
from smalti.autoregressive.frozen import Frozen, Held
from smalti.autoregressive.network import (
    Needs,
    NetworkConfig,
    check_network,
    find_needs,
    fit_network,
)
from smalti.autoregressive.output import Categorical, Output
from smalti.autoregressive.pixelcnn.gated.network import GatedConfig
from smalti.autoregressive.walk import read_known, walk_rows
from smalti.core.conditions import Told, merge_shorthands, resolve, shorthands
from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.model import Model
from smalti.core.protocols import Batch, Choose, Codec, Loss, Score, Spec, Symbols, Walker
from smalti.core.ranges import Range, Rate, Shape
from smalti.core.rng import Rng
from smalti.core.states import Canvas
from smalti.layers.choosing import Ancestral, draw_symbols
from smalti.layers.conditions import Conditional, Conditions
from smalti.layers.eval_mode import eval_mode
from smalti.layers.levels import Levels


@runtime_checkable
class CodecConfig(Protocol):
    """Names a codec, and the pictures that its symbols are of."""

    @property
    def shape(self) -> Shape: ...  # C, H, W
    @property
    def lossless(self) -> bool: ...  # whether the symbols are the picture
    @property
    def has_pictures(self) -> bool: ...  # whether symbols can be shown as such

    def load(self) -> Codec: ...


@dataclass(frozen=True)
@checked
class AutoregressiveConfig:
    """An autoregressive model: a network over the symbols of a codec."""

    codec: CodecConfig = field(default_factory=Levels)
    """Whose symbols it draws: the levels of pixels, or the codes of a trained codec."""
    network: NetworkConfig = field(default_factory=GatedConfig)
    """The network that predicts."""
    output: Output = field(default_factory=Categorical)
    """What its numbers mean."""
    conditions: Conditional = ()
    """What it is told of a picture."""
    condition_dropout: Rate = 0.0
    """In training, share of pictures of which a condition is hidden."""
    noise: Rate = 0.0
    """In training, share of symbols that the network sees replaced by random ones."""
    shift: Annotated[int, Range(0, 1_024)] = 0
    """In training, pixels that pictures are moved by at most; the network is told by how many."""
    sampler: Ancestral = field(default_factory=Ancestral)
    """The sampler used when none is asked for."""

    def __post_init__(self) -> None:
        if not self.shift < min(self.shape[1:]):
            raise UserError(f"shift is {self.shift}; give 0 or more, less than a picture's side")
        if not isinstance(self.codec, Frozen):  # it lies on the disk, and is loaded to be used
            check_network(self.network, self.find_needs(self.codec.load()))

    @property
    def shape(self) -> Shape:
        """Channels, height and width of the pictures."""
        return self.codec.shape

    def find_needs(self, codec: Codec) -> Needs:
        """What is asked of the network. UserError where the other parts do not fit each other."""
        told = self.conditions, self.condition_dropout, self.shift
        return find_needs(codec, self.shape[1:], self.output, *told)

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
        self.held = Held(config.codec.load())
        self.needs = config.find_needs(self.held.codec)
        check_network(config.network, self.needs)
        kind = "vector" if "vector" in config.network.accepts else "tokens"
        self.call = VectorCall(self.needs) if kind == "vector" else TokenCall(self.needs)
        self.conditions = Conditions(config.conditions, config.condition_dropout, kind)
        self.network = config.network.build()
        completes = ("known", "mask") if self.is_lossless else ()
        self.spec = Spec(
            output="picture" if config.codec.has_pictures else "indices",
            channels=config.shape[0],
            size=config.shape[1:],
            conditions=self.conditions.spec,
            given=(*shorthands(self.conditions.spec), *completes),
            samplers=(config.sampler,),
        )

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def codec(self) -> Any:
        """The codec, on this model's device."""
        return self.held.on(self.device)

    @property
    def is_lossless(self) -> bool:
        """Whether the symbols are the picture, so that it can be completed and compressed."""
        return self.config.codec.lossless

    @property
    def values(self) -> Tensor | None:
        """(K,) float64, what the network is shown of symbols; None where it is shown themselves."""
        return self.held.values_on(self.device) if self.config.network.takes == "values" else None

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Mean nats of a symbol."""
        z, moves = self.read(batch)
        names = {c.name for c in self.spec.conditions}
        told = {k: v for k, v in merge_shorthands(batch).items() if k in names}
        y = self.tell(told, len(z), moves)
        dtype = batch.require_pictures().dtype if batch.codes is None else torch.float32
        seen = z
        if self.training and self.config.noise:
            seen = disturb_symbols(z, self.needs.symbols, self.config.noise)
        if not getattr(self.network, "is_initialised", True):  # by what a first batch shows
            self.network.initialise(show_symbols(self.network, seen, self.values, dtype), y)
        parameters = self.call.predict(self.network, seen, y, self.values, dtype)
        nats = self.config.output.nats(parameters, z, self.needs.symbols).mean()
        if self.is_lossless:
            return Loss(nats, {"bits_per_dim": nats.detach() / math.log(2)})
        return Loss(nats, {"nats_per_code": nats.detach()})

    def read(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Symbols of a batch that is learned from, and how pictures were moved for it."""
        if batch.codes is not None:
            return self.check_codes(batch.codes), None
        x, moves = self.move(batch.require_pictures())
        return self.encode(x), moves

    def move(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """In training, pictures moved by up to `shift` pixels, and which way each was: (N,)."""
        if not (self.training and (s := self.config.shift)):
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
        return z.reshape(len(x), *self.needs.grid)

    def check_codes(self, codes: Tensor) -> Tensor:
        """Symbols (N, C, h, w) that are given as such. UserError for those of another codec."""
        if codes.shape[1:] != self.needs.grid:
            raise UserError(
                f"codes have shape {tuple(codes.shape[1:])}, and this model's have "
                f"{self.needs.grid}; encode pictures by its codec"
            )
        return codes

    def tell(self, told: Told, n: int, moves: Tensor | None = None) -> Tensor | None:
        """What the network is told of n pictures: a vector (n, D), or tokens (n, c).

        moves: (n,) which way each was moved; not at all when None.
        """
        if moves is None:
            moves = torch.full((n,), self.needs.moves // 2, device=self.device)
        return self.call.tell(self.conditions, told, n, moves)

    @torch.no_grad()
    def score(self, batch: Batch, rng: Rng) -> Score:
        """-log p of the pictures' symbols, given what the batch tells of them.

        Exact for pixels, of the codes alone for a codec's. A choice that is not told and that the
        model never learned without is summed over: the mean of p over all its values.
        """
        with eval_mode(self):  # where nothing is moved
            z, _ = self.read(batch)
        z, n = z.to(self.device), len(z)
        told = resolve(batch, self.spec, n)
        untold = [c for c in list_untold(self.spec.conditions, told) if not c.unknown]
        kind = "exact" if self.is_lossless else "codes"
        if not untold:
            return Score(self.sum_nats(z, told), self.needs.length, kind)
        names = [c.name for c in untold]
        each = [
            self.sum_nats(z, {**told, **dict(zip(names, row[:, None].expand(-1, n), strict=True))})
            for row in combine_values(untold)
        ]
        nats = math.log(len(each)) - torch.logsumexp(-torch.stack(each), dim=0)
        return Score(nats, self.needs.length, kind)

    def sum_nats(self, z: Tensor, told: Told) -> Tensor:
        """(N,) float64 nats of symbols z (N, C, h, w)."""
        with eval_mode(self):
            y, dtype = self.tell(told, len(z)), next(self.network.parameters()).dtype
            parameters = self.call.predict(self.network, z, y, self.values, dtype).double()
        return self.config.output.nats(parameters, z, self.needs.symbols).flatten(1).sum(1)

    def stream(
        self, rng: Rng, given: Given = Given(), sampler: Ancestral | None = None
    ) -> Iterator[Canvas]:
        """Symbols, after each row.

        Choices that are not made are drawn for each sample (`draw_choices`). With given.known and
        given.mask what the mask says is filled in, and the rest is kept. Of each row, sample i
        draws 2 uniform numbers a level, or 1 a code, from its own stream.
        """
        sampler = sampler or self.config.sampler
        C, _, w = self.needs.grid
        count, numbers = w * C, 2 if self.needs.ordered else 1  # a mixture takes two
        u = torch.empty(0)

        def choose(k: int, symbols: Symbols) -> Tensor:
            nonlocal u
            if k % count == 0:
                u = rng.uniform(count, numbers)
            own = u[:, k % count]
            if sampler.cuts:
                return draw_symbols(symbols.logits, own[:, 0], sampler)
            return symbols.draw(own, sampler.temperature)

        return self.walk(choose, len(rng), self.draw_choices(rng, given))

    def draw_choices(self, rng: Rng, given: Given) -> Given:
        """The same, with values drawn for the choices that are not made; rng: one stream a sample.

        As probable as they are given the known part before its first gap, if there is one.
        """
        return draw_choices(self, rng, given)

    def walk(self, choose: Choose, n: int, given: Given = Given()) -> Iterator[Canvas]:
        """Goes through n pictures row by row, column by column, channel by channel.

        At each position k = (i w + j) C + c `choose` is shown the distributions and says the
        symbols (n,). Yields them all after each row; what given.mask leaves is taken from
        given.known instead.
        """
        told = resolve(given, self.spec, n)
        for c in list_untold(self.spec.conditions, told):
            if not c.unknown:
                raise UserError(f"this model has {c.name}; give one for each picture")
        with torch.no_grad(), eval_mode(self):
            y = self.tell(told, n)
        return walk_rows(self, choose, n, y, read_known(self, given, n))

    def build_walker(self, n: int, y: Tensor | None) -> Walker:
        """Of n pictures, of which the network is told y."""
        return self.call.build_walker(self.network, n, y, self.values)

    def render(self, state: Canvas) -> Tensor:
        """Symbols as pictures, (n, C, H, W) float32 in [0, 1]; codes without a codec stay codes."""
        size = self.config.shape[1:]
        z = state.symbols
        return self.codec.decode(z.reshape(len(z), *self.codec.grid(size)), size)


SOFTMAX = Categorical()


def fit(
    codec: CodecConfig,
    network: NetworkConfig,
    output: Output = SOFTMAX,
    conditions: Conditional = (),
    condition_dropout: float = 0.0,
    shift: int = 0,
    **others: Any,
) -> AutoregressiveConfig:
    """A config whose network has the sizes that were left at their defaults as the rest wants them.

    A frozen codec is pinned by its hash. others: fields of the config.
    """
    codec = codec.pinned() if isinstance(codec, Frozen) else codec
    told = conditions, condition_dropout
    needs = find_needs(codec.load(), codec.shape[1:], output, *told, shift)
    fitted = fit_network(network, needs)
    return AutoregressiveConfig(codec, fitted, output, *told, shift=shift, **others)
