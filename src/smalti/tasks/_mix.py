"""mix_counts: a trained model of pixels, mixed with counts of its training pictures."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch

from smalti.autoregressive.mixing.base_model import BaseModel, check_base
from smalti.autoregressive.mixing.config import Order
from smalti.autoregressive.mixing.fitting import mix_with_counts
from smalti.coding.default_labels import find_likeliest_classes, map_labels
from smalti.core.checkpoint import CHECKPOINT_FILES, load, read_card, save
from smalti.core.config import coerce_value
from smalti.core.errors import UserError
from smalti.core.folders import check_replaceable
from smalti.core.model import name_model
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.protocols import Card, LikelihoodModel
from smalti.core.ranges import Range, Seed
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Pictures, Splits
from smalti.tasks.reference import find_reference

MAX_PICTURES = 500
"""Validation pictures that the weights are fitted to, at most."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class MixedModel:
    """A model mixed with counts."""

    model: Any
    """The model, a `ContextMixing`."""
    n_bytes: int
    """Bytes of its counts and weights, without the model that it refers to."""
    n_contexts: tuple[int, ...]
    """Contexts of each order."""
    n_counted: int
    """Training pictures that were counted."""
    n_fitted: int
    """Validation pictures that the weights were fitted to."""


def mix_counts(
    model: str | Path,
    out: str | Path | None = None,
    *,
    data: str | Path | Splits | None = None,
    orders: tuple[Order, ...] = (2, 3, 4, 6),
    min_count: Annotated[int, Range(1, 1_000)] = 2,
    max_symbols: Annotated[int, Range(1, 256)] = 32,
    seed: Seed = 0,
    on_progress: OnProgress = ignore_event,
) -> MixedModel:
    """Mix a PixelCNN with counts of exact contexts, for fewer bits.

    What followed the same neighbors in the training pictures is counted, and weights are fitted to
    the validation pictures. The result samples, completes and compresses as the model does, and
    refers to it by its hash.

    model: PixelCNN or other model of pixels. Shipped model, run or checkpoint.
    out: Output folder.
    data: Folder, archive or pack of pictures (default: the model's). Training pictures are
    counted.
    orders: Neighbors of the counted contexts, increasing.
    min_count: Least count of a symbol. With 1, symbols seen once are kept, which takes more bytes.
    max_symbols: Most symbols of a context.
    seed: Seed of the positions that the weights are fitted to.
    """
    check_replaceable(out, CHECKPOINT_FILES)
    orders = coerce_value(orders, tuple[Order, ...], "orders")
    if not isinstance(model, str | Path):
        raise UserError("model is a loaded model; give its name or folder, to which counts refer")
    base, name = load(model), name_model(model)
    check_base(base, name)
    splits, begun = find_reference(model, base, data, on_progress), time.perf_counter()
    valid = choose_labels(base, select_first(splits.valid, MAX_PICTURES))
    mixed = mix_with_counts(
        BaseModel(str(model)),
        splits.train,
        valid,
        orders=orders,
        min_count=min_count,
        max_symbols=max_symbols,
        seed=seed,
        on_progress=on_progress,
    )
    card = read_card(model)
    facts = {
        "recipe": card.facts.get("recipe"),
        "base": name,
        "orders": list(orders),
        "min_count": min_count,
        "max_symbols": max_symbols,
        "seed": seed,
        "minutes": round((time.perf_counter() - begun) / 60, 2),
    }
    facts = {key: value for key, value in facts.items() if value is not None}
    mixed.card = Card(
        name="" if out is None else Path(out).name,
        summary=f"{name} mixed with counts of exact contexts",
        data=card.data or splits.train.name,
        facts=facts,
    )
    if out is not None:
        save(mixed, out)
    starts = mixed.tables.order_starts
    return MixedModel(
        mixed,
        mixed.config.counts_bytes + 4 * sum(w.numel() for w in mixed.parameters()),
        tuple(int(n) for n in starts[1:] - starts[:-1]),
        len(splits.train),
        len(valid),
    )


def select_first(pictures: Pictures, n: int) -> Pictures:
    """Up to n pictures, evenly over all. UserError if there are none."""
    if not len(pictures):
        raise UserError(
            "there are no validation pictures to fit the weights to; give more pictures"
        )
    return pictures.select(slice(None, None, -(-len(pictures) // n)), pictures.name)


def choose_labels(model: LikelihoodModel, pictures: Pictures) -> Pictures:
    """The pictures with the model's classes: their own by name, or else the likeliest ones."""
    if not model.spec.classes:
        return pictures
    labels = None
    if pictures.labels is not None:
        labels = map_labels(pictures.labels, pictures.classes, model.spec.classes)
    if labels is None:
        parts = range(0, len(pictures), 64)
        pixels = [pictures.take(slice(first, first + 64)) for first in parts]
        labels = torch.cat([find_likeliest_classes(model, part) for part in pixels])
    return replace(pictures, labels=labels, classes=model.spec.classes)
