"""References of a model's config to other checkpoints, such as a prior's codec.

In the config.json of a checkpoint, a reference that begins with "./" is relative to its folder, so
that the folder can be moved. In memory all are absolute, or names of shipped models.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from smalti.core.saved_steps import MODEL_FILES

C = TypeVar("C")
INSIDE = "./"
"""Beginning of references into the checkpoint's own folder."""


@runtime_checkable
class ModelReference(Protocol):
    """A config that refers to another model by name or folder, and to its hash."""

    @property
    def model(self) -> str: ...
    @property
    def sha256(self) -> str: ...  # empty before it is pinned
    def refer_to(self, model: str) -> Self: ...  # the same one, named or moved otherwise
    def pin_hash(self) -> Self: ...  # with its hash, and as an absolute folder or a shipped name
    def find_folder(self) -> Path: ...  # of its checkpoint; UserError if there is none
    def load(self) -> Any: ...  # UserError if it is missing, or has another hash


def change_references(config: C, change: Callable[[ModelReference], ModelReference]) -> C:
    """A config in which each reference is changed, at any depth."""
    return _change_within(config, change)


def _change_within(value: Any, change: Callable[[ModelReference], ModelReference]) -> Any:
    if isinstance(value, ModelReference):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_change_within(part, change) for part in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    changed = {name: _change_within(part, change) for name, part in parts.items()}
    different = {name: part for name, part in changed.items() if part != parts[name]}
    return dataclasses.replace(value, **different) if different else value


def resolve_references(config: C, folder: Path) -> C:
    """A config read from this folder, whose references into it are absolute."""

    def resolve(reference: ModelReference) -> ModelReference:
        if not reference.model.startswith(INSIDE):
            return reference
        return reference.refer_to(os.path.abspath(folder / reference.model))

    return change_references(config, resolve)


def move_references(config: C, old: Path, new: Path) -> C:
    """A config whose references into the folder `old` refer to the same place in `new`."""

    def move(reference: ModelReference) -> ModelReference:
        path = Path(os.path.abspath(reference.model))
        if not path.is_relative_to(old.absolute()):
            return reference
        return reference.refer_to(str(new.absolute() / path.relative_to(old.absolute())))

    return change_references(config, move)


def shorten_references(config: C, folder: Path) -> C:
    """A config for this folder, whose references into it are relative."""

    def relate(reference: ModelReference) -> ModelReference:
        path = Path(os.path.abspath(reference.model))
        if path.is_relative_to(folder.absolute()):
            return reference.refer_to(INSIDE + path.relative_to(folder.absolute()).as_posix())
        if reference.model.startswith(INSIDE):  # relative to the working folder
            return reference.refer_to(str(path))
        return reference

    return change_references(config, relate)


def embed_references(config: C, folder: Path, kept: Path, standalone: bool) -> C:
    """Copy models that a config refers to into a folder; the config refers to the copies.

    Those in the folder `kept`, which this one replaces, keep their names there. With `standalone`
    all others are copied, too, as codec/, codec-2/ and so on, each once. UserError if one is
    missing, or if its hash is another than the config's.
    """
    copies: dict[Path, Path] = {}

    def embed(reference: ModelReference) -> ModelReference:
        path, root = (Path(os.path.realpath(one)) for one in (reference.model, kept))
        own = path.relative_to(root) if path.is_relative_to(root) else None
        if own is None and not standalone:
            return reference
        reference = reference.pin_hash()
        reference.load()  # checks the hash
        source = reference.find_folder()
        if source not in copies:
            copies[source] = copy_checkpoint(source, folder / (own or find_free_name(folder)))
        return reference.refer_to(str(copies[source]))

    return change_references(config, embed)


def find_free_name(folder: Path) -> str:
    """The first of codec, codec-2, codec-3 ... that the folder does not have."""
    names = ("codec", *(f"codec-{k}" for k in range(2, 1_000)))
    return next(name for name in names if not (folder / name).exists())


def copy_checkpoint(source: Path, target: Path) -> Path:
    """Copy a checkpoint's files to a new folder, and fsync them."""
    target.mkdir(parents=True)
    for name in MODEL_FILES:
        shutil.copyfile(source / name, target / name)
        with open(target / name, "rb") as file:
            os.fsync(file.fileno())
    return target.absolute()
