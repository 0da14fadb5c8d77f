"""What all trained codecs share: pictures in [0, 1] of any size to latents and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.codecs.pixel_format import PixelFormat, PixelRange
from smalti.core.errors import UserError
from smalti.core.model import Model
from smalti.core.protocols import Batch, Loss, Spec
from smalti.core.tensors import to_pictures


class PictureCodec(Model):
    """Base class of trained codecs, with codes (`Codec`) or with continuous latents only.

    A latent represents f x f pixels, f = `network.downsampling_factor`. Pictures whose sides are
    not multiples of f are padded by repeating the last row and column, and cropped after decoding.
    """

    def __init__(
        self,
        config: Any,
        network: Any,
        output: Literal["codes", "latents"],
        pixels: PixelFormat | None = None,
    ):
        """pixels: how the network sees pictures; None: in its `pixel_range`."""
        super().__init__()
        self.config = config
        self.network = network
        self.pixels = pixels or PixelRange(*network.pixel_range)
        self.spec = Spec(output, config.shape[0], config.shape[1:], free_size=True)

    @abstractmethod
    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss: ...

    @property
    @abstractmethod
    def latent_channels(self) -> int:
        """Channels D of the latents."""

    @abstractmethod
    def decode_latents(self, z: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decode latents (N, D, h, w) to pictures in [0, 1], cropped to size (H, W)."""

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of codes, or latents, for a picture of this height and width."""
        f = self.network.downsampling_factor
        return -(-size[0] // f), -(-size[1] // f)

    @torch.no_grad()
    def encode_latents(self, x: Tensor) -> Tensor:
        """Encode pictures (N, C, H, W) in [0, 1] to latents (N, D, h, w), before any quantizer."""
        self.check_pictures(x)
        return self.network.encode_latents(self.pad(self.to_network_range(x.to(self.device))))

    def to_network_range(self, x: Tensor) -> Tensor:
        """Map [0, 1] to the network's range."""
        return self.pixels.to_network(x)

    def from_network_range(self, x: Tensor) -> Tensor:
        """Map the network's range to [0, 1], clamped, as float32."""
        return self.pixels.from_network(x)

    def pad(self, x: Tensor) -> Tensor:
        """Pad to multiples of the downsampling factor, at the bottom and right."""
        f = self.network.downsampling_factor
        H, W = x.shape[2:]
        below, right = -H % f, -W % f
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def check_pictures(self, x: Any) -> Tensor:
        """Convert pictures to float32 (N, C, H, W), given as for `encode`. UserError for others."""
        x, C = to_pictures(x, "pictures").float(), self.config.shape[0]
        if x.shape[1] != C:
            raise UserError(f"pictures have shape {tuple(x.shape)}; give (N, {C}, H, W)")
        return x
