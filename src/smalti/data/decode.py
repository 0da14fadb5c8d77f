"""Decode one picture file: orientation, background, crop, resize."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from smalti.core.errors import UserError
from smalti.core.size import normalize_size
from smalti.data.exif import turn_upright

MIN_SIDE = 4
LARGE_PIXELS = 1 << 23
"""Pictures with more pixels are decoded one at a time, and flattened in strips of this size."""
LARGE_PICTURE_LOCK = Lock()
MEMORY_HUNGRY_FORMATS, MEMORY_HUNGRY_MAX_PIXELS = ("WEBP", "AVIF", "JPEG2000"), 60_000_000
"""Formats whose decoders take up to 20 bytes per pixel, and their largest size in pixels."""
Color = Literal["keep", "gray", "rgb"]
Crop = bool | int | tuple[int, int]


@dataclass(frozen=True)
class Preprocessing:
    """How every picture of a dataset is preprocessed."""

    size: tuple[int, int] | None  # (H, W); None keeps the picture's
    color: Color
    background: tuple[int, int, int]  # RGB, shown through transparent pixels
    crop: bool  # to the aspect ratio of `size`; False stretches
    center_crop: tuple[int, int] | None = None  # (H, W) that is cut out first
    is_label_map: bool = False  # levels, or palette indices, are labels, which do not blend


def make_label_preprocessing(size: tuple[int, int] | None) -> Preprocessing:
    """A Preprocessing of label maps, which are cropped as pictures are and resized by picking."""
    return Preprocessing(size, "gray", (0, 0, 0), crop=True, is_label_map=True)


class BadPicture(UserError):
    """One picture of a dataset cannot be used; the message names it."""


def make_preprocessing(
    size: int | tuple[int, int] | None,
    color: Color,
    background: str | tuple[int, ...],
    crop: Crop,
) -> Preprocessing:
    """Make a checked Preprocessing.

    crop: True, False, or a size that is cut out of the center first.
    Raises UserError for an invalid value.
    """
    if color not in get_args(Color):
        raise UserError(f"color is {color!r}; give 'keep', 'gray' or 'rgb'")
    center_crop = None if isinstance(crop, bool) else normalize_size(crop, "crop")
    return Preprocessing(
        size if size is None else normalize_size(size),
        color,
        parse_background(background),
        crop is not False,
        center_crop,
    )


def read_picture(
    title: str, open_picture: Callable[[], Image.Image], preprocessing: Preprocessing
) -> np.ndarray:
    """Decode a picture to uint8 (3, H, W), or (1, H, W) if its channels are equal.

    Raises BadPicture, naming its title, if it is unreadable, too small, or a decompression bomb.
    """
    with raise_as_bad_picture(title), open_picture() as image:
        check_picture_size(title, image)
        return to_pixels(image, preprocessing)


@contextmanager
def raise_as_bad_picture(title: str) -> Iterator[None]:
    """Convert every exception inside into a BadPicture with this title."""
    try:
        yield
    except BadPicture:
        raise
    except UserError as error:
        raise BadPicture(str(error)) from error
    except Image.DecompressionBombError as error:
        raise _make_bomb_error(title) from error
    except UnidentifiedImageError as error:
        raise BadPicture(f"{title} is not a readable picture; replace or remove it") from error
    except Exception as error:  # on faulty files decoders raise nearly anything
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = " ".join(text.split())
        raise BadPicture(f"{title} cannot be read ({reason}); replace or remove it") from error


def parse_background(background: str | tuple[int, ...]) -> tuple[int, int, int]:
    """Parse a color name ("white", "#ff8800") or bytes (gray,) or (r, g, b) to (r, g, b)."""
    hint = "give a name such as 'white', '#ff8800', or three numbers from 0 to 255"
    try:
        levels = ImageColor.getrgb(background) if isinstance(background, str) else background
        levels = tuple(int(level) for level in levels)
    except (ValueError, TypeError) as error:
        raise UserError(f"background {background!r} is not a color; {hint}") from error
    levels = levels * 3 if len(levels) == 1 else levels
    if len(levels) != 3 or not all(0 <= level <= 255 for level in levels):
        raise UserError(f"background {background!r} is not an opaque color; {hint}")
    return levels


def _make_bomb_error(title: str) -> BadPicture:
    limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
    return BadPicture(f"{title} has more than {limit:.3g} million pixels; shrink or remove it")


def check_picture_size(title: str, image: Image.Image) -> None:
    """Raise BadPicture if a picture is too small or too large, before decoding it."""
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise BadPicture(
            f"{title} is {width} x {height} pixels; "
            f"remove it, or give at least {MIN_SIDE} x {MIN_SIDE}"
        )
    # Pillow itself only warns of a bomb up to twice its limit.
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise _make_bomb_error(title)
    if image.format in MEMORY_HUNGRY_FORMATS and width * height > MEMORY_HUNGRY_MAX_PIXELS:
        raise BadPicture(
            f"{title} has more than {MEMORY_HUNGRY_MAX_PIXELS / 1e6:g} million pixels, the limit "
            f"for {image.format}; shrink it, or save it as JPEG or PNG"
        )


def to_pixels(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """Decode and preprocess a picture to uint8 (C, H, W)."""
    with LARGE_PICTURE_LOCK if image.width * image.height > LARGE_PIXELS else nullcontext():
        drafts = preprocessing.size is not None and not preprocessing.is_label_map
        if drafts and preprocessing.center_crop is None:
            # JPEG decodes to 1/8, 1/4 or 1/2 in a fraction of the time. Twice the target side is
            # left for the resize, on both sides because EXIF may still rotate the picture.
            side = 2 * max(preprocessing.size or ())
            image.draft(None, (side, side))
        image.load()
        image = turn_upright(image)
        if preprocessing.center_crop is not None:
            image = _crop_center(image, preprocessing.center_crop)
        if preprocessing.is_label_map:
            return _to_labels(image, preprocessing)
        image = _flatten(image, preprocessing.background)
        if preprocessing.color == "gray" and image.mode != "L":
            image = image.convert("L")
        if preprocessing.size is not None:
            image = _resize(image, preprocessing.size, preprocessing.crop)
        pixels = np.array(image)
        if pixels.ndim == 2:
            return pixels[None]  # (1, H, W)
        pixels = pixels.transpose(2, 0, 1)  # (3, H, W)
        is_gray = (pixels == pixels[:1]).all()
        return np.ascontiguousarray(pixels[:1] if is_gray else pixels)


def _to_labels(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """Labels uint8 (1, H, W): gray levels or palette indices. ValueError for a color picture."""
    levels = np.array(image)
    if image.mode not in ("1", "L", "P", "I", "I;16") or levels.max() > np.iinfo(np.uint8).max:
        raise ValueError("it is no label map: give gray levels or a palette, of 256 labels at most")
    labels = Image.fromarray(levels.astype(np.uint8))
    if preprocessing.size is not None:
        labels = _resize(labels, preprocessing.size, preprocessing.crop, Image.Resampling.NEAREST)
    return np.array(labels)[None]


def _crop_center(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop the central (H, W). Raises ValueError if the picture is smaller."""
    (height, width), (w, h) = size, image.size
    if w < width or h < height:
        raise ValueError(f"it is {w} x {h} pixels, smaller than the crop of {width} x {height}")
    left, top = round((w - width) / 2), round((h - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _flatten(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Convert to 8-bit RGB or L, with the background where the picture is transparent.

    A large picture is converted in strips, so that only a few rows are copied at a time.
    """
    w, h = image.size
    rows = max(1, LARGE_PIXELS // w)
    if rows >= h or (image.mode in ("L", "RGB") and not image.has_transparency_data):
        return _fill_transparent(_to_eight_bits(image), background)
    flat: Image.Image | None = None
    for top in range(0, h, rows):
        strip = image.crop((0, top, w, min(h, top + rows)))
        strip = _fill_transparent(_to_eight_bits(strip), background)
        flat = flat or Image.new(strip.mode, image.size)
        flat.paste(strip, (0, top))
    assert flat is not None
    return flat


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale deeper gray to 8 bits, because Pillow's conversion clips it."""
    if image.mode == "F":
        levels, top = np.asarray(image), 1.0
    elif image.mode == "I" or image.mode.startswith("I;"):
        levels, top = np.asarray(image), 65535
    else:
        return image
    if not (levels.min() >= 0 and levels.max() <= top):
        raise ValueError(f"its gray levels are outside 0 to {top:g}")
    gray = Image.fromarray(np.rint(levels * (255 / top)).astype(np.uint8))
    hidden = image.info.get("transparency")  # PNG: the one transparent level
    if hidden is not None:
        gray.putalpha(Image.fromarray(np.where(levels == hidden, 0, 255).astype(np.uint8)))
    return gray


def _fill_transparent(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Convert to RGB or L, with the background where the picture is transparent."""
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*background, 255))
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _resize(
    image: Image.Image,
    size: tuple[int, int],
    crop: bool,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    (height, width), (w, h) = size, image.size
    if image.size == (width, height):
        return image
    box = (0.0, 0.0, float(w), float(h))
    if crop:  # the largest centered part of the target aspect ratio
        scale = min(w / width, h / height)
        left = max(0.0, (w - scale * width) / 2)  # rounding may fall below 0
        top = max(0.0, (h - scale * height) / 2)
        box = (left, top, w - left, h - top)
    return image.resize((width, height), resampling, box=box)
