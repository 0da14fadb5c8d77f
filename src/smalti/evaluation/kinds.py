"""Measures for each kind of model output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from smalti.core.errors import UserError
from smalti.core.messages import suggest_name
from smalti.evaluation import codec, prepare, sheets
from smalti.evaluation.measures import MEASURES, Measure
from smalti.evaluation.text import measures as text_measures
from smalti.evaluation.text.comparison import prepare_text_comparison


class AnyComparison(Protocol):
    """A model's output compared with held-out data: the input of its kind's measures."""

    @property
    def batch_size(self) -> int: ...
    @property
    def sampler(self) -> Any: ...  # the config of the sampler, or None
    def describe_protocol(self) -> dict[str, Any]: ...  # fields of `Protocol`
    def notes(self) -> tuple[str, ...]: ...  # notes on how to read the numbers
    def collect_statistics(self, metrics: Iterable[str]) -> dict[str, Any]: ...  # of `Report`


@dataclass(frozen=True)
class EvaluationKind:
    """How models with one kind of output are evaluated."""

    measures: dict[str, Measure]
    prepare: Callable[..., AnyComparison]
    """(model, data, plan, on_progress) -> comparison."""
    sheets: dict[str, Callable[[Any, Path], object]]
    """A report's pictures by name, and the function that writes each."""

    def choose_measures(self, names: Sequence[str] | None) -> dict[str, Measure]:
        """Choose measures by name, all for None.  Raises UserError for an unknown one."""
        if names is None:
            return dict(self.measures)
        for name in names:
            if name not in self.measures:
                raise UserError(f"no metric {name!r}; {suggest_name(name, self.measures)}")
        if not names:
            raise UserError(f"metrics is empty; choose from {', '.join(self.measures)}")
        return {name: measure for name, measure in self.measures.items() if name in names}


KINDS = {
    "picture": EvaluationKind(MEASURES, prepare.prepare_comparison, sheets.SHEETS),
    "codes": EvaluationKind(codec.MEASURES, codec.prepare_codec_comparison, codec.SHEETS),
    "latents": EvaluationKind(
        codec.LATENT_MEASURES, codec.prepare_codec_comparison, codec.LATENT_SHEETS
    ),
    "text": EvaluationKind(text_measures.MEASURES, prepare_text_comparison, text_measures.SHEETS),
}
"""`Spec.output` -> how it is evaluated."""


def find_kind(model: object) -> EvaluationKind:
    """Find how a model is evaluated.  Raises UserError if it cannot be."""
    output = getattr(getattr(model, "spec", None), "output", None)
    if output not in KINDS:
        raise UserError(f"a {type(model).__name__} does not draw pictures, encode or translate")
    return KINDS[output]


def find_output(metrics: Iterable[str]) -> str:
    """Find the kind of output that has these measures."""
    known = {*metrics}
    return next((output for output, kind in KINDS.items() if known <= {*kind.measures}), "picture")
