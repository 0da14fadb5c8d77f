"""The measures by name; each makes rows of a report out of a case."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from smalti.core.errors import UserError
from smalti.evaluation.bits import bits_per_dim
from smalti.evaluation.bootstrap import FEWEST, error_of, spread
from smalti.evaluation.case import Case
from smalti.evaluation.cost import parameters_of
from smalti.evaluation.coverage import K, covered
from smalti.evaluation.frechet import frechet_distance, frechet_replicates
from smalti.evaluation.kernel import kernel_distance, kernel_replicates
from smalti.evaluation.memorisation import copying_z, median_ratio, share_near
from smalti.evaluation.report import Row

SCORED = 250
"""Most held-out pictures whose bits/dim are worked out."""


@dataclass(frozen=True)
class Measure:
    """What can be asked for by --metrics."""

    rows: Callable[[Any], list[Row]]
    names: tuple[str, ...]
    """The rows that it gives."""
    version: int = 1
    """Grows when its numbers change."""


def frechet(case: Case) -> list[Row]:
    def distance(x: Tensor) -> float:
        return frechet_distance(x, case.real_moments)

    def error(x: Tensor, again: Iterator[Tensor]) -> float:
        return spread(frechet_replicates(x, case.real_moments, again))

    return [compared(case, "frechet", distance, error)]


def kernel(case: Case) -> list[Row]:
    def classes(x: Tensor) -> Tensor | None:
        drawn, held = case.drawn.labels, case.held.labels
        labels = drawn if drawn is None or x is not case.aside else held
        return None if labels is None else labels[: len(x)]

    def distance(x: Tensor) -> float:
        return kernel_distance(x, case.real, classes(x))

    def error(x: Tensor, again: Iterator[Tensor]) -> float:
        return spread(kernel_replicates(x, case.real, again, classes(x)))

    return [compared(case, "kernel", distance, error)]


def compared(
    case: Case,
    name: str,
    distance: Callable[[Tensor], float],
    error: Callable[[Tensor, Iterator[Tensor]], float],
) -> Row:
    """A distance of the samples to the training pictures, beside that of the held-out ones.

    Samples, or the held-out pictures in their place, are drawn again; the training ones stay.
    """
    x, y = case.samples, case.aside
    if min(len(x), len(y), len(case.real)) < 2:
        raise UserError("it takes 2 samples, 2 training and 2 held-out pictures or more")

    def error_of_side(x: Tensor, again: Iterator[Tensor]) -> float | None:
        return finite(error(x, again)) if len(x) >= FEWEST else None

    return Row(
        name,
        distance(x),
        error_of_side(x, case.samples_again()),
        real=distance(y),
        real_error=error_of_side(y, case.held_again()),
        matched=distance(x[: len(y)]) if case.few else None,
        better="lower",
    )


def coverage(case: Case) -> list[Row]:
    x, y, real = case.samples, case.aside, case.real_part
    if min(len(x), len(y), len(real)) <= K:
        raise UserError(f"it takes more than {K} samples and more than {K} real pictures")
    precision = Row(
        "precision",
        *share(covered(x, real), case.samples_again()),
        *share(covered(y, real), case.held_again()),
        better="higher",
    )
    recall = Row(
        "recall",
        *share(covered(real, x), case.real_again()),
        *share(covered(real, y), case.real_again()),
        matched=float(covered(real, x[: len(y)]).double().mean()) if case.few else None,
        better="higher",
    )
    return [precision, recall]


def share(hits: Tensor, again: Iterator[Tensor]) -> tuple[float, float | None]:
    """The share of hits (N,), and its error: what is counted is drawn again."""

    def mean(x: Tensor) -> float:
        return float(x.double().mean())

    return mean(hits), finite(error_of(mean, (hits, again)))


def accuracy(case: Case) -> list[Row]:
    labels, network = case.drawn.labels, case.seen_by
    if labels is None:
        raise UserError("the model has no classes")
    if network.classes != case.model.spec.classes:
        raise UserError(f"features {network.name} do not know the model's classes")
    row = Row(
        "accuracy",
        *share(network.recognise(case.samples) == labels, case.samples_again()),
        better="higher",
    )
    if case.held.labels is None or case.held.classes != network.classes:
        return [row]
    right = network.recognise(case.aside) == case.held.labels
    real, real_error = share(right, case.held_again())
    return [replace(row, real=real, real_error=real_error)]


def memorisation(case: Case) -> list[Row]:
    near, held = case.near.distances[:, 0], case.near_held.distances[:, 0]

    def error(statistic: Callable[[Tensor, Tensor], float]) -> float | None:
        sides = (near, case.samples_again()), (held, case.held_again())
        return finite(error_of(statistic, *sides))

    copies, as_real = share_near(near, held), share_near(held, held)
    try:
        ratio = Row("nearest", median_ratio(near, held), error(median_ratio), 1.0, better="higher")
    except UserError as why:
        ratio = Row("nearest", None, note=f"left out: {why}")
    return [
        ratio,
        Row("copies", copies, error(share_near), as_real, better="lower"),
        Row("copying z", copying_z(near, held), None, 0.0, better="higher"),
    ]


def bits(case: Case) -> list[Row]:
    if not callable(getattr(case.model, "score", None)):
        raise UserError("this kind of model tells no likelihood")
    if case.held.classes != case.model.spec.classes and case.model.spec.classes:
        raise UserError("the held-out pictures do not have the model's classes")
    first = case.held.part(slice(SCORED), "scored")
    found = bits_per_dim(case.model, first, case.seed, on_progress=case.on_progress)
    terms = ", ".join(f"{name} {value:.3f}" for name, value in found.terms.items())
    kind = {"bound": "an upper bound", "codes": "of the codes alone"}.get(found.kind, found.kind)
    note = f"{kind}, over {found.n} held-out pictures" + (f"; {terms}" if terms else "")
    name = "nats/code" if found.kind == "codes" else "bits/dim"
    return [Row(name, found.mean, finite(found.error), better="lower", note=note)]


def cost(case: Case) -> list[Row]:
    N, drawn = len(case.drawn.pictures), case.drawn
    forwards = None if drawn.forwards is None else drawn.forwards / N
    note = "" if forwards is not None else "it draws without running one network whole"
    return [
        Row("seconds", drawn.seconds / N, better="lower", unit="a sample"),
        Row("forwards", forwards, better="lower", unit="a sample", note=note),
        Row("parameters", float(parameters_of(case.model))),
    ]


MEASURES = {
    "frechet": Measure(frechet, ("frechet",)),
    "kernel": Measure(kernel, ("kernel",)),
    "precision-recall": Measure(coverage, ("precision", "recall")),
    "accuracy": Measure(accuracy, ("accuracy",)),
    "memorisation": Measure(memorisation, ("nearest", "copies", "copying z")),
    "bits": Measure(bits, ("bits/dim",)),  # of a model of codes: nats/code
    "cost": Measure(cost, ("seconds", "forwards", "parameters")),
}


def rows_of(measure: Measure, case: object) -> list[Row]:
    """A measure's rows; where it cannot be taken, rows that say why."""
    try:
        return measure.rows(case)
    except UserError as error:
        return [Row(name, None, note=f"left out: {error}") for name in measure.names]


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
