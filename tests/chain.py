"""A tiny autoregressive model: each symbol depends on the previous one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smalti.core.canvas import Canvas
from smalti.core.protocols import Batch, ChooseSymbols, Score, Spec
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.condition_encoder import describe_conditions, make_choices
from smalti.layers.pixel_levels import Levels


@dataclass
class TableDistribution:
    logits: Tensor

    def sample(self, u: Tensor, temperature: float = 1.0) -> Tensor:
        raise NotImplementedError("coding draws nothing")


class Chain(nn.Module):
    """p(next | previous, class) is a table; `noise` changes the logits."""

    is_lossless = True

    def __init__(
        self,
        shape=(1, 5, 4),
        levels: int = 256,
        classes: tuple[str, ...] = (),
        sharpness: float = 2.0,
    ):
        super().__init__()
        self.config = [list(shape), levels, list(classes)]
        self.shape, self.codec = shape, Levels(levels, shape)
        table = torch.randn(
            max(1, len(classes)), levels, levels, generator=torch.Generator().manual_seed(levels)
        )
        self.table = nn.Parameter(sharpness * table)
        self.noise = 0.0
        accepted_inputs = ("labels",) if classes else ()
        conditions = describe_conditions(make_choices(classes), 0.0)
        self.spec = Spec(
            "picture", shape[0], shape[1:], conditions=conditions, accepted_inputs=accepted_inputs
        )
        self.batches: list[int] = []
        self.threads: list[int] = []

    def logits(self, y: Tensor, before: Tensor) -> Tensor:
        return self.table.detach()[y, before].double().log_softmax(-1)

    def walk(
        self, choose_symbols: ChooseSymbols, n: int, inputs: SamplingInputs = SamplingInputs()
    ) -> Iterator[Canvas]:
        self.batches.append(n)
        self.threads.append(torch.get_num_threads())
        C, H, W = self.shape
        y = torch.zeros(n, dtype=torch.int64) if inputs.labels is None else inputs.labels
        canvas, before = torch.zeros(n, C, H, W, dtype=torch.int64), torch.zeros(n).long()
        for i in range(H):
            for j in range(W):
                for c in range(C):
                    logits = self.logits(y, before)
                    logits[:, 0] += self.noise
                    before = choose_symbols((i * W + j) * C + c, TableDistribution(logits))
                    canvas[:, c, i, j] = before
            yield Canvas(canvas.clone(), i + 1, H)

    def to_sequence(self, z: Tensor) -> Tensor:
        return z.permute(0, 2, 3, 1).flatten(1)

    def score(self, batch: Batch, rng: Rng) -> Score:
        levels = self.codec.encode(batch.require_pictures())
        x = levels.permute(0, 2, 3, 1).flatten(1)  # (n, H*W*C)
        y = torch.zeros(len(x)).long() if batch.labels is None else batch.labels
        before = torch.cat([torch.zeros(len(x), 1).long(), x[:, :-1]], dim=1)
        log_p = self.logits(y[:, None], before).gather(2, x[..., None])
        return Score(-log_p.sum((1, 2)), math.prod(self.shape), "exact")


def draw_pixels(model: Chain, n: int, labels: Tensor | None = None) -> Tensor:
    """Draw pixels, uint8 (n, C, H, W), from the model."""
    draws = torch.Generator().manual_seed(n)

    def choose(at, symbols) -> Tensor:
        return torch.multinomial(symbols.logits.exp(), 1, generator=draws)[:, 0]

    (*_, last) = model.walk(choose, n, SamplingInputs(labels=labels))
    model.batches.clear()
    model.threads.clear()
    return (model.codec.decode(last.symbols) * 255).round().byte()
