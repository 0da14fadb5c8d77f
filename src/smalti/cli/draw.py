"""What every verb that draws from a model shares: devices, classes, batches, frames."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import smalti
from smalti.cli.meter import Meter
from smalti.core.device import check_device
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.pictures import grid
from smalti.core.protocols import Generative, Spec
from smalti.core.sampling import check_finite
from smalti.core.size import show_size

FRAMES = 60
"""Most frames of a GIF: longer walks are thinned out."""
DIGITS = 18
"""Of the longest whole number that is read."""
LARGEST_SIDE = 4096
"""Pixels; the largest side that can be asked for."""
SHOWN = 64
"""Most pictures in a GIF."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Samples, and how they came about."""

    pictures: Tensor
    """(N, C, H, W) in [0, 1]."""
    frames: tuple[Tensor, ...] = ()
    """The first of them, (at most SHOWN, C, H, W) each, from noise to picture."""


def chosen_device(name: str) -> str:
    """A device of this machine: "auto" is CUDA where there is one. UserError for one it lacks."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        check_device(name)
    except UserError as error:
        raise UserError(
            f"--device {name}: PyTorch finds no such device here; use --device cpu"
        ) from error
    return name


def name_of(model: str) -> str:
    """What to call the results of a model: its own name, or its folder's."""
    return os.path.basename(os.path.abspath(model))


def picture_model(name: str, device: str) -> Any:
    """A model that draws pictures. UserError when it is of another kind."""
    model = smalti.load(name, device=chosen_device(device))
    if getattr(getattr(model, "spec", None), "output", None) != "picture":
        raise UserError(f"{name} does not draw pictures; `smalti list` shows which models do")
    return model


def chosen_classes(words: Sequence[str], spec: Spec, model: str) -> list[int]:
    """Classes by name or number; one word may list several with commas, "all" is all of them."""
    names = [name for word in words for name in word.split(",") if name]
    if names and not spec.classes:
        raise UserError(f"--class {names[0]} is given, but {model} has no classes; leave it out")
    if names == ["all"]:
        return list(range(len(spec.classes)))
    return [class_number(name.strip(), spec.classes, model) for name in names]


def class_number(name: str, classes: tuple[str, ...], model: str) -> int:
    if name in classes:
        return classes.index(name)
    if (number := whole_number(name)) is not None and number < len(classes):
        return number
    shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
    raise UserError(f"--class {name} is none of {model}'s classes: {shown}")


def whole_number(word: str) -> int | None:
    """0 or more; None for other words, and for more digits than any number here has."""
    return int(word) if word.isascii() and word.isdigit() and len(word) <= DIGITS else None


def chosen_text(text: Sequence[str], number: int, spec: Spec, model: str) -> list[str] | None:
    """(number,) captions, which take turns; None without any."""
    if not text:
        return None
    if "text" not in spec.given:
        raise UserError(f"--text {text[0]!r} is given, but {model} reads no text; leave it out")
    return [text[i % len(text)] for i in range(number)]


def chosen_size(size: tuple[int, int] | None, spec: Spec, model: str) -> tuple[int, int] | None:
    """(H, W), the same. UserError when the model draws one size alone."""
    if size is not None and not spec.free_size:
        raise UserError(
            f"--size {show_size(size)} is given, but {model} has a fixed size; leave it out"
        )
    if size is not None and max(size) > LARGEST_SIDE:
        raise UserError(
            f"--size {show_size(size)} is more than can be drawn; give {LARGEST_SIDE} at most"
        )
    return size


def draw(
    model: Generative, seeds: Sequence[int], given: Given, sampler: Any, *, batch: int, film: bool
) -> Drawn:
    """One sample per seed, `batch` at a time. given.labels and given.start are (N, ...).

    film: keep frames, too.
    """
    pictures: list[Tensor] = []
    films: list[list[Tensor]] = []
    with Meter("drawing", len(seeds)) as meter:
        for first in range(0, len(seeds), batch):
            rows = slice(first, first + batch)
            keep = max(0, SHOWN - first) if film else 0
            frames: list[Tensor] = []
            for picture in walk(model, seeds[rows], part(given, rows), sampler, meter):
                frames.append(picture[:keep])
            pictures.append(picture)
            films.append(frames)
            meter.advance(len(seeds[rows]))
    return Drawn(torch.cat(pictures), tuple(join(films)) if film else ())


def walk(
    model: Generative, seeds: Sequence[int], given: Given, sampler: Any, meter: Meter
) -> Iterator[Tensor]:
    """Pictures (n, C, H, W) of the states, thinned to about FRAMES; the last one always."""
    state = None
    states = smalti.stream(model, seeds=seeds, given=given, sampler=sampler)
    for state in states:
        meter.advance(0, f"{state.unit} {state.step}/{state.steps}")
        if state.step % max(1, state.steps // FRAMES) == 0 and state.step != state.steps:
            yield shown(model, state)
    assert state is not None
    check_finite(last := shown(model, state))
    yield last


def shown(model: Generative, state: Any) -> Tensor:
    rendered = model.render(state)
    assert isinstance(rendered, Tensor)
    return rendered.cpu()


def part(given: Given, rows: slice) -> Given:
    """The conditions of some of the samples."""
    values = {f.name: getattr(given, f.name) for f in dataclasses.fields(given)}
    cut = {k: v[rows] for k, v in values.items() if isinstance(v, (Tensor, list))}
    conditions = {name: value[rows] for name, value in given.conditions.items()}
    return dataclasses.replace(given, **cut, conditions=conditions)


def join(films: list[list[Tensor]]) -> Iterator[Tensor]:
    """The frames of all batches side by side, in time."""
    for frames in zip(*films, strict=True):
        yield torch.cat(frames)


def film_of(drawn: Drawn, order: Tensor, columns: int | None = None) -> list[Image.Image]:
    """The frames as grids, for a GIF; `order` arranges the pictures."""
    few = order[order < len(drawn.frames[0])]
    return [grid(frame[few], columns) for frame in drawn.frames]
