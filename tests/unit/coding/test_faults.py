"""Pictures that decoding would reduce are refused, in any format."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from smalti.coding.exact_pictures import read_exact
from smalti.core.errors import UserError
from tests.expect import expect_user_error

H, W = 12, 16
RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 256, (H, W), dtype=np.uint8)
RGB8 = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (H, W), dtype=np.uint16)


def png(kind: int, bits: int, samples: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of any kind and depth: samples (H, bytes of a row)."""
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", W, H, bits, kind, 0, 0, 0)), *chunks,
             (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts
    )


def png16(kind: int, channels: int, opaque: bool = False) -> bytes:
    samples = np.repeat(DEEP[..., None], channels, 2)
    if opaque:
        samples[..., -1] = 65535
    return png(kind, 16, samples.astype(">u2").reshape(H, -1))


def tiff(samples: np.ndarray, *, order: Literal["<", ">"] = "<", extra: int | None = None) -> bytes:
    """A TIFF, not compressed: samples (H, W, channels)."""
    channels, bits = samples.shape[2], samples.dtype.itemsize * 8
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    photometric = 2 if channels >= 3 else 1
    tags = [(256, 3, [W]), (257, 3, [H]), (258, 3, [bits] * channels), (259, 3, [1]),
            (262, 3, [photometric]), (273, 4, [8]), (277, 3, [channels]), (278, 3, [H]),
            (279, 4, [len(data)]), (339, 3, [kind] * channels)]  # fmt: skip
    if extra is not None:
        tags.append((338, 3, [extra] * (channels - 3)))
    start = 8 + len(data)
    spill, entries = b"", b""
    for tag, type_, values in sorted(tags):
        form = order + {3: "H", 4: "I"}[type_] * len(values)
        packed = struct.pack(form, *values)
        if len(packed) > 4:
            position = start + 2 + 12 * len(tags) + 4 + len(spill)
            spill, packed = spill + packed, struct.pack(order + "I", position)
        entries += struct.pack(order + "HHI", tag, type_, len(values)) + packed.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(order + "H", len(tags))
    return mark + struct.pack(order + "I", start) + data + count + entries + bytes(4) + spill


