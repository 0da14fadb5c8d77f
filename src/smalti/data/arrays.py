"""Sources of pictures from arrays in the usual layouts, with labels."""

from __future__ import annotations

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.data.decode import MIN_SIDE
from smalti.data.source import SPLITS, Source, make_split_ranges

CHANNELS = (1, 3, 4)  # gray, RGB, RGB with transparency
BLOCK = 1024  # pictures converted at a time


def make_array_source(
    name: str,
    arrays: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    classes: tuple[str, ...] = (),
) -> Source:
    """Make a source of pictures uint8 (N, C, H, W), the splits concatenated.

    arrays: by split; a single "train" means data without splits.
    labels: (N,) for each split, numbers or names, or empty.
    classes: names of the labels 0, 1, ...
    Raises UserError when the splits differ in size, or there is nothing to use.
    """
    order = [split for split in SPLITS if split in arrays]
    pixels = [arrays[split] for split in order]
    for split, part in zip(order, pixels, strict=True):
        if part.shape[1:] != pixels[0].shape[1:]:
            raise UserError(
                f"{name}: {split} holds pictures of {part.shape[1:]}, {order[0]} of "
                f"{pixels[0].shape[1:]} (channels, height, width); give all splits one shape"
            )
    array = np.concatenate(pixels) if len(pixels) > 1 else pixels[0]
    if not len(array):
        raise UserError(f"{name} holds no pictures")
    if min(array.shape[2:]) < MIN_SIDE:
        raise UserError(
            f"{name} holds pictures of {array.shape[2]} x {array.shape[3]} pixels; give at least "
            f"{MIN_SIDE} x {MIN_SIDE}"
        )
    numbers, classes = (
        encode_labels(name, [labels[s] for s in order], classes) if labels else (None, ())
    )
    return Source(
        name=name,
        titles=[f"{name}[{k}]" for k in range(len(array))],
        open_picture=lambda k: to_pil_image(array[k]),
        labels=numbers,
        classes=classes,
        splits=make_split_ranges({s: len(arrays[s]) for s in order}) if order != ["train"] else {},
        pixels=array,
    )


def to_pil_image(pixels: np.ndarray) -> Image.Image:
    """Convert uint8 (C, H, W) to a Pillow image: gray, RGB or RGBA."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def to_uint8(title: str, array: np.ndarray) -> np.ndarray:
    """Convert pictures (N, H, W), (N, H, W, C) or (N, C, H, W) to uint8 (N, C, H, W).

    Bytes stay, booleans become black and white, floats must be in [0, 1].  If both layouts fit,
    the last axis holds the channels.  Raises UserError for any other shape, dtype or range.
    """
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] in CHANNELS:
        array = array.transpose(0, 3, 1, 2)
    elif array.ndim != 4 or array.shape[1] not in CHANNELS:
        raise UserError(
            f"{title} has the shape {array.shape}; give (N, H, W), (N, H, W, C) or (N, C, H, W), "
            "C being 1, 3 or 4"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{title} holds {array.dtype}; give uint8, or floats from 0 to 1")
    pixels = np.empty(array.shape, np.uint8)
    for k in range(0, len(array), BLOCK):
        block = array[k : k + BLOCK]
        if not (block.min() >= 0 and block.max() <= 1):  # also true for NaN
            raise UserError(
                f"{title} has values from {block.min():g} to {block.max():g}; "
                "give floats from 0 to 1, or uint8"
            )
        pixels[k : k + BLOCK] = np.rint(block * 255)
    return pixels


def encode_labels(
    name: str, labels: list[np.ndarray], classes: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Encode labels as class indices int64 (N,); returns them and the class names.

    labels: integers or names of each split.  classes: names of the labels 0, 1, ..., used if it
    has a name for every label; otherwise the labels' values are the names.
    """
    values = np.concatenate(labels)
    if not np.issubdtype(values.dtype, np.integer) and values.dtype.kind not in "US":
        raise UserError(f"{name}: labels are {values.dtype}; give integers or names")
    unique, indices = np.unique(values, return_inverse=True)
    if classes and values.dtype.kind in "iu" and unique[0] >= 0 and unique[-1] < len(classes):
        return values.astype(np.int64), classes
    names = (
        x.decode(errors="replace") if isinstance(x, bytes) else str(x) for x in unique.tolist()
    )
    return indices.astype(np.int64), tuple(names)
