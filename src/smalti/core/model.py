"""The base class of models, and how to open a model by name."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from smalti.core.checkpoint import load
from smalti.core.errors import UserError, shorten
from smalti.core.protocols import Card, Spec

Ability = Literal["", "draw", "draw pictures", "encode", "walk", "score", "translate"]
ABILITY_OUTPUTS = {
    "draw": ("picture", "text", "indices"),
    "draw pictures": ("picture",),
    "encode": ("codes",),
    "translate": ("text",),
}
"""The outputs of models with an ability."""
ABILITY_ATTRIBUTES = {"walk": "is_lossless", "score": "score"}
"""The attributes of models with an ability."""
ABILITY_WORDS = {
    "encode": "encode pictures as codes",
    "walk": "go through pictures symbol by symbol, as a PixelCNN does",
    "score": "compute the likelihood of pictures",
}


class Model(nn.Module):
    """A network with a `config`, a `card` and a short `repr`.

    `repr(model.network)` is PyTorch's tree of modules, `nn.Module.__repr__(model)` that of all.
    """

    spec: Spec  # all models except classifiers have one
    card: Card = Card()
    """The model card; empty unless loaded or set. `smalti.save` writes it."""

    def __repr__(self) -> str:
        spec, config = getattr(self, "spec", None), getattr(self, "config", None)
        K = len(spec.classes) if spec is not None else getattr(config, "classes", 0)
        size = () if spec is None or not spec.channels else (spec.channels, *(spec.size or ()))
        weights = [*self.parameters()]
        parts = (
            "x".join(map(str, size)),
            f"{K:,} classes" if K else "",
            f"{sum(w.numel() for w in weights) / 1e6:.2f} M parameters",
            str(weights[0].device) if weights else "",
        )
        name = f"{type(self).__name__} {self.card.name}".strip()
        return f"<{name}: {', '.join(filter(None, parts))}>"


def open_model(model: object, ability: Ability = "", device: str | torch.device = "cpu") -> Any:
    """Return a model that is given itself, by its shipped name or by its folder.

    ability: what it must be able to do.  device: the device for a model given by name or folder;
    a model object is not moved.  UserError if it is not such a model.
    """
    name = name_model(model)
    if isinstance(model, (str, Path)):
        model = load(model, device)
    if isinstance(model, type):
        raise UserError(f"model is the class {model.__name__}; give a model, or a model's name")
    if dataclasses.is_dataclass(model) and hasattr(model, "build"):
        raise UserError(f"model is a {type(model).__name__}; give the result of its build()")
    if not hasattr(model, "config") and not hasattr(model, "spec"):
        raise UserError(f"model is {shorten(model)}; give a model, its name or its folder")
    if not has_ability(model, ability):
        words = ABILITY_WORDS.get(ability, ability)
        raise UserError(f"{name} does not {words}; `smalti list` shows which models do")
    return model


def has_ability(model: object, ability: Ability) -> bool:
    """Whether a model has the output or attribute that an ability requires."""
    output = getattr(getattr(model, "spec", None), "output", "")
    has = getattr(model, ABILITY_ATTRIBUTES.get(ability, "__class__"), False)
    return output in ABILITY_OUTPUTS.get(ability, (output,)) and bool(has)


def name_model(model: object) -> str:
    """Return a model's name: its folder's, the one on its card, or its type's."""
    if isinstance(model, (str, Path)):
        return os.path.basename(os.path.abspath(model))
    card: Card = getattr(model, "card", Card())
    return card.name or type(model).__name__.lower()
