"""A prior: a network that draws the codes of a trained codec, one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.autoregressive.frozen import Frozen, Held
from smalti.autoregressive.gpt.network import GPTConfig
from smalti.autoregressive.gpt.walker import GPTWalker
from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.model import Model
from smalti.core.protocols import Batch, Loss, Score, Spec
from smalti.core.ranges import ClassNames, Range, Rate, Shape
from smalti.core.rng import Rng
from smalti.core.states import Canvas
from smalti.layers.choosing import Ancestral, check_finite, draw_symbols
from smalti.layers.conditions import describe, named_choice
from smalti.layers.eval_mode import eval_mode


@dataclass(frozen=True)
@checked
class PriorConfig:
    """A prior over a codec's codes."""

    codec: Frozen = field(default_factory=Frozen)
    """The codec whose codes are drawn."""
    shape: Shape = (1, 28, 28)
    """Channels, height and width of the pictures."""
    network: GPTConfig = field(default_factory=GPTConfig)
    """The network that predicts."""
    classes: ClassNames = ()
    """Class names; empty for an unconditional model."""
    hide: Rate = 0.1
    """In training, share of pictures whose class is hidden."""
    noise: Rate = 0.05
    """In training, share of codes that the network sees replaced by random ones."""
    shift: Annotated[int, Range(0, 1_024)] = 0
    """In training, pixels that pictures are moved by at most; the network is told by how many."""
    sampler: Ancestral = field(default_factory=Ancestral)
    """The sampler used when none is asked for."""

    def __post_init__(self) -> None:
        if not self.shift < min(self.shape[1:]):
            raise UserError(f"shift is {self.shift}; give 0 or more, less than a picture's side")

    @property
    def prefix(self) -> int:
        """Tokens in front of the codes: the class, or a start; and the shift, if there is one."""
        return 2 if self.shift else 1

    def symbols(self, codes: int) -> int:
        """Rows of the network's table: codes, classes, none of them, shifts."""
        return codes + len(self.classes) + 1 + (2 * self.shift + 1) ** 2 * (self.shift > 0)

    def build(self) -> Prior:
        return Prior(self)


