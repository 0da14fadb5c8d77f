"""Bits per dimension of held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.protocols import Batch, Condition, LikelihoodModel, Score
from smalti.core.rng import Rng
from smalti.data.pictures import Pictures
from smalti.evaluation.sample_set import find_device


@dataclass(frozen=True)
class Bits:
    """Mean over pictures of -log2 p(x) / dims; for a model of codes, nats per code."""

    mean: float
    error: float
    """Standard error of the mean over the pictures, including that of stochastic estimates."""
    kind: str
    """exact, bound (an upper bound), or codes (of codes only)."""
    terms: dict[str, float]
    """Terms of the mean, by name."""
    n: int


def compute_bits_per_dim(
    model: LikelihoodModel,
    pictures: Pictures,
    seed: int = 0,
    batch_size: int = 20,
    on_progress: OnProgress = ignore_event,
) -> Bits:
    """Compute bits/dim of pictures by `model.score`; nats per code for a model of codes.

    model: has `score(batch, rng) -> Score`.  pictures: N of the model's shape. Picture i is scored
    with seed `seed` + i.
    """
    classes = getattr(model.spec, "classes", ())
    takes_text = "text" in getattr(model.spec, "accepted_inputs", ()) and pictures.captions
    device = find_device(model)
    scores: list[Score] = []
    for rows in torch.arange(len(pictures)).split(batch_size):
        labels = pictures.labels[rows].to(device) if pictures.labels is not None else None
        text = [pictures.captions[k] for k in rows.tolist()] if takes_text else None
        x = pictures.take_floats(rows).to(device)
        conditions: dict[str, Any] = {
            k: p.take_floats(rows).to(device) for k, p in pictures.conditions.items()
        }
        conditions |= list_attributes(getattr(model.spec, "conditions", ()), pictures, rows)
        batch = Batch(x, labels if classes else None, text, conditions)
        scores.append(model.score(batch, Rng([(seed + row) % 2**64 for row in rows.tolist()])))
        on_progress(Progress("scoring", int(rows[-1]) + 1, len(pictures)))
    bits = concatenate([normalize_score(s) for s in scores])  # (N,)
    N = len(bits)
    error = float(bits.std() / N**0.5) if N > 1 else float("nan")
    terms = {
        name: float(concatenate([s.to_bits_per_dim(s.terms[name]) for s in scores]).mean())
        for name in scores[0].terms
    }
    return Bits(float(bits.mean()), error, scores[0].kind, terms, N)


def list_attributes(
    conditions: Sequence[Condition], pictures: Pictures, rows: Tensor
) -> dict[str, list[str]]:
    """List the attributes of some pictures that a model is conditioned on, by name."""
    names = {c.name for c in conditions if c.values}
    return {
        name: [one.values[k] for k in one.labels[rows].tolist()]
        for name, one in pictures.attributes.items()
        if name in names
    }


def normalize_score(score: Score) -> Tensor:
    """(B,) bits/dim; nats per code for a score of codes."""
    return score.nats / score.dims if score.kind == "codes" else score.bits_per_dim


def concatenate(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.detach().cpu().double() for part in parts])
