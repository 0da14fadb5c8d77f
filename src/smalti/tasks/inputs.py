"""What a task is given: a model, and pictures, classes, text and a size in the model's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from smalti.core.conditions import NONE
from smalti.core.errors import UserError, shorten
from smalti.core.model import Ability, name_model, open_model
from smalti.core.protocols import Spec
from smalti.core.size import format_size, normalize_size
from smalti.data.decode import make_preprocessing
from smalti.data.single_picture import PictureLike, read_pixels

BACKGROUND = "white"
MAX_SIDE = 4096
"""Pixels; the largest side that can be asked for."""
MAX_CLASS_DIGITS = 18
"""Of the longest whole number that is read as a class."""
Classes = Sequence[int | str] | int | str
"""By number or name, or "all"; "none" for none of them. Several take turns."""
Pictures = PictureLike | Sequence[PictureLike]
"""One or several, by path, of Pillow, as arrays (H, W) or (H, W, 3) or tensors (C, H, W), the last
two of uint8 or floats in [0, 1]; several in a list, or along the first of four axes."""
Conditions = Mapping[str, Sequence[str] | str]
"""What else is told of pictures, by name; several values of one take turns."""
NO_CONDITIONS: Conditions = MappingProxyType({})


@dataclass(frozen=True)
class SelectedModel:
    """A model as a task is given it, and what the task's other arguments mean to it."""

    model: Any
    name: str
    """In errors."""
    recorded_name: str
    """In records: its name or folder as it was given."""

    @property
    def spec(self) -> Spec:
        return self.model.spec

    def read_pictures(self, pictures: Pictures, size: tuple[int, int] | None = None) -> Tensor:
        """(n, C, H, W) in [0, 1], of the model's channels, in `size` or its own."""
        return read_pictures(pictures, self.spec.channels, size or self.spec.size)

    def find_class_indices(self, classes: Classes) -> list[int]:
        """The numbers of classes. "none" is the one behind the last, for a model that knows it."""
        words = [classes] if isinstance(classes, int | str) else [*classes]
        known, spec = self.spec.classes, self.spec
        if words == ["all"] and known:
            return list(range(len(known)))
        unknown = any(c.name == "class" and c.allows_none for c in spec.conditions)
        if NONE in words and NONE not in known and unknown and "conditions" in spec.accepted_inputs:
            known = (*known, NONE)
        return [find_class_index(word, known, self.name) for word in words]

    def name_classes(self, labels: Sequence[int] | None) -> list[str] | None:
        """The names of what `find_classes` finds; None without any."""
        return [(*self.spec.classes, NONE)[k] for k in labels] if labels else None

    def make_inputs(
        self, labels: Sequence[int] | None, conditions: Conditions = NO_CONDITIONS
    ) -> dict[str, Any]:
        """The fields of a `Given` for these classes of n samples, and for as many conditions."""
        fields: dict[str, Any] = {"conditions": dict(conditions)} if conditions else {}
        if not labels:
            return fields
        if max(labels) == len(self.spec.classes):  # said by name alone
            return {"conditions": {"class": self.name_classes(labels), **conditions}}
        return {"labels": torch.tensor(labels), **fields}

    def check_text(self, text: Sequence[str] | str) -> list[str]:
        """Captions, one or several. UserError where the model reads none."""
        texts = [text] if isinstance(text, str) else [*text]
        if texts and "text" not in self.spec.accepted_inputs:
            raise UserError(
                f"text {texts[0]!r} is given, but {self.name} reads no text; leave it out"
            )
        return texts

    def check_size(self, size: object) -> tuple[int, int] | None:
        """(H, W) of one number or two. UserError when the model draws one size alone."""
        if size is None:
            return None
        size = normalize_size(size)
        given = f"size {format_size(size)} is"
        if not self.spec.free_size:
            raise UserError(f"{given} given, but {self.name} has a fixed size; leave it out")
        if max(size) > MAX_SIDE:
            raise UserError(f"{given} more than can be drawn; give {MAX_SIDE} at most")
        return size


def select_model(
    model: object, device: str = "auto", ability: Ability = "draw pictures"
) -> SelectedModel:
    """A model by name, folder or loaded.  UserError when it is not able."""
    loaded, name = open_model(model, ability, device), name_model(model)
    return SelectedModel(loaded, name, str(model) if isinstance(model, str | Path) else name)


def list_pictures(pictures: Pictures) -> list[PictureLike]:
    """One picture, or several, as a list. UserError where there are none."""
    if isinstance(pictures, str | Path | Image.Image) or getattr(pictures, "ndim", 4) < 4:
        pictures = cast(Sequence[PictureLike], [pictures])
    found = list(pictures)
    if not found:
        raise UserError("no pictures are given; name one file or more")
    return found


def read_pictures(pictures: Pictures, channels: int, size: tuple[int, int] | None) -> Tensor:
    """(n, C, H, W) in [0, 1], cropped and resized to `size`; None leaves a picture at its own.

    Raises UserError, naming the file, for what is no picture.
    """
    return torch.stack([fit_picture(one, channels, size) for one in list_pictures(pictures)])


def fit_picture(picture: PictureLike, channels: int, size: tuple[int, int] | None) -> Tensor:
    """(C, H, W) in [0, 1]; a tensor of floats that fits already stays as it is."""
    if (
        isinstance(picture, Tensor)
        and picture.is_floating_point()
        and picture.shape == (channels, *(size or picture.shape[1:]))
    ):
        if not (picture.min() >= 0 and picture.max() <= 1):
            raise UserError("the pictures have values outside 0 to 1; give pictures in 0 to 1")
        return picture.detach().cpu().float()
    preprocessing = make_preprocessing(
        size, "gray" if channels == 1 else "rgb", BACKGROUND, crop=True
    )
    levels = torch.from_numpy(read_pixels(picture, preprocessing)).float() / 255
    return levels.expand(channels, -1, -1)  # gray pictures come with one channel


def list_paths(pictures: Pictures) -> list[str | None]:
    """The paths of pictures, for a record; None for one that is no file."""
    each = list_pictures(pictures)
    return [str(one) if isinstance(one, str | Path) else None for one in each]


def cycle_values(values: Sequence[Any], n: int) -> list[Any]:
    """n of these values in turn; none of none."""
    return [values[i % len(values)] for i in range(n)] if values else []


def cycle_conditions(conditions: Conditions, n: int) -> dict[str, list[str]]:
    """n values of each condition, in turn."""
    each = {k: [v] if isinstance(v, str) else [*v] for k, v in conditions.items()}
    return {name: cycle_values(values, n) for name, values in each.items()}


def find_class_index(label: int | str, classes: Sequence[str], model: str) -> int:
    """The number of a class that is given by name or number, which may be a word, too."""
    if label in classes:
        return classes.index(label)
    index = int(label) if is_class_number(label) else -1
    if 0 <= index < len(classes):
        return index
    if not classes:
        raise UserError(f"class {label} is given, but {model} has no classes; leave it out")
    shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
    if label == NONE:
        raise UserError(f"{model} never learned without a class; give one of {shown}")
    raise UserError(f"class {shorten(label)} is none of {model}'s classes: {shown}")


def is_class_number(label: int | str) -> bool:
    """Whether it is a number that some class may have."""
    if isinstance(label, str):
        return label.isascii() and label.isdigit() and len(label) <= MAX_CLASS_DIGITS
    return not isinstance(label, bool)
