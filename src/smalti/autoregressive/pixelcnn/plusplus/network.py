"""The network of PixelCNN++ (arXiv:1701.05517): two shifted streams through a U-Net."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.autoregressive.network import Requirements
from smalti.autoregressive.pixelcnn.head import to_condition_input
from smalti.autoregressive.pixelcnn.plusplus.blocks import (
    GatedResNetBlock,
    LevelEmbedding,
    ShiftedConv,
    ShiftedDeconv,
    WeightNorm,
)
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Count, CountOrZero, FractionBelowOne, Range, Width


@dataclass(frozen=True)
@check_fields
class PixelCNNPlusPlusConfig:
    """The network of PixelCNN++."""

    channels: Width = 1
    """Channels of the pictures: 1 or 3."""
    outputs: Count = 15
    """Output parameters per pixel. A logistic has 3 in gray and 10 in color; or the levels."""
    filters: Width = 64
    """Filters of all blocks."""
    blocks: Annotated[int, Range(1, 32)] = 5
    """Gated blocks per level of the U-Net. Going up has one more, except in the coarsest level."""
    scales: Annotated[int, Range(1, 10)] = 3
    """Levels of the U-Net. Each has half the size of the one before."""
    condition_width: CountOrZero = 0
    """Length of the condition vector; 0 for none. For a class, the number of classes."""
    dropout: FractionBelowOne = 0.5
    """Dropout inside every block."""
    embedding_width: Annotated[int, Range(0, 65_536)] = 0
    """Embedding length of a level; 0 for none. Concatenated with the level's value."""
    levels: Count = 256
    """Levels of a pixel. Only used by embeddings."""

    condition_kinds = ("vector", "map")
    input_kind = "values"

    @property
    def inputs(self) -> int:
        """Input features per pixel of the first convolutions."""
        return self.channels * (1 + self.embedding_width)

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        """Channels, outputs and condition width; with embeddings also the levels."""
        C = requirements.grid[0]
        if C > 1 and not requirements.joint:
            raise UserError(
                f"PixelCNN++ outputs parameters for all {C} channels together, but the output "
                "needs separate ones; give LogisticMixture, or another network"
            )
        sizes = {"channels": C, "outputs": requirements.n_parameters}
        sizes |= (
            {"condition_width": requirements.condition_width}
            if requirements.condition_width
            else {}
        )
        return sizes | ({"levels": requirements.n_symbols} if self.embedding_width else {})

    def build(self) -> PixelCNNPlusPlus:
        return PixelCNNPlusPlus(self)