class Prior(Model):
    """p(codes) = prod_k p(code k | codes before it, class), in row-major order, by a GPT.

    `loss` trains it on the codes of pictures, `score` tells nats of codes, `stream` draws them row
    by row. The symbols of a state are codes (n, h, w) int64; `render` decodes them.
    """

    def __init__(self, config: PriorConfig):
        super().__init__()
        self.config = config
        self.held = Held(config.codec.load())
        self.codes = int(self.held.codec.count)
        self.grid: tuple[int, int] = self.held.codec.grid(config.shape[1:])
        check_network(config, self.codes, math.prod(self.grid))
        self.network = config.network.build()
        self.spec = Spec(
            output="picture",
            channels=config.shape[0],
            size=config.shape[1:],
            conditions=describe(named_choice(config.classes), config.hide),
            given=("labels",) if config.classes else (),
            samplers=(config.sampler,),
        )

    @property
    def device(self) -> torch.device:
        return self.network.positions.device

    @property
    def codec(self) -> Any:
        """The frozen codec, on this model's device."""
        return self.held.on(self.device)

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Mean nats of a code."""
        pictures, c = self.augment(batch.require_pictures(), batch.labels)
        z = self.encode(pictures)  # (N, T)
        nats = self.nats(z, c, self.disturb(z)).mean()
        return Loss(nats, {"nats_per_code": nats.detach()})

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, C, H, W) -> codes (N, T), in full precision whatever trains the network."""
        with torch.autocast(x.device.type, enabled=False):
            return self.codec.encode(x.float()).flatten(1)

    def augment(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Pictures as they are learned from, and the tokens (N, c) of what is told of them."""
        N, s = len(x), self.config.shift
        moves = torch.zeros(N, 2, dtype=torch.int64, device=x.device)
        if self.training and s:
            moves = torch.randint(-s, s + 1, (N, 2), device=x.device)
            x = shifted(x, moves)
        if self.training and labels is not None:
            hidden = torch.rand(N, device=x.device) < self.config.hide
            labels = labels.masked_fill(hidden, len(self.config.classes))
        return x, self.tokens(N, labels, moves)

    def tokens(self, n: int, labels: Tensor | None, moves: Tensor | None = None) -> Tensor:
        """(n, c) tokens in front: classes (n,), all hidden when None, and moves (n, 2), or 0."""
        K, s = len(self.config.classes), self.config.shift
        y = torch.full((n,), K, device=self.device) if labels is None or not K else labels
        front = [self.codes + y.to(self.device)]
        if s:
            moves = torch.zeros(n, 2, dtype=torch.int64) if moves is None else moves
            place = (moves[:, 0] + s) * (2 * s + 1) + moves[:, 1] + s
            front.append(self.codes + K + 1 + place.to(self.device))
        return torch.stack(front, dim=1)

    def disturb(self, z: Tensor) -> Tensor:
        """In training, some of the codes z (N, T) replaced, each code as likely as any other."""
        if not self.training or not self.config.noise:
            return z
        replaced = torch.rand(z.shape, device=z.device) < self.config.noise
        return torch.where(replaced, torch.randint_like(z, self.codes), z)

    def nats(self, z: Tensor, c: Tensor, seen: Tensor | None = None) -> Tensor:
        """-log p of codes z (N, T) behind tokens c (N, c), of z's shape; seen: what is shown."""
        tokens = torch.cat([c, z if seen is None else seen], dim=1)[:, :-1]
        logits = self.network(tokens)[:, c.shape[1] - 1 :, : self.codes]  # (N, T, K)
        return F.cross_entropy(logits.transpose(1, 2).float(), z, reduction="none")

    @torch.no_grad()
    def score(self, batch: Batch, rng: Rng) -> Score:
        """Nats of the pictures' codes, given their classes; hidden ones where there are none."""
        with eval_mode(self):
            z = self.encode(batch.require_pictures().to(self.device))
            nats = self.nats(z, self.tokens(len(z), self.checked(batch.labels, len(z))))
        return Score(nats.double().sum(1), z.shape[1], "codes")

    def stream(
        self, rng: Rng, given: Given = Given(), sampler: Ancestral | None = None
    ) -> Iterator[Canvas]:
        """Canvases of codes (n, h, w), one after each row; codes to come are 0.

        given.labels (n,) are classes, drawn per sample when None. Of each row, sample i draws one
        uniform number a code from its own stream.
        """
        sampler = sampler or self.config.sampler
        n, (h, w) = len(rng), self.grid
        labels = self.choose_classes(rng, given, n)
        canvas = torch.zeros(n, h, w, dtype=torch.int64, device=self.device)
        with torch.no_grad(), eval_mode(self):
            walker = GPTWalker(self.network, self.tokens(n, labels), h * w)
        for i in range(h):
            u = rng.uniform(w).to(self.device)
            with torch.no_grad(), eval_mode(self):
                for j in range(w):
                    logits = walker.parameters(i * w + j)[:, : self.codes]
                    check_finite(logits, (i, j))
                    canvas[:, i, j] = draw_symbols(logits, u[:, j], sampler)
                    walker.put(i * w + j, canvas[:, i, j])
            yield Canvas(canvas.clone(), i + 1, h)

    def choose_classes(self, rng: Rng, given: Given, n: int) -> Tensor | None:
        if not (K := len(self.config.classes)):
            return None
        drawn = (rng.uniform() * K).long()  # also when given: what follows is the same
        return self.checked(drawn if given.labels is None else given.labels, n)

    def checked(self, labels: Tensor | None, n: int) -> Tensor | None:
        """Classes (n,) on this model's device. UserError for any that it does not have."""
        if labels is None:
            return None
        if labels.is_floating_point() or labels.shape != (n,):
            raise UserError(
                f"classes are {tuple(labels.shape)} of {labels.dtype}; give {n} integers"
            )
        if len(bad := labels[(labels < 0) | (labels >= len(self.config.classes))]):
            raise UserError(
                f"class {int(bad[0])} is given; this model has {len(self.config.classes)} classes, "
                "counted from 0"
            )
        return labels.long().to(self.device)

    def render(self, state: Canvas) -> Tensor:
        """Codes as pictures, (n, C, H, W) float32 in [0, 1]."""
        return self.codec.decode(state.symbols, self.config.shape[1:])


def check_network(config: PriorConfig, codes: int, length: int) -> None:
    """UserError unless the network takes this codec's codes, and the tokens in front of them."""
    wanted = {"symbols": config.symbols(codes), "context": config.prefix + length - 1}
    for name, value in wanted.items():
        if (own := getattr(config.network, name)) != value:
            raise UserError(
                f"network.{name} is {own}, but the codec's {codes} codes, {length} a picture, and "
                f"the conditions want {value}; make them equal"
            )


def shifted(x: Tensor, moves: Tensor) -> Tensor:
    """Pictures x (N, C, H, W) moved down and right by moves (N, 2); what comes in is the border."""
    N, C, H, W = x.shape
    rows = (torch.arange(H, device=x.device) - moves[:, :1]).clamp(0, H - 1)  # (N, H)
    columns = (torch.arange(W, device=x.device) - moves[:, 1:]).clamp(0, W - 1)
    x = x.gather(2, rows[:, None, :, None].expand(N, C, H, W))
    return x.gather(3, columns[:, None, None, :].expand(N, C, H, W))


def fit(config: PriorConfig) -> PriorConfig:
    """The config with its codec pinned by hash, and the network's table and context as it wants."""
    codec = config.codec.load()
    network = replace(
        config.network,
        symbols=config.symbols(int(codec.count)),
        context=config.prefix + math.prod(codec.grid(config.shape[1:])) - 1,
    )
    return replace(config, codec=config.codec.pinned(), network=network)
