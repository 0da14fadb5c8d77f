"""The VQ-VAE's networks: strided convolutions, and residual blocks at the lowest resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.config import check_fields
from smalti.core.ranges import Range, Width


@dataclass(frozen=True)
@check_fields
class StridedConfig:
    """VQ-VAE's encoder and decoder: strided convolutions."""

    channels: Width = 3
    """Channels of the pictures."""
    width: Width = 64
    """Feature channels."""
    halvings: Annotated[int, Range(1, 10)] = 2
    """Number of strided convolutions. With 2, a code covers 4 x 4 pixels."""
    blocks: Annotated[int, Range(0, 256)] = 2
    """Residual blocks in each of encoder and decoder."""
    pixel_min: Annotated[float, Range(-1_000, 1, excludes_high=True)] = -1.0
    """Value of black; white is 1. The article's networks have 0."""
    uses_quant_conv: ClassVar[bool] = False

    @property
    def downsampling_factor(self) -> int:
        """Pixels along a side of a code."""
        return 2**self.halvings

    @property
    def latent_channels(self) -> int:
        """Channels between encoder and decoder."""
        return self.width

    def build_encoder(self) -> nn.Module:
        return Encoder(self)

    def build_decoder(self) -> nn.Module:
        return Decoder(self)


class Block(nn.Module):
    """Residual block: ReLU, 3x3, ReLU, 1x1, plus the input (arXiv:1711.00937, section 4.1)."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x)), inplace=True))


class Encoder(nn.Module):
    """(B, C, H, W) -> (B, width, H / f, W / f): 4x4 convolutions of stride 2, a 3x3, the blocks."""

    def __init__(self, config: StridedConfig):
        super().__init__()
        C, D, n = config.channels, config.width, config.halvings
        inputs = (C, *(D,) * (n - 1))
        self.down = nn.ModuleList(nn.Conv2d(c, D, 4, stride=2, padding=1) for c in inputs)
        self.enter = nn.Conv2d(D, D, 3, padding=1)
        self.blocks = nn.ModuleList(Block(D) for _ in range(config.blocks))

    def list_local_layers(self) -> list[nn.Module]:
        """All layers, each of a small receptive field."""
        halvings = [nn.Sequential(conv, nn.ReLU()) for conv in self.down]
        return [*halvings, self.enter, *self.blocks]

    def forward_global(self, x: Tensor) -> Tensor:
        """Return x: no layer sees the whole picture."""
        return x

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.down:
            x = F.relu(conv(x), inplace=True)
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return x


class Decoder(nn.Module):
    """(B, width, h, w) -> (B, C, f h, f w): a 3x3, the blocks, transposed convolutions."""

    def __init__(self, config: StridedConfig):
        super().__init__()
        C, D, n = config.channels, config.width, config.halvings
        outputs = (*(D,) * (n - 1), C)
        self.enter = nn.Conv2d(D, D, 3, padding=1)
        self.blocks = nn.ModuleList(Block(D) for _ in range(config.blocks))
        self.up = nn.ModuleList(nn.ConvTranspose2d(D, c, 4, stride=2, padding=1) for c in outputs)

    def forward_global(self, x: Tensor) -> Tensor:
        """Return x: no layer sees the whole picture."""
        return x

    def list_local_layers(self) -> list[nn.Module]:
        """All layers, each of a small receptive field."""
        doublings = [
            nn.Sequential(nn.ReLU(), conv) if k else conv for k, conv in enumerate(self.up)
        ]
        return [self.enter, *self.blocks, *doublings]

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        for k, conv in enumerate(self.up):
            x = conv(F.relu(x) if k else x)
        return x

    @property
    def last_weight(self) -> Tensor:
        """The last layer's weight, at which the adaptive weight compares gradients."""
        last = self.up[-1]
        assert isinstance(last, nn.ConvTranspose2d)
        return last.weight
