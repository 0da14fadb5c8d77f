"""A run on disk: run.json, its saved steps, and the trainer's state."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn

from smalti.core.checkpoint import write_checkpoint
from smalti.core.config import check_fields, collect_hints, from_json, to_json
from smalti.core.documents import read_json
from smalti.core.errors import UserError, shorten
from smalti.core.files import write_text
from smalti.core.folders import replace_directory
from smalti.core.messages import format_count
from smalti.core.protocols import Card, HasFacts, ModelConfig
from smalti.core.ranges import Range, TrainingSteps
from smalti.core.saved_steps import (
    RUN_FILES,
    find_damage,
    find_newest_step,
    list_steps,
    write_checksums,
)
from smalti.core.staging import temporary_folder
from smalti.training.config import Training

FORMAT = 1
Recoveries = Annotated[int, Range(0, 1_000)]


@dataclass(frozen=True)
class RunRecord:
    """A training run: its configuration, its folder and its progress."""

    model: Any
    """The model's config, a `ModelConfig`."""
    training: Training
    out: Path
    about: dict[str, Any]
    """What the caller needs to resume: the recipe's name, the path of the data."""
    start: str | None = None
    """A model (name or directory) whose weights initialize the run, instead of random ones."""
    minutes: float | None = None
    """Time budget, until `training.steps` is known."""
    data: dict[str, Any] = field(default_factory=dict)
    """`describe_data` of each split, checked by a resume."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The machine, and the minutes trained."""
    recoveries: int = 0
    """Number of rollbacks so far."""
    best_step: int | None = None
    """The step that is the run's model, if it is not the last: of a run with patience."""
    stopped_at: int | None = None
    """The last step of such a run, once it has ended."""
    resume_from: Path | None = None
    """The saved step to resume from."""

    def with_steps(self, steps: int, accumulate: int | None = None) -> RunRecord:
        accumulate = accumulate or self.training.accumulate
        return replace(self, training=replace(self.training, steps=steps, accumulate=accumulate))

    def write(self) -> None:
        """Write run.json atomically."""
        self.out.mkdir(parents=True, exist_ok=True)
        content = {
            "format": FORMAT,
            "model": to_json(self.model),
            "training": to_json(self.training),
            "minutes": self.minutes,
            "start": self.start,
            "about": self.about,
            "data": self.data,
            "facts": self.facts,
            "recoveries": self.recoveries,
        }
        if self.best_step is not None:
            content |= {"best_step": self.best_step, "stopped_at": self.stopped_at}
        write_text(self.out / "run.json", json.dumps(content, indent=1) + "\n")


def read_run(out: str | Path) -> RunRecord:
    """Read the run in `out`. Raises UserError if there is nothing to resume."""
    path = Path(out) / "run.json"
    if not path.is_file():
        raise UserError(f"nothing to resume in {out}: it has no run.json; train without --resume")
    content = read_json(path)
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise UserError(f"{path} has format {shorten(found)}; this smalti reads {FORMAT}")
    if lost := {"model", "training", "about", "minutes"} - content.keys():
        raise UserError(f"{path} has no {min(lost)!r}; it is damaged or was edited")
    try:
        return parse_record(content, Path(out))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


@dataclass(frozen=True)
@check_fields
class StoredValues:
    """Plain values of run.json, checked when read."""

    minutes: Annotated[float, Range(0, 1e6, excludes_low=True)] | None = None
    start: str | None = None
    recoveries: Recoveries = 0
    best_step: TrainingSteps | None = None
    stopped_at: TrainingSteps | None = None


def parse_record(content: dict[str, Any], out: Path) -> RunRecord:
    """Parse run.json. Raises UserError for invalid values."""
    model, training = from_json(content["model"]), from_json(content["training"])
    if not isinstance(model, ModelConfig):
        raise UserError(f"model is {shorten(model)}; expected a model config")
    if not isinstance(training, Training):
        raise UserError(f"training is {shorten(training)}; expected training options")
    parts = {name: content.get(name, {}) for name in ("about", "data", "facts")}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise UserError(f"{name} is {shorten(part)}; expected an object")
    for name, part in parts["data"].items():
        if not isinstance(part, dict):
            raise UserError(f"data.{name} is {shorten(part)}; expected an object")
    stored = StoredValues(
        **{name: content[name] for name in collect_hints(StoredValues) if name in content}
    )
    record = RunRecord(model, training, out, **vars(stored), **parts)
    if training.steps is None and record.minutes is None:
        raise UserError("minutes and steps are both missing; one of them is required")
    return record


def find_last_step(out: Path) -> Path | None:
    """Directory of the newest saved step that the run can be resumed from."""
    return find_newest_step(out, RUN_FILES)


def build_card(record: RunRecord, step: int) -> Card:
    """Build the card of a saved step, without the path of the data: checkpoints may be shared."""
    recipe = {"recipe": record.about["recipe"]} if "recipe" in record.about else {}
    model_facts = record.model.collect_facts() if isinstance(record.model, HasFacts) else {}
    progress = {"seed": record.training.seed, "step": step, **model_facts}
    return Card(
        name=record.out.name, facts={**recipe, **progress, **summarize_training(record.facts)}
    )


def summarize_training(facts: dict[str, Any]) -> dict[str, Any]:
    """Summarize `minutes` and `hardware` for a card."""
    if not facts:
        return {}
    minutes, threads = facts.get("minutes"), facts.get("threads")
    known = isinstance(minutes, float | int) and math.isfinite(minutes)
    threads = format_count(threads, "thread") if isinstance(threads, int) else "unknown threads"
    hardware = f"{facts.get('processor')}, {threads}, torch {facts.get('torch')}"
    return {"minutes": minutes if known else 0.0, "hardware": hardware}


def save_step(record: RunRecord, step: int, model: nn.Module, state: dict[str, Any]) -> Path:
    """Write step-N/ with the averaged weights, trainer.pt and checksums, then `latest`.

    Only the newest older trainer.pt is kept, in case this one is damaged.
    """
    directory = record.out / f"step-{step}"
    with temporary_folder(record.out) as folder:
        write_checkpoint(folder, model, build_card(record, step))
        with open(folder / "trainer.pt", "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        write_checksums(folder)
        replace_directory(folder, directory)
    write_text(record.out / "latest", directory.name + "\n")
    for other in [d for d in list_steps(record.out) if d != directory][1:]:
        (other / "trainer.pt").unlink(missing_ok=True)
    return directory


def read_trainer_state(directory: Path) -> dict[str, Any]:
    """Read the trainer's state. Raises UserError if it is missing or damaged."""
    path = directory / "trainer.pt"
    if error_text := find_damage(directory, [path.name]):
        raise UserError(f"{error_text}, so the run cannot be resumed; start a new run")
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a broken pickle can raise almost any error
        raise UserError(
            f"{path} is damaged, so the run cannot be resumed; start a new run"
        ) from error
    if not isinstance(state, dict):
        raise UserError(f"{path} contains no trainer state; start a new run")
    return state
