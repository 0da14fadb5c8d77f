"""Detect what decoding a picture would lose, before its mode is converted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from PIL import Image

LOSSLESS_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
"""Pillow modes whose 8-bit pixels are read unchanged."""
HIGH_BIT_MODE = re.compile(r"(?!BGR).*;(12|16|24|32)")
"""Raw modes that Pillow reduces to 8 bits ("BGR;16" has 16 bits for all three colors)."""
EXTRA_CHANNEL_MODE = re.compile(r"(L|RGB)X+")
"""Raw modes with channels that Pillow ignores."""
MAX_HEADER_BYTES = 1 << 16
"""Bytes of a file that are searched for its header."""


def find_fault(image: Image.Image, size: tuple[int, int] | None) -> str | None:
    """Describe what decoding a picture would lose; None if nothing.

    size: the required (H, W), before or after rotation by EXIF.
    """
    W, H = image.size
    if size and {H, W} != {*size}:  # EXIF may rotate it later
        return f"is {W} x {H} pixels, but this model takes {size[1]} x {size[0]}"
    if image.mode not in LOSSLESS_MODES:
        return f"is of mode {image.mode}; give 8-bit gray or RGB"
    if (frames := count_frames(image)) > 1:
        return f"has {frames} frames or pages; save each as its own file"
    if is_high_bit_depth(image):
        return "has more than 8 bits per channel; save it with 8 bits"
    if any(EXTRA_CHANNEL_MODE.match(word) for word in list_raw_modes(image)):
        return "has extra channels besides color; remove them"
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        return "has transparent parts; flatten it first"
    return None


def count_frames(image: Image.Image) -> int:
    """Number of frames, pages or layers, or of sizes in an icon."""
    sizes = image.info.get("sizes", ())
    return max(getattr(image, "n_frames", 1), len(sizes) if image.format in ("ICO", "ICNS") else 1)


def is_high_bit_depth(image: Image.Image) -> bool:
    return (
        any(HIGH_BIT_MODE.match(word) for word in list_raw_modes(image))
        or read_max_level(image) > 255
        or read_header_bits(image) > 8
    )


def list_raw_modes(image: Image.Image) -> list[str]:
    """Pillow's raw modes of the file's pixels."""
    return [word for args in list_tile_args(image) for word in args if isinstance(word, str)]


def read_max_level(image: Image.Image) -> int:
    """The largest level of a PPM, which Pillow scales to 255."""
    if image.format != "PPM":
        return 255
    return max(
        (n for args in list_tile_args(image) for n in args[1:2] if type(n) is int), default=255
    )


def list_tile_args(image: Image.Image) -> list[tuple[Any, ...]]:
    args = [tile[3] for tile in getattr(image, "tile", ())]
    return [a if isinstance(a, tuple) else (a,) for a in args]


def read_header_bits(image: Image.Image) -> int:
    """Bits per channel of JPEG 2000 and AVIF, which Pillow silently reduces to 8."""
    file = getattr(image, "fp", None)
    if image.format not in ("JPEG2000", "AVIF") or file is None:
        return 8
    position = file.tell()
    file.seek(0)
    data = file.read(MAX_HEADER_BYTES)
    file.seek(position)
    if image.format == "AVIF":  # "pixi", version and flags, channels, bits of each
        at = data.find(b"pixi") + 4
        bits = data[at + 5 : at + 5 + data[at + 4]] if at >= 4 and at + 4 < len(data) else b""
    else:  # SOC and SIZ; after 38 bytes the number of channels, then 3 bytes for each
        at = data.find(b"\xff\x4f\xff\x51") + 2
        count = int.from_bytes(data[at + 38 : at + 40], "big") if at >= 2 else 0
        bits = bytes((b & 0x7F) + 1 for b in data[at + 40 : at + 40 + 3 * count : 3])
    return max(bits, default=8)
