"""Single pictures that are large or damaged, and cuts of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smalti.data import decode, pack, read
from smalti.data.audit import audit_source
from smalti.data.decode import make_preprocessing
from smalti.data.exif import is_complete_exif
from smalti.data.reading import open_source
from tests import albums
from tests.expect import expect_user_error


def make_gradient(mode: str) -> Image.Image:
    """64 x 48 pixels of a mode, with something transparent where it can be."""
    levels = np.add.outer(np.arange(48), np.arange(64)) * 2
    if mode == "I;16":
        return Image.fromarray((levels * 257).astype(np.uint16))
    if mode == "F":
        return Image.fromarray((levels / 255).astype(np.float32))
    rgba = np.stack([levels, levels[::-1], levels.T[:48].repeat(2, 1)[:, :64], levels[:, ::-1]], 2)
    image = Image.fromarray(rgba.clip(0, 255).astype(np.uint8))
    return image.convert("RGB").quantize(16) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "I;16", "F", "1", "CMYK"])
def test_a_large_picture_is_read_in_strips_as_a_small_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
):
    make_gradient(mode).save(tmp_path / "a.tif")
    whole = [read(tmp_path, size=size, background="#123456").pixels for size in (None, 16)]
    monkeypatch.setattr(decode, "LARGE_PIXELS", 64 * 5)
    strips = [read(tmp_path, size=size, background="#123456").pixels for size in (None, 16)]
    assert all(map(torch.equal, whole, strips))


def test_what_decoders_take_too_much_memory_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_gradient("RGB").save(tmp_path / "a.webp")
    make_gradient("RGB").save(tmp_path / "b.png")
    monkeypatch.setattr(decode, "MEMORY_HUNGRY_MAX_PIXELS", 3000)
    with expect_user_error("a.webp has more than 0.003 million pixels", "WEBP; shrink it"):
        read(tmp_path)


def test_a_damaged_exif_block_costs_no_picture(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    make_gradient("RGB").save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    at = content.index(b"Exif\0\0") + 6
    flaws = {
        "b": (0, b"XX"),
        "c": (4, b"\x7f\xff\xff\xff"),
        "d": (8, b"\xff\xff"),
        "e": (12, b"\xff"),
    }
    for name, (place, other) in flaws.items():
        damaged = bytearray(content)
        damaged[at + place : at + place + len(other)] = other
        (tmp_path / f"{name}.jpg").write_bytes(damaged)
    make_gradient("RGB").save(tmp_path / "f.png", exif=b"Exif\0\0garbage")
    preprocessing = make_preprocessing(32, "keep", "white", crop=True)
    with open_source(tmp_path) as source:
        found = audit_source(source, preprocessing)
    assert (len(found), found.count_damaged_exif()) == (6, 5)
    assert len(read(tmp_path)) == 6


def test_a_block_of_exif_is_whole_or_not():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 3, "a maker of cameras"
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    assert is_complete_exif(block)
    assert not any(is_complete_exif(block[:k]) for k in range(len(block) - 1))
    assert not is_complete_exif(b"")


def test_a_central_part_is_cut_out_before_resizing(tmp_path: Path):
    """CelebA's faces: 178 x 218 pixels, of which the article takes the central 168."""
    pixels = albums.make_noise(1, 218, 178, 3)[0]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[25:193, 5:173]).save(tmp_path / "cut.bmp")
    cut = read(tmp_path, size=24).pixels
    first, second = read(tmp_path, size=24, crop=168).pixels, cut[1]
    assert torch.equal(first[0], second)
    assert torch.equal(first[1], second)
    assert not torch.equal(cut[0], second)
    made = pack(tmp_path, tmp_path / "p", size=24, crop=168)
    assert made.shape == (2, 3, 24, 24)
    with expect_user_error(
        "a.png cannot be read (it is 178 x 218 pixels, smaller than the crop of 200 x 200"
    ):
        read(tmp_path, crop=200)
