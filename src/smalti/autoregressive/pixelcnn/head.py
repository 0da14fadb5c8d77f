"""What plain and gated PixelCNN share: sizes, symbols and conditions as vectors, last layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from smalti.autoregressive.network import Requirements
from smalti.autoregressive.pixelcnn.masks import PointwiseConv
from smalti.core.errors import UserError


class Head(nn.Module):
    """ReLU, 1x1, ReLU, 1x1, as in both papers: features to logits."""

    def __init__(self, i: int, width: int, outputs: int, channels: int):
        super().__init__()
        self.channels, self.outputs = channels, outputs
        self.hidden = PointwiseConv(i, width, groups=channels)
        self.out = PointwiseConv(width, channels * outputs, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, levels, H, W) of one channel, (N, levels, C, H, W) of more."""
        x = self.out(self.hidden(x.relu()).relu())
        if self.channels == 1:
            return x
        return x.unflatten(1, (self.channels, self.outputs)).transpose(1, 2)


class StackConfig:
    """What the configs of plain and gated networks say of themselves, whose fields it reads."""

    condition_kinds = ("vector",)
    channels: int
    width: int
    head_width: int
    first_kernel_size: int
    embeds_symbols: bool

    def check_sizes(self) -> None:
        """UserError for features that colors cannot share, and a window without a middle."""
        for name in ("width", "head_width"):
            if (value := getattr(self, name)) % self.channels:
                raise UserError(
                    f"network.{name} is {value}; give a multiple of the {self.channels} channels"
                )
        if self.first_kernel_size < 3 or self.first_kernel_size % 2 == 0:
            raise UserError(
                f"network.first_kernel_size is {self.first_kernel_size}; give an odd width of 3 or more"
            )

    @property
    def inputs(self) -> int:
        """Numbers of a pixel that the first convolution sees."""
        return self.channels * (self.width if self.embeds_symbols else 1)

    @property
    def input_kind(self) -> str:
        return "symbols" if self.embeds_symbols else "values"

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        """Channels, outputs and condition; `codes` where symbols have no values."""
        C, embeds = requirements.grid[0], self.embeds_symbols or not requirements.ordered
        if requirements.joint and C > 1:
            raise UserError(
                "this network puts out the numbers of each channel, and the output wants those of "
                f"all {C} together; give PlusPlusConfig, or output Categorical"
            )
        if embeds and requirements.joint:
            raise UserError(
                "a network that embeds symbols puts one number out for each of them; give "
                "output Categorical"
            )
        sizes = {"channels": C, "outputs": requirements.n_parameters}
        sizes |= (
            {"condition_width": requirements.condition_width}
            if requirements.condition_width
            else {}
        )
        return sizes | ({"embeds_symbols": True} if embeds else {})


def embed_symbols(embedding: nn.Embedding | None, x: Tensor) -> Tensor:
    """Symbols (N, C, H, W), or (N, H, W), as vectors: (N, C D, H, W); values stay as they are."""
    if embedding is None:
        return x
    x = x.view(len(x), -1, *x.shape[-2:])
    return embedding(x).movedim(-1, 2).flatten(1, 2)


def to_condition_vector(y: Tensor | None, D: int, x: Tensor) -> Tensor | None:
    """y as (N, D) in the type of x: classes as one-hot. UserError when it does not fit."""
    if y is None:
        return None
    if not D:
        raise UserError("y is given to a network without a condition; leave it out")
    if not y.is_floating_point():
        if y.shape != x.shape[:1]:
            raise UserError(f"y has shape {tuple(y.shape)}; give {len(x)} classes")
        return F.one_hot(y, D).to(x.dtype)
    if y.shape != (len(x), D):
        raise UserError(f"y has shape {tuple(y.shape)}; give {(len(x), D)}")
    return y.to(x.dtype)
