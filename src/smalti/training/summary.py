"""Summarize a run from its files: curves of its log, and a verdict."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median, pvariance
from typing import Any, Literal, NamedTuple

from smalti.core.config import from_json
from smalti.core.documents import read_json
from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.training.config import Training
from smalti.training.examples import EXAMPLES_FOLDER
from smalti.training.logs import read_log

Curve = list[tuple[int, float]]
"""(step, value) pairs, in the order of the steps."""

LOOP_KEYS = ("step", "loss", "valid", "norm", "rate", "minutes")
"""Keys of the log written by the loop; all others are the players' terms."""
MIN_STEPS = 20  # steps needed for a verdict
MIN_CHANGE = 0.005  # relative change of the loss below which it is flat


@dataclass(frozen=True)
class Verdict:
    """State of a run, judged by its losses."""

    kind: Literal["stopped", "short", "falling", "flat", "rising", "overfitting"]
    text: str
    step: int | None = None
    """The step to use, if that is not the last one."""


@dataclass(frozen=True)
class Summary:
    """Summary of a run, finished or not."""

    run: Path
    recipe: str | None
    steps: int | None
    """Planned steps."""
    batch_size: int
    max_grad_norm: float
    facts: dict[str, Any]
    """The machine, from run.json."""
    loss: Curve
    valid: Curve
    norm: Curve
    rate: Curve
    minutes: Curve
    terms: dict[str, Curve]
    """Curves of the players' terms."""
    recoveries: list[dict[str, Any]]
    """The log's lines of rollbacks."""
    unreadable_lines: int
    """Number of unreadable lines of the log."""
    previews: dict[int, Path]
    """Pictures of samples, by step."""
    examples: dict[int, Path]
    """Files of translations, by step (`read_examples`)."""
    item: str
    """What an item of a batch is called: "picture" or "token"."""
    saved_steps: list[int]
    """Steps with a checkpoint."""
    best_step: int | None = None
    """The step that a run with patience has kept."""

    @property
    def step(self) -> int:
        """Steps done, according to the log."""
        return self.loss[-1][0] if self.loss else 0

    def compute_speed(self) -> Curve:
        """Items per second, over intervals of at most 1% of the run."""
        marks = self.minutes[:: max(1, len(self.minutes) // 100)]
        return [
            (step, self.batch_size * (step - before) / (60 * (minute - was)))
            for (before, was), (step, minute) in pairwise(marks)
            if minute > was and step > before
        ]

    def compute_latest(self, name: str) -> float:
        """The last value of a term, smoothed; NaN if the log has none."""
        return smooth_curve(self.terms[name])[-1][1] if self.terms.get(name) else math.nan

    def judge_run(self) -> Verdict:
        if self.best_step is not None and len(self.loss) >= MIN_STEPS:
            return Verdict(
                "stopped", f"The best step is the model: step {self.best_step}.", self.best_step
            )
        return judge_losses(self.loss, self.valid, self.saved_steps)


def summarize(run: str | Path) -> Summary:
    """Summarize the run in a folder; unreadable lines are counted.

    Raises UserError if there is no run.
    """
    run = Path(run)
    plan = read_run_plan(run / "run.json")
    lines, skipped = read_log(run / "log.jsonl")
    curves = {
        name: read_curve(lines, name) for name in ("loss", "valid", "norm", "rate", "minutes")
    }
    return Summary(
        run=run,
        recipe=plan.recipe,
        steps=plan.training.steps,
        batch_size=plan.training.batch_size,
        max_grad_norm=plan.training.max_grad_norm,
        facts=plan.facts,
        recoveries=[line for line in lines if "recovered_to" in line],
        unreadable_lines=skipped,
        terms=read_terms(lines),
        previews=find_step_paths(run / "grids", "step-*.png"),
        examples=find_step_paths(run / EXAMPLES_FOLDER, "step-*.tsv"),
        item=plan.item,
        saved_steps=[
            n
            for n, path in find_step_paths(run, "step-*").items()
            if (path / "config.json").is_file()
        ],
        best_step=plan.best_step,
        **curves,
    )


class RunPlan(NamedTuple):
    """The part of run.json that a summary needs."""

    training: Training
    recipe: str | None
    facts: dict[str, Any]
    item: str
    best_step: int | None


def read_run_plan(path: Path) -> RunPlan:
    """Read run.json. Raises UserError if it is missing or invalid."""
    if not path.is_file():
        raise UserError(
            f"{path.parent} is no run: it has no run.json; give the output folder of a training"
        )
    plan = read_json(path)
    training = plan.get("training") if isinstance(plan, dict) else None
    if not isinstance(training, dict) or not {"batch_size", "max_grad_norm"} <= training.keys():
        raise UserError(f"{path} has no training options; it is damaged or was edited")
    try:
        planned = from_json({"tag": "training", **training})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    about, facts, data = (
        v if isinstance(v := plan.get(n), dict) else {} for n in ("about", "facts", "data")
    )
    recipe, train = about.get("recipe"), data.get("train")
    item = "token" if isinstance(train, dict) and "sentence pairs" in train else "picture"
    best = plan.get("best_step")
    recipe = recipe if isinstance(recipe, str) else None
    return RunPlan(planned, recipe, facts, item, best if type(best) is int else None)


def read_curve(lines: list[dict[str, Any]], name: str) -> Curve:
    """Read a value over the steps; the later of two lines of a step counts."""
    found = {line["step"]: line[name] for line in lines if name in line}
    numbers = {s: v for s, v in found.items() if isinstance(v, (int, float)) and abs(v) < 1e300}
    return sorted((step, float(value)) for step, value in numbers.items())


def read_terms(lines: list[dict[str, Any]]) -> dict[str, Curve]:
    """Read the players' terms by name, in the order of their appearance."""
    steps = [line for line in lines if "recovered_to" not in line]
    names = dict.fromkeys(name for line in steps for name in line if name not in LOOP_KEYS)
    return {name: found for name in names if (found := read_curve(steps, name))}


def find_step_paths(folder: Path, pattern: str) -> dict[int, Path]:
    """Map N to the path of every step-N; other names, left by a crash, are ignored."""
    paths = folder.glob(pattern)
    suffix = Path(pattern).suffix
    found = {path.name.removeprefix("step-").removesuffix(suffix): path for path in paths}
    plain = [n for n in found if re.fullmatch(r"\d{1,12}", n, re.ASCII)]
    return {int(n): found[n] for n in sorted(plain, key=int)}


def judge_losses(loss: Curve, valid: Curve, saved_steps: list[int]) -> Verdict:
    """Judge a run by its training loss and its validation loss."""
    if len(loss) < MIN_STEPS:
        return Verdict("short", f"{format_count(len(loss), 'step')}: too few for a verdict.")
    if (best := find_turning_point(valid)) is not None:
        kept = [step for step in saved_steps if step <= best]
        advice = f"use step-{kept[-1]}" if kept else "train for fewer steps"
        text = f"The validation loss rises since step {best}: the model overfits; {advice}."
        return Verdict("overfitting", text, kept[-1] if kept else None)
    change = compute_change(loss)
    if change < 0 or is_improving(valid):
        how = f"by {-change:.1%} over its last half" if change < 0 else "on held-out pictures"
        return Verdict("falling", f"The loss still falls, {how}: more training would help.")
    if change > 0:
        how = f"by {change:.1%} over its last half"
        return Verdict("rising", f"The loss rises, {how}: the learning rate may be too high.")
    return Verdict("flat", "The loss is flat: more training would gain little.")


def find_turning_point(valid: Curve) -> int | None:
    """The step with the lowest loss, if it has clearly risen at least twice since; else None."""
    if len(valid) < 3:
        return None
    lowest = min(range(len(valid)), key=lambda k: valid[k][1])
    best, after = valid[lowest][1], [value for _, value in valid[lowest + 1 :]]
    risen = len(after) >= 2 and min(after[-2:]) > best + 2 * MIN_CHANGE * abs(best)
    return valid[lowest][0] if risen else None


def is_improving(valid: Curve) -> bool:
    """Whether the last loss is clearly below the first half of the curve."""
    half = len(valid) // 2
    if half < 2:
        return False
    before = min(value for _, value in valid[:half])
    return valid[-1][1] < before - 2 * MIN_CHANGE * abs(before)


def compute_change(loss: Curve) -> float:
    """Relative change from the third to the last quarter; 0 if it is within the noise."""
    late = [value for _, value in loss[len(loss) // 2 :]]
    before, after = late[: len(late) // 2], late[len(late) // 2 :]
    error = math.sqrt(pvariance(before) / len(before) + pvariance(after) / len(after))
    change = fmean(after) - fmean(before)
    scale = abs(fmean(before)) or 1.0
    clear = abs(change) > max(2 * error, MIN_CHANGE * scale)
    return change / scale if clear else 0.0


def smooth_curve(values: Curve, fraction: float = 0.02) -> Curve:
    """Median over intervals of `fraction` of the curve, each at its last step."""
    width = max(1, round(fraction * len(values)))
    pieces = [values[i : i + width] for i in range(0, len(values), width)]
    return [(piece[-1][0], median(value for _, value in piece)) for piece in pieces]
