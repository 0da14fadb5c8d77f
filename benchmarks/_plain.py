"""The plain network of the DDPM article: a stack of convolutions at full resolution."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from smalti.convert.article_common import SinusoidTable, add_class, make_class_table
from smalti.diffusion.network import ConditionKind, check_equal


@dataclass(frozen=True)
class PlainConvNet:
    """The article's ConvNet (SingleZombie/DL-Demos, dldemos/ddpm); the defaults are its medium one.

    The class condition is our addition, the same as in `ArticleDDPM`.
    """

    n_steps: int = 1000
    """Number of noise levels."""
    picture_channels: int = 1
    """Channels of the pictures."""
    channels: tuple[int, ...] = (10, 10, 20, 20, 40, 40, 80, 80)
    """Width of every block."""
    pe_dim: int = 256
    """Width of the time encoding."""
    residual: bool = True
    """Whether the blocks have a shortcut."""
    classes: int = 0
    """Number of classes to condition on."""

    condition_kinds: ClassVar[tuple[ConditionKind, ...]] = ("vector",)
    free_size: ClassVar[bool] = True

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """UserError for another number of classes."""
        check_equal("classes", self.classes, max(condition - 1, 0))

    def build(self, outputs: int = 1) -> PlainNetwork:
        return PlainNetwork(self)


class PlainBlock(nn.Module):
    """Two convolutions with batch norm, and a shortcut when residual."""

    def __init__(self, c_in: int, c_out: int, residual: bool):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out)
        self.conv2, self.bn2 = nn.Conv2d(c_out, c_out, 3, padding=1), nn.BatchNorm2d(c_out)
        fitted = nn.Sequential(nn.Conv2d(c_in, c_out, 1), nn.BatchNorm2d(c_out))
        shortcut = nn.Identity() if c_in == c_out else fitted
        self.shortcut = shortcut if residual else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(h if self.shortcut is None else h + self.shortcut(x))


class PlainNetwork(nn.Module):
    """`network(x, t, y)`, x (B, C, H, W); the time embedding is added before every block."""

    def __init__(self, config: PlainConvNet):
        super().__init__()
        widths = (config.picture_channels, *config.channels)
        self.pe = SinusoidTable(config.n_steps, config.pe_dim)
        self.class_table = make_class_table(config.classes, config.pe_dim)
        self.times = nn.ModuleList(nn.Linear(config.pe_dim, c) for c in widths[:-1])
        self.blocks = nn.ModuleList(PlainBlock(a, b, config.residual) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], config.picture_channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        time = add_class(self.pe(t), self.class_table, y)  # (B, D)
        for linear, block in zip(self.times, self.blocks, strict=True):
            x = block(x + linear(time)[:, :, None, None])
        return self.last(x)
