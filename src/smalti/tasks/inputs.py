"""The inputs of tasks: a model, and pictures, classes, captions and sizes checked against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from smalti.core.conditions import NONE, takes_label_maps
from smalti.core.errors import UserError, shorten
from smalti.core.model import Ability, name_model, open_model
from smalti.core.protocols import Spec
from smalti.core.size import format_size, normalize_size
from smalti.data.decode import make_label_preprocessing, make_preprocessing
from smalti.data.single_picture import PictureLike, read_pixels

BACKGROUND = "white"
MAX_SIDE = 4096
"""Largest side of a picture to draw, in pixels."""
MAX_CLASS_DIGITS = 18
"""Maximum digits of a class number."""
Classes = Sequence[int | str] | int | str
"""Class numbers or names, or "all", or "none" for no class. Several are cycled."""
Pictures = PictureLike | Sequence[PictureLike]
"""One picture or several: paths, Pillow images, arrays (H, W) or (H, W, 3), or tensors (C, H, W),
of uint8 or of floats in [0, 1]. Several are a list, or an array or tensor with a batch axis."""
Conditions = Mapping[str, Sequence[str] | str]
"""Values of other conditions, by name; several values are cycled."""
NO_CONDITIONS: Conditions = MappingProxyType({})


@dataclass(frozen=True)
class SelectedModel:
    """The model of a task, and checks of the task's other arguments against it."""

    model: Any
    name: str
    """The name in errors."""
    recorded_name: str
    """The name in records: the name or folder that was given."""

    @property
    def spec(self) -> Spec:
        return self.model.spec

    def read_pictures(self, pictures: Pictures, size: tuple[int, int] | None = None) -> Tensor:
        """(n, C, H, W) in [0, 1], with the model's channels, in `size` or the model's size."""
        return read_pictures(pictures, self.spec.channels, size or self.spec.size)

    def read_input_pictures(self, pictures: Pictures, size: tuple[int, int] | None) -> Tensor:
        """As `read_pictures`, for `SamplingInputs.picture`; label maps (n, 1, H, W) as they are."""
        if not takes_label_maps(self.spec.conditions):
            return self.read_pictures(pictures, size)
        return read_label_maps(pictures, size or self.spec.size)

    def find_class_indices(self, classes: Classes) -> list[int]:
        """Class indices. "none" is the index after the last class, if the model has it."""
        words = [classes] if isinstance(classes, int | str) else [*classes]
        known, spec = self.spec.classes, self.spec
        if words == ["all"] and known:
            return list(range(len(known)))
        has_none = any(c.name == "class" and c.allows_none for c in spec.conditions)
        if (
            NONE in words
            and NONE not in known
            and has_none
            and "conditions" in spec.accepted_inputs
        ):
            known = (*known, NONE)
        return [find_class_index(word, known, self.name) for word in words]

    def name_classes(self, labels: Sequence[int] | None) -> list[str] | None:
        """The names of these class indices; None if there are none."""
        return [(*self.spec.classes, NONE)[k] for k in labels] if labels else None

    def make_inputs(
        self, labels: Sequence[int] | None, conditions: Conditions = NO_CONDITIONS
    ) -> dict[str, Any]:
        """Fields of `SamplingInputs` for n samples with these class indices and conditions."""
        fields: dict[str, Any] = {"conditions": dict(conditions)} if conditions else {}
        if not labels:
            return fields
        if max(labels) == len(self.spec.classes):  # "none" has a name only
            return {"conditions": {"class": self.name_classes(labels), **conditions}}
        return {"labels": torch.tensor(labels), **fields}

    def check_text(self, text: Sequence[str] | str) -> list[str]:
        """The captions as a list. UserError if the model takes none."""
        texts = [text] if isinstance(text, str) else [*text]
        if texts and "text" not in self.spec.accepted_inputs:
            raise UserError(
                f"text {texts[0]!r} is given, but {self.name} takes no captions; leave it out"
            )
        return texts

    def check_size(self, size: object) -> tuple[int, int] | None:
        """(H, W) from one number or two. UserError if the model has a fixed size."""
        if size is None:
            return None
        size = normalize_size(size)
        words = f"size {format_size(size)} is"
        if not self.spec.free_size:
            raise UserError(f"{words} given, but {self.name} has a fixed size; leave it out")
        if max(size) > MAX_SIDE:
            raise UserError(f"{words} too large; give {MAX_SIDE} at most")
        return size


def select_model(
    model: object, device: str = "auto", ability: Ability = "draw pictures"
) -> SelectedModel:
    """Open a model by name or folder, or take a loaded one. UserError if it lacks the ability."""
    loaded, name = open_model(model, ability, device), name_model(model)
    return SelectedModel(loaded, name, str(model) if isinstance(model, str | Path) else name)


def list_pictures(pictures: Pictures) -> list[PictureLike]:
    """One picture or several as a list. UserError if there are none."""
    if isinstance(pictures, str | Path | Image.Image) or getattr(pictures, "ndim", 4) < 4:
        pictures = cast(Sequence[PictureLike], [pictures])
    picture_list = list(pictures)
    if not picture_list:
        raise UserError("no pictures are given; name one file or more")
    return picture_list


def read_pictures(pictures: Pictures, channels: int, size: tuple[int, int] | None) -> Tensor:
    """(n, C, H, W) in [0, 1], cropped and resized to `size`, or in their size for None.

    Raises UserError, naming the file, if one is not a picture.
    """
    return torch.stack([fit_picture(one, channels, size) for one in list_pictures(pictures)])


def read_label_maps(pictures: Pictures, size: tuple[int, int] | None) -> Tensor:
    """(n, 1, H, W): label k as k / 255, cropped and resized without blending labels."""
    preprocessing = make_label_preprocessing(size)
    maps = [torch.from_numpy(read_pixels(one, preprocessing)) for one in list_pictures(pictures)]
    return torch.stack(maps).float() / 255


def fit_picture(picture: PictureLike, channels: int, size: tuple[int, int] | None) -> Tensor:
    """(C, H, W) in [0, 1]; a float tensor of this shape is not changed."""
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
    """The paths of pictures, for a record; None for one that is not a file."""
    return [str(one) if isinstance(one, str | Path) else None for one in list_pictures(pictures)]


def cycle_values(values: Sequence[Any], n: int) -> list[Any]:
    """n values, cycled; an empty list if there are none."""
    return [values[i % len(values)] for i in range(n)] if values else []


def cycle_conditions(conditions: Conditions, n: int) -> dict[str, list[str]]:
    """n values of each condition, cycled."""
    each = {k: [v] if isinstance(v, str) else [*v] for k, v in conditions.items()}
    return {name: cycle_values(values, n) for name, values in each.items()}


def find_class_index(label: int | str, classes: Sequence[str], model: str) -> int:
    """The index of a class given by name or number; a number may be a string."""
    if label in classes:
        return classes.index(label)
    index = int(label) if is_class_number(label) else -1
    if 0 <= index < len(classes):
        return index
    if not classes:
        raise UserError(f"class {label} is given, but {model} has no classes; leave it out")
    shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
    if label == NONE:
        raise UserError(f"{model} was not trained without a class; give one of {shown}")
    raise UserError(f"class {shorten(label)} is not one of {model}'s classes: {shown}")


def is_class_number(label: int | str) -> bool:
    """Whether a label is a number that can be a class index."""
    if isinstance(label, str):
        return label.isascii() and label.isdigit() and len(label) <= MAX_CLASS_DIGITS
    return not isinstance(label, bool)
