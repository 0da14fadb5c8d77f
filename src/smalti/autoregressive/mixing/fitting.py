"""Fit context mixing to pictures: count their contexts, then fit the weights by L-BFGS."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.likelihood import compute_log_probs
from smalti.autoregressive.mixing.base_model import BaseModel
from smalti.autoregressive.mixing.config import ContextMixingConfig
from smalti.autoregressive.mixing.count_tables import count_contexts, pack_tables
from smalti.autoregressive.mixing.kernels import CERTAIN
from smalti.autoregressive.mixing.model import ContextMixing
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.data.pictures import Pictures

MAX_COUNTED = 1 << 26
"""Values that are counted, at most; of more pictures, some are left out evenly."""
MAX_ROWS = 1 << 16
"""Distributions that the weights are fitted to, at most."""
ITERATIONS = 60
RIDGE = 2.0
"""Nats of a weight at 1: it keeps weights of rare pairs small."""


def mix_with_counts(
    base: BaseModel,
    train: Pictures,
    valid: Pictures,
    *,
    orders: tuple[int, ...] = (2, 3, 4, 6),
    min_count: int = 2,
    max_symbols: int = 32,
    seed: int = 0,
    on_progress: OnProgress = ignore_event,
) -> ContextMixing:
    """Mix a model with counts of `train`; the weights are fitted to `valid`.

    orders: neighbors of the contexts. min_count: the fewest times that a symbol must have followed
    a context. max_symbols: the most symbols of a context. seed: of the positions that the weights
    are fitted to, where there are too many.
    """
    base = base.pin_hash()
    on_progress(Progress("counting", 0, len(train)))
    model = base.load()
    symbols = encode_symbols(model, train)
    packed = pack_tables(count_contexts(symbols, orders, min_count, max_symbols))
    on_progress(Progress("counting", len(train), len(train)))
    config = ContextMixingConfig(base, orders, len(packed), model.config.sampler)
    mixed = config.build()
    mixed.counts.copy_(torch.from_numpy(packed))
    fit_weights(mixed, valid, seed, on_progress)
    return mixed.eval()


def encode_symbols(model: ContextMixing, pictures: Pictures) -> np.ndarray:
    """Encode pictures as symbols: uint8 (N, C, h, w), evenly fewer where there are too many."""
    values = len(pictures) * model.requirements.sequence_length
    rows = torch.arange(0, len(pictures), max(1, math.ceil(values / MAX_COUNTED)))
    parts = [model.encode(pictures.take_floats(part)).byte() for part in rows.split(256)]
    return torch.cat(parts).numpy()


def fit_weights(
    mixed: ContextMixing, pictures: Pictures, seed: int, on_progress: OnProgress = ignore_event
) -> None:
    """Fit a model's scales and weights to pictures: the fewest bits, with a small ridge penalty.

    Only distributions that are not certain take part, since the others are not mixed.
    """
    parts = list(draw_rows(mixed, pictures, seed, on_progress))
    log_q = torch.cat([part[0] for part in parts])
    target = torch.cat([part[1] for part in parts])
    hashes = np.concatenate([part[2] for part in parts])
    starts = [w.detach().clone() for w in (mixed.scales, mixed.weights)]
    trained = [mixed.scales, mixed.weights]
    optimizer = torch.optim.LBFGS(trained, max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    edges = range(0, len(log_q), 4096)
    entries = [mixed.list_entries(hashes[first : first + 4096]) for first in edges]
    evaluations = 0

    def compute_objective() -> Tensor:
        nonlocal evaluations
        optimizer.zero_grad()
        total = torch.zeros(())
        for first, found in zip(edges, entries, strict=True):
            rows = slice(first, first + 4096)
            log_p = mixed.mix(log_q[rows], found)
            nats = -log_p.gather(1, target[rows, None]).sum() / len(log_q)
            nats.backward()
            total += nats.detach()
        pairs = zip(trained, starts, strict=True)
        ridge = sum((w - start).square().sum() for w, start in pairs) * (RIDGE / 2 / len(log_q))
        ridge.backward()  # pyright: ignore
        evaluations += 1
        on_progress(Progress("fitting weights", min(evaluations, ITERATIONS), ITERATIONS))
        return total + ridge.detach()  # pyright: ignore

    optimizer.step(compute_objective)


def draw_rows(
    mixed: ContextMixing, pictures: Pictures, seed: int, on_progress: OnProgress
) -> Iterator[tuple[Tensor, Tensor, np.ndarray]]:
    """Yield, for each picture, log-probabilities (m, K), symbols (m,) and hashes (m, O)."""
    generator = np.random.default_rng(seed)
    limit = max(1, MAX_ROWS // max(1, len(pictures)))
    for n in range(len(pictures)):
        on_progress(Progress("evaluating the network", n, len(pictures)))
        batch = pictures.make_batch(torch.tensor([n]), mixed.device)
        with torch.no_grad():
            z, values = mixed.resolve(batch)
            log_q = compute_log_probs(mixed.base, z, values).float()
        rows = np.flatnonzero(log_q.max(1).values.cpu().numpy() <= CERTAIN)
        if len(rows) > limit:
            rows = np.sort(generator.choice(rows, limit, replace=False))
        target = mixed.requirements.to_sequence(z)[0]
        yield log_q[rows].to(mixed.device), target[rows], mixed.hash_symbols(z)[rows]
