"""The latent space of a frozen codec, for latent diffusion (arXiv:2112.10752)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Dataset
from smalti.core.ranges import Range, Width
from smalti.layers.frozen_codec import FrozenCodec, UnregisteredCodec

MEASURED_PICTURES = 16_384
"""Training pictures, at most, whose latents are measured."""
BATCH = 256
FILLINGS = (0.0, 0.5, 1.0)
"""Gray levels that fill a hole to find the latents that see it."""
MARGIN = 6
"""Latents of the other side that the decoder sees beyond each border of a picture that tiles."""
SEES_HOLE = 0.1
"""A latent sees a hole if the fillings change it by more than this, in standard deviations."""


@dataclass(frozen=True)
@check_fields
class Latents:
    """Latent space of a trained codec, normalized by channel."""

    codec: FrozenCodec = field(default_factory=FrozenCodec)
    """The codec."""
    channels: Width = 16
    """Channels D of its latents."""
    downsampling_factor: Annotated[int, Range(1, 1024)] = 4
    """Pixels along a side of a latent."""
    is_latent: ClassVar[bool] = True

    def compute_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Shape (D, h, w) of the latents of pictures of this shape (C, H, W).

        UserError for other channels than the codec's.
        """
        if shape[0] != self.codec.shape[0]:
            raise UserError(
                f"shape is {shape}, but the codec {self.codec.model} has pictures of "
                f"{self.codec.shape[0]} channels; give pictures of as many"
            )
        f = self.downsampling_factor
        return self.channels, -(-shape[1] // f), -(-shape[2] // f)

    def build(self) -> LatentSpace:
        return LatentSpace(self)


def make_latents(codec: str | Path) -> Latents:
    """The latent space of a codec, which is a shipped name, checkpoint or run folder."""
    frozen = FrozenCodec(str(codec)).pin_hash()
    loaded = frozen.load()
    shape = (loaded.spec.channels, *loaded.spec.size)
    frozen = FrozenCodec(frozen.model, frozen.sha256, shape)
    return Latents(frozen, loaded.latent_channels, loaded.network.downsampling_factor)


def pad_wrapped(x: Tensor, margin: int) -> Tensor:
    """Pad x (n, D, h, w) with what stands at the other side."""
    rows, columns = (
        torch.arange(-margin, side + margin, device=x.device) % side for side in x.shape[2:]
    )
    return x[:, :, rows][..., columns]


class LatentSpace(nn.Module):
    """Pictures to normalized latents (N, D, h, w) and back; a `Space`.

    Its buffers, (D, 1, 1) each, are measured on the training pictures before the first step: the
    mean and standard deviation of each channel, and the bounds of the normalized latents.
    """

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor
    is_measured: Tensor
    is_latent: ClassVar[bool] = True

    def __init__(self, config: Latents):
        super().__init__()
        self.config = config
        self.holder = UnregisteredCodec(config.codec.load())
        codec, name = self.holder.codec, config.codec.model
        found = codec.latent_channels, codec.network.downsampling_factor
        if found != (config.channels, config.downsampling_factor):
            raise UserError(
                f"the latents of {name} have {found[0]} channels and a downsampling factor of "
                f"{found[1]}, but space has {config.channels} and {config.downsampling_factor}; "
                "make them equal (smalti.diffusion.make_latents does)"
            )
        for buffer, value in (("mean", 0.0), ("std", 1.0), ("low", -4.0), ("high", 4.0)):
            self.register_buffer(buffer, torch.full((config.channels, 1, 1), value))
        self.register_buffer("is_measured", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def measure(self, data: Dataset) -> None:
        """Measure mean, standard deviation and bounds on training data.

        Of many pictures, batches from all over the data are measured. Weights that a run starts
        from keep their measures.
        """
        if self.is_measured:
            return
        batches = [*data.split_indices(BATCH)]
        step = -(-len(batches) // (MEASURED_PICTURES // BATCH))
        device = self.mean.device
        parts = [self.encode_raw(data.make_batch(rows, device)).cpu() for rows in batches[::step]]
        z = torch.cat(parts).double().transpose(0, 1).flatten(1)  # (D, N h w)
        mean, std = z.mean(1), z.std(1, correction=0).clamp(min=1e-6)
        low, high = (z.amin(1) - mean) / std, (z.amax(1) - mean) / std
        for buffer, value in (("mean", mean), ("std", std), ("low", low), ("high", high)):
            getattr(self, buffer).copy_(value[:, None, None])
        self.is_measured.fill_(True)

    def encode_raw(self, batch: Batch) -> Tensor:
        """Latents (B, D, h, w) of a batch, as the codec gives them."""
        if batch.latents is not None:
            return batch.latents
        return self.encode_pictures(batch.require_pictures())

    @torch.no_grad()
    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Latents of pictures, as the codec gives them, in float32."""
        with torch.autocast(pictures.device.type, enabled=False):
            return self.holder.move_codec(pictures.device).encode_latents(pictures.float())

    def normalize(self, z: Tensor) -> Tensor:
        """Normalize the codec's latents to mean 0 and standard deviation 1."""
        return (z - self.mean) / self.std

    def encode(self, pictures: Tensor) -> Tensor:
        """Convert pictures (N, C, H, W) in [0, 1] to normalized latents, in the pictures' dtype."""
        return self.normalize(self.encode_pictures(pictures)).to(pictures.dtype)

    def encode_batch(self, batch: Batch) -> Tensor:
        """x0 (B, D, h, w) of a training batch, of pictures or of latents."""
        return self.normalize(self.encode_raw(batch))

    def encode_known(self, known: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Convert known pictures and their holes to latents and the latents to fill.

        An encoder sees beyond the pixels of a latent. So the hole is filled in several ways, and
        every latent that differs, or that covers a part of the hole, is filled anew. The others are
        averages over the fillings.
        """
        each = torch.stack([self.encode(known.masked_fill(mask, gray)) for gray in FILLINGS])
        change = (each - each.mean(0)).square().mean(2, keepdim=True).amax(0).sqrt()  # (n, 1, h, w)
        any_channel = mask.any(1, keepdim=True).float()
        covering = F.max_pool2d(any_channel, self.config.downsampling_factor, ceil_mode=True) > 0
        missing = covering | (change > SEES_HOLE)
        return each.mean(0), missing.expand_as(each[0])

    @property
    def downsampling_factor(self) -> int:
        return self.config.downsampling_factor

    @torch.no_grad()
    def decode(self, x: Tensor, size: tuple[int, int], wraps: bool = False) -> Tensor:
        """Convert normalized latents to pictures (N, C, H, W) of this size, in [0, 1].

        wraps: beyond each border, the decoder sees the latents of the other side.
        """
        if wraps:
            (H, W), margin = size, MARGIN * self.config.downsampling_factor
            padded = self.decode(pad_wrapped(x, MARGIN), (H + 2 * margin, W + 2 * margin))
            return padded[..., margin : margin + H, margin : margin + W]
        z = x.float() * self.std + self.mean
        with torch.autocast(x.device.type, enabled=False):
            return self.holder.move_codec(x.device).decode_latents(z, size)

    def clip(self, x0: Tensor) -> Tensor:
        """Clip a predicted x0 to the bounds of the training pictures' latents."""
        return x0.clamp(self.low.to(x0.dtype), self.high.to(x0.dtype))

    def encode_8bit(self, pictures: Tensor) -> Tensor:
        """UserError: there are no pixels here."""
        raise UserError(
            "this model runs in a codec's latents, and the bound on bits/dim is of pixels; use a "
            "diffusion model of pixels"
        )
