"""A picture with its depth, transparency and color profile, for editing parts of it losslessly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from smalti.data.decode import check_picture_size, raise_as_bad_picture
from smalti.data.exif import turn_upright
from smalti.data.picture_formats import escape_name, open_image, suppress_pillow_warnings
from smalti.data.single_picture import check_file, to_image

SCALE_8_TO_16 = 257
"""Factor from 8-bit to 16-bit levels."""


@dataclass(frozen=True, eq=False)
class Original:
    """An upright picture of mode L, LA, RGB, RGBA or I;16."""

    image: Image.Image
    icc: bytes | None
    """ICC color profile."""
    conversion_notes: tuple[str, ...]
    """Descriptions of what is lost from the file."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.image.height, self.image.width

    @property
    def is_gray(self) -> bool:
        return self.image.mode in ("L", "LA", "I;16")

    def fill(self, rgb_pixels: np.ndarray, hole: np.ndarray) -> Image.Image:
        """Replace the pixels in the hole, leaving all others unchanged.

        rgb_pixels: uint8 (H, W, 3), RGB.  hole: bool (H, W).  Transparency in the hole is copied
        from the nearest pixel outside.
        """
        mode, pixels = self.image.mode, np.array(self.image)
        colors = (
            rgb_pixels
            if mode[:3] == "RGB"
            else np.asarray(Image.fromarray(rgb_pixels).convert("L"))
        )
        if mode == "I;16":
            colors = colors.astype(np.uint16) * SCALE_8_TO_16
        if mode in ("LA", "RGBA"):
            alpha = fill_from_nearest(pixels[..., -1], hole)
            colors = np.concatenate([colors.reshape(*hole.shape, -1), alpha[..., None]], axis=2)
        pixels[hole] = colors[hole]
        return self.attach_profile(Image.fromarray(pixels))

    def attach_profile(self, image: Image.Image) -> Image.Image:
        """Attach this picture's profile to another one, if both are gray or both are colored."""
        if self.icc and self.is_gray == (image.mode in ("L", "LA", "I;16")):
            image.info["icc_profile"] = self.icc
        return image


def fill_from_nearest(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill the hole in values (H, W) from the nearest positions outside it."""
    from scipy.ndimage import distance_transform_edt

    indices = distance_transform_edt(hole, return_distances=False, return_indices=True)
    rows, columns = np.asarray(indices)
    return values[rows, columns]


def load_original(picture: object) -> Original:
    """Load a picture file, or anything that `smalti.data.single_picture.to_image` accepts."""
    if isinstance(picture, str | Path):
        return read_original(Path(picture))
    image = to_image(picture)
    mode = choose_mode(image)
    return Original(image.copy() if image.mode == mode else convert_mode(image, mode), None, ())


def read_original(path: Path) -> Original:
    """Read a picture file. Raises UserError, naming it, if it is not a picture."""
    check_file(path)
    title = escape_name(str(path))
    with suppress_pillow_warnings(), raise_as_bad_picture(title), open_image(path) as opened:
        check_picture_size(title, opened)
        deep = has_deep_colors(opened)
        opened.load()
        image = turn_upright(opened)
        mode = choose_mode(image)
        notes = ["has 16 bits per channel; results have 8"] if deep else []
        if image.mode not in ("1", "P", "PA", "La") and mode[:1] != image.mode[:1]:
            notes.append(f"has mode {image.mode}; results have {mode}")
        keeps_profile = image.mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA") or mode == "I;16"
        icc = image.info.get("icc_profile") if keeps_profile else None
        kept = image.copy() if image.mode == mode else convert_mode(image, mode)
    return Original(kept, icc if isinstance(icc, bytes) else None, tuple(notes))


def choose_mode(image: Image.Image) -> str:
    """Choose the mode that keeps a picture's content, as far as PNG supports it."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return "I;16"
    alpha = "A" if image.has_transparency_data else ""
    return ("L" if image.mode in ("1", "L", "LA", "La", "F") else "RGB") + alpha


def convert_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        levels = np.asarray(image)
        if not (levels.min() >= 0 and levels.max() <= 65535):
            raise ValueError("its gray levels are outside 0 to 65535")
        return Image.fromarray(levels.astype(np.uint16))
    if image.mode == "F":
        levels = np.asarray(image)
        if not (levels.min() >= 0 and levels.max() <= 1):
            raise ValueError("its gray levels are outside 0 to 1")
        return Image.fromarray(np.rint(levels * 255).astype(np.uint8))
    return image.convert(mode)


def has_deep_colors(image: Image.Image) -> bool:
    """Whether an unloaded color picture has 16 bits per channel; Pillow reads 8."""
    colors = image.mode in ("RGB", "RGBA", "LA", "CMYK")
    return colors and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
