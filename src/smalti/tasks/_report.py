"""report: summarize a training run."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from smalti.core.files import write_atomically
from smalti.core.folders import ResultFiles, check_replaceable
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.short_repr import add_short_repr
from smalti.training.examples import read_examples
from smalti.training.summary import Summary, smooth_curve, summarize

FILES = ResultFiles(r"report\.(json|png)", "report.json", ("run", "verdict"), shared=True)
"""Files written into a run, or into a folder of the user."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class RunReport:
    """Summary of a training run."""

    summary: Summary
    files: tuple[Path, ...]
    """The files that were written."""

    @cached_property
    def curves_png(self) -> bytes | None:
        """Curves and samples over time (PNG); None without matplotlib or before the first step.

        Drawn on first use: it takes seconds, and who watches a run needs the summary alone.
        """
        return draw_curves(self.summary) if self.summary.loss and find_spec("matplotlib") else None

    def to_json(self) -> dict[str, Any]:
        """The content of report.json; the curves are in log.jsonl."""
        s = self.summary
        speed, verdict = s.compute_speed(), s.judge_run()
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
            f"{s.item}s_per_second": median(v for _, v in speed) if speed else None,
            "loss": {"first": s.loss[0][1], "last": smooth_curve(s.loss)[-1][1]}
            if s.loss
            else None,
            "valid": s.valid,
            "valid_lowest": lowest,
            "terms": {name: s.compute_latest(name) for name in s.terms},
            "norm_median": median(v for _, v in s.norm) if s.norm else None,
            "recoveries": s.recoveries,
            **({"translations": list_translations(s)} if s.examples else {}),
            "unread_lines": s.unreadable_lines,
            "verdict": {"kind": verdict.kind, "text": verdict.text, "take_step": verdict.step},
        }


def report(
    run: str | Path,
    *,
    out: str | Path | None = None,
    save_in_run: bool = False,
    on_progress: OnProgress = ignore_event,
) -> RunReport:
    """Write a report of a training run.

    Shows the losses, the learning rate, the speed, samples over time, and a verdict.

    run: Run folder. The run may still be training.
    out: Output folder (default: the run). It holds report.png and report.json. From Python, nothing
    is written by default.
    save_in_run: Write into the run if `out` is not given.
    """
    summary, out = summarize(run), out or (run if save_in_run else None)
    if out is not None:
        check_replaceable(out, FILES)  # not locked: the run may be training
    on_progress(Progress("drawing", 0, 1))
    found = RunReport(summary, ())
    contents: dict[str, bytes | None] = {}
    if out is not None:
        record = json.dumps(found.to_json(), indent=1).encode()
        contents = {"report.png": found.curves_png, "report.json": record}
    on_progress(Progress("drawing", 1, 1))
    files = [
        write_atomically(
            Path(out or "", name), lambda temporary, c=content: temporary.write_bytes(c)
        )
        for name, content in contents.items()
        if content
    ]
    return replace(found, files=tuple(files))


def list_translations(summary: Summary) -> list[dict[str, str]]:
    """The newest preview's texts, references and outputs."""
    return [example._asdict() for example in read_examples(summary.examples[max(summary.examples)])]


def draw_curves(summary: Summary) -> bytes:
    from smalti.training.curves import draw_figure

    buffer = io.BytesIO()
    draw_figure(summary).savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
