"""A small convolutional network from pictures to feature vectors."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

MOMENTUM = 0.02  # running statistics over about 50 batches, to match averaged weights


class Trunk(nn.Module):
    """Two 3x3 convolutions per level, then global average pooling.

    x: (N, C, H, W) in [0, 1] -> (N, D), D the last of `widths`; any height and width. Zero padding
    continues a background of 0, so pictures are not scaled to [-1, 1].
    """

    def __init__(self, channels: int, widths: tuple[int, ...]):
        super().__init__()
        inputs = (channels, *widths[:-1])
        self.levels = nn.ModuleList(ConvBlock(*pair) for pair in zip(inputs, widths, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature_maps(x)[-1].mean(dim=(2, 3))  # (N, D)

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """Compute the feature maps of each level, (N, D_k, H / 2^k, W / 2^k)."""
        maps = []
        for k, level in enumerate(self.levels):
            if k > 0:
                x = F.max_pool2d(x, 2, ceil_mode=True)  # (N, D_k, H / 2^k, W / 2^k)
            x = level(x)
            maps.append(x)
        return maps


class ConvBlock(nn.Module):
    """conv, norm, ReLU, twice: (N, width_in, H, W) -> (N, width, H, W)."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width, momentum=MOMENTUM)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))
