"""How good a model is: its samples beside real pictures, its likelihood, its cost."""

from __future__ import annotations

from smalti.evaluation.assess import Evaluation, evaluate, examine
from smalti.evaluation.coverage import precision_recall
from smalti.evaluation.frechet import Moments, frechet_distance, moments
from smalti.evaluation.judgement import Judgement, judge, real_baseline
from smalti.evaluation.kernel import kernel_distance
from smalti.evaluation.measures import MEASURES
from smalti.evaluation.report import Protocol, Report, Row, check_comparable, read_report

__all__ = [
    "MEASURES",
    "Evaluation",
    "Judgement",
    "Moments",
    "Protocol",
    "Report",
    "Row",
    "check_comparable",
    "evaluate",
    "examine",
    "frechet_distance",
    "judge",
    "kernel_distance",
    "moments",
    "precision_recall",
    "read_report",
    "real_baseline",
]
