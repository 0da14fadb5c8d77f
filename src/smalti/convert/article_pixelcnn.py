"""The PixelCNNs of the article (SingleZombie/DL-Demos, dldemos/pixelcnn and its prior on codes).

The article's kernels are full and masked; smalti's hold only the unmasked taps. Biases before
batch norm are folded into the norm's mean, and the last two layers, which have no nonlinearity
between them, into one.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from smalti.autoregressive import AutoregressiveConfig, FrozenCodec, IndexCodec, Levels
from smalti.autoregressive.pixelcnn.gated.network import GatedPixelCNNConfig
from smalti.autoregressive.pixelcnn.plain.network import PixelCNNConfig
from smalti.convert.article_common import Reference, Size, Weights, read_shape
from smalti.core.errors import UserError

DEFAULT_SIZE = (28, 28)
"""Default height and width of the pictures."""


@dataclass(frozen=True)
class ArticleConfig(ABC):
    """Common config fields of the article's networks."""

    n_blocks: int = 15
    """Number of residual blocks. A Gated PixelCNN has one more in front."""
    linear_dim: int = 32
    """Features of the last layers."""
    bn: bool = True
    """Whether convolutions have batch norm."""
    color_level: int = 8
    """Number of levels per pixel."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name == "bn":
                if type(value) is not bool:
                    raise UserError(f"bn is {value!r}; give true or false")
            elif type(value) is not int or value < 1:
                raise UserError(f"{name} is {value!r}; give a positive integer")

    @property
    @abstractmethod
    def network(self) -> PixelCNNConfig | GatedPixelCNNConfig: ...

    def build(self) -> Any:
        """A new network with random weights."""
        return self.network.build()

    def build_model(self, size: Size | None) -> AutoregressiveConfig:
        """Config of a model with this network. Default size: 28x28."""
        H, W = size or DEFAULT_SIZE
        return AutoregressiveConfig(Levels(self.color_level, (1, H, W)), self.network)


@dataclass(frozen=True)
class ArticlePixelCNN(ArticleConfig):
    """Config of the article's PixelCNN."""

    h: int = 128
    """Features inside a block. There are 2h between blocks."""

    @property
    def network(self) -> PixelCNNConfig:
        return PixelCNNConfig(
            outputs=self.color_level,
            width=self.h,
            blocks=self.n_blocks,
            head_width=self.linear_dim,
            batch_norm=self.bn,
        )


@dataclass(frozen=True)
class ArticleGatedPixelCNN(ArticleConfig):
    """Config of the article's Gated PixelCNN."""

    p: int = 128
    """Features of each stack."""

    @property
    def network(self) -> GatedPixelCNNConfig:
        return GatedPixelCNNConfig(
            outputs=self.color_level,
            width=self.p,
            blocks=self.n_blocks,
            first_kernel_size=3,
            head_width=self.linear_dim,
            batch_norm=self.bn,
        )


@dataclass(frozen=True)
class ArticlePixelCNNPrior(ArticleGatedPixelCNN):
    """Config of the article's Gated PixelCNN prior over codes."""

    @property
    def network(self) -> GatedPixelCNNConfig:
        return replace(super().network, embeds_symbols=True)

    def build_model(self, size: Size | None, codec: str | None = None) -> AutoregressiveConfig:
        """Config of a model with this network: of pictures with a codec, else of bare codes.

        codec: name or folder of a codec. size: height and width of its pictures.  Default: the
        codec's size.  Without a codec: rows and columns of codes.  Default: 28x28.
        """
        if codec is None:
            return AutoregressiveConfig(
                IndexCodec(self.color_level, size or DEFAULT_SIZE), self.network
            )
        spec = FrozenCodec(codec).load().spec
        H, W = size or spec.size
        frozen = FrozenCodec(codec, shape=(spec.channels, H, W)).pin_hash()
        return AutoregressiveConfig(frozen, self.network)


def infer_plain(weights: Weights, size: Size | None = None) -> dict[str, object]:
    """Infer the config from the weights' names and shapes; size is ignored."""
    return {
        "h": read_shape(weights, "conv1.conv.weight", 4)[0] // 2,
        **infer_common_config(weights),
    }


def infer_gated(weights: Weights, size: Size | None = None) -> dict[str, object]:
    """Infer the config from the weights' names and shapes; size is ignored."""
    return {
        "p": read_shape(weights, "block1.h_output_conv.weight", 4)[0],
        **infer_common_config(weights),
    }


def infer_common_config(weights: Weights) -> dict[str, object]:
    blocks = {m[1] for key in weights if (m := re.match(r"(?:residual_)?blocks\.(\d+)\.", key))}
    return {
        "n_blocks": len(blocks),
        "linear_dim": read_shape(weights, "linear1.weight", 4)[0],
        "bn": any(key.endswith("running_mean") for key in weights),
        "color_level": read_shape(weights, "out.weight", 4)[0],
    }


