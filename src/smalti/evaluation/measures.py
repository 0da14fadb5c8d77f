"""Measures by name: each computes rows of a report from a comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from smalti.core.errors import UserError
from smalti.evaluation.bits import compute_bits_per_dim
from smalti.evaluation.bootstrap import MIN_NUMBERS, bootstrap_error, compute_spread
from smalti.evaluation.comparison import Comparison
from smalti.evaluation.cost import count_parameters
from smalti.evaluation.coverage import K, find_covered
from smalti.evaluation.frechet import bootstrap_frechet, frechet_distance
from smalti.evaluation.kernel import bootstrap_kernel, kernel_distance
from smalti.evaluation.memorization import (
    compute_copying_z,
    compute_median_ratio,
    compute_near_share,
)
from smalti.evaluation.report import Row

MAX_SCORED = 250
"""Maximum number of held-out pictures scored for bits/dim."""


@dataclass(frozen=True)
class Measure:
    """A measure, selected by --metrics."""

    compute_rows: Callable[[Any], list[Row]]
    row_names: tuple[str, ...]
    """Names of its rows."""
    version: int = 1
    """Increased when its values change."""


def measure_frechet(comparison: Comparison) -> list[Row]:
    def measure_distance(x: Tensor) -> float:
        return frechet_distance(x, comparison.train_moments)

    def estimate_error(x: Tensor, resamples: Iterator[Tensor]) -> float:
        return compute_spread(bootstrap_frechet(x, comparison.train_moments, resamples))

    return [compare_distance(comparison, "frechet", measure_distance, estimate_error)]


def measure_kernel(comparison: Comparison) -> list[Row]:
    def choose_labels(x: Tensor) -> Tensor | None:
        drawn, held = comparison.sample_set.labels, comparison.held_out.labels
        labels = drawn if drawn is None or x is not comparison.held_out_features else held
        return None if labels is None else labels[: len(x)]

    def measure_distance(x: Tensor) -> float:
        return kernel_distance(x, comparison.train_features, choose_labels(x))

    def estimate_error(x: Tensor, resamples: Iterator[Tensor]) -> float:
        return compute_spread(
            bootstrap_kernel(x, comparison.train_features, resamples, choose_labels(x))
        )

    return [compare_distance(comparison, "kernel", measure_distance, estimate_error)]


def compare_distance(
    comparison: Comparison,
    name: str,
    measure_distance: Callable[[Tensor], float],
    estimate_error: Callable[[Tensor, Iterator[Tensor]], float],
) -> Row:
    """Compute a distance to the training pictures, of the samples and of the held-out pictures.

    Samples and held-out pictures are resampled; the training pictures stay fixed.
    """
    x, y = comparison.sample_features, comparison.held_out_features
    if min(len(x), len(y), len(comparison.train_features)) < 2:
        raise UserError("it needs at least 2 samples, 2 training and 2 held-out pictures")

    def estimate_side_error(x: Tensor, resamples: Iterator[Tensor]) -> float | None:
        return finite_or_none(estimate_error(x, resamples)) if len(x) >= MIN_NUMBERS else None

    return Row(
        name,
        measure_distance(x),
        estimate_side_error(x, comparison.resample_samples()),
        real=measure_distance(y),
        real_error=estimate_side_error(y, comparison.resample_held_out()),
        matched=measure_distance(x[: len(y)]) if comparison.has_fewer_held_out else None,
        better="lower",
    )


def measure_coverage(comparison: Comparison) -> list[Row]:
    x, y, real = (
        comparison.sample_features,
        comparison.held_out_features,
        comparison.train_features_part,
    )
    if min(len(x), len(y), len(real)) <= K:
        raise UserError(f"it takes more than {K} samples and more than {K} real pictures")
    precision = Row(
        "precision",
        *estimate_share(find_covered(x, real), comparison.resample_samples()),
        *estimate_share(find_covered(y, real), comparison.resample_held_out()),
        better="higher",
    )
    recall = Row(
        "recall",
        *estimate_share(find_covered(real, x), comparison.resample_train()),
        *estimate_share(find_covered(real, y), comparison.resample_train()),
        matched=float(find_covered(real, x[: len(y)]).double().mean())
        if comparison.has_fewer_held_out
        else None,
        better="higher",
    )
    return [precision, recall]


def estimate_share(hits: Tensor, resamples: Iterator[Tensor]) -> tuple[float, float | None]:
    """Compute the share of hits (N,) and its bootstrap error."""

    def mean(x: Tensor) -> float:
        return float(x.double().mean())

    return mean(hits), finite_or_none(bootstrap_error(mean, (hits, resamples)))


def measure_accuracy(comparison: Comparison) -> list[Row]:
    labels, network = comparison.sample_set.labels, comparison.required_network
    if labels is None:
        raise UserError("the model has no classes")
    if network.classes != comparison.model.spec.classes:
        raise UserError(f"features {network.name} do not know the model's classes")
    row = Row(
        "accuracy",
        *estimate_share(
            network.classify(comparison.sample_features) == labels, comparison.resample_samples()
        ),
        better="higher",
    )
    if comparison.held_out.labels is None or comparison.held_out.classes != network.classes:
        return [row]
    correct = network.classify(comparison.held_out_features) == comparison.held_out.labels
    real, real_error = estimate_share(correct, comparison.resample_held_out())
    return [replace(row, real=real, real_error=real_error)]


def measure_memorization(comparison: Comparison) -> list[Row]:
    near, held = (
        comparison.nearest_to_samples.distances[:, 0],
        comparison.nearest_to_held_out.distances[:, 0],
    )

    def estimate_error(statistic: Callable[[Tensor, Tensor], float]) -> float | None:
        sides = (near, comparison.resample_samples()), (held, comparison.resample_held_out())
        return finite_or_none(bootstrap_error(statistic, *sides))

    copies, as_real = compute_near_share(near, held), compute_near_share(held, held)
    try:
        ratio = Row(
            "nearest",
            compute_median_ratio(near, held),
            estimate_error(compute_median_ratio),
            1.0,
            better="higher",
        )
    except UserError as why:
        ratio = Row("nearest", None, note=f"left out: {why}")
    return [
        ratio,
        Row("copies", copies, estimate_error(compute_near_share), as_real, better="lower"),
        Row("copying z", compute_copying_z(near, held), None, 0.0, better="higher"),
    ]


def measure_bits(comparison: Comparison) -> list[Row]:
    if not callable(getattr(comparison.model, "score", None)):
        raise UserError("this kind of model has no likelihood")
    if (
        comparison.held_out.classes != comparison.model.spec.classes
        and comparison.model.spec.classes
    ):
        raise UserError("the held-out pictures do not have the model's classes")
    first = comparison.held_out.select(slice(MAX_SCORED), "scored")
    found = compute_bits_per_dim(
        comparison.model, first, comparison.seed, on_progress=comparison.on_progress
    )
    terms = ", ".join(f"{name} {value:.3f}" for name, value in found.terms.items())
    kind = {"bound": "an upper bound", "codes": "of the codes alone"}.get(found.kind, found.kind)
    note = f"{kind}, over {found.n} held-out pictures" + (f"; {terms}" if terms else "")
    name = "nats/code" if found.kind == "codes" else "bits/dim"
    return [Row(name, found.mean, finite_or_none(found.error), better="lower", note=note)]


def measure_cost(comparison: Comparison) -> list[Row]:
    N, drawn = len(comparison.sample_set.pictures), comparison.sample_set
    forwards = None if drawn.forwards is None else drawn.forwards / N
    note = "" if forwards is not None else "it does not run a whole network"
    return [
        Row("seconds", drawn.seconds / N, better="lower", unit="a sample"),
        Row("forwards", forwards, better="lower", unit="a sample", note=note),
        Row("parameters", float(count_parameters(comparison.model))),
    ]


MEASURES = {
    "frechet": Measure(measure_frechet, ("frechet",)),
    "kernel": Measure(measure_kernel, ("kernel",)),
    "precision-recall": Measure(measure_coverage, ("precision", "recall")),
    "accuracy": Measure(measure_accuracy, ("accuracy",)),
    "memorization": Measure(measure_memorization, ("nearest", "copies", "copying z")),
    "bits": Measure(measure_bits, ("bits/dim",)),  # of a model of codes: nats/code
    "cost": Measure(measure_cost, ("seconds", "forwards", "parameters")),
}


def collect_rows(measure: Measure, comparison: object) -> list[Row]:
    """Compute a measure's rows; if it fails, rows with the reason."""
    try:
        return measure.compute_rows(comparison)
    except UserError as error:
        return [Row(name, None, note=f"left out: {error}") for name in measure.row_names]


def finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
