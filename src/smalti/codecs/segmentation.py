"""The codec of label maps of VQGAN's authors: one-hot labels in, a score of each label out.

Source: `VQSegmentationModel` and `BCELossWithQuant` of CompVis/taming-transformers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import torch.nn.functional as F

from smalti.codecs.codebook_quantizers import VQConfig
from smalti.codecs.codec import Codec
from smalti.codecs.network import Networks, Quantizers
from smalti.codecs.pixel_format import MAX_LABELS, LabelMap
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.vqvae import crop_like
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Loss
from smalti.core.ranges import PictureShape, Range, Weight


def make_default_network() -> ResidualConfig:
    return ResidualConfig(channels=MAX_LABELS)


@dataclass(frozen=True)
@check_fields
class SegmentationConfig:
    """A codec of label maps: gray pictures whose level is a label."""

    shape: PictureShape = (1, 64, 64)
    """Channels (1), height and width of the maps. Other sizes work too."""
    labels: Annotated[int, Range(2, MAX_LABELS)] = MAX_LABELS
    """Number of labels. Label k is the gray level k of 255."""
    network: Networks = field(default_factory=make_default_network)
    """Encoder and decoder, with one channel per label."""
    quantizer: Quantizers = field(default_factory=VQConfig)
    """Quantizer of the latents."""
    quantizer_weight: Weight = 1.0
    """Weight of the quantizer's loss."""

    def __post_init__(self) -> None:
        if self.shape[0] != 1:
            raise UserError(f"shape is {self.shape}; label maps have 1 channel")
        if self.network.channels != self.labels:
            raise UserError(
                f"network.channels is {self.network.channels}, but there are {self.labels} labels; "
                "make them equal"
            )

    def build(self) -> SegmentationCodec:
        return SegmentationCodec(self)


class SegmentationCodec(Codec):
    """Encodes label maps (N, 1, H, W), label k as k / 255, and decodes the likeliest labels."""

    takes_labels = True

    def __init__(self, config: SegmentationConfig):
        super().__init__(config, LabelMap(config.labels))

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Binary cross-entropy of each label's score, and the quantizer's loss."""
        x = self.to_network_range(batch.require_pictures())  # (B, K, H, W)
        scores, quantized = self.network.forward_train(self.pad(x))
        scores = crop_like(scores, x)
        error = F.binary_cross_entropy_with_logits(scores, x)
        hits = (scores.argmax(1) == x.argmax(1)).float().mean()
        total = error + self.config.quantizer_weight * quantized.loss
        terms = {"binary_cross_entropy": error.detach(), "accuracy": hits}
        return Loss(total, {**terms, **quantized.terms})
