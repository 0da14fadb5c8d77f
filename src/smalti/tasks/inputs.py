"""What a task is given beside its model: pictures, classes, text, a size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from smalti.core.conditions import NONE
from smalti.core.errors import UserError
from smalti.core.protocols import Spec
from smalti.core.size import parse_size, show_size
from smalti.data.decode import look_of
from smalti.data.single import Picture, read_levels
from smalti.tasks.models import find_class

BACKGROUND = "white"
LARGEST_SIDE = 4096
"""Pixels; the largest side that can be asked for."""
Classes = Sequence[int | str] | int | str
"""By number or name, or "all"; "none" for none of them. Several take turns."""
Pictures = Picture | Sequence[Picture]
"""One or several, by path, of Pillow, as arrays (H, W) or (H, W, 3) or tensors (C, H, W), the last
two of uint8 or floats in [0, 1]; several in a list, or along the first of four axes."""


def list_pictures(pictures: Pictures) -> list[Picture]:
    """One picture, or several, as a list. UserError where there are none."""
    if isinstance(pictures, str | Path | Image.Image) or getattr(pictures, "ndim", 4) < 4:
        pictures = cast(Sequence[Picture], [pictures])
    found = list(pictures)
    if not found:
        raise UserError("no pictures are given; name one file or more")
    return found


def read_pictures(pictures: Pictures, spec: Spec, size: tuple[int, int] | None = None) -> Tensor:
    """(n, C, H, W) in [0, 1], of the model's channels, cropped and resized to `size` or to its own.

    Raises UserError, naming the file, for what is no picture.
    """
    size = size or spec.size
    return torch.stack([fit_picture(one, spec.channels, size) for one in list_pictures(pictures)])


def fit_picture(picture: Picture, channels: int, size: tuple[int, int] | None) -> Tensor:
    """(C, H, W) in [0, 1]; a tensor of floats that fits already stays as it is."""
    if (
        isinstance(picture, Tensor)
        and picture.is_floating_point()
        and picture.shape == (channels, *(size or picture.shape[1:]))
    ):
        if not (picture.min() >= 0 and picture.max() <= 1):
            raise UserError("the pictures have values outside 0 to 1; give pictures in 0 to 1")
        return picture.detach().cpu().float()
    look = look_of(size, "grey" if channels == 1 else "rgb", BACKGROUND, crop=True)
    levels = torch.from_numpy(read_levels(picture, look)).float() / 255
    return levels.expand(channels, -1, -1)  # grey pictures come with one channel


def name_files(pictures: Pictures) -> list[str | None]:
    """The paths of pictures, for a record; None for one that is no file."""
    each = list_pictures(pictures)
    return [str(one) if isinstance(one, str | Path) else None for one in each]


def find_classes(classes: Classes, spec: Spec, model: str) -> list[int]:
    """The numbers of classes. "none" is the one behind the last, for a model that knows it."""
    words = [classes] if isinstance(classes, int | str) else [*classes]
    if words == ["all"] and spec.classes:
        return list(range(len(spec.classes)))
    unknown = any(c.name == "class" and c.unknown for c in spec.conditions)
    if NONE in words and NONE not in spec.classes and unknown and "conditions" in spec.given:
        return [find_class(word, (*spec.classes, NONE), model) for word in words]
    return [find_class(word, spec.classes, model) for word in words]


def name_classes(labels: Sequence[int] | None, spec: Spec) -> list[str] | None:
    """The names of what `find_classes` finds; None without any."""
    return [(*spec.classes, NONE)[k] for k in labels] if labels else None


def tell_classes(labels: Sequence[int] | None, spec: Spec) -> dict[str, Any]:
    """The fields of a `Given` for these classes of n samples."""
    if not labels:
        return {}
    if max(labels) == len(spec.classes):  # said by name alone
        return {"conditions": {"class": name_classes(labels, spec)}}
    return {"labels": torch.tensor(labels)}


def take_turns(values: Sequence[Any], n: int) -> list[Any]:
    """n of these values in turn; none of none."""
    return [values[i % len(values)] for i in range(n)] if values else []


def check_text(text: Sequence[str] | str, spec: Spec, model: str) -> list[str]:
    """Captions, one or several. UserError where the model reads none."""
    texts = [text] if isinstance(text, str) else [*text]
    if texts and "text" not in spec.given:
        raise UserError(f"text {texts[0]!r} is given, but {model} reads no text; leave it out")
    return texts


def check_size(size: object, spec: Spec, model: str) -> tuple[int, int] | None:
    """(H, W) of one number or two. UserError when the model draws one size alone."""
    if size is None:
        return None
    size = parse_size(size)
    if not spec.free_size:
        raise UserError(
            f"size {show_size(size)} is given, but {model} has a fixed size; leave it out"
        )
    if max(size) > LARGEST_SIDE:
        raise UserError(
            f"size {show_size(size)} is more than can be drawn; give {LARGEST_SIDE} at most"
        )
    return size