class UNetLevel(nn.Module):
    """The blocks of one level in one direction: a stream u that sees the rows above, and a stream
    ul that also sees the pixels to its left. Each ul block takes the output of its u block.
    """

    def __init__(self, blocks: int, up: bool, config: PixelCNNPlusPlusConfig):
        super().__init__()
        c = config

        def build_stream(skips: int, to_right: bool) -> nn.ModuleList:
            return nn.ModuleList(
                GatedResNetBlock(c.filters, skips, to_right, c.condition_width, c.dropout)
                for _ in range(blocks)
            )

        self.u = build_stream(1 if up else 0, to_right=False)
        self.ul = build_stream(2 if up else 1, to_right=True)

    def descend(self, streams: list[tuple[Tensor, Tensor]], h: Tensor | None) -> None:
        """Append every block's output to the list of (u, ul)."""
        u, ul = streams[-1]
        for u_block, ul_block in zip(self.u, self.ul, strict=True):
            u = u_block(u, (), h)
            ul = ul_block(ul, (u,), h)
            streams.append((u, ul))

    def ascend(
        self, u: Tensor, ul: Tensor, streams: list[tuple[Tensor, Tensor]], h: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Pop a pair from the list for every block."""
        for u_block, ul_block in zip(self.u, self.ul, strict=True):
            u_skip, ul_skip = streams.pop()
            u = u_block(u, (u_skip,), h)
            ul = ul_block(ul, (u, ul_skip), h)
        return u, ul


def pool_condition(y: Tensor | None, scales: int) -> list[Tensor | None]:
    """List the condition of each scale: a vector as it is, a map (N, D, H, W) averaged."""
    if y is None or y.ndim == 2:
        return [y] * scales
    step, (H, W) = 2 ** (scales - 1), y.shape[2:]
    y = F.pad(y, (0, -W % step, 0, -H % step))
    return [F.avg_pool2d(y, 2**k) for k in range(scales)]


class PixelCNNPlusPlus(nn.Module):
    """PixelCNN++: `network(x, y)` gives the parameters of every pixel's distribution.

    x: (N, C, H, W) in [-1, 1] -> (N, outputs, H, W), where a pixel sees those before it in raster
    order. y: (N,) integers below condition_width, (N, condition_width) floats, or a map of these
    (N, condition_width, H, W), averaged for coarser levels. Sides that the levels do not divide are
    padded on the right and below, which no pixel sees.
    """

    initialized: Tensor
    down: Any  # module lists, which are untyped
    up: Any
    halvings: Any
    doublings: Any
    range = (-1.0, 1.0)

    def __init__(self, config: PixelCNNPlusPlusConfig):
        super().__init__()
        self.config = c = config
        width, scales = c.filters, range(c.scales)
        steps = scales[1:]
        self.embedding = LevelEmbedding(c.levels, c.embedding_width) if c.embedding_width else None
        c_in = c.inputs + 1  # the last is 1 inside the picture and 0 in the padding
        self.u_start = ShiftedConv(c_in, width, (2, 3), to_right=False)
        self.ul_above = ShiftedConv(c_in, width, (1, 3), to_right=False)
        self.ul_left = ShiftedConv(c_in, width, (2, 1), to_right=True)
        self.down = nn.ModuleList(UNetLevel(c.blocks, False, c) for _ in scales)
        self.up = nn.ModuleList(UNetLevel(c.blocks + (k > 0), True, c) for k in scales)
        sizes = {"u": (2, 3), "ul": (2, 2)}

        def build_resizers(make: Callable[[str], nn.Module]) -> nn.ModuleDict:
            return nn.ModuleDict({name: nn.ModuleList(make(name) for _ in steps) for name in sizes})

        self.halvings = build_resizers(
            lambda name: ShiftedConv(width, width, sizes[name], name == "ul", stride=2)
        )
        self.doublings = build_resizers(lambda name: ShiftedDeconv(width, width, sizes[name]))
        self.end = ShiftedConv(width, c.outputs, (1, 1), to_right=True, scale=0.1)
        self.register_buffer("initialized", torch.tensor(False))
        self.known_initialized = False

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        H, W = x.shape[2:]
        step = 2 ** (self.config.scales - 1)
        x = x if self.embedding is None else self.embedding(x)
        h = to_condition_input(y, self.config.condition_width, x)
        each = pool_condition(h, self.config.scales)
        x = F.pad(x, (0, -W % step, 0, -H % step)).contiguous(memory_format=torch.channels_last)
        streams = [self.start_streams(x)]  # of (u, ul)
        for k, level in enumerate(self.down):
            if k > 0:
                u, ul = streams[-1]
                streams.append((self.halvings["u"][k - 1](u), self.halvings["ul"][k - 1](ul)))
            level.descend(streams, each[k])
        u, ul = streams.pop()
        for k, level in enumerate(self.up):
            if k > 0:
                u, ul = self.doublings["u"][k - 1](u), self.doublings["ul"][k - 1](ul)
            u, ul = level.ascend(u, ul, streams, each[-1 - k])
        return self.end(F.elu(ul))[..., :H, :W]

    def start_streams(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The streams' first maps, shifted so that no pixel sees itself."""
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        u = F.pad(self.u_start(x), (0, 0, 1, -1))
        ul = F.pad(self.ul_above(x), (0, 0, 1, -1)) + F.pad(self.ul_left(x), (1, -1, 0, 0))
        return u, ul

    @torch.no_grad()
    def initialize(self, x: Tensor, y: Tensor | None = None) -> None:
        """Initialize every scale and bias from a first batch (arXiv:1602.07868, section 3).

        Distributed processes share the moments, so all get the same values.
        """
        normed = [m for m in self.modules() if isinstance(m, WeightNorm)]
        training = self.training
        self.eval()
        for weight in normed:
            weight.initializing = True
        self.forward(x, y)  # not the compiled module: it runs once
        for weight in normed:
            weight.initializing = False
        self.train(training)
        self.initialized.fill_(True)

    @property
    def is_initialized(self) -> bool:
        """Whether `initialize` ran; cached, since reading the buffer waits for the GPU."""
        if not self.known_initialized:
            self.known_initialized = bool(self.initialized)
        return self.known_initialized

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self.known_initialized = False
