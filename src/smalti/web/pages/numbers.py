"""Numbers: what was measured of every model, and `smalti evaluate` for any of them."""

from __future__ import annotations

from pathlib import Path

from smalti.evaluation.explain import explain_row, format_real, format_value
from smalti.evaluation.report import Report
from smalti.web.registry import Page, Summary, WebTask

HIDDEN_PLAN = ("features", "split", "sampler", "classes", "mirrored", "memory")
"""Options of an evaluation that the page does not offer: with them numbers are not comparable."""


def summarize_report(report: Report, folder: Path) -> Summary:
    """Each row as the command line prints it, and the notes."""
    return {
        "rows": [
            {
                "name": row.name,
                "value": format_value(row),
                "real": format_real(row),
                "better": row.better,
                "unit": row.unit,
                "words": explain_row(row, report),
            }
            for row in report.rows
        ],
        "notes": [*report.notes],
        "data": report.protocol.data,
        "split": report.protocol.split,
        "n": report.protocol.n,
    }


PAGE = Page(
    "numbers",
    80,
    (
        WebTask(
            "smalti.tasks:evaluate",
            f"{__name__}:summarize_report",
            verb="evaluate",
            hidden=("data", "name", "picture_data", *HIDDEN_PLAN),
            options={"metrics": "--metrics"},
            keywords="smalti.evaluation.plan:Plan",
            pictures=1000,
            lane="slow",
            job_seconds=3600,
        ),
    ),
)
