"""What a run is, on disk: run.json beside its steps, the trainer's state inside the last one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from smalti.core.checkpoint import write_into
from smalti.core.config import from_json, to_json
from smalti.core.errors import UserError
from smalti.core.files import write_text
from smalti.core.folders import replace_directory
from smalti.core.messages import count
from smalti.core.protocols import Card
from smalti.core.staging import temporary_folder
from smalti.training.config import Training

FORMAT = 1


@dataclass(frozen=True)
class Job:
    """A run: its plan and its place."""

    model: Any
    """The model's config."""
    training: Training
    out: Path
    about: dict[str, Any]
    """Whatever the caller needs to resume: the recipe's name, where the data lie."""
    start: str | None = None
    """A model (name or directory) whose weights the run begins with, instead of random ones."""
    minutes: float | None = None
    """Time budget, while `training.steps` is not yet known."""
    data: dict[str, Any] = field(default_factory=dict)
    """`facts_of` the pictures of each part, by which a resume knows them again."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What trains it, and the minutes that it has trained."""
    recovered: int = 0
    """How often it has stepped back."""

    def with_steps(self, steps: int, accumulate: int | None = None) -> Job:
        accumulate = accumulate or self.training.accumulate
        return replace(self, training=replace(self.training, steps=steps, accumulate=accumulate))

    def write(self) -> None:
        """run.json, whole or not at all."""
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
            "recovered": self.recovered,
        }
        write_text(self.out / "run.json", json.dumps(content, indent=1) + "\n")


def read_run(out: str | Path) -> Job:
    """The run in `out`. UserError when there is nothing to resume."""
    path = Path(out) / "run.json"
    if not path.is_file():
        raise UserError(f"nothing to resume in {out}: it has no run.json; train without --resume")
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise UserError(f"{path} has format {found}; this smalti reads {FORMAT}")
    if lost := {"model", "training", "about", "minutes"} - content.keys():
        raise UserError(f"{path} lacks {min(lost)!r}; it is not as smalti wrote it")
    return Job(
        model=from_json(content["model"]),
        training=from_json(content["training"]),
        out=Path(out),
        about=content["about"],
        minutes=content["minutes"],
        start=content.get("start"),
        data=content.get("data", {}),
        facts=content.get("facts", {}),
        recovered=content.get("recovered", 0),
    )


def last_step(out: Path) -> Path | None:
    """The directory of the last saved step."""
    latest = out / "latest"
    return out / latest.read_text().strip() if latest.is_file() else None


def card_of(job: Job, step: int) -> Card:
    """The card of a saved step; where the data lie is not told, for a checkpoint may travel."""
    known = {"recipe": job.about["recipe"]} if "recipe" in job.about else {}
    done = {"seed": job.training.seed, "step": step, **getattr(job.model, "facts", {})}
    return Card(name=job.out.name, facts={**known, **done, **trained_by(job.facts)})


def trained_by(facts: dict[str, Any]) -> dict[str, Any]:
    """`minutes` and `hardware`, as a card tells them."""
    if not facts:
        return {}
    threads = count(facts["threads"], "thread")
    hardware = f"{facts['processor']}, {threads}, torch {facts['torch']}"
    return {"minutes": facts.get("minutes", 0.0), "hardware": hardware}


def save_step(job: Job, step: int, model: Any, state: dict[str, Any]) -> Path:
    """step-N/ with the averaged weights and trainer.pt, then `latest`; older states are dropped."""
    directory = job.out / f"step-{step}"
    with temporary_folder(job.out) as folder:
        write_into(folder, model, card_of(job, step))
        with open(folder / "trainer.pt", "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        replace_directory(folder, directory)
    write_text(job.out / "latest", directory.name + "\n")
    for other in job.out.glob("step-*/trainer.pt"):
        if other.parent != directory:
            other.unlink()
    return directory


def read_state(directory: Path) -> dict[str, Any]:
    path = directory / "trainer.pt"
    if not path.is_file():
        raise UserError(f"{path} is missing, so the run cannot go on; train anew")
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise UserError(f"{path} is damaged, so the run cannot go on; train anew") from error
