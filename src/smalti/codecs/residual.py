"""VQGAN's networks: residual and attention blocks under group norm (arXiv:2012.09841, table 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Depth, FractionBelowOne, LevelFlags, Width, Widths
from smalti.layers.attention import attend
from smalti.layers.dropout import Dropout

EPS = 1e-6


LARGEST_FACTOR = 1024


@dataclass(frozen=True)
@check_fields
class ResidualConfig:
    """VQGAN's encoder and decoder: residual blocks and attention."""

    channels: Width = 3
    """Channels of the pictures."""
    widths: Widths = (64, 128, 128)
    """Feature channels of each level, finest first. Each level halves the resolution."""
    blocks: Depth = 2
    """Residual blocks per encoder level. A decoder level has one more."""
    attention: LevelFlags = (False, False, False)
    """Whether each level has attention. The coarsest resolution always has attention between
    two blocks."""
    latent_channels: Width = 64
    """Channels between encoder and quantizer."""
    stem: Width = 1
    """Space-to-depth factor in front of the encoder."""
    groups: Width = 32
    """Groups of the group norms."""
    dropout: FractionBelowOne = 0.0
    """Dropout rate in the residual blocks."""
    pixel_min: ClassVar[float] = -1.0
    uses_quant_conv: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.widths):
            raise UserError(
                f"widths is {self.widths} and attention is {self.attention}; "
                "give one of each per level"
            )
        if bad := [w for w in self.widths if w % self.groups]:
            raise UserError(
                f"width of {bad[0]} is not a multiple of {self.groups} groups; give one that is"
            )
        if self.downsampling_factor > LARGEST_FACTOR:
            raise UserError(
                f"the downsampling factor of stem and levels is {self.downsampling_factor}; "
                f"give {LARGEST_FACTOR} at most"
            )

    @property
    def downsampling_factor(self) -> int:
        """Pixels along a side of a code."""
        return self.stem * 2 ** (len(self.widths) - 1)

    def build_encoder(self) -> nn.Module:
        return Encoder(self)

    def build_decoder(self) -> nn.Module:
        return Decoder(self)


class Block(nn.Module):
    """Residual block: norm, swish, conv, norm, swish, dropout, conv, plus the input."""

    def __init__(self, c_in: int, c_out: int, config: ResidualConfig):
        super().__init__()
        self.norm1 = nn.GroupNorm(config.groups, c_in, eps=EPS)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(config.groups, c_out, eps=EPS)
        self.dropout = Dropout(config.dropout)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return self.skip(x) + self.conv2(self.dropout(F.silu(self.norm2(h))))


