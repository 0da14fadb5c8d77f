"""Pictures to files: grids, PNG and GIF, written atomically."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from smalti.core.pictures import make_grid, save_gif, save_png, to_image
from tests.expect import expect_user_error

GRAY, RGB = torch.linspace(0, 1, 6).reshape(1, 2, 3), torch.linspace(0, 1, 18).reshape(3, 2, 3)


def frames(n: int) -> list[Image.Image]:
    return [Image.new("L", (4, 3), 40 * i) for i in range(n)]


def test_a_picture_keeps_its_levels() -> None:
    levels = torch.arange(256).reshape(1, 16, 16)
    shown = to_image(levels / 255)
    assert shown.mode == "L"
    assert np.array_equal(np.asarray(shown), levels[0].numpy())


def test_colors_are_in_their_channels() -> None:
    shown = to_image(RGB)
    assert shown.mode == "RGB"
    assert np.array_equal(np.asarray(shown), (RGB * 255).round().byte().permute(1, 2, 0).numpy())


def test_values_outside_are_clipped() -> None:
    assert np.asarray(to_image(torch.tensor([[[-3.0, 0.5, 7.0]]]))).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("C", [0, 2, 4])
def test_other_channels_are_refused(C: int) -> None:
    with expect_user_error(f"{C} channels", "1 (gray) or 3 (RGB)"):
        to_image(torch.zeros(C, 2, 2))
    with expect_user_error(f"{C} channels"):
        make_grid(torch.zeros(1, C, 2, 2))


@given(
    n=st.integers(1, 7),
    columns=st.one_of(st.none(), st.integers(1, 9)),
    pad=st.integers(0, 3),
    scale=st.integers(1, 3),
    C=st.sampled_from([1, 3]),
)
def test_every_tile_is_its_picture(
    n: int, columns: int | None, pad: int, scale: int, C: int
) -> None:
    pictures = torch.rand(n, C, 2, 3)
    sheet = np.asarray(make_grid(pictures, columns, pad, scale))
    across = min(columns or int(np.ceil(np.sqrt(n))), n)
    down = -(-n // across)
    h, w = 2 * scale, 3 * scale
    assert sheet.shape[:2] == (down * (h + pad) + pad, across * (w + pad) + pad)
    ground = np.ones(sheet.shape[:2], dtype=bool)
    for i, picture in enumerate(pictures):
        top, left = pad + i // across * (h + pad), pad + i % across * (w + pad)
        tile = sheet[top : top + h, left : left + w]
        assert np.array_equal(tile[::scale, ::scale], np.asarray(to_image(picture)))
        assert np.array_equal(tile, tile[::scale, ::scale].repeat(scale, 0).repeat(scale, 1))
        ground[top : top + h, left : left + w] = False
    assert (sheet[ground] == 128).all()


def test_small_pictures_are_shown_large() -> None:
    assert make_grid(torch.zeros(1, 1, 28, 28), padding=0).size == (56, 56)
    assert make_grid(torch.zeros(1, 1, 7, 5), padding=0).size == (40, 56)
    assert make_grid(torch.zeros(1, 1, 100, 3), padding=0).size == (3, 100)


def test_nothing_to_show_is_refused() -> None:
    with expect_user_error("no pictures"):
        make_grid(torch.zeros(0, 1, 2, 2))


@pytest.mark.parametrize("picture", [GRAY, RGB])
def test_png_comes_back(picture: torch.Tensor, tmp_path: Path) -> None:
    path = save_png(to_image(picture), tmp_path / "new" / "folder" / "a.png")
    assert path == tmp_path / "new" / "folder" / "a.png"
    with Image.open(path) as again:
        assert again.format == "PNG"
        assert np.array_equal(np.asarray(again), np.asarray(to_image(picture)))
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_gif_has_its_frames_and_times(tmp_path: Path) -> None:
    path = save_gif(frames(5), tmp_path / "a.gif", frame_seconds=0.1, last_frame_seconds=2)
    times, levels = [], []
    with Image.open(path) as gif:
        assert gif.format == "GIF"
        assert gif.info["loop"] == 0  # for ever
        for i in range(5):
            gif.seek(i)
            times.append(gif.info["duration"])
            levels.append(gif.convert("L").getpixel((0, 0)))
        with pytest.raises(EOFError):
            gif.seek(5)
    assert times == [100] * 4 + [2000]
    assert levels == [0, 40, 80, 120, 160]
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


def test_a_gif_of_nothing_is_refused(tmp_path: Path) -> None:
    with expect_user_error("no frames"):
        save_gif([], tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "write",
    [lambda p: save_png(frames(1)[0], p), lambda p: save_gif(frames(2), p)],
    ids=["png", "gif"],
)
def test_a_failing_write_leaves_the_old_file(
    write: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(self: Image.Image, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    path = write(tmp_path / "picture")
    before = path.read_bytes()
    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="No space left"):
        write(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["picture"]
