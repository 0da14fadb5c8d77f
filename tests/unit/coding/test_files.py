"""Names of compressed pictures' files, exact reading, and classes for completions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from smalti.autoregressive.raster_order import to_sequence
from smalti.coding.default_labels import find_likeliest_classes
from smalti.coding.exact_pictures import read_exact
from smalti.coding.file_names import check_names, make_file_names
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data.source import Source
from tests.chain import Chain, draw_pixels
from tests.expect import expect_user_error


def name_files(*titles: str, root: str = "x", classes: tuple[str, ...] = ()) -> tuple[str, ...]:
    labels = np.arange(len(titles)) % len(classes) if classes else None
    source = Source("x", titles, lambda k: Image.new("L", (4, 4)), labels, classes)
    return make_file_names(source, np.arange(len(titles)), Path(root))


def test_names_are_those_below_the_root():
    assert name_files("x/a.jpg", "x/b/c.png", "x/d.v2") == ("a.png", "b/c.png", "d.v2.png")
    assert name_files("x/a.jpg", "x/a.png", "x/b.png") == ("a.jpg.png", "a.png.png", "b.png")
    assert name_files("a.jpg", root=".") == ("a.png",)


def test_pictures_without_files_are_numbered_in_their_classes():
    assert name_files("p[0]", "p[1]") == ("00000.png", "00001.png")
    assert name_files("p[0]", "p[1]", classes=("a/b", "..")) == ("a_b/00000.png", "_/00001.png")


def test_names_that_clash_all_the_way_become_numbers():
    assert name_files("x/a:.png", "x/a?.png") == ("00000.png", "00001.png")


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=4))
def test_any_names_become_safe(parts: list[str]):
    made = name_files(*(f"x/{part}" for part in parts))
    assert len(made) == len(parts)
    check_names(made)
    home = Path("/somewhere")
    assert all((home / name).resolve().is_relative_to(home / "") for name in made)


@pytest.mark.parametrize(
    "name",
    ["", ".png", "../a.png", "/a.png", "a//b.png", "./a.png", "a/..png", "a\\b.png", "c:a.png",
     "a\n.png", "a", "a.PNG.exe", "a /b.png", "x" * 300 + ".png"],
)  # fmt: skip
def test_unsafe_names_are_refused(name: str):
    with expect_user_error("not a safe file name"):
        check_names([name])


# ---- reading


def test_what_is_opaque_is_read_as_it_is(tmp_path: Path):
    levels = np.random.default_rng(0).integers(0, 256, (5, 4), dtype=np.uint8)
    gray = Image.fromarray(levels)
    gray.save(tmp_path / "a.png")
    gray.convert("LA").save(tmp_path / "b.png")
    gray.convert("RGBA").save(tmp_path / "c.png")
    Image.merge("RGB", [gray] * 3).quantize(256).save(tmp_path / "d.png")
    (tmp_path / "e.heic").write_bytes(b"no picture")
    notices: list[str] = []
    read, found = read_exact(tmp_path, (1, 5, 4), on_notice=notices.append)
    assert notices == ["skipped: HEIC 1"]
    assert found == ("a.png", "b.png", "c.png", "d.png")
    for picture in read.pixels[:3]:
        assert np.array_equal(picture[0], levels)
    seen = np.asarray(Image.open(tmp_path / "d.png").convert("L"))
    assert np.array_equal(read.pixels[3, 0], seen)


def test_a_palette_with_a_hole_is_refused(tmp_path: Path):
    image = Image.new("P", (4, 5))
    image.putpalette([0, 0, 0, 9, 9, 9])
    image.save(tmp_path / "a.png", transparency=0)
    with expect_user_error("a.png has transparent parts"):
        read_exact(tmp_path, (1, 5, 4))


# ---- classes


def test_the_likeliest_class_takes_the_fewest_bits():
    model, labels = Chain(classes=("a", "b", "c")), torch.tensor([2, 0, 1, 2])
    pixels = draw_pixels(model, 4, labels)
    assert find_likeliest_classes(model, pixels).tolist() == labels.tolist()


def test_the_chain_scores_what_it_walks():
    """The test model's score is the sum over its walk."""
    model = Chain((3, 4, 5))
    pixels, nats = draw_pixels(model, 2), torch.zeros(2).double()
    x = to_sequence(model.codec.encode(pixels / 255))

    def choose(k, symbols):
        nats.sub_(symbols.logits.gather(1, x[:, k, None])[:, 0])
        return x[:, k]

    list(model.walk(choose, 2, SamplingInputs()))
    torch.testing.assert_close(model.score(Batch(pixels / 255), Rng([0, 0])).nats, nats)
