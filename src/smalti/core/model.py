"""The base of every model that a user holds, and the way from a name to one."""

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
"""What a model puts out that is able to do so."""
ABILITY_ATTRIBUTES = {"walk": "is_lossless", "score": "score"}
"""What a model has, and is, that is able to do so."""
ABILITY_WORDS = {
    "encode": "turn pictures into codes",
    "walk": "go through pictures symbol by symbol, as a PixelCNN does",
    "score": "tell how likely pictures are",
}


class Model(nn.Module):
    """A network with a `config`, a `card` and a short `repr`.

    `repr(model.network)` is PyTorch's tree of modules, `nn.Module.__repr__(model)` that of all.
    """

    spec: Spec  # of all but classifiers
    card: Card = Card()
    """What is known of it; empty until it is loaded, or set. `smalti.save` writes it."""

    def __repr__(self) -> str:
        spec, config = getattr(self, "spec", None), getattr(self, "config", None)
        K = len(spec.classes) if spec is not None else getattr(config, "classes", 0)
        size = () if spec is None or not spec.channels else (spec.channels, *(spec.size or ()))
        weights = [*self.parameters()]
        told = (
            "x".join(map(str, size)),
            f"{K:,} classes" if K else "",
            f"{sum(w.numel() for w in weights) / 1e6:.2f} M parameters",
            str(weights[0].device) if weights else "",
        )
        name = f"{type(self).__name__} {self.card.name}".strip()
        return f"<{name}: {', '.join(filter(None, told))}>"


def open_model(model: object, ability: Ability = "", device: str | torch.device = "cpu") -> Any:
    """A model that is given itself, or by its shipped name or its folder.

    ability: what it must be able to do.  device: where one is loaded to that is given by its name; any
    other stays where it is.  UserError for whatever is no such model.
    """
    name = name_model(model)
    if isinstance(model, (str, Path)):
        model = load(model, device)
    if isinstance(model, type):
        raise UserError(f"model is the class {model.__name__}; give a model, or a model's name")
    if dataclasses.is_dataclass(model) and hasattr(model, "build"):
        raise UserError(f"model is a {type(model).__name__}; give what its build() makes")
    if not hasattr(model, "config") and not hasattr(model, "spec"):
        raise UserError(f"model is {shorten(model)}; give a model, its name or its folder")
    if not has_ability(model, ability):
        words = ABILITY_WORDS.get(ability, ability)
        raise UserError(f"{name} does not {words}; `smalti list` shows which models do")
    return model


def has_ability(model: object, ability: Ability) -> bool:
    """Whether a model puts out, or has, what that takes."""
    output = getattr(getattr(model, "spec", None), "output", "")
    has = getattr(model, ABILITY_ATTRIBUTES.get(ability, "__class__"), False)
    return output in ABILITY_OUTPUTS.get(ability, (output,)) and bool(has)


def name_model(model: object) -> str:
    """What to call a model: its folder's name, the name on its card, or its type's."""
    if isinstance(model, (str, Path)):
        return os.path.basename(os.path.abspath(model))
    card: Card = getattr(model, "card", Card())
    return card.name or type(model).__name__.lower()
