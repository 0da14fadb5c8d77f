"""VQGAN: a codec trained by how its pictures look, and by a critic."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.classifier_distance import Looks
from smalti.codecs.codebook_quantizers import VQConfig
from smalti.codecs.codec import Codec
from smalti.codecs.discriminator import CriticConfig, CriticPlayer, frozen
from smalti.codecs.lpips import LPIPS
from smalti.codecs.network import Networks, Quantisers
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.unregistered import Aside
from smalti.codecs.vqvae import check_shape, cropped, told
from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Loss
from smalti.core.ranges import Range, Shape, Weight

MOST = 1e4
"""Bound of the adaptive weight."""


Start = Annotated[float, Range(0, 1e9)]


@dataclass(frozen=True)
@checked
class VQGANConfig:
    """A VQGAN."""

    shape: Shape = (3, 64, 64)
    """Channels, height and width of the pictures it is trained on; others will do, too."""
    network: Networks = field(default_factory=ResidualConfig)
    """Encoder and decoder."""
    quantiser: Quantisers = field(default_factory=VQConfig)
    """How latents become codes."""
    perceptual: Looks | LPIPS = field(default_factory=Looks)
    """The network that tells how far apart two pictures look."""
    critic: CriticConfig = field(default_factory=CriticConfig)
    """The critic."""
    absolute: Weight = 1.0
    """Weight of the absolute error of the pictures."""
    look: Weight = 1.0
    """Weight of the perceptual distance."""
    codes_weight: Weight = 1.0
    """Weight of what the quantiser wants."""
    critic_weight: Weight = 0.8
    """Weight of the critic's verdict, beside the adaptive one."""
    critic_start: Start = 0.35
    """When the critic joins: a step, or below 1 a share of all steps."""

    def __post_init__(self) -> None:
        check_shape(self.shape, self.network)
        if self.critic.channels != self.shape[0]:
            raise UserError(
                f"critic.channels is {self.critic.channels}, but pictures have {self.shape[0]}"
            )

    def joins_at(self, steps: int) -> int:
        """The step at which the critic joins a training of so many."""
        start = self.critic_start
        return round(start * steps) if start < 1 else int(start)

    def facts(self) -> dict[str, Any]:
        """For the card."""
        return {"perceptual": self.perceptual.about}

    def check(self) -> None:
        """UserError when the perceptual network lacks its files."""
        self.perceptual.build()

    def build(self) -> VQGAN:
        return VQGAN(self)


class VQGAN(Codec):
    """VQGAN (arXiv:2012.09841). It is the first player, the generator; `players()` gives both.

    Without `players()` nobody has called the critic and the perceptual network: the loss is then
    the absolute error and the quantiser's, as it is for the critic's part before its start.
    """

    def __init__(self, config: VQGANConfig):
        super().__init__(config)
        self.judges: dict[str, Aside] = {}
        self.adaptive = 0.0
        self.steps: int | None = None
        """Steps of the training, where it has told."""
        self.done = 0
        """Steps of it that are done."""

    def plan(self, steps: int) -> None:
        """Training takes so many steps."""
        self.steps = steps

    @property
    def start(self) -> float:
        """The step at which the critic joins; a share counts once the steps are known."""
        if self.steps is None and self.config.critic_start < 1:
            return math.inf
        return self.config.joins_at(self.steps or 0)

    @property
    def is_alone(self) -> bool:
        """Whether the critic joins after the last step: it never plays."""
        return self.steps is not None and self.start >= self.steps

    def players(self) -> dict[str, nn.Module]:
        """Who plays, in the order of a step. The critic is new: checkpoints hold no critic."""
        critic = CriticPlayer(self.config.critic)
        self.judges = {
            "critic": Aside(critic.network),
            "perceptual": Aside(self.config.perceptual.build()),
        }
        return {"generator": self, "critic": critic}

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Eq. 5 to 7: reconstruction, quantiser, and from its start on the critic's verdict.

        In eval mode, on held-out pictures, the critic has no say.
        """
        c, x = self.config, self.placed(batch.require_pictures())
        x_hat, quantised = self.network.learn(self.fitted(x))
        x_hat = cropped(x_hat, x)
        rec = c.absolute * F.l1_loss(x_hat, x)
        terms = {"absolute": rec.detach(), **told(self, F.mse_loss(x_hat.detach(), x))}
        if "perceptual" in self.judges:
            look = self.seen(x_hat, x)
            rec = rec + c.look * look
            terms["perceptual"] = look.detach()
        total = rec + c.codes_weight * quantised.loss
        terms.update(quantised.terms)
        if self.training:
            self.done = step + 1
        if not self.training or "critic" not in self.judges or step < self.start:
            return Loss(total, terms)
        with frozen(self.judges["critic"].module) as critic:
            verdict = -critic(x_hat).float().mean()
        weight = self.balance(rec, verdict)
        terms.update(verdict=verdict.detach(), adaptive=weight)
        total = total + c.critic_weight * weight * verdict
        return Loss(total, terms, carry=(x.detach(), x_hat.detach()))

    def seen(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Mean perceptual distance."""
        network = self.judges["perceptual"].module.to(x.device)
        low, high = self.network.range
        return network((x_hat - low) / (high - low), (x - low) / (high - low)).mean()

    def balance(self, rec: Tensor, verdict: Tensor) -> Tensor:
        """Eq. 7: the weight that makes both gradients equally long at the last layer.

        Processes differ in it, as their pictures do; their gradients are averaged.
        """
        last = self.network.decoder.last
        ours, theirs = (
            torch.autograd.grad(loss, last, retain_graph=True)[0].float().norm()
            for loss in (rec, verdict)
        )
        weight = (ours / (theirs + 1e-4)).clamp(0, MOST).detach()
        self.adaptive = float(weight)
        return weight

    def notes(self) -> list[str]:
        """What the user should know by now."""
        if self.is_alone and self.done == self.steps:
            return [f"warning: the critic never played; {self.earlier}"]
        if self.adaptive:
            return [f"the critic's weight is {self.adaptive:.3g}, so that it pulls as hard"]
        return []

    def premises(self) -> list[str]:
        """What the user should know before it trains."""
        looks = f"looks are judged by {self.config.perceptual.about}"
        if self.is_alone:
            why = f"it would join at step {self.start:,} of {self.steps:,}"
            return [looks, f"warning: the critic never plays: {why}; {self.earlier}"]
        of = f" of {self.steps:,}" if self.steps else ""
        return [f"{looks}; the critic joins at step {self.start:,}{of}"]

    @property
    def earlier(self) -> str:
        return "give a lower --model.critic-start, such as 0.35 for a share of the steps"
