"""Canvases that tile: codes near the borders are drawn again, in windows that wrap around."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from smalti.autoregressive.windows.layout import Place
from smalti.autoregressive.windows.prefix import cut_wrapped
from smalti.autoregressive.windows.sweep import list_seen_offsets, plan_sweep, split_step
from smalti.autoregressive.windows.walk import ChooseCodes
from smalti.autoregressive.windows.walker import (
    MAX_TOKENS,
    Piece,
    WindowWalker,
    evaluate_pieces,
)
from smalti.core.errors import UserError
from smalti.core.protocols import Codec
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import check_finite

SWEEPS = 2
"""Times that the codes near the borders are drawn again."""
MARGIN = 6
"""Codes of the other side that the decoder sees beyond each border."""


def sweep_borders(walker: WindowWalker, sweeps: Sequence[ChooseCodes]) -> Iterator[Tensor]:
    """Draw the codes near the borders again, once a sweep: the codes (n, H, W) after each."""
    steps = plan_sweep(walker.layout) if sweeps else []
    for choose_codes in sweeps:
        for places in steps:
            redraw_places(walker, places, choose_codes)
        yield walker.canvas.clone()


def redraw_places(walker: WindowWalker, places: list[Place], choose_codes: ChooseCodes) -> None:
    """Draw codes of one step again, each in the middle of a window that wraps around."""
    logits = []
    with torch.no_grad(), eval_mode(walker.network):
        t = walker.n_front + list_seen_offsets(walker.layout).shape[0]
        for group in split_step(places, MAX_TOKENS // (walker.n * t)):
            tokens = torch.stack([read_wrapped_tokens(walker, place) for place in group])
            piece = Piece(tokens, [None] * len(group), 0, tokens.shape[2])
            logits.append(evaluate_pieces(walker.network, [piece], walker.positions))
        found = torch.cat(logits)[..., : walker.n_symbols]  # (P, n, K)
        check_finite(found.flatten(0, 1), places[0])
        walker.set_symbols(places, choose_codes(places, found))


def read_wrapped_tokens(walker: WindowWalker, place: Place) -> Tensor:
    """Read the tokens before a code in the window around it: (n, c + codes)."""
    layout, h, w = walker.layout, walker.layout.height, walker.layout.width
    top, left = place[0] - h // 2, place[1] - w // 2
    front = walker.prefix.cut_tokens(layout, (top, left), wraps=True)
    codes = cut_wrapped(walker.canvas, (top, left), (h, w)).flatten(1)
    return torch.cat([front, codes[:, : h // 2 * w + w // 2]], dim=1)


def check_seamless_size(codec: Codec, size: tuple[int, int]) -> None:
    """UserError for sides that are not whole codes: such pictures are cropped, and do not tile."""
    own, larger = (codec.compute_code_shape((size[0] + k, size[1] + k)) for k in (0, 1))
    if own[0] == larger[0] or own[1] == larger[1]:
        raise UserError(
            f"a seamless picture of {size[0]}x{size[1]} has codes that are cut; "
            "give multiples of the codec's factor"
        )


def decode_wrapped(decode: Callable[..., Tensor], codes: Tensor, size: tuple[int, int]) -> Tensor:
    """Decode codes (n, h, w) with those of the other side beyond each border."""
    (h, w), f = codes.shape[1:], size[0] // codes.shape[1]
    rows, columns = (torch.arange(-MARGIN, side + MARGIN) % side for side in (h, w))
    padded = codes[:, rows.to(codes.device)][:, :, columns.to(codes.device)]
    x = decode(padded, (size[0] + 2 * MARGIN * f, size[1] + 2 * MARGIN * f))
    return x[..., MARGIN * f : MARGIN * f + size[0], MARGIN * f : MARGIN * f + size[1]]
