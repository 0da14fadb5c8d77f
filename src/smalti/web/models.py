"""The models that a studio offers, by name; clients never give a path."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from smalti.core.checkpoint import build_model, find_checkpoint, read_model_config
from smalti.core.errors import UserError
from smalti.core.messages import suggest_name
from smalti.core.model import Ability, has_ability
from smalti.core.protocols import Spec
from smalti.evaluation.kinds import KINDS
from smalti.tasks import describe_model, list_models
from smalti.tasks.model_pictures import find_model_picture

log = logging.getLogger("smalti")


@dataclass(frozen=True)
class OfferedModel:
    """A model of the studio."""

    name: str
    """What clients call it."""
    location: str
    """Shipped name or folder, as tasks and the command line take it."""
    is_run: bool = False
    """Whether it is a run or checkpoint, not a shipped model."""


class Models:
    """The models that are offered, with their specs."""

    def __init__(self, names: Sequence[str] = ()):
        self.offered: dict[str, OfferedModel] = {}
        self._skeletons: dict[str, Any] = {}
        self._faulty: set[str] = set()
        self._lock = threading.Lock()
        shipped = [model.name for model in list_models().models]
        for name in names or shipped:
            if name in shipped:
                self.offered[name] = OfferedModel(name, name)
            else:
                self.add_folder(name)

    def add_folder(self, folder: str | Path, name: str = "") -> OfferedModel:
        """Offer the checkpoint or run in a folder. UserError if it is none."""
        find_checkpoint(str(folder))
        name = name or Path(folder).resolve().name
        model = OfferedModel(name, str(folder), is_run=True)
        self.offered[name] = model
        return model

    def add_runs(self, runs: Mapping[str, str]) -> Models:
        """These models and runs, by name; a model of the server keeps its name."""
        if not runs:
            return self
        found = copy(self)
        added = {name: OfferedModel(name, run, is_run=True) for name, run in runs.items()}
        found.offered = {**added, **self.offered}
        return found

    def find_model(self, name: object) -> OfferedModel:
        """The model of this name. UserError for any other, so that no path is ever opened."""
        if not isinstance(name, str) or name not in self.offered:
            shown = name if isinstance(name, str) else "that is not text"
            raise UserError(f"no model {shown!r:.60}; {suggest_name(str(name), self.offered)}")
        return self.offered[name]

    def build_skeleton(self, name: object) -> Any:
        """The model without weights, to ask it what it is able to do."""
        model = self.find_model(name)
        key = stamp_model(model.location)
        with self._lock:
            if key not in self._skeletons:
                folder = find_checkpoint(model.location)
                skeleton = build_model(read_model_config(folder), folder, "meta")
                self._skeletons[key] = skeleton
            return self._skeletons[key]

    def read_spec(self, name: object) -> Spec | None:
        """What the model outputs and accepts; None for a classifier."""
        return getattr(self.build_skeleton(name), "spec", None)

    def list_able(self, ability: Ability) -> list[str]:
        """The names of the models with an ability."""
        names = [model.name for model in self.list_sound()]
        return [name for name in names if has_ability(self.build_skeleton(name), ability)]

    def list_sound(self) -> list[OfferedModel]:
        """The models that can be built; the log says once why another is left out."""
        found: list[OfferedModel] = []
        for model in self.offered.values():
            try:
                self.build_skeleton(model.name)
            except UserError as error:
                if model.name not in self._faulty:
                    log.warning("%s is left out: %s", model.name, error)
                self._faulty.add(model.name)
            else:
                found.append(model)
        return found

    def describe(self, abilities: Sequence[Ability]) -> list[dict[str, Any]]:
        """Every model as plain values: what forms and scripts need to know."""
        return [self.describe_model(model, abilities) for model in self.list_sound()]

    def describe_model(self, model: OfferedModel, abilities: Sequence[Ability]) -> dict[str, Any]:
        """One model as plain values."""
        skeleton = self.build_skeleton(model.name)
        spec: Spec | None = getattr(skeleton, "spec", None)
        facts: dict[str, Any] = {
            "name": model.name,
            "is_run": model.is_run,
            "abilities": [a for a in abilities if has_ability(skeleton, a)],
            **describe_folder(model.location, stamp_model(model.location)),
        }
        if spec is not None:
            facts |= {
                "output": spec.output,
                "metrics": [*KINDS[spec.output].measures] if spec.output in KINDS else [],
                "channels": spec.channels,
                "size": spec.size,
                "free_size": spec.free_size,
                "accepted_inputs": list(spec.accepted_inputs),
                "fills_holes": any(getattr(s, "fills_holes", False) for s in spec.samplers),
                "conditions": [condition._asdict() for condition in spec.conditions],
            }
        return facts


def stamp_model(location: str) -> str:
    """A key that changes when a run saves a step, without reading its files."""
    latest = Path(location) / "latest"
    return f"{location}@{latest.stat().st_mtime_ns}" if latest.is_file() else location


@lru_cache(maxsize=1024)
def describe_folder(location: str, stamp: str) -> dict[str, Any]:
    """A model's family, size, card and figures as plain values."""
    found = describe_model(find_checkpoint(location))
    return {
        "family": found.family,
        "summary": found.card.get("summary") or found.card.get("data", ""),
        "data": found.card.get("data", ""),
        "parameters": found.n_parameters,
        "bytes": found.n_bytes,
        "figures": found.figures,
        "has_picture": find_model_picture(location) is not None,
    }
