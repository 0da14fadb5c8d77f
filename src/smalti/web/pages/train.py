"""Train: a run on a folder of pictures, as `smalti train` makes it."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from smalti.recipes import RECIPES
from smalti.tasks import AuditReport, RunReport
from smalti.training.events import Ended
from smalti.web.registry import Page, Summary, WebTask

CURVE_POINTS = 300
"""Points of a curve, at most."""
GRIDS = 40
"""Sample grids of a run that are shown, at most."""
OF_TEXT = "smalti.recipes.translation"


def list_picture_recipes() -> list[str]:
    """The recipes of models of pictures."""
    return [name for name, entry in RECIPES.items() if not entry.module.startswith(OF_TEXT)]


def thin_out(values: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """At most `most` of the finite points of a curve, evenly, and its last one."""
    finite = [(step, value) for step, value in values if math.isfinite(value)]
    stride = max(1, math.ceil(len(finite) / most))
    return finite[::stride] + (finite[-1:] if (len(finite) - 1) % stride else [])


def summarize_ended(ended: Ended, folder: Path) -> Summary:
    """Where a run ended, and whether it can be resumed."""
    return {
        "step": ended.step,
        "minutes": round(ended.minutes, 2),
        "interrupted": ended.interrupted,
        "run": str(ended.checkpoint.parent),
    }


def summarize_run(report: RunReport, folder: Path) -> Summary:
    """The curves of a run, and its sample grids by step."""
    s = report.summary
    steps = sorted(s.previews)
    stride = max(1, math.ceil(len(steps) / GRIDS))
    grids = {step: f"step-{step}.png" for step in [*steps[::stride], *steps[-1:]]}
    for step, name in grids.items():
        shutil.copyfile(s.previews[step], folder / name)
    curves = {"loss": s.loss, "valid": s.valid, "rate": s.rate}
    return {
        "run": str(s.run),
        "recipe": s.recipe,
        "step": s.step,
        "steps": s.steps,
        "curves": {name: thin_out(curve, CURVE_POINTS) for name, curve in curves.items()},
        "grids": [{"step": step, "file": name} for step, name in grids.items()],
        "verdict": s.judge_run().text,
    }


def summarize_audit(report: AuditReport, folder: Path) -> Summary:
    """What report.json has."""
    return report.to_json()


NOT_OFFERED = (
    *("corpus", "languages", "codec", "picture", "picture_codec", "picture_size", "picture_data"),
    *("init_from", "start", "group_by", "steps", "epochs", "size"),
)
PAGE = Page(
    "train",
    70,
    (
        WebTask(
            "smalti.tasks:audit",
            f"{__name__}:summarize_audit",
            verb="data",
            hidden=("out_root", "color", "background", "stretch", "group_by", "size", "epochs"),
            data=("pictures",),
        ),
        WebTask(
            "smalti.tasks:train",
            f"{__name__}:summarize_ended",
            verb="train",
            hidden=NOT_OFFERED,
            choices={"recipe": f"{__name__}:list_picture_recipes"},
            names_out=True,
            data=("data",),
            runs=("out",),
            lane="long",
            job_seconds=0,
        ),
        WebTask(
            "smalti.tasks:resume",
            f"{__name__}:summarize_ended",
            hidden=("recipe", "data"),
            names_out=True,
            runs=("out",),
            lane="long",
            job_seconds=0,
        ),
        WebTask(
            "smalti.tasks:report",
            f"{__name__}:summarize_run",
            verb="report",
            hidden=("save_in_run", "out"),
            runs=("run",),
            lane="quick",
        ),
    ),
)
