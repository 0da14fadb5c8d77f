"""Masks, and pictures that are unchanged outside a hole."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from smalti.data import read
from smalti.data.frames import is_video, read_frames, read_still
from smalti.data.originals import read_original
from smalti.data.single_picture import read_mask
from tests import albums
from tests.expect import expect_user_error

HOLE = np.zeros((12, 10), bool)
HOLE[3:7, 2:6] = True
FILLED = np.full((12, 10, 3), 200, np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
NOISE = albums.make_noise(12, 10, 4)


def save(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


# ---- masks


def test_a_mask_is_white_where_it_is_meant(tmp_path: Path):
    picture = save(tmp_path / "a.png", NOISE[..., :3])
    mask = HOLE.astype(np.uint8) * 255
    mask[2, 2:6] = 140  # a soft edge
    found = read_mask(save(tmp_path / "m.png", mask), picture)
    assert found[3:7, 2:6].all()
    assert found.sum() == 20
    assert read_mask(tmp_path / "m.png", picture, NOISE[..., :3], size=(24, 20)).shape == (24, 20)
    Image.fromarray(HOLE).save(tmp_path / "m.png")  # of one bit
    assert np.array_equal(read_mask(tmp_path / "m.png", picture), HOLE)


def test_a_photograph_is_no_mask(tmp_path: Path):
    photo = save(tmp_path / "photo.jpg", albums.make_noise(12, 10, 3, seed=1))
    mask = save(tmp_path / "m.png", HOLE.astype(np.uint8) * 255)
    with expect_user_error("photo.jpg is not a mask", "m.png looks like one: are the two swapped?"):
        read_mask(photo, mask)
    with expect_user_error(
        "photo.jpg is not a mask", "neither black nor white; paint the masked region white"
    ):
        read_mask(photo, save(tmp_path / "b.png", NOISE[..., :3]))
    red = np.zeros((12, 10, 3), np.uint8)
    red[HOLE, 0] = 255
    with expect_user_error("red.png is not a mask: 13% of its pixels"):
        read_mask(save(tmp_path / "red.png", red), photo)


def test_a_digit_in_the_mask_s_place_is_noticed(tmp_path: Path):
    """It is black and white but for its strokes' edges."""
    levels = np.zeros((28, 28), np.uint8)
    levels[4:24, 12:16] = 255
    levels[4:24, 11] = 120
    digit = save(tmp_path / "one.png", levels)
    hole = np.zeros((28, 28), np.uint8)
    hole[10:20, 5:25] = 255
    mask = save(tmp_path / "m.png", hole)
    with expect_user_error("one.png is not a mask", "swapped"):
        read_mask(digit, mask)
    assert read_mask(mask, digit).sum() == 200


# ---- what survives


def fill_and_reload(path: Path, tmp_path: Path) -> Image.Image:
    """The picture with its hole filled, as a PNG brings it back."""
    read_original(path).fill(FILLED, HOLE).save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        return image


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_pixel_outside_the_hole_is_as_it_was(tmp_path: Path, mode: str):
    pixels = np.squeeze(NOISE[..., : len(mode)])
    path = save(tmp_path / "a.png", pixels, icc_profile=PROFILE if mode[0] == "R" else None)
    image = fill_and_reload(path, tmp_path)
    assert image.mode == mode
    assert np.array_equal(np.asarray(image)[~HOLE], pixels[~HOLE])
    assert image.info.get("icc_profile") == (PROFILE if mode[0] == "R" else None)
    inside = np.asarray(image)[HOLE].reshape(16, -1)
    colors = inside[:, :-1] if mode[-1] == "A" else inside
    assert (colors == 200).all()
    assert read_original(path).conversion_notes == ()


def test_transparency_in_the_hole_is_that_around_it(tmp_path: Path):
    pixels = NOISE.copy()
    pixels[..., 3] = np.where(np.arange(12)[:, None] < 5, 0, 255)
    alpha = np.asarray(fill_and_reload(save(tmp_path / "a.png", pixels), tmp_path))[..., 3]
    assert (alpha[3] == 0).all()
    assert (alpha[6] == 255).all()


def test_16_bits_of_gray_stay(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 65536, (12, 10)).astype(np.uint16)
    image = fill_and_reload(save(tmp_path / "a.png", pixels), tmp_path)
    assert image.mode == "I;16"
    found = np.asarray(image)
    assert np.array_equal(found[~HOLE], pixels[~HOLE])
    assert (found[HOLE] == 200 * 257).all()


def test_palettes_are_unfolded_and_two_levels_are_gray(tmp_path: Path):
    drawn = Image.fromarray(NOISE[..., :3]).quantize(8)
    drawn.save(tmp_path / "a.png")
    assert np.array_equal(
        np.asarray(fill_and_reload(tmp_path / "a.png", tmp_path))[~HOLE],
        np.asarray(drawn.convert("RGB"))[~HOLE],
    )
    Image.fromarray(HOLE).save(tmp_path / "b.png")
    image = fill_and_reload(tmp_path / "b.png", tmp_path)
    assert (image.mode, np.asarray(image)[0, 0]) == ("L", 0)


def deep_png(path: Path) -> Path:
    """An RGB picture of 16 bits per channel, which Pillow cannot write."""
    row = b"\0" + bytes(range(60))
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 10, 12, 16, 2, 0, 0, 0),
        b"IDAT": zlib.compress(row * 12),
        b"IEND": b"",
    }
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks.items():
        content += struct.pack(">I", len(body)) + name + body
        content += struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(content)
    return path


def test_what_cannot_be_kept_is_said(tmp_path: Path):
    assert read_original(deep_png(tmp_path / "a.png")).conversion_notes == (
        "has 16 bits per channel; results have 8",
    )
    Image.new("CMYK", (10, 12)).save(tmp_path / "a.tif")
    original = read_original(tmp_path / "a.tif")
    assert (original.image.mode, original.icc) == ("RGB", None)
    assert original.conversion_notes == ("has mode CMYK; results have RGB",)


# ---- files of several pictures


@pytest.mark.parametrize("name", ["a.mpo", "a.jpg", "a.tif"])
def test_pages_and_previews_are_one_picture(tmp_path: Path, name: str):
    first, second = (Image.fromarray(p) for p in albums.make_noise(2, 16, 16, 3))
    form = "TIFF" if name == "a.tif" else "MPO"
    first.save(tmp_path / name, form, save_all=True, append_images=[second])
    assert not is_video(tmp_path / name)
    (frame,) = read_frames(tmp_path / name)
    assert np.array_equal(frame, read_still(tmp_path / name))
    assert len(read(tmp_path, size=None)) == 1


def test_animations_are_videos(tmp_path: Path):
    first, second = (Image.fromarray(p) for p in albums.make_noise(2, 16, 16, 3))
    for name in ("a.gif", "a.png", "a.webp"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
        assert is_video(tmp_path / name)
        assert len([*read_frames(tmp_path / name)]) == 2
