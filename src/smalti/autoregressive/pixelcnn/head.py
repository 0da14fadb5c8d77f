"""Parts shared by plain and gated PixelCNN: config checks, embeddings, output head."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from smalti.autoregressive.network import Requirements
from smalti.autoregressive.pixelcnn.masks import PointwiseConv
from smalti.core.errors import UserError


class Head(nn.Module):
    """Features to logits: ReLU, 1x1, ReLU, 1x1, as in both papers."""

    def __init__(self, i: int, width: int, outputs: int, channels: int):
        super().__init__()
        self.channels, self.outputs = channels, outputs
        self.hidden = PointwiseConv(i, width, groups=channels)
        self.out = PointwiseConv(width, channels * outputs, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, levels, H, W) for one channel, (N, levels, C, H, W) for more."""
        x = self.out(self.hidden(x.relu()).relu())
        if self.channels == 1:
            return x
        return x.unflatten(1, (self.channels, self.outputs)).transpose(1, 2)


class StackConfig:
    """Checks and derived fields shared by the configs of plain and gated networks."""

    condition_kinds = ("vector", "map")
    channels: int
    width: int
    head_width: int
    first_kernel_size: int
    embeds_symbols: bool

    def check_sizes(self) -> None:
        """Check that the channels divide the widths and the kernel size is odd, else UserError."""
        for name in ("width", "head_width"):
            if (value := getattr(self, name)) % self.channels:
                raise UserError(
                    f"network.{name} is {value}; give a multiple of the {self.channels} channels"
                )
        if self.first_kernel_size < 3 or self.first_kernel_size % 2 == 0:
            raise UserError(
                f"network.first_kernel_size is {self.first_kernel_size}; "
                "give an odd number, at least 3"
            )

    @property
    def inputs(self) -> int:
        """Input features per pixel of the first convolution."""
        return self.channels * (self.width if self.embeds_symbols else 1)

    @property
    def input_kind(self) -> str:
        return "symbols" if self.embeds_symbols else "values"

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        """Channels, outputs and condition width; embeds_symbols if symbols have no values."""
        C, embeds = requirements.grid[0], self.embeds_symbols or not requirements.ordered
        if requirements.joint and C > 1:
            raise UserError(
                "this network outputs separate parameters for each channel, but the output needs "
                f"joint ones for all {C}; give PixelCNNPlusPlusConfig, or output Categorical"
            )
        if embeds and requirements.joint:
            raise UserError(
                "a network that embeds symbols outputs one logit for each; give output Categorical"
            )
        sizes = {"channels": C, "outputs": requirements.n_parameters}
        sizes |= (
            {"condition_width": requirements.condition_width}
            if requirements.condition_width
            else {}
        )
        return sizes | ({"embeds_symbols": True} if embeds else {})


def embed_symbols(embedding: nn.Embedding | None, x: Tensor) -> Tensor:
    """Embed symbols (N, C, H, W) or (N, H, W) as (N, C D, H, W); no embedding returns x."""
    if embedding is None:
        return x
    x = x.view(len(x), -1, *x.shape[-2:])
    return embedding(x).movedim(-1, 2).flatten(1, 2)


def to_condition_input(y: Tensor | None, D: int, x: Tensor) -> Tensor | None:
    """Convert y to a vector (N, D) or a map (N, D, H, W) in the type of x (N, C, H, W).

    Classes become one-hot. UserError on a mismatch.
    """
    if y is None:
        return None
    if not D:
        raise UserError("y is given, but this network has no condition; omit it")
    if not y.is_floating_point():
        if y.shape != x.shape[:1]:
            raise UserError(f"y has shape {tuple(y.shape)}; give {len(x)} classes")
        return F.one_hot(y, D).to(x.dtype)
    if y.shape not in ((len(x), D), (len(x), D, *x.shape[2:])):
        raise UserError(
            f"y has shape {tuple(y.shape)}; give {(len(x), D)}, "
            f"or a map of {(len(x), D, *x.shape[2:])}"
        )
    return y.to(x.dtype)


def project_condition(linear: nn.Linear, y: Tensor) -> Tensor:
    """Multiply a vector (N, D) to (N, F, 1, 1), or a map (N, D, H, W) to (N, F, H, W).

    V^T h and the 1x1 convolution V * s of arXiv:1606.05328, section 2.3.
    """
    if y.ndim == 2:
        return linear(y)[:, :, None, None]
    return linear(y.movedim(1, -1)).movedim(-1, 1)
