"""The layers of PixelCNN++: weight-normed shifted convolutions, gated blocks, embeddings."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.autoregressive.pixelcnn.fused_ops import add_gated_residual, concat_elu_pad_dropout
from smalti.autoregressive.pixelcnn.head import project_condition


class WeightNorm(nn.Module):
    """A weight g v / ||v|| and a bias, normalized per output (arXiv:1602.07868).

    Before `initialize`, g is ||v||, so that the weight is v.
    """

    def __init__(self, shape: tuple[int, int, int, int], scale: float):
        super().__init__()
        self.v = nn.Parameter(torch.empty(shape).normal_(std=0.05))
        self.g = nn.Parameter(torch.empty(shape[0]))
        if not self.v.is_meta:  # on the meta device, a norm takes a second of imports
            self.g.data = self.norm().detach().clone()
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.scale = scale
        self.initializing = False

    def norm(self) -> Tensor:
        return self.v.flatten(1).norm(dim=1)  # (out,)

    def forward(self) -> Tensor:
        """The weight, (out, in, h, w)."""
        return self.v * (self.g / self.norm())[:, None, None, None]

    @torch.no_grad()
    def initialize(self, t: Tensor) -> None:
        """Set g and the bias so that outputs have mean 0 and standard deviation `scale`.

        t: (N, out, H, W), the output of the current weights. Moments are taken over all processes.
        A constant output is centered but not rescaled.
        """
        flat = t.detach().double().transpose(0, 1).flatten(1)  # (out, N H W)
        count = torch.full_like(flat[:, 0], flat.shape[1])
        moments = torch.stack([count, flat.sum(1), flat.square().sum(1)])
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(moments)
        count, total, squares = moments
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        factor = self.scale / torch.where(deviation > 1e-4, deviation, 1.0)
        self.g.mul_(factor)
        self.bias.copy_((self.bias - mean) * factor)


class ShiftedConv(nn.Module):
    """A convolution that sees no row below, and with `to_right` no column to the right.

    The input is padded instead of masking the weight (arXiv:1701.05517, section 2.5).
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        size: tuple[int, int],
        to_right: bool,
        stride: int = 1,
        scale: float = 1.0,
    ):
        super().__init__()
        self.weight = WeightNorm((c_out, c_in, *size), scale)
        h, w = size
        left = w - 1 if to_right else w // 2
        self.padding = (left, w - 1 - left, h - 1, 0)
        self.stride = stride

    def forward(self, x: Tensor, padded: bool = False) -> Tensor:
        """(N, c_in, H, W) -> (N, c_out, H, W), or half of each side at stride 2."""
        if any(self.padding) and not padded:
            x = F.pad(x, self.padding)
        if self.weight.initializing:
            self.weight.initialize(self.convolve(x))
        return self.convolve(x)

    def convolve(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight(), self.weight.bias, self.stride)


class ShiftedDeconv(nn.Module):
    """A transposed convolution at stride 2; outputs see no coarse pixel after their own."""

    def __init__(self, c_in: int, c_out: int, size: tuple[int, int]):
        super().__init__()
        self.weight = WeightNorm((c_out, c_in, *size), scale=1.0)
        self.left = (size[1] - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) -> (N, c_out, 2H, 2W)."""
        if self.weight.initializing:
            self.weight.initialize(self.convolve(x))
        return self.convolve(x)

    def convolve(self, x: Tensor) -> Tensor:
        weight, W = self.weight().transpose(0, 1), x.shape[-1]
        x = F.conv_transpose2d(x, weight, self.weight.bias, stride=2)
        return x[..., self.left : self.left + 2 * W]


class GatedResNetBlock(nn.Module):
    """Concat-ELU, conv, skips and condition; concat-ELU, dropout, conv; gate; residual (fig. 2).

    F filters. `n_skips` inputs of F channels come from other streams and levels. The original adds
    the condition after the second conv, which takes twice the weights.
    """

    def __init__(
        self,
        filters: int,
        n_skips: int,
        to_right: bool,
        condition_width: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__()
        size = (2, 2) if to_right else (2, 3)
        self.enter = ShiftedConv(2 * filters, filters, size, to_right)
        self.skip = (
            ShiftedConv(2 * n_skips * filters, filters, (1, 1), to_right) if n_skips else None
        )
        self.dropout = dropout
        self.leave = ShiftedConv(2 * filters, 2 * filters, size, to_right, scale=0.1)
        self.condition = (
            nn.Linear(condition_width, filters, bias=False) if condition_width else None
        )
        if self.condition is not None:
            nn.init.normal_(self.condition.weight, std=0.05)

    def forward(self, x: Tensor, skips: tuple[Tensor, ...] = (), h: Tensor | None = None) -> Tensor:
        """x and every skip: (N, F, H, W), h: (N, D) or (N, D, H, W) -> (N, F, H, W)."""
        t = self.enter(concat_elu_pad_dropout(x, self.enter.padding), padded=True)
        if self.skip is not None:
            seen = torch.cat(skips, dim=1)
            t.add_(self.skip(concat_elu_pad_dropout(seen, self.skip.padding), padded=True))
        if self.condition is not None and h is not None:
            t.add_(project_condition(self.condition, h))
        dropout = self.dropout if self.training else 0.0
        return add_gated_residual(
            x, self.leave(concat_elu_pad_dropout(t, self.leave.padding, dropout), padded=True)
        )


class LevelEmbedding(nn.Module):
    """A learned embedding of `width` features for each of `levels` levels.

    From the value alone, a convolution can hardly distinguish 256 levels.
    """

    def __init__(self, levels: int, width: int):
        super().__init__()
        self.levels, self.width = levels, width
        self.table = nn.Embedding(levels, width)

    def lookup(self, x: Tensor) -> Tensor:
        """Look up the embeddings of values (...) in [-1, 1]: (..., width)."""
        index = ((x.float() + 1) / 2 * (self.levels - 1)).round().long()
        return self.table(index.clamp(0, self.levels - 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + C width, H, W): the values, then each channel's embedding."""
        vectors = self.lookup(x).movedim(-1, 2).flatten(1, 2)  # (N, C width, H, W)
        return torch.cat([x, vectors.to(x.dtype)], dim=1)