def translate_plain(weights: Weights) -> Weights:
    """Translate weights to smalti's names and cropped kernels."""
    converter = WeightConverter(weights)
    converter.convert_masked("conv1", "conv1", mask_b=False)
    converter.convert_bias("conv1.conv.bias", "conv1.row.bias", "bn1", "norm1")
    for n in converter.list_block_indices("residual_blocks"):
        theirs, ours = f"residual_blocks.{n}", f"blocks.{n}"
        for k in (1, 3):
            converter.convert_pointwise(f"{theirs}.conv{k}", f"{ours}.conv{k}")
        converter.convert_masked(f"{theirs}.conv2", f"{ours}.conv2", mask_b=True)
        names = (("conv1.bias",) * 2, ("conv2.conv.bias", "conv2.row.bias"), ("conv3.bias",) * 2)
        for k, (a, b) in enumerate(names):
            norms = f"{theirs}.bn{k + 1}", f"{ours}.norms.{k}"
            converter.convert_bias(f"{theirs}.{a}", f"{ours}.{b}", *norms)
    return converter.finish()


def translate_gated(weights: Weights) -> Weights:
    """Translate weights to smalti's names and cropped kernels."""
    converter = WeightConverter(weights)
    pairs = [("block1", "blocks.0")]
    pairs += [(f"blocks.{n}", f"blocks.{n + 1}") for n in converter.list_block_indices("blocks")]
    for theirs, ours in pairs:
        taps = 1 if theirs == "block1" else 2
        above, left = (converter.take(f"{theirs}.{c}.conv.weight", 4) for c in ("v_conv", "h_conv"))
        converter.put(f"{ours}.v_conv.weight", above[:, :, :2])
        converter.put(f"{ours}.h_conv.left", left[:, :, 1:2, :taps])
        converter.convert_pointwise(f"{theirs}.v_to_h_conv", f"{ours}.v_to_h")
        converter.convert_pointwise(f"{theirs}.h_output_conv", f"{ours}.h_out")
        biases = {
            "v_conv.conv": "v_conv",
            "v_to_h_conv": "h_conv",  # without a norm, both are added to the same bias
            "h_conv.conv": "h_conv",
            "h_output_conv": "h_out",
        }
        for k, (a, b) in enumerate(biases.items()):
            norms = f"{theirs}.bn{k + 1}", f"{ours}.norms.{k}"
            converter.convert_bias(f"{theirs}.{a}.bias", f"{ours}.{b}.bias", *norms)
    return converter.finish()


class WeightConverter:
    """Converts weights one by one: `theirs` are the remaining ones, `ours` the converted ones."""

    def __init__(self, weights: Weights):
        self.theirs = dict(weights)
        self.ours: Weights = {}

    def take(self, key: str, dims: int) -> Tensor:
        """Remove and return a weight. UserError if it is missing or has other dimensions."""
        read_shape(self.theirs, key, dims)
        return self.theirs.pop(key)

    def put(self, key: str, value: Tensor) -> None:
        self.ours[key] = self.ours[key] + value if key in self.ours else value.contiguous()

    def list_block_indices(self, name: str) -> list[int]:
        """Sorted indices of the blocks of that name."""
        found = (re.match(rf"{name}\.(\d+)\.", key) for key in self.theirs)
        return sorted({int(m[1]) for m in found if m})

    def convert_pointwise(self, theirs: str, ours: str) -> None:
        self.put(f"{ours}.center", self.take(f"{theirs}.weight", 4)[:, :, 0, 0])

    def convert_masked(self, theirs: str, ours: str, mask_b: bool) -> None:
        """Split a masked k x k kernel into the rows above and the row's left part."""
        weight = self.take(f"{theirs}.conv.weight", 4)
        half = weight.shape[2] // 2
        self.put(f"{ours}.above.weight", weight[:, :, :half])
        self.put(f"{ours}.row.left", weight[:, :, half : half + 1, : half + mask_b])

    def convert_bias(self, bias: str, our_bias: str, norm: str, our_norm: str) -> None:
        """Copy a bias, or subtract it from the mean of the following norm."""
        value = self.take(bias, 1)
        if f"{norm}.running_mean" not in self.theirs:
            return self.put(our_bias, value)
        for part, dims in {"weight": 1, "bias": 1, "running_var": 1, "running_mean": 1}.items():
            parameter = self.take(f"{norm}.{part}", dims)
            self.put(
                f"{our_norm}.{part}", parameter - value if part == "running_mean" else parameter
            )
        count = f"{norm}.num_batches_tracked"
        self.put(f"{our_norm}.num_batches_tracked", self.take(count, 0))
        return None

    def finish(self) -> Weights:
        """Convert the head; returns converted weights, and the remaining ones unchanged."""
        self.convert_pointwise("linear1", "head.hidden")
        self.put("head.hidden.bias", self.take("linear1.bias", 1))
        w2, w3 = (self.take(f"{name}.weight", 4)[:, :, 0, 0] for name in ("linear2", "out"))
        b2, b3 = (self.take(f"{name}.bias", 1) for name in ("linear2", "out"))
        if w3.shape[1] != w2.shape[0]:
            raise UserError(
                f"weights 'linear2' and 'out' do not match: {w2.shape[0]}, {w3.shape[1]}"
            )
        self.put("head.out.center", w3 @ w2)
        self.put("head.out.bias", w3 @ b2 + b3)
        if "embedding.weight" in self.theirs:
            self.put("embedding.weight", self.take("embedding.weight", 2))
        return {**self.theirs, **self.ours}


REFERENCES = {
    "dldemos_pixelcnn": Reference(ArticlePixelCNN, infer_plain, translate_plain),
    "dldemos_gated_pixelcnn": Reference(ArticleGatedPixelCNN, infer_gated, translate_gated),
    "dldemos_pixelcnn_prior": Reference(ArticlePixelCNNPrior, infer_gated, translate_gated),
}
