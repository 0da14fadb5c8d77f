"""The patch discriminator of VQGAN, and the player that trains it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from smalti.core.config import check_fields
from smalti.core.processes import sum_over_processes
from smalti.core.protocols import Batch, Loss
from smalti.core.ranges import Positive, Range, Width

GANLoss = Literal["hinge", "vanilla"]
WINNING_ACCURACY, LOSING_ACCURACY = 0.95, 0.55
"""Accuracies between which generator and discriminator are in balance."""
MIN_STEPS = 100
"""Discriminator steps before its accuracy is reported."""
RUNNING_DECAY = 0.98
"""Decay of the running averages: about 50 steps."""


@dataclass(frozen=True)
@check_fields
class DiscriminatorConfig:
    """PatchGAN discriminator of pictures and reconstructions."""

    channels: Width = 3
    """Channels of the pictures."""
    width: Width = 64
    """Feature channels of the first layer. Each later layer doubles them, up to 8 times."""
    layers: Annotated[int, Range(1, 16)] = 3
    """Downsampling layers. With 3, patches are 70 x 70 pixels; with 2, 34 x 34."""
    norm: Literal["batch", "act", "spectral"] = "batch"
    """Normalization layers. ActNorm is Glow's, for several processes; spectral normalizes
    weights."""
    gan_loss: GANLoss = "hinge"
    """Loss of the discriminator."""
    lr_scale: Positive = 1.0
    """Multiplier of the learning rate."""

    def build(self) -> PatchDiscriminator:
        return PatchDiscriminator(self)


class ActNorm(nn.Module):
    """Per-channel scale and shift, initialized by the first batch to give mean 0 and standard
    deviation 1 (Glow, arXiv:1807.03039, section 3.1). Moments are over all processes.
    """

    initialized: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))
        self.register_buffer("initialized", torch.tensor(False))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not bool(self.initialized):
            self.initialize(x)
        return self.scale[:, None, None] * (x + self.shift[:, None, None])

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        flat = x.detach().double().transpose(0, 1).flatten(1)  # (C, N H W)
        count = torch.full_like(flat[:, 0], flat.shape[1])
        count, total, squares = sum_over_processes(
            torch.stack([count, flat.sum(1), flat.square().sum(1)])
        )
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        self.shift.copy_(-mean)
        self.scale.copy_(1 / (std + 1e-6))
        self.initialized.fill_(True)


class PatchDiscriminator(nn.Module):
    """Logits of patches, above 0 for real (pix2pix, arXiv:1611.07004, section 3.2.2).

    x: (B, C, H, W) in [-1, 1] -> (B, 1, h, w). 4x4 convolutions, leaky ReLUs, norms in between.
    """

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.config = config
        widths = [config.width * min(2**k, 8) for k in range(config.layers + 1)]
        parts: list[nn.Module] = [
            build_conv(config.channels, widths[0], 2, True, config),
            nn.LeakyReLU(0.2),
        ]
        for k, (c_in, c) in enumerate(pairwise(widths), 1):
            stride = 2 if k < config.layers else 1
            parts += [build_conv(c_in, c, stride, config.norm != "batch", config)]
            parts += [build_norm(c, config), nn.LeakyReLU(0.2)]
        parts.append(build_conv(widths[-1], 1, 1, True, config))
        self.layers = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def build_conv(
    c_in: int, c_out: int, stride: int, bias: bool, config: DiscriminatorConfig
) -> nn.Module:
    layer = nn.Conv2d(c_in, c_out, 4, stride, padding=1, bias=bias)
    nn.init.normal_(layer.weight, 0.0, 0.02)  # as in DCGAN
    return spectral_norm(layer) if config.norm == "spectral" else layer


def build_norm(width: int, config: DiscriminatorConfig) -> nn.Module:
    if config.norm == "spectral":
        return nn.Identity()
    if config.norm == "act":
        return ActNorm(width)
    layer = nn.BatchNorm2d(width)
    nn.init.normal_(layer.weight, 1.0, 0.02)
    return layer


class DiscriminatorPlayer(nn.Module):
    """The second player: learns to distinguish pictures from reconstructions.

    `carry` holds both; without it the step is skipped.
    """

    betas = (0.5, 0.9)
    accuracy: Tensor
    mean_logits: Tensor
    steps: Tensor

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.network = config.build()
        self.lr_scale = config.lr_scale
        self.register_buffer("accuracy", torch.tensor(0.5))
        self.register_buffer("mean_logits", torch.zeros(2))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        if carry is None:
            return Loss(0 * next(self.parameters()).sum(), {})
        real, fake = carry  # pyright: ignore
        logits_real, logits_fake = self.network(real).float(), self.network(fake).float()
        total = discriminator_loss(logits_real, logits_fake, self.network.config.gan_loss)
        means = torch.stack([logits_real.mean(), logits_fake.mean()])
        accuracy = 0.5 * ((logits_real > 0).float().mean() + (logits_fake < 0).float().mean())
        if self.training:
            self.steps += 1
            self.accuracy.lerp_(accuracy.detach(), 1 - RUNNING_DECAY)
            self.mean_logits.lerp_(means.detach(), 1 - RUNNING_DECAY)
        terms = {
            "logits_real": means[0],
            "logits_fake": means[1],
            "discriminator_accuracy": accuracy,
        }
        return Loss(total, {name: term.detach() for name, term in terms.items()})

    def list_save_messages(self) -> list[str]:
        """Report the balance of generator and discriminator."""
        if int(self.steps) < MIN_STEPS:
            return []
        real, fake = self.mean_logits.tolist()
        logits = f"logits {real:+.2f} of pictures, {fake:+.2f} of reconstructions"
        return [f"discriminator: {describe_balance(float(self.accuracy))} ({logits})"]


def describe_balance(accuracy: float) -> str:
    """Describe the balance by the discriminator's accuracy on patches."""
    share = f"accuracy {accuracy:.0%}"
    if accuracy > WINNING_ACCURACY:
        return f"it is winning, {share}: lower --model.discriminator.lr-scale, or start it later"
    if accuracy < LOSING_ACCURACY:
        return f"it is losing, {share}: its gradients are uninformative; start it earlier"
    return f"in balance, {share}"


def discriminator_loss(logits_real: Tensor, logits_fake: Tensor, kind: GANLoss) -> Tensor:
    """Loss of the logits of pictures and of reconstructions, scalar.

    hinge: arXiv:1705.02894, section 4.2. vanilla: cross entropy, arXiv:1406.2661.
    """
    if kind == "hinge":
        return 0.5 * (F.relu(1 - logits_real).mean() + F.relu(1 + logits_fake).mean())
    return 0.5 * (F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean())


@contextmanager
def freeze_parameters(network: nn.Module) -> Iterator[Callable[[Tensor], Tensor]]:
    """Freeze the network's parameters: gradients pass through it, but none reach them."""
    trainable = [p for p in network.parameters() if p.requires_grad]
    for p in trainable:
        p.requires_grad_(False)
    try:
        yield network
    finally:
        for p in trainable:
            p.requires_grad_(True)
