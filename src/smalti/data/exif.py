"""EXIF orientation. A damaged block is ignored; the pixels are used."""

from __future__ import annotations

import struct

from PIL import Image

ORIENTATION = 0x0112
TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type."""


def turn_upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation to a loaded picture; unchanged if it cannot be read."""
    try:
        turn = TRANSPOSES.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # on a damaged block Pillow raises nearly anything
        return image
    return image if turn is None else image.transpose(turn)


def has_damaged_exif(image: Image.Image) -> bool:
    """Whether a loaded picture has an EXIF block whose first directory is unreadable."""
    block = image.info.get("exif")
    return isinstance(block, bytes) and not is_complete_exif(block.removeprefix(b"Exif\0\0"))


def is_complete_exif(block: bytes) -> bool:
    """Whether a block contains its TIFF header, its first directory and all values."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    try:
        if order is None:
            return False
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, start)
        for k in range(count):
            entry = struct.unpack_from(f"{order}HHII", block, start + 2 + 12 * k)
            _, kind, n, offset = entry
            size = TYPE_BYTES[kind] * n
            if size > 4 and offset + size > len(block):
                return False
    except (struct.error, KeyError):
        return False
    return True
