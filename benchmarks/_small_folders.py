"""Training on few pictures for a time of the processor, and how good the models are."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import smalti
from smalti.data import Pictures
from smalti.evaluation.frechet import compute_moments, frechet_distance
from smalti.evaluation.memorization import compute_copying_z, compute_median_ratio
from smalti.evaluation.neighbors import find_nearest
from smalti.features import find_features
from smalti.training import Training, run
from smalti.training.events import Stepped
from smalti.training.logs import read_log
from smalti.training.start import load_start_weights

PROBE_STEPS = 6
"""Steps that are timed; the first two do not count."""
SAMPLES = 256


class ProbeDone(Exception):
    """Ends a run whose steps were timed."""


def time_step(
    config: Any, train: Pictures, valid: Pictures, training: Training, **options: Any
) -> float:
    """Seconds of the processor for a step of a training."""
    marks: list[float] = []

    def mark(event: object) -> None:
        if isinstance(event, Stepped):
            marks.append(time.process_time())
            if len(marks) == PROBE_STEPS:
                raise ProbeDone

    with tempfile.TemporaryDirectory() as folder:
        try:
            planned = replace(training, steps=10_000)
            run(config, train, valid, planned, Path(folder) / "run", on_event=mark, **options)
        except ProbeDone:
            pass
    return (marks[-1] - marks[1]) / (PROBE_STEPS - 2)


def measure_loss(config: Any, valid: Pictures, training: Training, start: str | None) -> float:
    """The held-out loss of a model before training, with the noise of validations."""
    torch.manual_seed(training.seed)
    model = config.build()
    if start is not None:
        load_start_weights(model, start)
    torch.manual_seed(0)
    total, cpu = 0.0, torch.device("cpu")
    with torch.no_grad():
        for indices in valid.split_indices(training.batch_size):
            loss = model.eval().loss(valid.make_batch(indices, cpu), 0).total
            total += float(loss) * len(indices)
    return total / len(valid)


def train_for(
    minutes: float,
    config: Any,
    train: Pictures,
    valid: Pictures,
    training: Training,
    out: Path,
    validations: int = 6,
    **options: Any,
) -> dict[str, Any]:
    """Train for `minutes` of the processor, into `out`; return losses on held-out pictures."""
    seconds = time_step(config, train, valid, training, **options)
    steps = max(1, round(60 * minutes / seconds))
    every = max(1, -(-steps // validations))
    planned = replace(training, steps=steps, save_every=every)
    run(config, train, valid, planned, out, **options)
    losses = [
        (line["step"], line["valid"]) for line in read_log(out / "log.jsonl")[0] if "valid" in line
    ]
    best = min(losses, key=lambda pair: pair[1])
    return {
        "before": measure_loss(config, valid, training, options.get("start")),
        "steps": steps,
        "seconds_per_step": seconds,
        "valid": losses[-1][1],
        "best_valid": best[1],
        "best_step": best[0],
        "curve": losses,
    }


def measure_frechet(path: Path, real: Pictures, n: int) -> dict[str, float]:
    """Frechet distance of n samples to real pictures, by the features of emoji."""
    extract = find_features("emoji")
    samples = draw_pictures(path, n)
    return {"frechet": frechet_distance(extract(samples), compute_moments(extract(real.pixels)))}


def measure_samples(
    path: Path, train: Pictures, held_out: Pictures, real: Pictures, features: str
) -> dict[str, float]:
    """Frechet distance of samples to other real pictures, and how near the training ones they are.

    ratio: median distance of samples to the nearest training picture, over that of held-out ones.
    """
    extract = find_features(features)
    samples = draw_pictures(path, SAMPLES)
    moments = compute_moments(extract(real.pixels))
    near = find_nearest(extract(samples), extract(train.pixels)).distances[:, 0]
    far = find_nearest(extract(held_out.pixels), extract(train.pixels)).distances[:, 0]
    return {
        "frechet": frechet_distance(extract(samples), moments),
        "frechet_of_training_pictures": frechet_distance(extract(train.pixels), moments),
        "ratio": compute_median_ratio(near, far),
        "copying_z": compute_copying_z(near, far),
    }


def draw_pictures(path: Path, n: int) -> torch.Tensor:
    samples = smalti.sample(smalti.load(path), seeds=range(n))
    assert isinstance(samples, torch.Tensor)
    return samples


def draw_subset(pictures: Pictures, n: int, seed: int, name: str) -> tuple[Pictures, Pictures]:
    """n pictures, and the others; without classes and captions."""
    plain = replace(pictures, labels=None, classes=(), captions=())
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))
    return plain.select(order[:n], name), plain.select(order[n:], "others")


def resume_rows(
    out: Path, names: list[str], measure: Callable[[str], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Measure each name that has no row in `out` yet; rows are kept there, one a line."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = out.read_text().splitlines() if out.is_file() else []
    rows = {row.pop("name"): row for row in map(json.loads, lines)}
    for name in names:
        if name not in rows:
            rows[name] = measure(name)
            with out.open("a") as file:
                file.write(json.dumps({"name": name, **rows[name]}) + "\n")
            print(name, {k: v for k, v in rows[name].items() if k != "curve"}, flush=True)
    return rows
