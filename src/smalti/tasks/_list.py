"""list_models: the shipped models and the recipes, without importing PyTorch."""

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

NETWORK_FAMILIES = {
    "plain": "PixelCNN",
    "gated": "Gated PixelCNN",
    "plusplus": "PixelCNN++",
    "gpt": "GPT",
}
TRAINING_FACTS = (
    *("recipe", "parameters", "seed", "steps", "step", "batch", "hardware", "size", "minutes"),
    *("perceptual", "base", "orders", "min_count", "max_symbols", "classes"),
)
"""Facts of a card that say how a model was trained; any other was measured."""


@dataclass(frozen=True)
class ShippedModel:
    """A model that is shipped with smalti, or a checkpoint."""

    name: str
    family: str
    """Kind of model, such as PixelCNN++ or diffusion."""
    can_draw: bool
    n_bytes: int
    """Size of the model's files."""
    n_parameters: int
    card: dict[str, Any]
    """Model card: `data`, `facts`, ..."""

    @property
    def figures(self) -> dict[str, Any]:
        """Facts of its card that were measured: of held-out data, as docs/numbers.md says."""
        facts = self.card.get("facts", {})
        return {
            name: value
            for name, value in facts.items()
            if name not in TRAINING_FACTS and isinstance(value, str | int | float)
        }


@dataclass(frozen=True)
@add_short_repr
class Listing:
    """Shipped models and recipes."""

    models: tuple[ShippedModel, ...]
    recipes: Mapping[str, Entry]


def list_models() -> Listing:
    """List the shipped models and the recipes."""
    folders = sorted(path.parent for path in SHIPPED.glob("*/config.json"))
    return Listing(tuple(map(describe_model, folders)), RECIPES)


def describe_model(folder: Path) -> ShippedModel:
    """Describe the checkpoint in a folder by its files, without building it."""
    content = json.loads((folder / "config.json").read_text())
    return ShippedModel(
        folder.name,
        name_family(content["model"]),
        can_draw="sampler" in content["model"],
        n_bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        n_parameters=count_weights(folder / "model.safetensors"),
        card=content.get("card", {}),
    )


def name_family(model: dict[str, Any]) -> str:
    """The kind of a model by its config's tag, of an autoregressive one by its network's."""
    tag = model["tag"]
    return NETWORK_FAMILIES.get(model["network"]["tag"], tag) if tag == "autoregressive" else tag


def count_weights(weights: Path) -> int:
    """Number of weights by a safetensors file's header, without int8 scales and vocabularies."""
    with weights.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(value["shape"])
        for name, value in header.items()
        if name != "__metadata__" and not name.endswith(":scale") and value["dtype"] != "U8"
    )
