"""VQGAN: a codec trained by how its pictures look, and by a discriminator."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.classifier_distance import ClassifierDistance
from smalti.codecs.codebook_quantizers import VQConfig
from smalti.codecs.codec import Codec
from smalti.codecs.discriminator import DiscriminatorConfig, DiscriminatorPlayer, freeze_parameters
from smalti.codecs.lpips import LPIPS
from smalti.codecs.network import Networks, Quantizers
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.unregistered import Unregistered
from smalti.codecs.vqvae import check_shape, compute_error_terms, crop_like
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Loss
from smalti.core.ranges import PictureShape, Range, Weight

MAX_ADAPTIVE_WEIGHT = 1e4
"""Bound of the adaptive weight."""


Start = Annotated[float, Range(0, 1e9)]


@dataclass(frozen=True)
@check_fields
class VQGANConfig:
    """A VQGAN."""

    shape: PictureShape = (3, 64, 64)
    """Channels, height and width of the pictures it is trained on; others will do, too."""
    network: Networks = field(default_factory=ResidualConfig)
    """Encoder and decoder."""
    quantizer: Quantizers = field(default_factory=VQConfig)
    """How latents become codes."""
    perceptual: ClassifierDistance | LPIPS = field(default_factory=ClassifierDistance)
    """The network that tells how far apart two pictures look."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """The discriminator."""
    l1_weight: Weight = 1.0
    """Weight of the absolute error of the pictures."""
    perceptual_weight: Weight = 1.0
    """Weight of the perceptual distance."""
    quantizer_weight: Weight = 1.0
    """Weight of what the quantizer wants."""
    discriminator_weight: Weight = 0.8
    """Weight of the discriminator's verdict, beside the adaptive one."""
    discriminator_start: Start = 0.35
    """When the discriminator joins: a step, or below 1 a share of all steps."""

    def __post_init__(self) -> None:
        check_shape(self.shape, self.network)
        if self.discriminator.channels != self.shape[0]:
            raise UserError(
                f"discriminator.channels is {self.discriminator.channels}, but pictures have {self.shape[0]}"
            )

    def compute_start_step(self, steps: int) -> int:
        """The step at which the discriminator joins a training of so many."""
        start = self.discriminator_start
        return round(start * steps) if start < 1 else int(start)

    def collect_facts(self) -> dict[str, Any]:
        """For the card."""
        return {"perceptual": self.perceptual.description}

    def check_training(self) -> None:
        """UserError when the perceptual network lacks its files."""
        self.perceptual.build()

    def build(self) -> VQGAN:
        return VQGAN(self)


class VQGAN(Codec):
    """VQGAN (arXiv:2012.09841). It is the first player, the generator; `players()` gives both.

    Without `players()` nobody has called the discriminator and the perceptual network: the loss is then
    the absolute error and the quantizer's, as it is for the discriminator's part before its start.
    """

    def __init__(self, config: VQGANConfig):
        super().__init__(config)
        self.loss_networks: dict[str, Unregistered] = {}
        self.adaptive_weight = 0.0
        self.total_steps: int | None = None
        """Steps of the training, where it has told."""
        self.steps_done = 0
        """Steps of it that are done."""

    def set_total_steps(self, total_steps: int) -> None:
        """Training takes so many steps."""
        self.total_steps = total_steps

    @property
    def start_step(self) -> float:
        """The step at which the discriminator joins; a share counts once the steps are known."""
        if self.total_steps is None and self.config.discriminator_start < 1:
            return math.inf
        return self.config.compute_start_step(self.total_steps or 0)

    @property
    def skips_discriminator(self) -> bool:
        """Whether the discriminator joins after the last step: it never plays."""
        return self.total_steps is not None and self.start_step >= self.total_steps

    def named_players(self) -> dict[str, nn.Module]:
        """Who plays, in the order of a step. The discriminator is new: checkpoints hold no discriminator."""
        discriminator = DiscriminatorPlayer(self.config.discriminator)
        self.loss_networks = {
            "discriminator": Unregistered(discriminator.network),
            "perceptual": Unregistered(self.config.perceptual.build()),
        }
        return {"generator": self, "discriminator": discriminator}

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Eq. 5 to 7: reconstruction, quantizer, and from its start on the discriminator's verdict.

        In eval mode, on held-out pictures, the discriminator has no say.
        """
        c, x = self.config, self.to_network_range(batch.require_pictures())
        x_hat, quantized = self.network.forward_train(self.pad(x))
        x_hat = crop_like(x_hat, x)
        rec = c.l1_weight * F.l1_loss(x_hat, x)
        terms = {
            "absolute": rec.detach(),
            **compute_error_terms(self, F.mse_loss(x_hat.detach(), x)),
        }
        if "perceptual" in self.loss_networks:
            perceptual = self.measure_perceptual_distance(x_hat, x)
            rec = rec + c.perceptual_weight * perceptual
            terms["perceptual"] = perceptual.detach()
        total = rec + c.quantizer_weight * quantized.loss
        terms.update(quantized.terms)
        if self.training:
            self.steps_done = step + 1
        if not self.training or "discriminator" not in self.loss_networks or step < self.start_step:
            return Loss(total, terms)
        with freeze_parameters(self.loss_networks["discriminator"].module) as discriminator:
            generator_loss = -discriminator(x_hat).float().mean()
        weight = self.compute_adaptive_weight(rec, generator_loss)
        terms.update(verdict=generator_loss.detach(), adaptive=weight)
        total = total + c.discriminator_weight * weight * generator_loss
        return Loss(total, terms, carry=(x.detach(), x_hat.detach()))

    def measure_perceptual_distance(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Mean perceptual distance."""
        network = self.loss_networks["perceptual"].module.to(x.device)
        low, high = self.network.pixel_range
        return network((x_hat - low) / (high - low), (x - low) / (high - low)).mean()

    def compute_adaptive_weight(self, rec: Tensor, generator_loss: Tensor) -> Tensor:
        """Eq. 7: the weight that makes both gradients equally long at the last layer.

        Processes differ in it, as their pictures do; their gradients are averaged.
        """
        last = self.network.decoder.last_weight
        ours, theirs = (
            torch.autograd.grad(loss, last, retain_graph=True)[0].float().norm()
            for loss in (rec, generator_loss)
        )
        weight = (ours / (theirs + 1e-4)).clamp(0, MAX_ADAPTIVE_WEIGHT).detach()
        self.adaptive_weight = float(weight)
        return weight

    def list_save_messages(self) -> list[str]:
        """What the user should know by now."""
        if self.skips_discriminator and self.steps_done == self.total_steps:
            return [f"warning: the discriminator never played; {self.start_advice}"]
        if self.adaptive_weight:
            return [
                f"the discriminator's weight is {self.adaptive_weight:.3g}, so that it pulls as hard"
            ]
        return []

    def list_start_messages(self) -> list[str]:
        """What the user should know before it trains."""
        looks = f"looks are judged by {self.config.perceptual.description}"
        if self.skips_discriminator:
            why = f"it would join at step {self.start_step:,} of {self.total_steps:,}"
            return [looks, f"warning: the discriminator never plays: {why}; {self.start_advice}"]
        of = f" of {self.total_steps:,}" if self.total_steps else ""
        return [f"{looks}; the discriminator joins at step {self.start_step:,}{of}"]

    @property
    def start_advice(self) -> str:
        return "give a lower --model.discriminator-start, such as 0.35 for a share of the steps"
