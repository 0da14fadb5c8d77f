"""Folders of pictures: selection, preprocessing, and error messages."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from smalti.core.errors import UserError
from smalti.data import read as folder
from smalti.data.picture_folder import find_pictures

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
LEVELS16 = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)


def save(path: Path, color=RED, size=(8, 8), mode="RGB", **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **options)
    return path


def only(path: Path, **options) -> list[int]:
    """The one color of the one picture in a folder."""
    pixels = folder(path, size=None, **options).pixels[0]
    assert (pixels == pixels[:, :1, :1]).all()
    return pixels[:, 0, 0].tolist()


# --- what is found -------------------------------------------------------------------------------


def test_pictures_are_found_below_and_sorted_by_path(tmp_path):
    for level, name in enumerate(["b/z.png", "a/deep/er/x.PNG", "c", "b/a.bmp", "b.webp"]):
        form = "PNG" if name == "c" else None
        save(tmp_path / name, level, mode="L", format=form, lossless=True)
    for name in [".hidden.png", ".git/x.png", "notes.txt", "a/labels.json", "x.csv", "README"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no picture\nat all\n")
    pictures = folder(tmp_path, size=None)
    assert pictures.pixels[:, 0, 0, 0].tolist() == [1, 3, 0, 4, 2]  # a/deep b/a b/z b.webp c
    assert pictures.name == tmp_path.name


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    save(tmp_path / "elsewhere/x.png")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here/again").symlink_to(tmp_path / "here")
    assert len(folder(tmp_path / "here")) == 1


def test_subfolders_are_classes_when_all_pictures_lie_in_two_or_more(tmp_path):
    for name in ["dog/1.png", "cat/x/2.png", "cat/3.png"]:
        save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    pictures = folder(tmp_path)
    assert pictures.classes == ("cat", "dog")
    assert pictures.labels is not None
    assert pictures.labels.dtype == torch.int64
    assert pictures.labels.tolist() == [0, 0, 1]
    assert folder(tmp_path, labels=False).labels is None
    assert (folder(tmp_path / "cat").labels, folder(tmp_path / "cat").classes) == (None, ())
    save(tmp_path / "stray.png")
    assert (folder(tmp_path).labels, folder(tmp_path).classes) == (None, ())


def test_classes_that_are_numbers_are_sorted_as_numbers(tmp_path):
    for k in (10, 9, 2):
        save(tmp_path / f"{k}/x.png", k, mode="L")
    pictures = folder(tmp_path, size=None)
    assert pictures.classes == ("2", "9", "10")
    assert pictures.labels is not None
    names = [int(pictures.classes[k]) for k in pictures.labels]
    assert names == pictures.pixels[:, 0, 0, 0].tolist()


# --- how they are made alike ---------------------------------------------------------------------


def test_gray_is_kept_until_one_picture_is_colored(tmp_path):
    save(tmp_path / "a.png", 7, mode="L")
    save(tmp_path / "b.png", (9, 9, 9))  # gray, though stored as RGB
    assert folder(tmp_path).shape == (1, 32, 32)
    assert folder(tmp_path, color="rgb").shape == (3, 32, 32)
    save(tmp_path / "c.png", (1, 2, 3))
    pictures = folder(tmp_path)
    assert pictures.pixels[:, :, 0, 0].tolist() == [[7, 7, 7], [9, 9, 9], [1, 2, 3]]
    assert folder(tmp_path, color="gray").pixels[:, :, 0, 0].tolist() == [[7], [9], [2]]


@pytest.mark.parametrize(("name", "form"), [("x.png", "PNG"), ("x.tif", "TIFF"), ("x.pgm", "PPM")])
def test_16_bit_gray_is_scaled_not_clipped(tmp_path, name, form):
    Image.fromarray(LEVELS16).save(tmp_path / name, format=form)
    pixels = folder(tmp_path, size=None).pixels[0, 0].numpy()
    assert np.array_equal(pixels, np.rint(LEVELS16 / 257))


def test_float_gray_runs_from_0_to_1(tmp_path):
    Image.fromarray((LEVELS16 / 65535).astype(np.float32)).save(tmp_path / "x.tif")
    pixels = folder(tmp_path, size=None).pixels[0, 0].numpy()
    assert np.array_equal(pixels, np.rint(LEVELS16 / 257))


def test_two_levels_are_black_and_white(tmp_path):
    Image.fromarray(np.eye(8) > 0).save(tmp_path / "x.png")
    assert torch.equal(folder(tmp_path, size=None).pixels[0, 0], torch.eye(8).byte() * 255)


def test_cmyk_and_palettes_become_rgb(tmp_path):
    save(tmp_path / "a/x.tif", (255, 0, 0, 0), mode="CMYK")
    (tmp_path / "b").mkdir()
    Image.new("RGB", (8, 8), BLUE).quantize(4).save(tmp_path / "b/x.png")
    assert only(tmp_path / "a") == [0, 255, 255]
    assert only(tmp_path / "b") == list(BLUE)


TRANSPARENT = {
    "RGBA": (Image.new("RGBA", (8, 8), (9, 9, 9, 0)), {}),
    "LA": (Image.new("LA", (8, 8), (9, 0)), {}),
    "palette": (Image.new("RGB", (8, 8), (9, 9, 9)).quantize(4), {"transparency": 0}),
    "RGB with a key": (Image.new("RGB", (8, 8), (7, 8, 9)), {"transparency": (7, 8, 9)}),
    "L with a key": (Image.new("L", (8, 8), 7), {"transparency": 7}),
    "16 bits with a key": (
        Image.fromarray(np.full((8, 8), 999, np.uint16)),
        {"transparency": 999},
    ),
}


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_transparency_shows_the_background(tmp_path, kind):
    image, options = TRANSPARENT[kind]
    image.save(tmp_path / "x.png", **options)
    assert only(tmp_path) == [255]
    assert only(tmp_path, background="#ff8000") == [255, 128, 0]
    assert only(tmp_path, background=(1, 2, 3)) == [1, 2, 3]
    assert only(tmp_path, background=(5,)) == [5]


def test_half_transparency_is_mixed(tmp_path):
    save(tmp_path / "x.png", (0, 0, 0, 51), mode="RGBA")
    assert only(tmp_path) == [204]


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (20, 10), RED)
    image.paste(BLUE, (0, 0, 10, 10))  # blue left, red right
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by 90 degrees: blue on top
    image.save(tmp_path / "x.png", exif=exif)
    pixels = folder(tmp_path, size=None).pixels[0]
    assert pixels.shape == (3, 20, 10)
    assert (pixels[2, :10] == 255).all()
    assert (pixels[0, 10:] == 255).all()


def test_an_animation_gives_its_first_frame(tmp_path):
    save(tmp_path / "x.gif", BLUE, save_all=True, append_images=[Image.new("RGB", (8, 8), RED)])
    assert only(tmp_path) == list(BLUE)


def stripes(width: int, height: int) -> Image.Image:
    """Red, green and blue from left to right; the middle is a centered square."""
    image = Image.new("RGB", (width, height), GREEN)
    side = (width - height) // 2
    image.paste(RED, (0, 0, side, height))
    image.paste(BLUE, (width - side, 0, width, height))
    return image


def test_the_center_is_cropped_or_all_is_squeezed(tmp_path):
    stripes(90, 30).save(tmp_path / "x.png")
    cropped = folder(tmp_path, size=10).pixels[0]
    assert cropped[:, :, 3:7].eq(torch.tensor(GREEN)[:, None, None]).all()
    assert (cropped[1] > 2 * cropped[0]).all()  # at the edges the filter sees a little of
    assert (cropped[1] > 2 * cropped[2]).all()  # what was cut away
    squeezed = folder(tmp_path, size=(10, 9), crop=False).pixels[0]
    assert squeezed[:, 5, [0, 4, 8]].argmax(0).tolist() == [0, 1, 2]  # red, green, blue
    assert folder(tmp_path, size=(4, 12)).shape == (3, 4, 12)


def test_jpeg_decoded_small_looks_like_the_whole(tmp_path):
    ramp = np.linspace(0, 255, 800)[None].repeat(600, axis=0).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "x.jpg", quality=95)
    row = folder(tmp_path, size=16).pixels[0, 0, 8].float()  # the middle 600 of 800 columns
    expected = (100 + 600 * (torch.arange(16) + 0.5) / 16) * 255 / 799
    assert (row - expected).abs().max() < 2


def test_a_picture_of_the_right_size_keeps_its_bytes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    for size in (None, (12, 10)):
        found = folder(tmp_path, size=size).pixels[0].permute(1, 2, 0).numpy()
        assert np.array_equal(found, pixels)


@settings(max_examples=60, deadline=None)
@given(
    given_size=st.tuples(st.integers(4, 200), st.integers(4, 200)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    crop=st.booleans(),
    suffix=st.sampled_from([".png", ".jpg"]),
)
def test_any_size_and_aspect_ratio_gives_the_wanted_size(given_size, size, crop, suffix):
    with tempfile.TemporaryDirectory() as path:
        save(Path(path, f"x{suffix}"), 77, given_size, mode="L")
        pixels = folder(path, size=size, crop=crop).pixels
    assert pixels.shape == (1, 1, *size)
    assert (pixels == 77).all()  # nothing from outside the picture is mixed in


@settings(max_examples=40, deadline=None)
@given(
    h=st.integers(4, 60),
    w=st.integers(4, 60),
    size=st.tuples(st.integers(4, 20), st.integers(4, 20)),
)
@example(h=10, w=25, size=(4, 11))  # 25 / 11 * 11 comes out above 25
def test_the_crop_is_centered(h, w, size):
    """A mirrored picture gives a mirrored result: nothing leans to one side."""
    pixels = np.random.default_rng(h * w).integers(0, 256, (h, w), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as path:
        Image.fromarray(pixels).save(Path(path, "a.png"))
        Image.fromarray(pixels[::-1, ::-1].copy()).save(Path(path, "b.png"))
        upright, turned = folder(path, size=size).pixels.float()
    assert (upright - turned.flip(1, 2)).abs().max() <= 2  # rounding within the resize


def test_progress_counts_every_picture(tmp_path):
    for k in range(3):
        save(tmp_path / f"{k}.png")
    seen = []
    folder(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# --- what each fault says ------------------------------------------------------------------------


def refusal(path: Path, **options) -> str:
    """The one line of the error; nothing else is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError) as caught:
            folder(path, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_folder_that_is_missing_a_file_or_empty(tmp_path):
    assert "missing does not exist; give a folder" in refusal(tmp_path / "missing")
    with pytest.raises(UserError, match=r"x\.png is a file; give a folder"):
        find_pictures(save(tmp_path / "x.png"))
    (tmp_path / "empty").mkdir()
    assert "empty holds no pictures; put" in refusal(tmp_path / "empty")
    (tmp_path / "empty/notes.txt").write_text("x")
    assert "no pictures (skipped: TXT 1)" in refusal(tmp_path / "empty")


def test_a_file_that_is_no_picture_is_named(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_text("not a picture")
    assert "b.jpg is not a readable picture; replace" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tif"])
def test_a_truncated_picture_is_named(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    assert f"cut.{suffix} " in refusal(tmp_path)


def test_a_broken_link_is_named(tmp_path):
    (tmp_path / "x.png").symlink_to("nowhere.png")
    assert "x.png cannot be read (No such file or directory)" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    assert "holds no pictures" in refusal(tmp_path)


@pytest.mark.parametrize("size", [(1, 1), (3, 50)])
def test_a_tiny_picture_is_named(tmp_path, size):
    save(tmp_path / "dot.png", size=size)
    line = refusal(tmp_path)
    assert f"dot.png is {size[0]} x {size[1]} pixels" in line
    assert "at least 4 x 4" in line


@pytest.mark.parametrize("side", [110, 150])  # where Pillow only warns, and where it raises
@pytest.mark.parametrize("name", ["x.png", "x"])
def test_a_decompression_bomb_is_named(tmp_path, monkeypatch, side, name):
    save(tmp_path / name, size=(side, side), format="PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    assert f"{name} has more than 0.01 million pixels" in refusal(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert len(folder(tmp_path)) == 1


def test_mixed_sizes_name_the_first_odd_one(tmp_path):
    save(tmp_path / "a.png", size=(8, 6))
    save(tmp_path / "b.png", size=(9, 6))
    save(tmp_path / "c.png", size=(7, 6))
    line = refusal(tmp_path, size=None)
    assert "b.png is 9 x 6 pixels, but a.png is 8 x 6; give a size" in line
    assert folder(tmp_path).shape == (3, 32, 32)


def test_levels_beyond_16_bits_are_refused(tmp_path):
    Image.fromarray(LEVELS16.astype(np.int32) * 2).save(tmp_path / "x.tif")
    assert "x.tif cannot be read (its gray levels are outside 0 to 65535)" in refusal(tmp_path)


@pytest.mark.parametrize("size", [0, -1, (3,), (3, 0), (1, 2, 3), True, "32", 3.5])
def test_a_wrong_size_is_refused(tmp_path, size):
    save(tmp_path / "x.png")
    assert f"size is {size!r}; give pixels" in refusal(tmp_path, size=size)


@pytest.mark.parametrize(
    "background", ["whitish", (1, 2), (1, 2, 300), (0, 0, 0, 9), "#ff000080", 3]
)
def test_a_wrong_background_is_refused(tmp_path, background):
    save(tmp_path / "x.png")
    assert f"background {background!r} is no" in refusal(tmp_path, background=background)


def test_a_wrong_color_is_refused(tmp_path):
    save(tmp_path / "x.png")
    assert "color is 'sepia'; give 'keep', 'gray' or 'rgb'" in refusal(tmp_path, color="sepia")
