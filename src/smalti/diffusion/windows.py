"""Canvases larger than a diffusion model's pictures, and canvases that tile.

At every level each window is denoised as a picture of its own, and where windows overlap their
predictions are averaged (MultiDiffusion, arXiv:2302.08113, eq. 5), with less weight near their
borders. The windows move between levels (SpotDiffusion, arXiv:2407.15507), so that no border stays
in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Annotated

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Range
from smalti.core.size import format_size

Predict = Callable[[Tensor, Tensor, Tensor | None], Tensor]
# (x (m, D, h, w), samples (m,), maps (m, M, h, w)) -> the network's output for these windows
Corner = tuple[int, int]

GOLDEN = 0.6180339887498949
"""Share of a stride that the windows move between levels, which covers all places evenly."""
MAX_WINDOWS = 64
"""Windows in one call of the network."""


@dataclass(frozen=True)
@check_fields
class Windows:
    """Draw larger pictures in windows."""

    scale: Annotated[float, Range(1, 16)] = 1.0
    """Height and width of a window, as a multiple of those in training. Larger ones agree better
    with each other, but the network must know such pictures: one without attention may."""
    overlap: Annotated[float, Range(0, 0.9)] = 0.25
    """Share of a window that the next one covers again."""

    def measure(self, h: int, w: int) -> tuple[int, int]:
        """Height and width of a window for pictures of (h, w) in training."""
        return round(self.scale * h), round(self.scale * w)


def choose_starts(side: int, window: int, overlap: float, shift: float, wraps: bool) -> list[int]:
    """Choose where windows start along a side, so that they cover it.

    shift: 0 to 1, how far they have moved. wraps: whether the last ones continue at the start.
    """
    if not wraps and side <= window:
        return [0]
    stride = max(1, round((1 - overlap) * window))
    if wraps:
        count, moved = -(-side // stride), int(shift * side)
        return sorted({(k * side // count + moved) % side for k in range(count)})
    count, moved = -(-(side - window) // stride), int(shift * stride) - stride
    return sorted({min(max(0, k * stride + moved), side - window) for k in range(count + 2)})


def weigh_window(h: int, w: int) -> Tensor:
    """The weight of each place of a window (h, w): least near its borders."""
    rows, columns = (
        torch.minimum(torch.arange(1, n + 1), torch.arange(n, 0, -1)).double() for n in (h, w)
    )
    return rows[:, None] * columns


def list_places(corner: Corner, window: Corner, canvas: Corner) -> Tensor:
    """The pixels of a window (h w,), as indices of the canvas. It continues at the other side."""
    rows, columns = (
        torch.arange(start, start + n) % side
        for start, n, side in zip(corner, window, canvas, strict=True)
    )
    return (canvas[1] * rows[:, None] + columns).flatten()


@dataclass(eq=False)
class WindowedPrediction:
    """Predicts for a canvas in windows, each time with windows at other places."""

    window: tuple[int, int]
    """Height and width of a window."""
    overlap: float
    """Share of a window that the next one covers again."""
    wraps: bool
    """Whether windows at a border continue at the other side."""
    calls: int = 0
    """Predictions made."""

    def __call__(self, predict: Predict, x: Tensor, maps: Tensor | None) -> Tensor:
        """Predict the network's output for x (n, D, H, W), beside maps (n, M, H, W)."""
        canvas = (x.shape[2], x.shape[3])
        h, w = (
            own if self.wraps else min(own, side)
            for own, side in zip(self.window, canvas, strict=True)
        )
        shift = self.calls * GOLDEN % 1
        self.calls += 1
        rows, columns = (
            choose_starts(side, n, self.overlap, shift, self.wraps)
            for side, n in zip(canvas, (h, w), strict=True)
        )
        places = [
            list_places(corner, (h, w), canvas).to(x.device) for corner in product(rows, columns)
        ]
        weight = weigh_window(h, w).to(x)
        total, summed = x.new_zeros(x[0, 0].numel()), None
        size = max(1, MAX_WINDOWS // len(x))
        for group in (places[k : k + size] for k in range(0, len(places), size)):
            samples = torch.arange(len(x), device=x.device).repeat(len(group))
            part = cut_windows(x, group, (h, w))
            beside = None if maps is None else cut_windows(maps, group, (h, w))
            output = weight * predict(part, samples, beside)
            if summed is None:
                summed = output.new_zeros(len(x), output.shape[1], len(total))
            for where, one in zip(group, output.chunk(len(group)), strict=True):
                summed.index_add_(2, where, one.flatten(2))
                total.index_add_(0, where, weight.flatten())
        assert summed is not None
        return (summed / total).unflatten(2, canvas)


def cut_windows(y: Tensor, group: list[Tensor], window: Corner) -> Tensor:
    """Cut windows from y (n, C, H, W): (windows * n, C, h, w), the first window of all first."""
    return torch.cat([y.flatten(2)[..., where] for where in group]).unflatten(2, window)


def plan_windows(
    windows: Windows | None, shape: tuple[int, int, int], x: Tensor, wraps: bool
) -> WindowedPrediction | None:
    """The windows of a canvas x (n, D, H, W), in which it is denoised if it tiles, or if it is
    larger than x in training, of this shape (D, h, w), and there are windows; else None.
    """
    found = windows or Windows()
    h, w = found.measure(*shape[1:])
    if not wraps and (windows is None or (x.shape[2] <= h and x.shape[3] <= w)):
        return None
    return WindowedPrediction((h, w), found.overlap, wraps)


def check_tiles(size: tuple[int, int], factor: int, wraps: bool) -> None:
    """UserError for a picture that should tile, but whose latents would be cropped."""
    if wraps and any(side % factor for side in size):
        raise UserError(
            f"a seamless picture of {format_size(size)} has latents of {factor}x{factor} pixels "
            f"that are cut; give multiples of {factor}"
        )
