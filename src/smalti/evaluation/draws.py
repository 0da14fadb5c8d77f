"""The fixed set of samples that every measure looks at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from smalti.core.brief import brief
from smalti.core.config import fitted
from smalti.core.drawing import draw_batches
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.progress import OnProgress, ignore
from smalti.core.protocols import Generative, Sampler, Scored
from smalti.core.ranges import Batch, Samples
from smalti.core.rng import count_seeds
from smalti.data.pictures import Pictures
from smalti.evaluation.cost import forwards_of

Turns = Literal["turns", "data"]
"""Classes in turn, all equally often, or as often as the training pictures have them."""
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, eq=False)
@brief
class Drawn:
    """Samples, and what they cost."""

    pictures: Tensor
    """(N, C, H, W) in [0, 1], on the CPU."""
    labels: Tensor | None
    """(N,) the class each was asked to be."""
    seconds: float
    """For all of them."""
    forwards: int | None
    """Pictures that went through the network, for all of them; None for a model that walks."""


def draw_set(
    model: Generative,
    n: int,
    seed: int = 0,
    labels: Tensor | None = None,
    sampler: Sampler | None = None,
    batch: int = 100,
    on_progress: OnProgress = ignore,
    text: list[str] | None = None,
) -> Drawn:
    """n samples of the seeds seed .. seed + n - 1, `batch` at a time.

    labels: (n,) or None.  text: n captions, for a model that is told in words instead.
    """
    seeds = count_seeds(seed, fitted(n, Samples, "n"))
    batch = fitted(batch, Batch, "batch")
    given = Given(labels=labels, text=text)
    begun = time.perf_counter()
    with forwards_of(model) as forwards:
        drawn = draw_batches(model, seeds, given, sampler, batch=batch, on_progress=on_progress)
    seconds = time.perf_counter() - begun
    count = (forwards.count or None) if forwards else None
    return Drawn(drawn.pictures, labels, seconds, count)


def device_of(model: nn.Module | Scored) -> str:
    """Where a model's weights are."""
    weight = next(iter(model.parameters()), None)
    return "cpu" if weight is None else str(weight.device)


def asked_classes(n: int, K: int, kind: Turns, labels: Tensor | None) -> Tensor | None:
    """The class that each of n samples is asked to be, (n,); None for a model without classes.

    "turns": i mod K.  "data": as often as in `labels` (M,), in any first part of the n, too:
    sample i takes the class at the share i * (golden ratio) mod 1 of the sorted labels.
    """
    if not K:
        return None
    i = torch.arange(n)
    if kind == "turns":
        return i % K
    if labels is None or not len(labels):
        raise UserError("classes as in the data are asked for, but the data have none; take turns")
    places = ((i + 0.5) * GOLDEN % 1 * len(labels)).long()
    return labels.sort().values[places]


def asked_text(n: int, given: Sequence[str], held: Pictures) -> list[str] | None:
    """The caption of each of n samples: those of the held-out pictures, in turn.

    None where the model takes none; empty ones where the pictures have none.  given: the fields
    that the model takes.
    """
    if "text" not in given:
        return None
    captions = held.captions or ("",)
    return [captions[i % len(captions)] for i in range(n)]


def in_turn(pictures: Pictures, n: int, kind: Turns = "turns") -> Tensor:
    """Which n of the pictures stand beside n samples, (n,), or all where there are fewer.

    "turns": the first of each class, then the second, ..., so that every first part is balanced as
    the samples are.  "data", or without classes: the first ones.
    """
    labels, K = pictures.labels, len(pictures.classes)
    if labels is None or not K or kind == "data":
        return torch.arange(min(n, len(pictures)))
    ranks = torch.empty_like(labels)
    for k in range(K):
        of_class = labels == k
        ranks[of_class] = torch.arange(int(of_class.sum()))  # its place among its own
    return (ranks * K + labels).argsort()[:n]