class Attention(nn.Module):
    """Single-head self-attention over all positions, plus the input."""

    def __init__(self, c: int, config: ResidualConfig):
        super().__init__()
        self.norm = nn.GroupNorm(config.groups, c, eps=EPS)
        self.q, self.k, self.v, self.out = (nn.Conv2d(c, c, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        q, k, v = (to_tokens(f(y)) for f in (self.q, self.k, self.v))  # (B, 1, H W, C)
        y = attend(q, k, v)[:, 0].mT.reshape(x.shape)
        return x + self.out(y.to(x.dtype))


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1, H W, C), contiguous: otherwise attention would hold all pairs of
    positions at once, 17 GB for 2048 x 2048 pixels.
    """
    return x.flatten(2).mT[:, None].contiguous()


class Down(nn.Module):
    """Downsampling: a 3x3 convolution of stride 2, zero-padded at the bottom and right."""

    def __init__(self, c: int):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Up(nn.Module):
    """Upsampling: nearest neighbor, then a 3x3 convolution."""

    def __init__(self, c: int):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Blocks of one resolution, each followed by attention if `attends`; then `move` (Up, Down)."""

    def __init__(
        self, c_in: int, c: int, blocks: int, attends: bool, move: nn.Module, config: ResidualConfig
    ):
        super().__init__()
        widths = [c_in, *[c] * (blocks - 1)]
        self.blocks = nn.ModuleList(Block(w, c, config) for w in widths)
        self.attentions = nn.ModuleList(Attention(c, config) for _ in range(blocks * attends))
        self.move = move

    def forward(self, x: Tensor) -> Tensor:
        for k, block in enumerate(self.blocks):
            x = block(x)
            if self.attentions:
                x = self.attentions[k](x)
        return self.move(x)

    def list_layers(self) -> list[nn.Module]:
        """The layers of a level without attention."""
        return [*self.blocks, self.move]


def build_middle(c: int, config: ResidualConfig) -> nn.Sequential:
    return nn.Sequential(Block(c, c, config), Attention(c, config), Block(c, c, config))


class Encoder(nn.Module):
    """(B, C, H, W) -> (B, latent_channels, H / f, W / f)."""

    def __init__(self, config: ResidualConfig):
        super().__init__()
        widths, n = config.widths, len(config.widths)
        self.stem = nn.PixelUnshuffle(config.stem)
        self.enter = nn.Conv2d(config.channels * config.stem**2, widths[0], 3, padding=1)
        inputs = (widths[0], *widths[:-1])
        self.levels: Any = nn.ModuleList(
            Level(c_in, c, config.blocks, a, Down(c) if k < n - 1 else nn.Identity(), config)
            for k, (c_in, c, a) in enumerate(zip(inputs, widths, config.attention, strict=True))
        )
        self.middle = build_middle(widths[-1], config)
        self.norm = nn.GroupNorm(config.groups, widths[-1], eps=EPS)
        self.leave = nn.Conv2d(widths[-1], config.latent_channels, 3, padding=1)
        self.first_global = next((k for k, a in enumerate(config.attention) if a), n)

    def list_local_layers(self) -> list[nn.Module]:
        """Layers before the first attention. Apart from norms, their receptive field is small."""
        levels = [
            part for level in self.levels[: self.first_global] for part in level.list_layers()
        ]
        return [nn.Sequential(self.stem, self.enter), *levels]

    def forward_global(self, x: Tensor) -> Tensor:
        """Apply the remaining layers, which see the whole picture."""
        for level in self.levels[self.first_global :]:
            x = level(x)
        return self.leave(F.silu(self.norm(self.middle(x))))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(self.stem(x))
        for level in self.levels[: self.first_global]:
            x = level(x)
        return self.forward_global(x)


class Decoder(nn.Module):
    """(B, latent_channels, h, w) -> (B, C, f h, f w)."""

    def __init__(self, config: ResidualConfig):
        super().__init__()
        widths, attention = config.widths[::-1], config.attention[::-1]
        n = len(widths)
        self.enter = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.middle = build_middle(widths[0], config)
        inputs = (widths[0], *widths[:-1])
        self.levels: Any = nn.ModuleList(
            Level(c_in, c, config.blocks + 1, a, Up(c) if k < n - 1 else nn.Identity(), config)
            for k, (c_in, c, a) in enumerate(zip(inputs, widths, attention, strict=True))
        )
        self.norm = nn.GroupNorm(config.groups, widths[-1], eps=EPS)
        self.leave = nn.Conv2d(widths[-1], config.channels * config.stem**2, 3, padding=1)
        self.stem = nn.PixelShuffle(config.stem)
        self.first_local = max((k + 1 for k, a in enumerate(attention) if a), default=0)

    def forward_global(self, x: Tensor) -> Tensor:
        """Apply the layers up to the last attention, which see the whole picture."""
        x = self.middle(self.enter(x))
        for level in self.levels[: self.first_local]:
            x = level(x)
        return x

    def list_local_layers(self) -> list[nn.Module]:
        """Layers after the last attention. Apart from norms, their receptive field is small."""
        levels = [part for level in self.levels[self.first_local :] for part in level.list_layers()]
        return [*levels, nn.Sequential(self.norm, nn.SiLU(), self.leave, self.stem)]

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_global(x)
        for level in self.levels[self.first_local :]:
            x = level(x)
        return self.stem(self.leave(F.silu(self.norm(x))))

    @property
    def last_weight(self) -> Tensor:
        """The last layer's weight, at which the adaptive weight compares gradients."""
        return self.leave.weight
