"""Checkpoints: a directory with config.json and model.safetensors; a run points at its latest."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import nn

from smalti.core.config import from_json, to_json
from smalti.core.errors import UserError
from smalti.core.folders import Results, folder_for
from smalti.core.messages import find_like, list_beside
from smalti.core.protocols import Card

FORMAT = 1
FILES = Results(r"config\.json|model\.safetensors", "config.json", ("format", "model"), shared=True)
"""What a checkpoint holds; a run's steps have more."""
SHIPPED = Path(__file__).parent.parent / "assets" / "models"


def save(model: Any, to: str | Path, card: Card = Card(), dtype: torch.dtype | None = None) -> Path:
    """Write `model` (with its `config`) as a checkpoint directory, whole or not at all.

    dtype: store floating weights as this type (float16 for shipped models).
    Raises UserError when `to` exists and is no checkpoint.
    """
    to = Path(to)
    taken = to.exists() and not (to / "config.json").is_file()
    if taken and (to.is_file() or any(to.iterdir())):
        raise UserError(f"{to} exists and is not a checkpoint; choose another directory")
    with folder_for(to, FILES) as folder:
        write_into(folder, model, card, dtype)
    return to


def write_into(
    directory: Path, model: Any, card: Card = Card(), dtype: torch.dtype | None = None
) -> None:
    """config.json and model.safetensors, flushed to the disk, into an existing directory."""
    content = {"format": FORMAT, "model": to_json(model.config), "card": asdict(card)}
    (directory / "config.json").write_text(json.dumps(content, indent=1) + "\n")
    weights = {
        name: (w.to(dtype) if dtype and w.is_floating_point() else w).detach().cpu().contiguous()
        for name, w in model.state_dict().items()
    }
    (directory / "model.safetensors").write_bytes(serialised(weights))  # readable, as umask has it
    for name in ("config.json", "model.safetensors"):
        with open(directory / name, "rb") as file:
            os.fsync(file.fileno())


def load(name_or_dir: str | Path, device: str | torch.device = "cpu") -> Any:
    """A model in eval mode: a shipped name, a checkpoint directory or a run directory.

    Weights come as float32 whatever they are stored as. Raises UserError naming what is wrong.
    """
    directory = find(name_or_dir)
    model = model_config(directory).build()
    try:
        weights = load_file(directory / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise UserError(f"{directory / 'model.safetensors'} cannot be read: {error}") from error
    check_weights(model, weights, directory)
    model.load_state_dict(
        {k: w.float() if w.is_floating_point() else w for k, w in weights.items()}
    )
    return model.to(device).eval()


def check_weights(model: nn.Module, weights: dict, directory: Path) -> None:
    wanted = model.state_dict()
    for word, keys in (
        ("lacks", wanted.keys() - weights),
        ("has unknown", weights.keys() - wanted),
    ):
        if keys:
            raise UserError(
                f"{directory} {word} weights: {sorted(keys)[0]} and {len(keys) - 1} more"
            )
    for key, w in weights.items():
        if w.shape != wanted[key].shape:
            raise UserError(
                f"{directory}: weight {key} has shape {tuple(w.shape)}; "
                f"its config wants {tuple(wanted[key].shape)}"
            )


def find(name_or_dir: str | Path) -> Path:
    """The checkpoint directory behind a shipped name, a checkpoint or a run directory."""
    given = Path(name_or_dir)
    if (given / "latest").is_file():
        given = given / (given / "latest").read_text().strip()
    # where earlier versions had one while another took its place
    aside = () if given.exists() or not given.name else (given.with_name(given.name + ".old"),)
    for directory in (given, SHIPPED / str(name_or_dir), *aside):
        if (directory / "config.json").is_file():
            return directory
    if given.exists() or Path(name_or_dir).exists():
        raise UserError(
            f"{given} is not a checkpoint: it has no config.json; name a run or a model"
        )
    known = f"shipped are {', '.join(shipped()) or 'none'}"
    raise UserError(
        f"no model {str(name_or_dir)!r}: neither a directory nor shipped; "
        f"{find_like(str(given), [*shipped(), *list_beside(given)]) or known}"
    )


def shipped() -> list[str]:
    """Names of the models that come with smalti."""
    return sorted(p.parent.name for p in SHIPPED.glob("*/config.json"))


def read_config(directory: str | Path) -> dict[str, Any]:
    """config.json as JSON values, its format checked."""
    path = Path(directory) / "config.json"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        raise UserError(f"{path} has format {found}; this smalti reads {FORMAT}")
    return content


def model_config(directory: Path) -> Any:
    """The config of the model in a checkpoint directory."""
    path, value = directory / "config.json", read_config(directory).get("model")
    try:
        config = from_json(value)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if not hasattr(config, "build"):
        raise UserError(f"{path} holds no model, but {value!r}; was it written by smalti?")
    return config


def read_card(name_or_dir: str | Path) -> Card:
    """What is known of a trained model."""
    directory = find(name_or_dir)
    try:
        return Card(**read_config(directory).get("card", {}))
    except TypeError as error:
        raise UserError(f"{directory / 'config.json'} has a card that is none: {error}") from error
