"""The walk over a canvas in windows, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from smalti.autoregressive.output import SoftmaxDistribution
from smalti.autoregressive.windows.layout import Place
from smalti.autoregressive.windows.walker import WindowWalker
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import Ancestral, check_finite, draw_symbols

ChooseCodes = Callable[[Sequence[Place], Tensor], Tensor]
"""The codes (P, n) at P places of n canvases, by the logits (P, n, K)."""


def choose_by_sampler(u: Tensor, sampler: Ancestral) -> ChooseCodes:
    """Draws as a walk without windows does; u: (n, H, W) in [0, 1), one number a code."""

    def choose(places: Sequence[Place], logits: Tensor) -> Tensor:
        rows, columns = (list(side) for side in zip(*places, strict=True))
        own = u[:, rows, columns].T.flatten().to(logits.device)  # (P n,)
        symbols = SoftmaxDistribution(logits.flatten(0, 1))
        if sampler.is_truncated:
            chosen = draw_symbols(symbols.logits, own, sampler)
        else:
            chosen = symbols.sample(own[:, None], sampler.temperature)
        return chosen.view(logits.shape[:2])

    return choose


def guide_codes(choose_codes: ChooseCodes, guidance: float) -> ChooseCodes:
    """Choose for 2n canvases, of which the first n are conditioned: both halves get the same codes.

    Of logits uncond + guidance (cond - uncond), as `autoregressive/guidance.py` has them.
    """

    def choose(places: Sequence[Place], logits: Tensor) -> Tensor:
        cond, uncond = logits.double().log_softmax(2).chunk(2, dim=1)  # (P, n, K) each
        chosen = choose_codes(places, uncond + guidance * (cond - uncond))
        return torch.cat([chosen, chosen], dim=1)

    return choose


def walk_windows(walker: WindowWalker, choose_codes: ChooseCodes) -> Iterator[Tensor]:
    """The codes (n, H, W) after each row, with zeros for those to come."""
    W = walker.layout.canvas[1]
    for places in walker.layout.plan_steps():
        with torch.no_grad(), eval_mode(walker.network):
            logits = walker.predict(places)
            check_finite(logits.flatten(0, 1), places[0])
            walker.set_symbols(places, choose_codes(places, logits))
        for i, j in places:
            if j == W - 1:
                done = walker.canvas.clone()
                done[:, i + 1 :] = 0
                yield done
