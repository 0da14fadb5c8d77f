"""measure_bits: the bits that a model needs for each pixel of a picture, beside other formats."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from smalti.coding import compress as compress_pictures
from smalti.coding.file import read_header
from smalti.coding.heat_map import color_bits
from smalti.coding.pixels import levels_to_pixels
from smalti.core.folders import ResultFiles, check_replaceable, stage_optional_folder, write_record
from smalti.core.pictures import save_png, to_image
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.protocols import LosslessModel
from smalti.core.short_repr import add_short_repr
from smalti.data.single_picture import PictureLike
from smalti.tasks.inputs import find_class_index, list_paths, select_model

FILES = ResultFiles(r"picture\.(png|smalti)|bits\.(png|json)", "bits.json")
"""Files of a folder of measured bits."""
BRIGHTEST = 0.99
"""Fraction of the pixels that need fewer bits than the brightest color stands for."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class PictureBits:
    """What a picture costs."""

    picture: Tensor
    """(C, H, W) uint8: the picture in the model's size and levels."""
    bits: Tensor
    """(C, H, W) float64: bits of each level."""
    n_bytes: Mapping[str, int]
    """Bytes as "pixels", "png", "webp" (both lossless) and "smalti" (without the file's header)."""
    content: bytes
    """The compressed file."""
    label: str | None
    """The class that it was compressed with, if the model has classes."""

    @property
    def brightest(self) -> float:
        """Bits of a pixel in the brightest color of bits.png."""
        sums = self.bits.sum(0).flatten()
        return max(1.0, float(sums.quantile(BRIGHTEST)))


def measure_bits(
    model: object,
    picture: PictureLike,
    *,
    label: int | str | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> PictureBits:
    """Measure how many bits a model needs for each pixel of a picture.

    The picture is cropped and resized to the model's size, and compressed losslessly. Surprising
    pixels need many bits.

    model: PixelCNN: shipped model, run or checkpoint.
    picture: Picture. In any size.
    label: Class name or number. Default: the class that needs the fewest bits.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.
    out: Output folder, for the picture, the heat map, and the compressed file.
    """
    check_replaceable(out, FILES)
    selected = select_model(model, device, "walk")
    loaded: LosslessModel = selected.model
    y = None if label is None else find_class_index(label, selected.spec.classes, selected.name)
    levels = loaded.codec.encode(selected.read_pictures(picture).double())
    pixels = levels_to_pixels(levels, loaded.codec)  # of a model with fewer levels: the nearest
    bits: list[Tensor] = []
    with stage_optional_folder(out, FILES) as folder:
        content = compress_pictures(
            loaded,
            pixels,
            None if y is None else [y],
            model_name=selected.recorded_name,
            on_progress=on_progress,
            on_bits=bits.append,
        )
        labels = read_header(content).labels
        name = selected.spec.classes[labels[0]] if labels else None
        sizes = measure_formats(to_image(pixels[0] / 255)) | {"pixels": pixels.numel()}
        sizes["smalti"] = read_header(content).payload_bytes
        found = PictureBits(pixels[0], torch.cat(bits)[0], sizes, content, name)
        if folder:
            write_bits(folder, found)
            record = {"model": selected.recorded_name, "picture": list_paths(picture)[0]}
            record |= {"class": name, "bytes": sizes, "bits": float(found.bits.sum())}
            write_record(folder / "bits.json", record)
    return found


def measure_formats(image: Image.Image) -> dict[str, int]:
    """Bytes of a picture as PNG and as lossless WebP, each at its smallest setting."""
    sizes: dict[str, int] = {}
    for name, options in (
        ("png", {"optimize": True}),
        ("webp", {"lossless": True, "quality": 100, "method": 6}),
    ):
        file = io.BytesIO()
        image.save(file, name.upper(), **options)
        sizes[name] = file.tell()
    return sizes


def write_bits(folder: Path, found: PictureBits) -> None:
    """Write the picture, the heat map with a pixel for a pixel, and the compressed file."""
    save_png(to_image(found.picture / 255), folder / "picture.png")
    heat = color_bits(found.bits.sum(0), found.brightest)
    save_png(Image.fromarray(heat.numpy()), folder / "bits.png")
    (folder / "picture.smalti").write_bytes(found.content)
