"""Published codecs: the article's VQ-VAE, and VQGAN."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from smalti.codecs import (
    DiscriminatorConfig,
    ResidualConfig,
    SegmentationConfig,
    StridedConfig,
    VQConfig,
    VQGANConfig,
    VQVAEConfig,
)
from smalti.codecs.network import Autoencoder
from smalti.codecs.pixel_format import MAX_LABELS
from smalti.convert.article_common import Reference, Size, Weights, read_shape, rename_weight
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Count, Depth, Width

IGNORED_WEIGHTS = re.compile(r"^(loss\.|colorize$|model_ema\.)")
"""Lightning weights that are not part of the codec: discriminator, perceptual network, EMA."""


@dataclass(frozen=True)
@check_fields
class ArticleVQVAE:
    """Config of the article's VQ-VAE (SingleZombie/DL-Demos, dldemos/VQVAE)."""

    input_dim: Width = 3
    """Channels of the pictures."""
    dim: Width = 128
    """Feature channels, and dimensions of a code."""
    n_embedding: Count = 64
    """Number of codes."""

    @property
    def component_configs(self) -> tuple[StridedConfig, VQConfig]:
        network = StridedConfig(channels=self.input_dim, width=self.dim, pixel_min=0.0)
        return network, VQConfig(codebook_size=self.n_embedding, width=self.dim)

    def build(self) -> Autoencoder:
        """A new network with random weights; pictures are in [0, 1]."""
        return Autoencoder(*self.component_configs)

    def build_model(self, size: Size | None) -> VQVAEConfig:
        network, quantizer = self.component_configs
        H, W = size or (128, 128)
        return VQVAEConfig((self.input_dim, H, W), network, quantizer)


VQVAE_REPLACEMENTS = (
    (r"^encoder\.0\.", "encoder.down.0."),
    (r"^encoder\.2\.", "encoder.down.1."),
    (r"^encoder\.4\.", "encoder.enter."),
    (r"^encoder\.5\.", "encoder.blocks.0."),
    (r"^encoder\.6\.", "encoder.blocks.1."),
    (r"^decoder\.0\.", "decoder.enter."),
    (r"^decoder\.1\.", "decoder.blocks.0."),
    (r"^decoder\.2\.", "decoder.blocks.1."),
    (r"^decoder\.3\.", "decoder.up.0."),
    (r"^decoder\.5\.", "decoder.up.1."),
    (r"^vq_embedding\.weight$", "quantizer.codebook.weight"),
)


def translate_vqvae(weights: Weights) -> Weights:
    return add_codebook_usage(rename_weights(weights, VQVAE_REPLACEMENTS))


def infer_vqvae(weights: Weights, size: Size | None = None) -> dict[str, object]:
    """Infer the config from the weights' shapes; size is ignored."""
    K, D = read_shape(weights, "vq_embedding.weight", 2)
    return {
        "input_dim": read_shape(weights, "encoder.0.weight", 4)[1],
        "dim": D,
        "n_embedding": K,
    }


