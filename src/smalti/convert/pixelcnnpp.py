"""The public PyTorch PixelCNN++ (pclucas14/pixel-cnn-pp), converted to smalti's network."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from smalti.autoregressive import AutoregressiveConfig, Levels, LogisticMixture
from smalti.autoregressive.pixelcnn.plusplus.network import PixelCNNPlusPlus, PixelCNNPlusPlusConfig
from smalti.convert.article_common import Reference, Size, Weights, read_shape, rename_weight
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Depth, Width

SCALES = 3
REPLACEMENTS = (  # theirs, ours; in this order
    (r"^up_layers\.", "down."),  # theirs are named by direction in the paper's figure
    (r"^down_layers\.", "up."),
    (r"(ul?)_stream\.", r"\1."),
    (r"^downsize_(ul?)\.", r"halvings.\1."),
    (r"^upsize_(ul?)\.", r"doublings.\1."),
    (r"^u_init\b", "u_start"),
    (r"^ul_init\.0\b", "ul_above"),
    (r"^ul_init\.1\b", "ul_left"),
    (r"^nin_out\b", "end"),
    (r"\bconv_input\b", "enter"),
    (r"\bconv_out\b", "leave"),
    (r"\bnin_skip\b", "skip"),
    (r"\.(conv|deconv|lin_a)\.", ".weight."),
    (r"\bweight_", ""),
)


@dataclass(frozen=True)
@check_fields
class PixelCNNPP:
    """Config of the public PixelCNN++. Defaults are for CIFAR-10."""

    nr_resnet: Depth = 5
    """Number of gated blocks per level."""
    nr_filters: Width = 80
    """Features of all blocks."""
    nr_logistic_mix: Width = 10
    """Logistics per pixel."""
    input_channels: Width = 3
    """Channels of the pictures: 1 or 3."""

    def __post_init__(self) -> None:
        if self.input_channels not in (1, 3):
            raise UserError(f"input_channels is {self.input_channels}; give 1 or 3")

    @property
    def output(self) -> LogisticMixture:
        return LogisticMixture(self.nr_logistic_mix)

    @property
    def network(self) -> PixelCNNPlusPlusConfig:
        return PixelCNNPlusPlusConfig(
            channels=self.input_channels,
            outputs=self.output.count_parameters(self.input_channels, 256),
            filters=self.nr_filters,
            blocks=self.nr_resnet,
            scales=SCALES,
        )

    def build(self) -> PixelCNNPlusPlus:
        """A new network with random weights."""
        return self.network.build()

    def build_model(self, size: Size | None) -> AutoregressiveConfig:
        """Config of a model with this network. Default size: 32x32."""
        H, W = size or (32, 32)
        codec = Levels(256, (self.input_channels, H, W))
        return AutoregressiveConfig(codec, self.network, self.output)


def translate_pixelcnnpp(weights: Weights) -> Weights:
    """Translate weights to smalti's names and shapes.

    Weight norm of their transposed convolutions is per input channel, ours per output channel as
    in the paper; the effective weight is the same.
    """
    converted = {"initialized": torch.tensor(True)}
    for name, value in weights.items():
        stem, _, part = name.rpartition(".")
        if stem.endswith(".deconv") and part == "weight_g":
            continue
        ours = rename_weight(name, REPLACEMENTS)
        if part == "weight_g":
            value = value.flatten()
        elif part == "weight_v" and value.ndim == 2:
            value = value[:, :, None, None]
        elif part == "weight_v" and stem.endswith(".deconv") and f"{stem}.weight_g" in weights:
            norm = value.flatten(1).norm(dim=1)[:, None, None, None]
            value = (value * weights[f"{stem}.weight_g"] / norm).transpose(0, 1)
            converted[ours.removesuffix("v") + "g"] = value.flatten(1).norm(dim=1)
        converted[ours] = value.contiguous()
    return converted


def infer_pixelcnnpp(weights: Weights, size: Size | None = None) -> dict[str, object]:
    """Infer the config from the weights' names and shapes; size is ignored."""
    filters, channels = read_shape(weights, "u_init.conv.weight_v", 4)[:2]
    outputs = read_shape(weights, "nin_out.lin_a.bias", 1)[0]
    blocks = {key.split(".")[3] for key in weights if key.startswith("up_layers.0.u_stream.")}
    return {
        "nr_resnet": len(blocks),
        "nr_filters": filters,
        "nr_logistic_mix": outputs // (3 if channels == 2 else 10),
        "input_channels": channels - 1,
    }


REFERENCE = Reference(PixelCNNPP, infer_pixelcnnpp, translate_pixelcnnpp)
REFERENCES = {"pclucas_pixelcnnpp_rgb": REFERENCE, "pclucas_pixelcnnpp_gray": REFERENCE}
