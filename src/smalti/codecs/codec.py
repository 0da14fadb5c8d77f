"""The codec interface: pictures in [0, 1] of any size to codes and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from smalti.codecs.health import measure_health
from smalti.codecs.network import Autoencoder
from smalti.codecs.picture_codec import PictureCodec
from smalti.codecs.pixel_format import PixelFormat
from smalti.core.errors import UserError
from smalti.core.players import StartWeights
from smalti.layers.start_weights import convert_channels


class Codec(PictureCodec):
    """Base class of codecs: encodes pictures to codes and decodes them. Subclasses define the loss.

    A code represents f x f pixels, f = `network.downsampling_factor`.
    """

    symbol_values: None = None

    def __init__(self, config: Any, pixels: PixelFormat | None = None):
        """pixels: how the network sees pictures; None: in its `pixel_range`."""
        super().__init__(config, Autoencoder(config.network, config.quantizer), "codes", pixels)

    def convert_start(self, start: nn.Module) -> StartWeights:
        """Weights of another codec, with those of gray and color converted."""
        if not isinstance(start, Codec):
            return StartWeights({})
        weights, C = start.state_dict(), start.config.shape[0]
        converted = convert_channels(weights, self.state_dict(), C, self.config.shape[0])
        return StartWeights({**weights, **converted})

    @property
    def vocab_size(self) -> int:
        """Number of codes K; codes have no order."""
        return self.network.quantizer.codebook_size

    @property
    def latent_channels(self) -> int:
        """Channels D of the latents, before and after the quantizer."""
        return self.config.quantizer.width

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Encode pictures (N, C, H, W) in [0, 1], or uint8, to codes (N, h, w) int64.

        Arrays and PIL pictures are accepted too (`core/tensors.py`). UserError for other input.
        """
        x = self.check_pictures(x)
        return self.network.encode(self.pad(self.to_network_range(x.to(self.device))))

    @torch.no_grad()
    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decode codes (N, h, w) to pictures (N, C, H, W) float32 in [0, 1].

        size: (H, W) to crop to. Default: no cropping. UserError for codes out of range or of
        another size.
        """
        if size and codes.ndim == 3 and self.compute_code_shape(size) != tuple(codes.shape[1:]):
            raise UserError(
                f"codes have shape {tuple(codes.shape)}, but pictures of {size[0]} x {size[1]} "
                f"have {self.compute_code_shape(size)} codes; give the size of the encoded pictures"
            )
        x = self.from_network_range(self.network.decode(codes.to(self.device)))
        return x if size is None else x[..., : size[0], : size[1]]

    def decode_tiled(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decode as `decode` does, in overlapping tiles that are blended, for large pictures."""
        from smalti.codecs.tiles import decode_tiled

        return decode_tiled(self, codes, size)

    @torch.no_grad()
    def decode_latents(self, z: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decode latents (N, D, h, w) to pictures (N, C, H, W) in [0, 1], as `decode` does.

        Latents are quantized first, since the decoder is trained on codes only.
        """
        return self.decode(self.network.quantizer.quantize(z.to(self.device)), size)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Encode and decode pictures (N, C, H, W), given as for `encode`."""
        x = self.check_pictures(x)
        return self.decode(self.encode(x), (x.shape[2], x.shape[3]))

    def validate(
        self, read_pictures: Callable[[slice], Tensor], n: int
    ) -> tuple[dict[str, Any], list[str]]:
        """Count the codes that n pictures use; `read_pictures` reads a slice of them.

        Returns numbers for the log, and messages.
        """
        health = measure_health(self, read_pictures, n, self.device)
        numbers = {
            "pictures_examined": n,
            "codes": health.codebook_size,
            "codes_used": health.n_used,
            "perplexity_used": round(health.perplexity, 4),
        }
        return numbers, [health.describe()]

    def after_step(self) -> None:
        """Update the quantizer after an optimizer step, in all processes at once."""
        self.network.quantizer.after_step()
