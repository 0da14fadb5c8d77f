"""Canvases that tile: codes near the borders are drawn again, in windows that wrap around."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from smalti.autoregressive.windows.layout import Place, WindowLayout
from smalti.autoregressive.windows.walk import ChooseCodes
from smalti.autoregressive.windows.walker import Piece, WindowWalker, evaluate_pieces
from smalti.core.errors import UserError
from smalti.core.protocols import Codec
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import check_finite

SWEEPS = 2
"""Times that the codes near the borders are drawn again."""
MARGIN = 6
"""Codes of the other side that the decoder sees beyond each border."""


def list_border_places(layout: WindowLayout) -> list[Place]:
    """List the codes less than half a window from a border, row by row."""
    (H, W), h, w = layout.canvas, layout.height // 2, layout.width // 2
    return [
        (i, j) for i, j in layout.list_places() if min(i, H - 1 - i) < h or min(j, W - 1 - j) < w
    ]


def sweep_borders(walker: WindowWalker, sweeps: Sequence[ChooseCodes]) -> Iterator[Tensor]:
    """Draw the codes near the borders again, once a sweep: the codes (n, H, W) after each."""
    for choose_codes in sweeps:
        redraw_borders(walker, choose_codes)
        yield walker.canvas.clone()


def redraw_borders(walker: WindowWalker, choose_codes: ChooseCodes) -> None:
    """Draw the codes near the borders again, each in the middle of a window that wraps around."""
    for place in list_border_places(walker.layout):
        tokens = read_wrapped_tokens(walker, place)
        piece = Piece(tokens[None], [None], 0, tokens.shape[1])
        with torch.no_grad(), eval_mode(walker.network):
            logits = evaluate_pieces(walker.network, [piece], walker.positions)
            logits = logits[..., : walker.n_symbols]  # (1, n, K)
            check_finite(logits[0], place)
            walker.set_symbols([place], choose_codes([place], logits))


def read_wrapped_tokens(walker: WindowWalker, place: Place) -> Tensor:
    """Read the tokens before a code in the window around it: (n, c + codes)."""
    (H, W), h, w = walker.layout.canvas, walker.layout.height, walker.layout.width
    rows = (torch.arange(h) + place[0] - h // 2) % H
    columns = (torch.arange(w) + place[1] - w // 2) % W
    parts = (part if part.ndim == 2 else cut(part, rows, columns) for part in walker.prefix.parts)
    codes = cut(walker.canvas, rows, columns)[:, : h // 2 * w + w // 2]
    return torch.cat([*parts, codes], dim=1)


def cut(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """These rows and columns of x (n, H, W), row by row: (n, h w)."""
    return x[:, rows.to(x.device)][:, :, columns.to(x.device)].flatten(1)


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
