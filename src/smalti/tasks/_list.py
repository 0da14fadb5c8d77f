"""list_models, describe: the shipped models and the recipes, without importing PyTorch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import smalti
from smalti.core.errors import UserError
from smalti.core.messages import suggest_name
from smalti.core.short_repr import add_short_repr
from smalti.recipes import RECIPES, Entry

SHIPPED = Path(smalti.__file__).parent / "assets" / "models"

OTHERS = "Others"
FAMILIES = (
    *("Diffusion", "PixelCNN", "Codecs", "Priors over codes", "Translation", "Classifiers"),
    OTHERS,
)
"""Families in the order of a listing."""
TAGS = {
    "diffusion": ("Diffusion", "DDPM"),
    "context-mixing": ("PixelCNN", "PixelCNN++ with counts"),
    "vqvae": ("Codecs", "VQ-VAE"),
    "vqgan": ("Codecs", "VQGAN"),
    "kl-autoencoder": ("Codecs", "KL autoencoder"),
    "translator": ("Translation", "Transformer"),
    "classifier": ("Classifiers", "convolutional network"),
}
"""Tag of a config to its family, and to the model's name in the papers."""
NETWORKS = {
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
USES = {
    "Codecs": "smalti reconstruct {} PICTURES",
    "Translation": 'smalti translate --model {} "Save the file."',
    "Classifiers": "smalti evaluate RUN --features {features}",
}


@dataclass(frozen=True)
class ShippedModel:
    """A model that is shipped with smalti, or a checkpoint."""

    name: str
    family: str
    """One of FAMILIES."""
    kind: str
    """The model in the papers' words, such as PixelCNN++."""
    summary: str
    """What it makes, in a line."""
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

    @property
    def command(self) -> str:
        """A command that uses the model."""
        command = USES.get(self.family, "smalti sample {} -n 16")
        return command.format(self.name, features=self.name.removesuffix("-classifier"))


@dataclass(frozen=True)
@add_short_repr
class Listing:
    """Shipped models and recipes."""

    models: tuple[ShippedModel, ...]
    """By family, then by name."""
    recipes: Mapping[str, Entry]


def list_models() -> Listing:
    """List the shipped models and the recipes."""
    folders = sorted(path.parent for path in SHIPPED.glob("*/config.json"))
    models = sorted(map(describe_model, folders), key=lambda model: FAMILIES.index(model.family))
    return Listing(tuple(models), RECIPES)


def find_listed(name: str) -> tuple[ShippedModel | None, Entry | None]:
    """The shipped model and the recipe of a name, either of which may be None.

    Raises UserError if there is neither.
    """
    listing = list_models()
    models = {model.name: model for model in listing.models}
    if name not in models and name not in listing.recipes:
        known = [*models, *listing.recipes]
        raise UserError(f"no shipped model or recipe {name!r}; {suggest_name(name, known)}")
    return models.get(name), listing.recipes.get(name)


def describe_model(folder: Path) -> ShippedModel:
    """Describe the checkpoint in a folder by its files, without building it."""
    content = json.loads((folder / "config.json").read_text())
    family, kind = name_family(content["model"])
    card = content.get("card", {})
    return ShippedModel(
        folder.name,
        family,
        kind,
        card.get("summary", ""),
        can_draw="sampler" in content["model"],
        n_bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        n_parameters=count_weights(folder / "model.safetensors"),
        card=card,
    )


def name_family(model: dict[str, Any]) -> tuple[str, str]:
    """A model's family and kind, by the tags of its config."""
    if model["tag"] != "autoregressive":
        return TAGS.get(model["tag"], (OTHERS, model["tag"]))
    tag: str = model["network"]["tag"]
    kind = NETWORKS.get(tag, tag)
    of_pixels = model["codec"]["tag"] == "levels"
    return ("PixelCNN" if of_pixels else "Priors over codes"), kind


def count_weights(weights: Path) -> int:
    """Number of weights by a safetensors file's header, without int8 scales and vocabularies."""
    with weights.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(value["shape"])
        for name, value in header.items()
        if name != "__metadata__" and not name.endswith(":scale") and value["dtype"] != "U8"
    )
