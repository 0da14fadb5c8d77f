"""VQ-VAE: a codec trained with the squared error."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from smalti.codecs.codebook_quantizers import EMAConfig
from smalti.codecs.codec import Codec
from smalti.codecs.fine_tuning import follow_start
from smalti.codecs.network import Networks, Quantizers
from smalti.codecs.picture_codec import PictureCodec
from smalti.codecs.strided import StridedConfig
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Loss, ModelConfig
from smalti.core.ranges import PictureShape, Weight


@dataclass(frozen=True)
@check_fields
class VQVAEConfig:
    """A VQ-VAE codec."""

    shape: PictureShape = (3, 64, 64)
    """Channels, height and width of training pictures. Other sizes work too."""
    network: Networks = field(default_factory=StridedConfig)
    """Encoder and decoder."""
    quantizer: Quantizers = field(default_factory=EMAConfig)
    """Quantizer of the latents."""
    mse_weight: Weight = 1.0
    """Weight of the squared reconstruction error."""
    quantizer_weight: Weight = 1.0
    """Weight of the quantizer's loss. That is its codebook and commitment terms."""

    def __post_init__(self) -> None:
        check_shape(self.shape, self.network)

    def follow_start(self, start: ModelConfig) -> VQVAEConfig:
        """The config with encoder, decoder and quantizer of `start`."""
        return follow_start(self, start)

    def build(self) -> VQVAE:
        return VQVAE(self)


class VQVAE(Codec):
    """VQ-VAE (arXiv:1711.00937). The loss is eq. 3: squared error, codebook and commitment term,
    each averaged over all elements, summed with the config's weights.
    """

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        x = self.to_network_range(batch.require_pictures())
        x_hat, quantized = self.network.forward_train(self.pad(x))
        error = F.mse_loss(crop_like(x_hat, x), x)
        total = self.config.mse_weight * error + self.config.quantizer_weight * quantized.loss
        return Loss(total, {**compute_error_terms(self, error), **quantized.terms})


def crop_like(x_hat: Tensor, x: Tensor) -> Tensor:
    """Crop x_hat to the size of x, in x's dtype."""
    return x_hat[..., : x.shape[2], : x.shape[3]].to(x.dtype)


def compute_error_terms(codec: PictureCodec, error: Tensor) -> dict[str, Tensor]:
    """Terms for the log: the squared error in the network's range, and the PSNR in dB."""
    low, high = codec.network.pixel_range
    mse = error.detach()
    return {"squared": mse, "psnr": -10 * (mse / (high - low) ** 2).clamp(min=1e-10).log10()}


def check_shape(shape: tuple[int, int, int], network: Networks) -> None:
    """UserError unless the channels of pictures and network are equal."""
    if shape[0] != network.channels:
        raise UserError(
            f"network.channels is {network.channels}, but pictures of {shape} have {shape[0]}; "
            "make them equal"
        )
