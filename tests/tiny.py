"""Networks and models so small that tests take milliseconds."""

from __future__ import annotations

from atexit import register
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

import smalti
from smalti.autoregressive import AutoregressiveConfig, FrozenCodec, GPTConfig, build_config
from smalti.autoregressive.mixing.base_model import BaseModel
from smalti.autoregressive.mixing.config import ContextMixingConfig
from smalti.autoregressive.mixing.count_tables import count_contexts, pack_tables
from smalti.autoregressive.mixing.model import ContextMixing
from smalti.codecs import KLAutoencoderConfig
from smalti.diffusion import DiffusionConfig, UNetConfig, make_latents
from smalti.diffusion.network import ConditionKind
from smalti.layers.condition_encoder import compute_width, make_choices
from smalti.pixelcnn import (
    Categorical,
    GatedPixelCNNConfig,
    Levels,
    LogisticMixture,
    PixelCNNPlusPlusConfig,
)
from smalti.vq import (
    ClassifierDistance,
    DiscriminatorConfig,
    ResidualConfig,
    SegmentationConfig,
    StridedConfig,
    VQGANConfig,
    VQVAEConfig,
)

STRIDED = StridedConfig(channels=1, width=12, halvings=1, blocks=1)
CODEC_NORMS = {
    "widths": (8, 8),
    "blocks": 1,
    "attention": (False, True),
    "latent_channels": 8,
    "groups": 4,
}


def vqvae_config(
    quantizer: Any, shape: tuple[int, int, int] = (1, 8, 8), **changes: Any
) -> VQVAEConfig:
    """A VQ-VAE; changes are the network's."""
    return VQVAEConfig(shape, replace(STRIDED, channels=shape[0], **changes), quantizer)


def vqgan_config(
    quantizer: Any, shape: tuple[int, int, int] = (1, 8, 8), **changes: Any
) -> VQGANConfig:
    """A VQGAN; changes are the network's."""
    network = ResidualConfig(channels=shape[0], **{**CODEC_NORMS, **changes})
    discriminator = DiscriminatorConfig(channels=shape[0], width=4, layers=1)
    return VQGANConfig(shape, network, quantizer, ClassifierDistance("digits"), discriminator)


def kl_config(shape: tuple[int, int, int] = (1, 8, 8), **changes: Any) -> KLAutoencoderConfig:
    """A KL-regularized autoencoder; changes are its own."""
    network = ResidualConfig(channels=shape[0], **CODEC_NORMS)
    discriminator = DiscriminatorConfig(channels=shape[0], width=4, layers=1)
    fields = {"perceptual": ClassifierDistance("digits"), "discriminator": discriminator}
    return KLAutoencoderConfig(shape, network, **{**fields, **changes})


def segmentation_config(
    quantizer: Any, shape: tuple[int, int, int] = (1, 8, 8), labels: int = 256
) -> SegmentationConfig:
    """A codec of label maps."""
    network = ResidualConfig(channels=labels, **CODEC_NORMS)
    return SegmentationConfig(shape, labels, network, quantizer)


GPT = GPTConfig(layers=2, heads=2, width=16, dropout=0.0)


def prior_config(
    classes: tuple[str, ...] = (), shape: tuple[int, int, int] = (1, 8, 8), **changes: Any
) -> AutoregressiveConfig:
    """A GPT over the codes of the shipped codec of digits; without symbol noise."""
    codec = FrozenCodec("vqvae-digits", shape=shape)
    return build_config(codec, GPT, conditions=make_choices(classes), **changes)


M = TypeVar("M", bound=nn.Module)

UNET = {"widths": (8, 16), "blocks": 1, "heads": 2, "groups": 4}


def unet_config(**changes: Any) -> UNetConfig:
    return UNetConfig(**{**UNET, **changes})


def diffusion_config(
    shape: tuple[int, int, int] = (1, 8, 8), classes: tuple[str, ...] = (), **changes: Any
) -> DiffusionConfig:
    conditions = changes.pop("conditions", None) or make_choices(classes)
    D = compute_width(conditions, reserve_none=True)
    network = changes.pop("network", None) or unet_config(channels=shape[0], condition_width=D)
    return DiffusionConfig(shape=shape, network=network, conditions=conditions, **changes)


