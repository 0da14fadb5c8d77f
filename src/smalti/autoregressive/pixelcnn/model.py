"""A PixelCNN: a network, an output and the walk that draws, completes and codes pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from smalti.autoregressive.output import Categorical, Output
from smalti.autoregressive.pixelcnn.gated.network import GatedConfig
from smalti.autoregressive.pixelcnn.walkers import build_walker
from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.model import Model
from smalti.core.protocols import Batch, Choose, Loss, Position, Score, Spec, Symbols, Walker
from smalti.core.ranges import ClassNames, Shape
from smalti.core.rng import Rng
from smalti.core.states import Canvas
from smalti.layers.caption import CaptionConfig
from smalti.layers.choosing import Ancestral, check_finite, draw_symbols
from smalti.layers.conditions import describe, named_choice
from smalti.layers.eval_mode import eval_mode
from smalti.layers.levels import Levels


@runtime_checkable
class NetworkConfig(Protocol):
    """The config of any network that is called as `network(x, y)`."""

    @property
    def channels(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def condition(self) -> int: ...

    def build(self) -> nn.Module: ...


@dataclass(frozen=True)
@checked
class PixelCNNConfig:
    """A PixelCNN."""

    shape: Shape = (1, 28, 28)
    """Channels, height and width of the pictures."""
    network: NetworkConfig = field(default_factory=GatedConfig)
    """The network that predicts."""
    output: Output = field(default_factory=Categorical)
    """What its numbers mean."""
    levels: int = 256
    """Values that a pixel may take, 2 to 256."""
    classes: ClassNames = ()
    """Class names; empty for an unconditional model."""
    caption: CaptionConfig | None = None
    """How captions are read, for a model that draws what is described; None for one without."""
    sampler: Ancestral = field(default_factory=Ancestral)
    """The sampler used when none is asked for."""

    def __post_init__(self) -> None:
        Levels(self.levels)
        C, K = self.shape[0], len(self.classes)
        wanted = {"channels": C, "outputs": self.output.numbers(C, self.levels)}
        if K and self.caption:
            raise UserError("classes and caption are both given; choose one of them")
        if D := self.caption.width if self.caption else K:
            wanted["condition"] = D
        if getattr(self.network, "embed", 0):
            wanted["levels"] = self.levels
        for name, value in wanted.items():
            if (own := getattr(self.network, name)) != value:
                raise UserError(
                    f"network.{name} is {own}, but this model's pictures, levels, classes "
                    f"and captions want {value}; make them equal"
                )

    def build(self) -> PixelCNN:
        return PixelCNN(self)


class PixelCNN(Model):
    """PixelCNN (arXiv:1601.06759), Gated PixelCNN (arXiv:1606.05328) or PixelCNN++
    (arXiv:1701.05517), as the config's network has it.

    `loss` trains it, `score` is the exact likelihood, `stream` draws row by row, `walk` goes
    through pictures symbol by symbol. The symbols of a state are levels, (n, C, H, W) int64.
    """

    network: Any

    def __init__(self, config: PixelCNNConfig):
        super().__init__()
        self.config = config
        self.levels = Levels(config.levels)
        self.network = config.network.build()
        self.caption = config.caption.build() if config.caption else None
        captions = (config.caption,) if config.caption else ()
        conditions = (*named_choice(config.classes), *captions)
        self.spec = Spec(
            output="picture",
            channels=config.shape[0],
            size=config.shape[1:],
            conditions=describe(conditions, config.caption.dropout if config.caption else 0.0),
            given=(
                *(("labels",) if config.classes else ()),
                *(("text",) if config.caption else ()),
                *("known", "mask"),
            ),
            samplers=(config.sampler,),
        )

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Mean nats of a picture's numbers."""
        pictures = batch.require_pictures()
        x = self.levels.encode(pictures)
        y = self.condition(batch.labels, batch.text, len(x))
        if not getattr(self.network, "is_initialised", True):  # by what a first batch shows
            self.network.initialise(self.placed(x, pictures.dtype), y)
        nats = self.nats(x, y, pictures.dtype).mean()
        return Loss(nats, {"bits_per_dim": nats.detach() / math.log(2)})

    def condition(self, labels: Tensor | None, text: list[str] | None, n: int) -> Tensor | None:
        """What the network is told of n pictures: classes, captions as (n, width), or nothing.

        Captions that are missing are empty ones.
        """
        if self.caption is None:
            return labels if self.config.classes else None
        text = [""] * n if text is None else text
        if len(text) != n:
            raise UserError(f"{len(text)} captions are given for {n} pictures; give one each")
        return self.caption(*self.caption.read(self.caption.hide(text)))

    def nats(self, x: Tensor, y: Tensor | None, dtype: torch.dtype) -> Tensor:
        """-log p of every number of the levels x (N, C, H, W), of the same shape."""
        parameters = self.network(self.placed(x, dtype), y)
        return self.config.output.nats(parameters, x, self.config.levels)

    def placed(self, levels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Levels as the network's input, in its range."""
        low, high = self.network.range
        return low + (high - low) * self.levels.values.to(levels.device, dtype)[levels]

    @torch.no_grad()
    def score(self, batch: Batch, rng: Rng) -> Score:
        """-log p(x) of the picture's levels, exact; p(x | class) where the batch has labels.

        Without labels a model with classes gives the mean of p(x | class) over all of them. A
        model with captions gives p(x | caption), without text that of the empty caption.
        """
        (C, H, W), pictures = self.config.shape, batch.require_pictures()
        if pictures.shape[1:] != (C, H, W):
            raise UserError(
                f"pictures have shape {tuple(pictures.shape[1:])}, and this model's have "
                f"{(C, H, W)}; give such pictures"
            )
        x, K = self.levels.encode(pictures).to(self.device), len(self.config.classes)
        if not K:
            with eval_mode(self):
                y = self.condition(None, batch.text, len(x))
            return Score(self.summed(x, y), C * H * W, "exact")
        if batch.labels is not None:
            y = self.checked_labels(batch.labels, len(x))
            return Score(self.summed(x, y), C * H * W, "exact")
        each = [self.summed(x, torch.full((len(x),), k, device=x.device)) for k in range(K)]
        nats = math.log(K) - torch.logsumexp(-torch.stack(each), dim=0)
        return Score(nats, C * H * W, "exact")

    def summed(self, x: Tensor, y: Tensor | None) -> Tensor:
        """(N,) float64 nats of pictures."""
        with eval_mode(self):
            dtype = next(self.network.parameters()).dtype
            parameters = self.network(self.placed(x, dtype), y).double()
        return self.config.output.nats(parameters, x, self.config.levels).flatten(1).sum(1)

    def stream(
        self, rng: Rng, given: Given = Given(), sampler: Ancestral | None = None
    ) -> Iterator[Canvas]:
        """Canvases, one after each row.

        given.labels (n,) are classes, drawn per sample when None; given.text are n captions, empty
        ones when None. With given.known and given.mask what the mask says is filled in, and the
        rest is kept. Of each row, sample i draws 2 uniform numbers a value from its own stream.
        """
        sampler = sampler or self.config.sampler
        C, _, W = self.config.shape
        given = self.with_labels(rng, given)
        u = torch.empty(0)

        def choose(position: Position, symbols: Symbols) -> Tensor:
            nonlocal u
            _, j, c = position
            if j == c == 0:
                u = rng.uniform(W, C, 2)
            if sampler.cuts:
                return draw_symbols(symbols.logits, u[:, j, c, 0], sampler)
            return symbols.draw(u[:, j, c], sampler.temperature)

        return self.walk(choose, len(rng), given)

    def walk(self, choose: Choose, n: int, given: Given = Given()) -> Iterator[Canvas]:
        """Goes through n pictures row by row, column by column, channel by channel.

        At each position `choose` is shown the distributions and says the levels (n,). Yields the
        canvas after each row; what given.mask leaves is taken from given.known instead.
        """
        if self.config.classes and given.labels is None:
            raise UserError("this model has classes; give one for each picture")
        y = None if given.labels is None else self.checked_labels(given.labels, n)
        if self.caption is not None:
            with torch.no_grad(), eval_mode(self):
                y = self.condition(None, given.text, n)
        known, free = self.kept(given, n)
        return self.rows(choose, n, y, known, free)

    def rows(
        self, choose: Choose, n: int, y: Tensor | None, known: Tensor | None, free: Tensor
    ) -> Iterator[Canvas]:
        C, H, W = self.config.shape
        canvas = torch.zeros(n, C, H, W, dtype=torch.int64, device=self.device)
        with torch.no_grad(), eval_mode(self):
            walker = self.walker(n, y)
        for i in range(H):
            with torch.no_grad(), eval_mode(self):
                for j in range(W):
                    for c in range(C):
                        level = self.step((i, j, c), choose, walker, canvas)
                        if known is not None:
                            level = level.where(free[:, c, i, j], known[:, c, i, j])
                        canvas[:, c, i, j] = level
                        walker.put((i * W + j) * C + c, level)
            yield Canvas(canvas.clone(), i + 1, H)

    def step(self, at: Position, choose: Choose, walker: Walker, canvas: Tensor) -> Tensor:
        """The levels (n,) at a position. UserError where the network puts out NaN."""
        i, j, c = at
        earlier = canvas[:, :c, i, j]
        C, _, W = canvas.shape[1:]
        parameters = walker.parameters((i * W + j) * C + c)
        check_finite(parameters, at)
        symbols = self.config.output.at(parameters, earlier, c, self.config.levels)
        return choose(at, symbols).to(canvas.device)

    def walker(self, n: int, y: Tensor | None) -> Walker:
        values = self.placed(torch.arange(self.config.levels, device=self.device), torch.float64)
        return build_walker(self.network, n, self.config.shape[1:], y, values)

    def kept(self, given: Given, n: int) -> tuple[Tensor | None, Tensor]:
        """Levels of the known pictures, and where they are to be filled in: (n, C, H, W) each."""
        C, H, W = self.config.shape
        shape = (n, C, H, W)
        known, mask = given.known, given.mask
        if (known is None) != (mask is None):
            raise UserError("completion takes known pictures and a mask; give both")
        if known is None or mask is None:
            return None, torch.ones(shape, dtype=torch.bool)
        if known.shape != shape:
            raise UserError(f"known has shape {tuple(known.shape)}; these samples want {shape}")
        if not (known.min() >= 0 and known.max() <= 1):
            raise UserError(
                f"known has values from {known.min():.4g} to {known.max():.4g}; "
                "give pictures in 0 to 1"
            )
        if mask.dtype != torch.bool:
            raise UserError(f"mask is of {mask.dtype}; give booleans, true where to fill in")
        if tuple(mask.shape) not in ((H, W), (n, 1, H, W), shape):
            raise UserError(
                f"mask has shape {tuple(mask.shape)}; give {(H, W)}, {(n, 1, H, W)} or {shape}"
            )
        return self.levels.encode(known).to(self.device), mask.to(self.device).expand(shape)

    def with_labels(self, rng: Rng, given: Given) -> Given:
        if not (K := len(self.config.classes)):
            if given.labels is not None:
                raise UserError("classes are given, but this model has none; leave them out")
            return given
        drawn = (rng.uniform() * K).long()  # also when given: what follows is the same
        return given if given.labels is not None else replace(given, labels=drawn)

    def checked_labels(self, labels: Tensor, n: int) -> Tensor:
        y, K = labels.cpu(), len(self.config.classes)
        if y.is_floating_point():
            raise UserError(f"classes are given as {y.dtype}; give integers from 0 to {K - 1}")
        if y.shape != (n,):
            raise UserError(f"{tuple(y.shape)} classes are given for {n} samples; give one each")
        if len(bad := y[(y < 0) | (y >= K)]):
            raise UserError(f"class {int(bad[0])} is given; this model has classes 0 to {K - 1}")
        return y.long().to(self.device)

    def render(self, state: Canvas) -> Tensor:
        """The canvas as pictures, (n, C, H, W) float32 in [0, 1]."""
        return self.levels.decode(state.symbols)
