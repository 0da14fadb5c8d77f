"""How good a model is: its samples beside real pictures, its likelihood, its cost."""

from __future__ import annotations

from smalti.evaluation.assess import Evaluation, examine
from smalti.evaluation.coverage import precision_recall
from smalti.evaluation.frechet import Moments, frechet_distance, moments
from smalti.evaluation.kernel import kernel_distance
from smalti.evaluation.kinds import KINDS
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Protocol, Report, Row, check_comparable, read_report

__all__ = [
    "KINDS",
    "Evaluation",
    "Moments",
    "Plan",
    "Protocol",
    "Report",
    "Row",
    "check_comparable",
    "examine",
    "frechet_distance",
    "kernel_distance",
    "moments",
    "precision_recall",
    "read_report",
]
