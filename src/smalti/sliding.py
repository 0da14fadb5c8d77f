"""A GPT's canvases of any size, drawn in sliding windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import Tensor

from smalti.autoregressive.gpt import GPT
from smalti.autoregressive.windows import (
    WindowLayout,
    WindowPrefix,
    WindowWalker,
    choose_by_sampler,
    walk_windows,
)
from smalti.autoregressive.windows.seamless import SWEEPS, sweep_borders
from smalti.core.config import coerce_value
from smalti.core.errors import UserError, shorten
from smalti.core.ranges import Range
from smalti.core.rng import Rng
from smalti.core.tensors import to_tensor
from smalti.layers.symbol_sampling import Ancestral

Pair = int | tuple[int, int]
TopK = Annotated[int, Range(1, 2**20)]


def sample(
    gpt: GPT,
    cond: Any = None,
    window: Pair = 16,
    top_k: int = 100,
    *,
    top_p: float = 1.0,
    temperature: float = 1.0,
    size: Pair | None = None,
    seeds: Sequence[int] | None = None,
    start_token: int = 0,
    n_symbols: int | None = None,
    stride: int = 1,
    seamless: bool = False,
) -> Tensor:
    """Canvases of codes (n, H, W) int64; each code is predicted in the window around it.

    The code at row i stands in the window that starts at row clamp(i - w // 2, 0, H - w), columns
    likewise; the condition's window goes in front, then the window's codes before it, row by row
    (CompVis/taming-transformers, `taming_transformers.ipynb`). A canvas smaller than the window is
    one window. The codes equal those of evaluating the network anew for each code, up to rounding.

    gpt: the network; its codes are the first rows of its table of tokens.
    cond: tokens in front, integers: (n, H, W), a map on the canvas that each window sees a cut of;
    (n, c), the same for all windows, such as a class; or a list of these. None for the start token.
    window: rows and columns of a window, one number for a square.
    top_k: draw among so many of the likeliest codes; 1 takes the likeliest.
    top_p: draw among the fewest of the likeliest codes whose probabilities sum to this.
    temperature: below 1 likelier codes are drawn more often.
    size: rows and columns H, W of the canvas, where no map tells them.
    seeds: one per canvas, 0 .. n-1 by default; canvas i depends on seed i alone.
    start_token: what stands in front where nothing else does; 0 in taming-transformers.
    n_symbols: how many codes there are; all rows of the table when None.
    stride: move the window only every `stride` codes: faster, and no longer the same codes.
    seamless: draw the codes near the borders again in windows that wrap around, so that they tile.
    Raises UserError for conditions that do not fit each other or the network, and for windows that
    the network has no positions for.
    """
    if not isinstance(gpt, GPT):
        raise UserError(
            f"gpt is {type(gpt).__name__}; give a GPT, such as model.network, or draw "
            "from a model by smalti.sample with a size"
        )
    k = coerce_value(top_k, TopK, "top_k")
    sampler = Ancestral(temperature, min(k, gpt.config.vocab_size), top_p)
    parts = read_conditions(cond, gpt)
    n = len(parts[0]) if parts else len(seeds) if seeds is not None else 1
    seeds = range(n) if seeds is None else seeds
    if len(seeds) != n:
        raise UserError(f"{len(seeds)} seeds are given for {n} conditions; give one each")
    H, W = find_canvas(parts, size)
    if not parts:
        parts = read_conditions(torch.full((n, 1), start_token), gpt)
    layout = WindowLayout((H, W), read_pair(window, "window"), stride)
    prefix = WindowPrefix(tuple(parts))
    check_context(gpt, prefix.count_tokens(layout), layout)
    rng = Rng(seeds)
    u = rng.uniform(H, W)
    walker = WindowWalker(gpt, prefix, layout, n_symbols)
    for _ in walk_windows(walker, choose_by_sampler(u, sampler)):
        pass
    again = SWEEPS if seamless else 0
    for _ in sweep_borders(
        walker, [choose_by_sampler(rng.uniform(H, W), sampler) for _ in range(again)]
    ):
        pass
    return walker.canvas


def read_conditions(cond: Any, gpt: GPT) -> list[Tensor]:
    """Parts (n, c) or (n, H, W) on the network's device; none of None."""
    if cond is None:
        return []
    given = cond if isinstance(cond, list | tuple) else [cond]
    parts = [to_tensor(one, "cond") for one in given]
    for part in parts:
        if part.ndim not in (2, 3) or not part.numel():
            raise UserError(
                f"cond has shape {tuple(part.shape)}; give tokens (n, c), or a map (n, H, W)"
            )
        if part.is_floating_point() or part.dtype == torch.bool:
            raise UserError(
                f"cond is of {part.dtype}; give integers, tokens of the network's table"
            )
        low, high, rows = int(part.min()), int(part.max()), gpt.config.vocab_size
        if low < 0 or high >= rows:
            raise UserError(
                f"cond has tokens from {low} to {high}; this network's are 0 to {rows - 1}"
            )
        if len(part) != len(parts[0]):
            raise UserError(
                f"cond has parts of {len(parts[0])} and of {len(part)} canvases; give one number"
            )
    return [part.long().to(gpt.positions.device) for part in parts]


def find_canvas(parts: list[Tensor], size: Pair | None) -> tuple[int, int]:
    """Rows and columns of the canvas, by its maps or by `size`."""
    sizes = {(part.shape[1], part.shape[2]) for part in parts if part.ndim == 3}
    if size is not None:
        sizes.add(read_pair(size, "size"))
    if not sizes:
        raise UserError("no size is given, and no map has one; give size=(rows, columns)")
    if len(sizes) > 1:
        (H, W), (h, w) = sorted(sizes)[:2]
        raise UserError(
            f"maps and the canvas are of {H}x{W} and of {h}x{w} codes; give one size for all"
        )
    return sizes.pop()


def read_pair(value: object, name: str) -> tuple[int, int]:
    """One number for a square, or two."""
    pair = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(pair) != 2 or not all(type(side) is int and side > 0 for side in pair):
        raise UserError(f"{name} is {shorten(value)}; give 1 or more, or (rows, columns)")
    return pair  # pyright: ignore[reportReturnType]


def check_context(gpt: GPT, n_front: int, layout: WindowLayout) -> None:
    """UserError for windows that the network has no positions for."""
    needed, known = n_front + layout.height * layout.width - 1, gpt.config.context_length
    if needed > known:
        raise UserError(
            f"windows of {layout.height}x{layout.width} codes after {n_front} tokens take {needed} "
            f"positions, and this network has {known}; give a smaller window"
        )
