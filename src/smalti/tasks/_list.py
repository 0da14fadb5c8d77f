"""list_models: what there is to draw from and to train, found without importing PyTorch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import smalti
from smalti.core.short_repr import add_short_repr
from smalti.recipes import RECIPES, Entry

SHIPPED = Path(smalti.__file__).parent / "assets" / "models"


@dataclass(frozen=True)
class ShippedModel:
    """A model that comes with smalti."""

    name: str
    family: str
    """The tag of its config."""
    can_draw: bool
    n_bytes: int
    """Bytes of its files."""
    n_parameters: int
    card: dict[str, Any]
    """What is known of it: `data`, `facts` ..."""


@dataclass(frozen=True)
@add_short_repr
class Listing:
    """What there is to draw from and to train."""

    models: tuple[ShippedModel, ...]
    recipes: Mapping[str, Entry]


def list_models() -> Listing:
    """The shipped models, and the recipes."""
    folders = sorted(path.parent for path in SHIPPED.glob("*/config.json"))
    return Listing(tuple(map(describe_model, folders)), RECIPES)


def describe_model(folder: Path) -> ShippedModel:
    content = json.loads((folder / "config.json").read_text())
    return ShippedModel(
        folder.name,
        content["model"]["tag"],
        can_draw="sampler" in content["model"],
        n_bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        n_parameters=count_weights(folder / "model.safetensors"),
        card=content.get("card", {}),
    )


def count_weights(weights: Path) -> int:
    """Weights in a safetensors file, by its header alone: no scales of int8, and no vocabulary."""
    with weights.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(value["shape"])
        for name, value in header.items()
        if name != "__metadata__" and not name.endswith(":scale") and value["dtype"] != "U8"
    )