def save_image(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def save_frames(kind: str, **options: object) -> bytes:
    frames = [Image.fromarray(np.roll(RGB8, k, 0)) for k in range(3)]
    return save_image(frames[0], kind, save_all=True, append_images=frames[1:], **options)


def icon() -> bytes:
    return save_image(Image.new("RGB", (16, 16)), "ICO", sizes=[(12, 12), (16, 16)])


def jpeg2000(bits: int) -> bytes:
    """8-bit data with another depth in its header: Pillow decodes any depth to 8 bits."""
    data = bytearray(save_image(Image.fromarray(RGB8), "JPEG2000", irreversible=False))
    position = data.index(b"\xff\x4f\xff\x51") + 42
    for channel in range(3):
        data[position + 3 * channel] = bits - 1
    return bytes(data)


def palette(transparency: bytes | None = None) -> bytes:
    levels = RNG.integers(0, 4, (H, W), dtype=np.uint8)
    colors = (b"PLTE", RNG.integers(0, 256, 12, dtype=np.uint8).tobytes())
    hidden = () if transparency is None else ((b"tRNS", transparency),)
    return png(3, 8, levels, colors, *hidden)


RGBA8 = np.concatenate([RGB8, np.full((H, W, 1), 255, np.uint8)], 2)
CLEAR8 = np.concatenate([RGB8, RNG.integers(0, 255, (H, W, 1), dtype=np.uint8)], 2)

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "gray16.png": (lambda: png16(0, 1), "mode I;16"),
    "rgb16.png": (lambda: png16(2, 3), "more than 8 bits"),
    "la16.png": (lambda: png16(4, 2, opaque=True), "more than 8 bits"),
    "rgba16.png": (lambda: png16(6, 4, opaque=True), "more than 8 bits"),
    "clear.png": (lambda: save_image(Image.fromarray(CLEAR8), "PNG"), "transparent parts"),
    "palette.png": (lambda: palette(b"\xff\x00"), "transparent parts"),
    "hidden.png": (
        lambda: png(0, 8, np.zeros((H, W), np.uint8), (b"tRNS", b"\0\0")),
        "transparent parts",
    ),
    "animated.png": (lambda: save_frames("PNG"), "3 frames"),
    "animated.gif": (lambda: save_frames("GIF"), "3 frames"),
    "animated.webp": (lambda: save_frames("WEBP", lossless=True), "3 frames"),
    "pages.tif": (lambda: save_frames("TIFF"), "3 frames"),
    "photo.mpo": (lambda: save_frames("MPO"), "3 frames"),
    "icon.ico": (icon, "12 x 12|16 x 16|frames"),
    "rgb16.tif": (lambda: tiff(np.repeat(DEEP[..., None], 3, 2)), "more than 8 bits"),
    "rgb16be.tif": (lambda: tiff(np.repeat(DEEP[..., None], 3, 2), order=">"), "more than 8 bits"),
    "gray16.tif": (lambda: tiff(DEEP[..., None]), "mode I;16"),
    "float.tif": (lambda: tiff((GRAY8[..., None] / 255).astype(np.float32)), "mode F"),
    "extra.tif": (lambda: tiff(CLEAR8, extra=0), "mode RGBX|extra channels"),
    "extras.tif": (lambda: tiff(np.concatenate([RGB8, RGB8[..., :2]], 2), extra=0), "channels"),
    "cmyk.tif": (lambda: save_image(Image.fromarray(RGB8).convert("CMYK"), "TIFF"), "mode CMYK"),
    "cmyk.jpg": (lambda: save_image(Image.fromarray(RGB8).convert("CMYK"), "JPEG"), "mode CMYK"),
    "lab.tif": (
        lambda: save_image(Image.fromarray(RGB8).convert("RGB").convert("LAB"), "TIFF"),
        "LAB",
    ),
    "rgb16.ppm": (lambda: b"P6 16 12 65535\n" + png16(2, 3)[:0] + bytes(H * W * 6), "8 bits"),
    "gray16.pgm": (lambda: b"P5 16 12 65535\n" + bytes(H * W * 2), "mode I"),
    "rgb12.jp2": (lambda: jpeg2000(12), "more than 8 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_reduced_is_refused(tmp_path: Path, name: str):
    make, words = REFUSED[name]
    (tmp_path / name).write_bytes(make())
    with pytest.raises(UserError, match=words) as raised:
        read_exact(tmp_path / name, (3, H, W))
    assert name in str(raised.value)


KEPT: dict[str, tuple[Callable[[], bytes], np.ndarray]] = {
    "gray.png": (lambda: save_image(Image.fromarray(GRAY8), "PNG"), GRAY8),
    "rgb.png": (lambda: save_image(Image.fromarray(RGB8), "PNG"), RGB8),
    "opaque.png": (lambda: save_image(Image.fromarray(RGBA8), "PNG"), RGB8),
    "one.png": (
        lambda: save_image(Image.fromarray(GRAY8 > 99), "PNG"),
        (GRAY8 > 99) * np.uint8(255),
    ),
    "rgb.tif": (lambda: tiff(RGB8), RGB8),
    "rgb.bmp": (lambda: save_image(Image.fromarray(RGB8), "BMP"), RGB8),
    "rgb.ppm": (lambda: save_image(Image.fromarray(RGB8), "PPM"), RGB8),
    "rgb.webp": (lambda: save_image(Image.fromarray(RGB8), "WEBP", lossless=True), RGB8),
    "rgb.jp2": (lambda: jpeg2000(8), RGB8),
    "one.gif": (lambda: save_image(Image.fromarray(GRAY8), "GIF"), GRAY8),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_kept_exactly(tmp_path: Path, name: str):
    make, levels = KEPT[name]
    (tmp_path / name).write_bytes(make())
    read, _ = read_exact(tmp_path / name, (3, H, W))
    expected = levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, 2)
    assert np.array_equal(np.moveaxis(np.asarray(read.pixels[0]), 0, 2), expected)


def test_a_picture_is_turned_as_exif_says(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    Image.fromarray(RGB8).save(tmp_path / "turned.png", exif=exif)
    read, _ = read_exact(tmp_path / "turned.png", (3, W, H))
    assert np.array_equal(np.moveaxis(np.asarray(read.pixels[0]), 0, 2), np.rot90(RGB8, -1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_between_levels_are_refused(tmp_path: Path, dtype: type):
    exact = (GRAY8[None] / 255).astype(dtype)
    np.savez(tmp_path / "exact.npz", images=exact)
    assert np.array_equal(read_exact(tmp_path / "exact.npz", (1, H, W))[0].pixels[0, 0], GRAY8)
    np.savez(tmp_path / "between.npz", images=np.clip(exact + dtype(0.001), 0, 1))
    with expect_user_error("between.npz: images holds values between 8-bit levels"):
        read_exact(tmp_path / "between.npz", (1, H, W))
