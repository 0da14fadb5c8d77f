"""A diffusion model: a network, a schedule and the loss that ties them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from smalti.core.config import checked, fitted
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.model import Model
from smalti.core.protocols import Batch, Loss, Score, Spec, list_samplers
from smalti.core.ranges import ClassNames, Shape, Share, Side
from smalti.core.rng import Rng
from smalti.diffusion.condition import beginning, hole_in, sampler_for, visited
from smalti.diffusion.consistency import Consistency, ConsistencyTuning
from smalti.diffusion.likelihood import Estimate, at, estimated, levels_of
from smalti.diffusion.objective import Bound, Hybrid, Simple, noised, parted
from smalti.diffusion.process import Prediction, picture_of
from smalti.diffusion.repaint import RePaint
from smalti.diffusion.samplers import DDIM, DDPM, Denoiser, Noisy, Sampler
from smalti.diffusion.schedule import Cosine, Linear, Sigmoid
from smalti.diffusion.solvers import DPMSolver, UniPC
from smalti.diffusion.unet import UNetConfig
from smalti.layers.conditions import describe, named_choice
from smalti.layers.eval_mode import eval_mode

SAMPLERS = DDIM, DDPM, DPMSolver, UniPC, RePaint, Consistency
ESTIMATE = Estimate()


@runtime_checkable
class NetworkConfig(Protocol):
    """The config of any network that is called as `network(x, t)`, or `network(x, t, y)`."""

    def build(self) -> nn.Module: ...


@dataclass(frozen=True)
@checked
class DiffusionConfig:
    """A DDPM."""

    shape: Shape = (1, 28, 28)
    """Channels, height and width of the pictures."""
    network: NetworkConfig = field(default_factory=UNetConfig)
    """The network that predicts."""
    schedule: Linear | Cosine | Sigmoid = field(default_factory=Cosine)
    """How noise grows from level to level."""
    prediction: Prediction = "v"
    """What the network predicts: the noise eps, the picture x0, or the velocity v."""
    objective: Simple | Hybrid | Bound | ConsistencyTuning = field(default_factory=Simple)
    """What training makes small; hybrid and bound learn the variance of a step, too."""
    classes: ClassNames = ()
    """Class names; empty for an unconditional model."""
    label_dropout: Share = 0.1
    """Share of training pictures whose class is hidden, for guidance."""
    sampler: DDIM | DDPM | DPMSolver | UniPC | Consistency = field(default_factory=DDIM)
    """The sampler used when none is asked for."""

    def __post_init__(self) -> None:
        if isinstance(self.network, UNetConfig):
            if self.network.channels != self.shape[0]:
                raise UserError(
                    f"network.channels is {self.network.channels} for pictures of "
                    f"{self.shape[0]} channels; make them equal"
                )
            if self.network.classes != len(self.classes):
                raise UserError(
                    f"network.classes is {self.network.classes} for {len(self.classes)} class "
                    "names; make them equal"
                )
            self.network.check_size(self.shape[1:])

    def build(self) -> Diffusion:
        return Diffusion(self)


class Diffusion(Model):
    """DDPM (arXiv:2006.11239) with any schedule, prediction and sampler.

    `loss` trains it, `stream` samples it, `render` turns a state into pictures in [0, 1].
    `network(x, t, y)` takes x in about [-1, 1], t (B,) in 0 .. T-1 and, when the model has classes,
    y (B,) where `len(config.classes)` means "no class".
    """

    alpha_bars: Tensor

    def __init__(self, config: DiffusionConfig):
        super().__init__()
        self.config = config
        self.network = self.build_network()
        self.register_buffer("alpha_bars", config.schedule.alpha_bars(), persistent=False)
        free = isinstance(config.network, UNetConfig)
        self.spec = Spec(
            output="picture",
            channels=config.shape[0],
            size=config.shape[1:],
            free_size=free,
            conditions=describe(named_choice(config.classes), config.label_dropout),
            given=(
                *(("labels",) if config.classes else ()),
                *("start", "picture", "strength", "known", "mask"),
                *(("size",) if free else ()),
            ),
            samplers=list_samplers(config.sampler, *(kind() for kind in SAMPLERS)),
        )

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """The config's objective at random levels; noise is torch's own."""
        c, x0, y = self.config, batch.require_pictures() * 2 - 1, self.hidden(batch.labels)
        if isinstance(c.objective, ConsistencyTuning):
            return c.objective.loss(self.predict, x0, y, c.prediction, self.alpha_bars, step)
        given = noised(x0, self.alpha_bars)
        output = self.predict(given.x, given.t, y)
        return c.objective.loss(given, output, c.prediction, self.alpha_bars)

    def build_network(self) -> nn.Module:
        network, learns = self.config.network, self.config.objective.learns_variance
        return network.build(2) if learns and isinstance(network, UNetConfig) else network.build()

    def hidden(self, labels: Tensor | None) -> Tensor | None:
        """Labels with some replaced by "no class", arXiv:2207.12598 algorithm 1."""
        if not self.config.classes or labels is None or not self.training:
            return labels
        hide = torch.rand(len(labels), device=labels.device) < self.config.label_dropout
        return labels.masked_fill(hide, len(self.config.classes))

    def predict(self, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        return self.network(x, t, y) if self.config.classes else self.network(x, t)

    def stream(
        self, rng: Rng, given: Given = Given(), sampler: Sampler | None = None
    ) -> Iterator[Noisy]:
        """States from noise to picture: one of pure noise, then one per step.

        given.labels (n,) are classes, drawn per sample when None; given.start (n, C, H, W) is x_T;
        given.size is another height and width. With given.picture the walk begins on the way, at
        that picture with noise (SDEdit); given.known and given.mask are a hole to fill (RePaint).
        """
        T = self.config.schedule.T
        sampler = sampler_for(given, self.config.sampler, sampler, T)
        levels = visited(given, sampler, T)
        size = fitted(given.size, tuple[Side, Side] | None, "size")
        if given.size and isinstance(self.config.network, UNetConfig):
            self.config.network.check_size(given.size)
        device = self.alpha_bars.device
        shape = (self.config.shape[0], *(size or self.config.shape[1:]))
        drawn = rng.normal(*shape).to(device)  # also when x_T is given: what follows is the same
        x = beginning(given, drawn, self.alpha_bars[levels[0]])
        denoise = self.denoiser(self.labels(rng, given), sampler.clip, sampler.guidance)

        def normal() -> Tensor:
            return rng.normal(*shape).to(device)

        if isinstance(sampler, RePaint):
            hole = hole_in(given, drawn)
            return sampler.stream(denoise, x, self.alpha_bars, normal, levels, hole=hole)
        return sampler.stream(denoise, x, self.alpha_bars, normal, levels)

    def denoiser(self, y: Tensor | None, clip: bool, guidance: float) -> Denoiser:
        """What a sampler asks for the picture; y: (n,) checked classes."""

        def see(x: Tensor, t: int) -> tuple[Tensor, Tensor | None]:
            output = self.guided(x.float(), t, y, guidance).double()
            return self.seen(output, x, self.alpha_bars[t], clip)

        return Denoiser(see)

    def labels(self, rng: Rng, given: Given) -> Tensor | None:
        if not (K := len(self.config.classes)):
            if given.labels is not None:
                raise UserError("classes are given, but this model has none; leave them out")
            return None
        drawn = (rng.uniform() * K).long()
        return self.checked_labels(drawn if given.labels is None else given.labels, len(rng))

    def checked_labels(self, labels: Tensor, n: int) -> Tensor:
        y, K = labels.cpu(), len(self.config.classes)
        if y.is_floating_point():
            raise UserError(f"classes are given as {y.dtype}; give integers from 0 to {K - 1}")
        if y.shape != (n,):
            raise UserError(f"{tuple(y.shape)} classes are given for {n} samples; give one each")
        if len(bad := y[(y < 0) | (y >= K)]):  # the row of "no class" is guidance 0
            raise UserError(f"class {int(bad[0])} is given; this model has classes 0 to {K - 1}")
        return y.long().to(self.alpha_bars.device)

    @torch.no_grad()
    def guided(self, x: Tensor, t: int, y: Tensor | None, guidance: float) -> Tensor:
        """The network's output at level t, with classifier-free guidance.

        guidance w gives none + w (class - none), eq. 6 of arXiv:2207.12598 with its w + 1 = ours;
        0 is "no class", whose network call is the only one.
        """
        ts = torch.full((len(x),), t, device=x.device)
        with eval_mode(self):
            if y is None or guidance == 1:
                return self.predict(x, ts, y)
            none = torch.full_like(y, len(self.config.classes))
            if guidance == 0:
                return self.predict(x, ts, none)
            both = self.predict(torch.cat([x, x]), torch.cat([ts, ts]), torch.cat([y, none]))
        with_class, without = both.chunk(2)
        guided = without + guidance * (with_class - without)
        C = x.shape[1]  # what gives the variance is not guided
        return torch.cat([guided[:, :C], with_class[:, C:]], dim=1)

    def seen(
        self, output: Tensor, x: Tensor, a_t: Tensor, clip: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The x0 that the network's output means for x, and its v where the variance is learned."""
        output, v = parted(output, x.shape[1], self.config.objective.learns_variance)
        x0 = picture_of(self.config.prediction, output, x, a_t)
        return (x0.clamp(-1, 1) if clip else x0), v

    @torch.no_grad()
    def score(self, batch: Batch, rng: Rng, how: Estimate = ESTIMATE) -> Score:
        """The variational bound on -log p(x), or p(x | class) where the batch has labels.

        batch.pictures are of 8-bit levels, over 255; UserError when they lie between. Row i
        depends on stream i alone. The terms are DDPM's, eq. 5: L_T, the sum of L_t, and L_0.
        """
        if how.variance is None and self.config.objective.learns_variance:
            how = replace(how, variance="learned")
        C, pictures = self.config.shape[0], batch.require_pictures()
        if pictures.shape[1] != C:
            raise UserError(
                f"pictures have {pictures.shape[1]} channels, and this model's have {C}; "
                "give such pictures"
            )
        x0 = levels_of(pictures).to(self.alpha_bars.device)
        y = batch.labels if self.config.classes else None
        y = None if y is None else self.checked_labels(y, len(x0))

        def see(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
            output = self.predict(x.float(), t, y).double()
            return self.seen(output, x, at(self.alpha_bars, t), how.clip)

        with eval_mode(self):
            return estimated(x0, see, self.alpha_bars, rng, how)

    def render(self, state: Noisy) -> Tensor:
        """The state's picture, (n, C, H, W) float32 in [0, 1]."""
        return ((state.x + 1) / 2).clamp(0, 1).float()