@dataclass(frozen=True)
class TamingVQGAN:
    """Config of the VQGAN authors' VQModel (CompVis/taming-transformers), their YAML's `params`."""

    n_embed: int
    """Number of codes."""
    embed_dim: int
    """Dimensions of a code."""
    ddconfig: dict[str, Any]
    """Settings of encoder and decoder."""

    def __post_init__(self) -> None:
        required = ("z_channels", "resolution", "in_channels", "out_ch", "ch", "ch_mult")
        known = (*required, "num_res_blocks", "attn_resolutions", "dropout", "double_z")
        d = self.ddconfig
        if not isinstance(d, dict):
            raise UserError(f"ddconfig is {d!r}; give a mapping of the networks' settings")
        if missing := [k for k in (*required, "num_res_blocks", "attn_resolutions") if k not in d]:
            raise UserError(f"ddconfig has no {missing[0]}; give {', '.join(known)}")
        if unknown := [k for k in d if k not in known]:
            raise UserError(f"ddconfig.{unknown[0]} is unknown; known: {', '.join(known)}")
        if d.get("double_z") or d["out_ch"] != d["in_channels"]:
            raise UserError("ddconfig has double_z or out_ch other than in_channels; not supported")

    @property
    def component_configs(self) -> tuple[ResidualConfig, VQConfig]:
        d = self.ddconfig
        sides = [d["resolution"] // 2**k for k in range(len(d["ch_mult"]))]
        network = ResidualConfig(
            channels=d["in_channels"],
            widths=tuple(d["ch"] * m for m in d["ch_mult"]),
            blocks=d["num_res_blocks"],
            attention=tuple(side in d["attn_resolutions"] for side in sides),
            latent_channels=d["z_channels"],
            dropout=float(d.get("dropout", 0)),
        )
        # legacy: the authors' first code applied beta to the other term
        return network, VQConfig(codebook_size=self.n_embed, width=self.embed_dim, legacy=True)

    def build(self) -> Autoencoder:
        """A new network with random weights; pictures are in [-1, 1]."""
        return Autoencoder(*self.component_configs)

    def build_model(self, size: Size | None) -> VQGANConfig:
        side: int = self.ddconfig["resolution"]
        H, W = size or (side, side)
        network, quantizer = self.component_configs
        C = network.channels
        discriminator = DiscriminatorConfig(channels=C)
        return VQGANConfig((C, H, W), network, quantizer, discriminator=discriminator)


@dataclass(frozen=True)
class TamingSegmentation:
    """Config of their VQSegmentationModel, a VQGAN of label maps, of the same `params`."""

    n_embed: int
    """Number of codes."""
    embed_dim: int
    """Dimensions of a code."""
    ddconfig: dict[str, Any]
    """Settings of encoder and decoder, with one channel per label."""

    def __post_init__(self) -> None:
        labels = self.vqgan.ddconfig["in_channels"]
        if not isinstance(labels, int) or not 2 <= labels <= MAX_LABELS:
            raise UserError(
                f"ddconfig.in_channels is {labels!r} labels; supported: 2 to {MAX_LABELS}"
            )

    @property
    def vqgan(self) -> TamingVQGAN:
        """The config of its networks."""
        return TamingVQGAN(self.n_embed, self.embed_dim, self.ddconfig)

    def build(self) -> Autoencoder:
        """A new network with random weights; it takes one-hot labels."""
        return self.vqgan.build()

    def build_model(self, size: Size | None) -> SegmentationConfig:
        side: int = self.ddconfig["resolution"]
        network, quantizer = self.vqgan.component_configs
        return SegmentationConfig(
            (1, *(size or (side, side))), network.channels, network, quantizer
        )


TAMING_REPLACEMENTS = (
    (r"\bdown\.(\d+)\.block\.", r"levels.\1.blocks."),
    (r"\bdown\.(\d+)\.attn\.", r"levels.\1.attentions."),
    (r"\bdown\.(\d+)\.downsample\.", r"levels.\1.move."),
    (r"\bmid\.block_1\.", "middle.0."),
    (r"\bmid\.attn_1\.", "middle.1."),
    (r"\bmid\.block_2\.", "middle.2."),
    (r"\bup\.(\d+)\.block\.", r"levels.\1.blocks."),
    (r"\bup\.(\d+)\.attn\.", r"levels.\1.attentions."),
    (r"\bup\.(\d+)\.upsample\.", r"levels.\1.move."),
    (r"\bnin_shortcut\.", "skip."),
    (r"\bproj_out\.", "out."),
    (r"\bconv_in\.", "enter."),
    (r"\bconv_out\.", "leave."),
    (r"\bnorm_out\.", "norm."),
    (r"^quant_conv\.", "quant_conv."),
    (r"^post_quant_conv\.", "post_quant_conv."),
    (r"^quantize\.embedding\.", "quantizer.codebook."),
)


def translate_taming(weights: Weights) -> Weights:
    """Translate weight names; their decoder numbers levels from the finest, ours reversed."""
    kept = {name: value for name, value in weights.items() if not IGNORED_WEIGHTS.match(name)}
    levels = [int(m[1]) for name in kept if (m := re.match(r"decoder\.up\.(\d+)\.", name))]
    last = max(levels, default=0)
    renumbered = {
        re.sub(r"^(decoder\.up\.)(\d+)", lambda m: f"{m[1]}{last - int(m[2])}", name): value
        for name, value in kept.items()
    }
    return add_codebook_usage(rename_weights(renumbered, TAMING_REPLACEMENTS))


def infer_taming(weights: Weights, size: Size | None = None) -> dict[str, object]:
    """UserError: attention resolutions cannot be inferred from the weights."""
    raise UserError(
        "the networks' settings cannot be inferred from the weights; give --config FILE.yaml"
    )


@dataclass(frozen=True)
@check_fields
class TamingDiscriminator:
    """Config of the VQGAN authors' patch discriminator."""

    input_nc: Width = 3
    """Channels of the pictures."""
    ndf: Width = 64
    """Feature channels of the first layer."""
    n_layers: Depth = 3
    """Number of downsampling layers."""

    def build(self) -> nn.Module:
        """A new network with random weights; pictures are in [-1, 1]."""
        return DiscriminatorConfig(self.input_nc, self.ndf, self.n_layers).build()

    def build_model(self, size: Size | None) -> Any:
        raise UserError("a discriminator alone is not a model; convert its codec instead")


def translate_discriminator(weights: Weights) -> Weights:
    return rename_weights(weights, ((r"^main\.", "layers."),))


def infer_discriminator(weights: Weights, size: Size | None = None) -> dict[str, object]:
    """Infer the config from the weights' names and shapes."""
    ndf, channels = read_shape(weights, "main.0.weight", 4)[:2]
    convolutions = [n for n, w in weights.items() if n.endswith(".weight") and w.ndim == 4]
    return {"input_nc": channels, "ndf": ndf, "n_layers": len(convolutions) - 2}


def rename_weights(weights: Weights, replacements: tuple[tuple[str, str], ...]) -> Weights:
    return {rename_weight(name, replacements): value for name, value in weights.items()}


def add_codebook_usage(weights: Weights) -> Weights:
    """Add uniform codebook usage, which references do not record."""
    name = "quantizer.codebook.weight"
    if name not in weights:
        return weights
    K = len(weights[name])
    usage = {"share": torch.full((K,), 1 / K), "steps": torch.tensor(1), "revived": torch.tensor(0)}
    return {**weights, **{f"quantizer.codebook.usage.{k}": v for k, v in usage.items()}}


REFERENCES = {
    "dldemos_vqvae": Reference(ArticleVQVAE, infer_vqvae, translate_vqvae),
    "taming_vqgan": Reference(TamingVQGAN, infer_taming, translate_taming),
    "taming_segmentation": Reference(TamingSegmentation, infer_taming, translate_taming),
    "taming_patch_discriminator": Reference(
        TamingDiscriminator, infer_discriminator, translate_discriminator
    ),
}
