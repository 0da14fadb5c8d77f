"""A small U-Net that predicts noise, picture or velocity, fast on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import CountOrZero, Depth, FractionBelowOne, LevelFlags, Width, Widths
from smalti.diffusion.network import ConditionKind, check_equal
from smalti.layers.attention import PixelAttention
from smalti.layers.embedding import SinusoidalEmbedding
from smalti.layers.residual import ResidualBlock

MAX_SIZE_MULTIPLE = 1024


@dataclass(frozen=True)
@check_fields
class UNetConfig:
    """A U-Net after DDPM."""

    channels: Width = 1
    """Channels of the pictures: 1 gray, 3 RGB."""
    widths: Widths = (32, 64)
    """Feature channels of each level, finest first. Each level halves height and width."""
    blocks: Depth = 2
    """Residual blocks per level, down and again up."""
    attention: LevelFlags = (False, False)
    """Whether each level has self-attention. On small pictures it costs more than it brings."""
    stem: Width = 2
    """Space-to-depth factor in front; 1 for none. A factor of 2 turns (C, H, W) into
    (4C, H/2, W/2)."""
    heads: Width = 4
    """Attention heads."""
    groups: Width = 8
    """Groups of each group norm."""
    condition_width: CountOrZero = 0
    """Width D of the condition vector; 0 for none."""
    map_channels: CountOrZero = 0
    """Channels of a picture condition beside the pictures."""
    dropout: FractionBelowOne = 0.0
    """Dropout rate in the residual blocks."""

    condition_kinds: ClassVar[tuple[ConditionKind, ...]] = ("vector", "map")
    free_size: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.widths[0] % 2:
            raise UserError(f"widths is {self.widths}; give an even first width")
        if len(self.attention) != len(self.widths):
            raise UserError(
                f"attention has {len(self.attention)} entries for {len(self.widths)} widths; "
                "give one true or false per level"
            )
        if bad := [w for w in self.widths if w % self.groups or w % self.heads]:
            raise UserError(
                f"width {bad[0]} is not a multiple of groups={self.groups} and heads={self.heads}; "
                "choose one that is"
            )
        if self.size_multiple > MAX_SIZE_MULTIPLE:
            raise UserError(
                f"stem and levels pad height and width to multiples of {self.size_multiple}; "
                f"give {MAX_SIZE_MULTIPLE} at most"
            )

    @property
    def size_multiple(self) -> int:
        """Height and width are padded to a multiple of this."""
        return self.stem * 2 ** (len(self.widths) - 1)

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """UserError for other channels or conditions, and for pictures so small that a group of the
        coarsest level's norm has a single value.
        """
        check_equal("channels", self.channels, shape[0])
        check_equal("condition_width", self.condition_width, condition)
        if max(shape[1:]) <= self.size_multiple and self.widths[-1] == self.groups:
            raise UserError(
                f"pictures of {shape[1]}x{shape[2]} are one pixel at the coarsest level, whose "
                f"width {self.widths[-1]} has {self.groups} groups; give fewer or larger widths"
            )

    def build(self, outputs: int = 1) -> UNet:
        return UNet(self, outputs)


class UNet(nn.Module):
    """U-Net after DDPM (arXiv:2006.11239, appendix B) on space-to-depth pictures.

    `network(x, t, c)`: x (B, C, H, W), noisy pictures in about [-1, 1], and behind their channels
    those of a picture condition (`map_channels`); t (B,) noise levels;
    c (B, D) condition vectors, or integers (B,) for one-hots. Default c: index D - 1, which is
    "none" if a single choice is the only condition. Returns (B, outputs * C, H, W): with two
    outputs, the prediction's channels come first, then those of v for the variance. Any H and W:
    pictures are padded to `size_multiple` and cropped back.

    Deviations from DDPM, for speed: one skip connection per level instead of one per block, and
    resampling between levels by space-to-depth with a 1x1 convolution.
    """

    def __init__(self, config: UNetConfig, outputs: int = 1):
        super().__init__()
        self.config = c = config
        pixels, width, E = c.channels * c.stem**2, c.widths[0], 4 * c.widths[0]
        self.time = nn.Sequential(
            SinusoidalEmbedding(width), nn.Linear(width, E), nn.SiLU(), nn.Linear(E, E)
        )
        self.condition = (
            build_condition_embedding(c.condition_width, E) if c.condition_width else nn.Identity()
        )
        self.first = nn.Conv2d(pixels + c.map_channels * c.stem**2, width, 3, padding=1)
        self.levels = Level(c, 0, E)
        self.norm = nn.GroupNorm(c.groups, width)
        self.last = zero_weights(nn.Conv2d(width, outputs * pixels, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        H, W = x.shape[2:]
        emb = self.embed(t, c)  # (B, E)
        h = self.first(F.pixel_unshuffle(self.pad(x), self.config.stem))  # (B, D, H/s, W/s)
        h = self.last(F.silu(self.norm(self.levels(h, emb))))
        return F.pixel_shuffle(h, self.config.stem)[:, :, :H, :W]

    def embed(self, t: Tensor, c: Tensor | None) -> Tensor:
        emb = self.time(t)
        if D := self.config.condition_width:
            c = torch.full_like(t, D - 1) if c is None else c
            c = c if c.is_floating_point() else F.one_hot(c, D).to(emb.dtype)
            emb = emb + self.condition(c)
        return F.silu(emb)

    def pad(self, x: Tensor) -> Tensor:
        multiple = self.config.size_multiple
        bottom, right = -x.shape[2] % multiple, -x.shape[3] % multiple
        return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x


class Level(nn.Module):
    """One resolution: blocks, then all coarser levels, then blocks on the concatenation."""

    def __init__(self, c: UNetConfig, level: int, emb_width: int):
        super().__init__()
        width = c.widths[level]
        self.down = Blocks(c, level, width, emb_width)
        self.coarser = Level(c, level + 1, emb_width) if level + 1 < len(c.widths) else None
        if self.coarser:
            coarse = c.widths[level + 1]
            self.shrink = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * width, coarse, 1))
            self.grow = nn.Sequential(nn.Conv2d(coarse, 4 * width, 1), nn.PixelShuffle(2))
        self.up = Blocks(c, level, 2 * width if self.coarser else width, emb_width)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        x = self.down(x, emb)
        if self.coarser:
            h = self.grow(self.coarser(self.shrink(x), emb))
            x = torch.cat([h, x], dim=1)
        return self.up(x, emb)


class Blocks(nn.Module):
    """The residual blocks of one level in one direction, each with attention if enabled."""

    def __init__(self, c: UNetConfig, level: int, width_in: int, emb_width: int):
        super().__init__()
        width = c.widths[level]
        widths = [width_in] + [width] * (c.blocks - 1)
        self.residual = nn.ModuleList(
            ResidualBlock(w, width, emb_width, c.groups, c.dropout) for w in widths
        )
        self.attention = nn.ModuleList(
            PixelAttention(width, c.heads, c.groups) if c.attention[level] else nn.Identity()
            for _ in widths
        )

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        for residual, attend in zip(self.residual, self.attention, strict=True):
            x = attend(residual(x, emb))
        return x


def build_condition_embedding(condition: int, width: int) -> nn.Linear:
    """Build a linear layer initialized like an embedding, with normal weights."""
    layer = nn.Linear(condition, width, bias=False)
    nn.init.normal_(layer.weight)
    return layer


def zero_weights(layer: nn.Conv2d) -> nn.Conv2d:
    """Zero a convolution's parameters, so that a new network predicts 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
