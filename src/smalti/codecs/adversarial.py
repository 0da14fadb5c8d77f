"""The generator of VQGAN (arXiv:2012.09841): perceptual and adversarial loss of reconstructions."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.classifier_distance import ClassifierDistance
from smalti.codecs.discriminator import DiscriminatorConfig, DiscriminatorPlayer, freeze_parameters
from smalti.codecs.lpips import LPIPS
from smalti.codecs.picture_codec import PictureCodec
from smalti.codecs.unregistered import Unregistered
from smalti.codecs.vqvae import compute_error_terms
from smalti.core.protocols import Loss

MAX_ADAPTIVE_WEIGHT = 1e4
"""Upper bound of the adaptive weight."""
GRADIENT_SCALE = 2.0**12
"""Multiplies losses before their gradients, which fp16 would round to 0 otherwise."""


class AdversarialConfig(Protocol):
    """The fields of a config that the generator's loss needs."""

    @property
    def perceptual(self) -> ClassifierDistance | LPIPS: ...
    @property
    def discriminator(self) -> DiscriminatorConfig: ...
    @property
    def l1_weight(self) -> float: ...
    @property
    def perceptual_weight(self) -> float: ...
    @property
    def discriminator_weight(self) -> float: ...
    @property
    def discriminator_start(self) -> float: ...  # a step, or below 1 a share of all steps


def compute_start_step(config: AdversarialConfig, steps: int) -> int:
    """The step at which the discriminator starts, in a training of `steps` steps."""
    start = config.discriminator_start
    return round(start * steps) if start < 1 else int(start)


class AdversarialGenerator(PictureCodec):
    """A codec trained with a perceptual and an adversarial loss: the first player, the generator.

    Before `named_players()` is called there is neither discriminator nor perceptual network.
    Before its start step, the discriminator's term is left out.
    """

    config: Any
    loss_networks: dict[str, Unregistered]
    adaptive_weight = 0.0
    total_steps: int | None = None
    """Steps of the training, once known."""
    steps_done = 0
    """Training steps done."""

    def set_total_steps(self, total_steps: int) -> None:
        """Set the number of steps of the training."""
        self.total_steps = total_steps

    @property
    def start_step(self) -> float:
        """The step at which the discriminator starts; inf for a share of unknown total steps."""
        if self.total_steps is None and self.config.discriminator_start < 1:
            return math.inf
        return compute_start_step(self.config, self.total_steps or 0)

    @property
    def skips_discriminator(self) -> bool:
        """Whether the discriminator would start after the last step."""
        return self.total_steps is not None and self.start_step >= self.total_steps

    def named_players(self) -> dict[str, nn.Module]:
        """The players in the order of a step. The discriminator is new: checkpoints hold none.

        Networks of weight 0 are left out.
        """
        if self.config.perceptual_weight:
            self.loss_networks["perceptual"] = Unregistered(self.config.perceptual.build())
        if not self.config.discriminator_weight:
            return {"generator": self}
        discriminator = DiscriminatorPlayer(self.config.discriminator)
        self.loss_networks["discriminator"] = Unregistered(discriminator.network)
        return {"generator": self, "discriminator": discriminator}

    def compute_generator_loss(
        self, x: Tensor, x_hat: Tensor, latent_loss: Tensor, terms: dict[str, Tensor], step: int
    ) -> Loss:
        """Eq. 5 to 7 for reconstructions x_hat of x, in the network's range.

        latent_loss: the weighted loss of the latents, whose terms for the log are `terms`. In eval
        mode, on held-out pictures, the adversarial loss is left out.
        """
        c = self.config
        rec = c.l1_weight * F.l1_loss(x_hat, x)
        error = F.mse_loss(x_hat.detach(), x)
        terms = {"absolute": rec.detach(), **compute_error_terms(self, error), **terms}
        if "perceptual" in self.loss_networks:
            perceptual = self.measure_perceptual_distance(x_hat, x)
            rec = rec + c.perceptual_weight * perceptual
            terms["perceptual"] = perceptual.detach()
        if self.training:
            self.steps_done = step + 1
        if not self.training or "discriminator" not in self.loss_networks or step < self.start_step:
            return Loss(rec + latent_loss, terms)
        with freeze_parameters(self.loss_networks["discriminator"].module) as discriminator:
            generator_loss = -discriminator(x_hat).float().mean()
        rec, generator_loss = (pass_back(loss, x_hat) for loss in (rec, generator_loss))
        weight = self.compute_adaptive_weight(rec, generator_loss)
        terms.update(verdict=generator_loss.detach(), adaptive=weight)
        total = rec + c.discriminator_weight * weight * generator_loss + latent_loss
        return Loss(total, terms, carry=(x.detach(), x_hat.detach()))

    def measure_perceptual_distance(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Mean perceptual distance of reconstructions x_hat to pictures x."""
        network = self.loss_networks["perceptual"].module.to(x.device)
        low, high = self.network.pixel_range
        return network((x_hat - low) / (high - low), (x - low) / (high - low)).mean()

    def compute_adaptive_weight(self, rec: Tensor, generator_loss: Tensor) -> Tensor:
        """Eq. 7: the weight that makes the norms of both gradients equal at the last layer.

        Each process computes it from its own pictures; their gradients are averaged. Both losses
        have passed `pass_back`, so that their networks are not gone through once more.
        """
        last = self.network.decoder.last_weight
        rec_norm, gan_norm = (
            torch.autograd.grad(loss, last, retain_graph=True)[0].float().norm()
            for loss in (rec, generator_loss)
        )
        weight = (rec_norm / (gan_norm + 1e-4)).clamp(0, MAX_ADAPTIVE_WEIGHT).detach()
        self.adaptive_weight = float(weight)
        return weight

    def list_save_messages(self) -> list[str]:
        """Messages at a save: the adaptive weight, or that the discriminator never started."""
        if self.skips_discriminator and self.steps_done == self.total_steps:
            return [f"warning: the discriminator never started; {self.start_advice}"]
        if self.adaptive_weight:
            return [f"the discriminator's adaptive weight is {self.adaptive_weight:.3g}"]
        return []

    def list_start_messages(self) -> list[str]:
        """Messages before training: the perceptual distance, and when the discriminator starts."""
        c = self.config
        perceptual = f"the perceptual distance is {self.config.perceptual.description}"
        if not c.perceptual_weight:
            perceptual = "there is no perceptual distance"
        if not c.discriminator_weight:
            return [f"{perceptual}; there is no discriminator"]
        if self.skips_discriminator:
            why = f"its start is step {self.start_step:,} of {self.total_steps:,}"
            warning = f"warning: the discriminator never starts: {why}; {self.start_advice}"
            return [perceptual, warning]
        of = f" of {self.total_steps:,}" if self.total_steps else ""
        return [f"{perceptual}; the discriminator starts at step {self.start_step:,}{of}"]

    @property
    def start_advice(self) -> str:
        return "give a lower --model.discriminator-start, such as 0.35 for a share of the steps"


def pass_back(loss: Tensor, x: Tensor) -> Tensor:
    """The loss, with its gradient at x computed now: later backward passes begin at x.

    The adaptive weight and the step need the gradients of the perceptual network and of the
    discriminator, which are computed once so. x: float32.
    """
    (gradient,) = torch.autograd.grad(loss * GRADIENT_SCALE, x)
    linear = (x * (gradient / GRADIENT_SCALE)).sum()
    return loss.detach() + linear - linear.detach()
