"""What is measured of which kind of model: an entry for each kind of output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from smalti.core.errors import UserError
from smalti.core.messages import suggest_name
from smalti.evaluation import codec, prepare, sheets
from smalti.evaluation.measures import MEASURES, Measure
from smalti.features import FeatureExtractor


class AnyComparison(Protocol):
    """One model's outcome beside real pictures, for its kind's measures to look at."""

    @property
    def network(self) -> FeatureExtractor | None: ...
    @property
    def batch_size(self) -> int: ...  # pictures at a time
    @property
    def sampler(self) -> Any: ...  # the config that drew them, or None
    def describe_protocol(
        self,
    ) -> dict[str, Any]: ...  # fields of `Protocol`: how the outcome came about
    def notes(self) -> tuple[str, ...]: ...  # what a reader of the numbers should know


@dataclass(frozen=True)
class EvaluationKind:
    """How models of one output are evaluated."""

    measures: dict[str, Measure]
    prepare: Callable[..., AnyComparison]
    """(model, splits, held, network, why none, plan, on_progress): the outcome to be measured."""
    sheets: dict[str, Callable[[Any, Path], object]]
    """A report's pictures by name, each with what writes it of a `Measured`."""

    def choose_measures(self, names: Sequence[str] | None) -> dict[str, Measure]:
        """The measures of these names, all of them for None.  UserError for an unknown one."""
        if names is None:
            return dict(self.measures)
        for name in names:
            if name not in self.measures:
                raise UserError(f"no metric {name!r}; {suggest_name(name, self.measures)}")
        if not names:
            raise UserError(f"no metrics are asked for; there are {', '.join(self.measures)}")
        return {name: measure for name, measure in self.measures.items() if name in names}


KINDS = {
    "picture": EvaluationKind(MEASURES, prepare.prepare_comparison, sheets.SHEETS),
    "codes": EvaluationKind(codec.MEASURES, codec.prepare_codec_comparison, codec.SHEETS),
}
"""`Spec.output` -> how it is evaluated."""


def find_kind(model: object) -> EvaluationKind:
    """How a model is evaluated.  UserError for one of which nothing can be measured."""
    output = getattr(getattr(model, "spec", None), "output", None)
    if output not in KINDS:
        raise UserError(f"a {type(model).__name__} does not draw pictures; give a model that does")
    return KINDS[output]


def find_output(metrics: Iterable[str]) -> str:
    """The kind of output that has these measures."""
    known = {*metrics}
    return next((output for output, kind in KINDS.items() if known <= {*kind.measures}), "picture")
