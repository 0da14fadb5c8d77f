"""report: how a run went, on a page."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from smalti.core.brief import brief
from smalti.core.files import replace
from smalti.core.folders import Results, check_free
from smalti.core.progress import OnProgress, Progress, ignore
from smalti.training.summary import Summary, smooth, summarise

FILES = Results(r"report\.(json|png)", "report.json", ("run", "verdict"), shared=True)
"""What is written into a run, or a folder of the user's."""


@dataclass(frozen=True, eq=False)
@brief
class Reported:
    """How a run stands."""

    summary: Summary
    page: bytes | None
    """The curves and the samples over time, a PNG; None without matplotlib, or before any step."""
    files: tuple[Path, ...]
    """Those that were written."""

    def to_json(self) -> dict[str, Any]:
        """What report.json holds; curves are in log.jsonl."""
        s = self.summary
        speed, verdict = s.speed(), s.verdict()
        lowest = min(s.valid, key=lambda point: point[1]) if s.valid else None
        return {
            "run": s.run.name,
            "recipe": s.recipe,
            "step": s.step,
            "steps": s.steps,
            "minutes": s.minutes[-1][1] if s.minutes else None,
            **{
                name: s.facts[name] for name in ("processor", "threads", "torch") if name in s.facts
            },
            "pictures_per_second": median(v for _, v in speed) if speed else None,
            "loss": {"first": s.loss[0][1], "last": smooth(s.loss)[-1][1]} if s.loss else None,
            "valid": s.valid,
            "valid_lowest": lowest,
            "terms": {name: s.lately(name) for name in s.terms},
            "norm_median": median(v for _, v in s.norm) if s.norm else None,
            "recoveries": s.recoveries,
            "unread_lines": s.skipped,
            "verdict": {"kind": verdict.kind, "text": verdict.text, "take_step": verdict.step},
        }


def report(
    run: str | Path,
    *,
    out: str | Path | None = None,
    into_run: bool = False,
    on_progress: OnProgress = ignore,
) -> Reported:
    """Tell how a run went, or goes, on a page.

    Its losses, rate and speed, its samples over time, and a verdict in plain words.

    run: a run's folder; it may still be training.
    out: folder for report.png and report.json; the run's own on the command line.
    into_run: write them into the run, where `out` is not given.
    """
    summary, out = summarise(run), out or (run if into_run else None)
    if out is not None:
        check_free(out, FILES)  # not locked: the run may be training
    on_progress(Progress("drawing", 0, 1))
    page = draw_page(summary) if summary.loss and find_spec("matplotlib") else None
    on_progress(Progress("drawing", 1, 1))
    record = json.dumps(Reported(summary, page, ()).to_json(), indent=1).encode()
    contents = {"report.png": page, "report.json": record} if out is not None else {}
    files = [
        replace(Path(out or "", name), lambda temporary, c=content: temporary.write_bytes(c))
        for name, content in contents.items()
        if content
    ]
    return Reported(summary, page, tuple(files))


def draw_page(summary: Summary) -> bytes:
    from smalti.training.curves import page

    buffer = io.BytesIO()
    page(summary).savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