def latent_config(
    shape: tuple[int, int, int] = (1, 16, 16),
    classes: tuple[str, ...] = (),
    codec: str = "vqvae-digits",
    **changes: Any,
) -> DiffusionConfig:
    """A diffusion model in the latents of a codec, whose pictures have the channels of `shape`."""
    D = compute_width(make_choices(classes), reserve_none=True)
    space = make_latents(codec)
    network = unet_config(channels=space.channels, condition_width=D, stem=1)
    return diffusion_config(shape, classes, network=network, space=space, **changes)


def pixelcnn_config(
    shape: tuple[int, int, int] = (1, 8, 8),
    classes: tuple[str, ...] = (),
    levels: int = 8,
    kind: Any = GatedPixelCNNConfig,
    **changes: Any,
) -> AutoregressiveConfig:
    """A PixelCNN; changes are the network's."""
    small = {"width": 12, "blocks": 1, "head_width": 12, "first_kernel_size": 3}
    network = kind(channels=shape[0], **{**small, **changes})
    return build_config(Levels(levels, shape), network, conditions=make_choices(classes))


MIXTURE = LogisticMixture(2)


def plusplus_config(
    shape: tuple[int, int, int] = (1, 8, 8),
    classes: tuple[str, ...] = (),
    levels: int = 2,
    output: Categorical | LogisticMixture = MIXTURE,
    **changes: Any,
) -> AutoregressiveConfig:
    """A PixelCNN++; changes are the network's."""
    small = {"filters": 16, "blocks": 1, "dropout": 0.0}
    network = PixelCNNPlusPlusConfig(**{**small, **changes})
    return build_config(Levels(levels, shape), network, output, make_choices(classes))


@cache
def save_tiny_pixelcnn() -> str:
    """An untrained PixelCNN of 8 x 8 pixels, black or white, in a folder of its own."""
    folder = mkdtemp(prefix="smalti-tests-")
    register(rmtree, folder, ignore_errors=True)
    torch.manual_seed(0)
    smalti.save(pixelcnn_config(levels=2).build(), folder)
    return folder


class CountedConfig:
    """Builds context mixing with counts of pictures of two levels each, left and right."""

    def build(self) -> ContextMixing:
        sides = torch.cartesian_prod(torch.arange(2), torch.arange(2)).view(4, 1, 1, 2)
        z = sides.repeat_interleave(5, dim=3)[..., :8].expand(4, 1, 8, 8).repeat(9, 1, 1, 1)
        packed = pack_tables(count_contexts(z.byte().contiguous().numpy(), (2, 4), 1, 4))
        base = BaseModel(save_tiny_pixelcnn()).pin_hash()
        model = ContextMixingConfig(base, (2, 4), len(packed)).build()
        model.counts.copy_(torch.from_numpy(packed))
        return model


def randomize_zeros(module: M) -> M:
    """Randomize parameters that start at 0, so that every layer affects the output."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.normal_(std=0.1)
    return module


def draw_pictures(model: Any, n: int | None = None, **arguments: Any) -> Tensor:
    """`smalti.sample` of a model whose samples are pictures."""
    pictures = smalti.sample(model, n, **arguments)
    assert isinstance(pictures, Tensor)
    return pictures


@dataclass
class Call:
    """The arguments of a network call."""

    x: Tensor
    t: Tensor
    y: Tensor | None
    training: bool


class Formula(nn.Module):
    """A network that computes f(x, t, y) and records its calls; y are the indices of one-hots."""

    def __init__(self, formula: Callable[[Tensor, Tensor, Tensor | None], Tensor]):
        super().__init__()
        self.formula = formula
        self.calls: list[Call] = []

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        y = None if c is None else c.argmax(1)
        self.calls.append(Call(x, t, y, self.training))
        return self.formula(x, t, y)


@dataclass(frozen=True)
class FormulaConfig:
    """The config of a Formula."""

    formula: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    condition_kinds: ClassVar[tuple[ConditionKind, ...]] = ("vector",)
    free_size: ClassVar[bool] = False

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """Every shape fits."""

    def build(self, outputs: int = 1) -> Formula:
        return Formula(self.formula)
