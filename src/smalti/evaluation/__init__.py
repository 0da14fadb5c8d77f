"""Evaluation of models: sample quality, likelihood and cost, compared with held-out pictures."""

from __future__ import annotations

from smalti.evaluation._evaluate import Evaluation, evaluate_model
from smalti.evaluation.coverage import precision_recall
from smalti.evaluation.frechet import Moments, compute_moments, frechet_distance
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
    "compute_moments",
    "evaluate_model",
    "frechet_distance",
    "kernel_distance",
    "precision_recall",
    "read_report",
]
