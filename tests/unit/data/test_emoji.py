"""Emoji: variants, splits, download and packs."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
import torch

from smalti.data import emoji_pictures, find_data_home, read, read_splits
from smalti.data.emoji import (
    Emoji,
    expand_variants,
    find_base,
    make_caption,
    read_catalog,
    split_emoji,
)
from smalti.data.fetch_sets import fetch_emoji, is_emoji_file
from tests import packages
from tests.expect import expect_user_error


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the tiny package's packs."""
    archive = packages.write_tar(tmp_path / "emoji.tgz", packages.make_package())
    packages.fake_npm(tmp_path / "bin", monkeypatch, archive)
    monkeypatch.setenv("SMALTI_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1F44B", "1F44B-1F3FD"),  # waving hand, and its skin tone
        ("1F468-200D-1F680", "1F469-1F3FF-200D-1F680"),  # astronauts
        ("1F3C3", "1F3C3-200D-2642-FE0F"),  # runners
        ("1F468-200D-1F469-200D-1F466", "1F469-200D-1F467"),  # families
        ("1F385", "1F9D1-200D-1F384"),  # who brings presents
    ],
)
def test_variants_share_a_base(one: str, other: str):
    assert find_base(one) == find_base(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1F44B", "1F44D"),
        ("1F468-200D-1F680", "1F468-200D-1F692"),
        ("1F468-200D-1F4BB", "1F4BB"),
        ("1F3FB", "1F3FC"),
    ],
)
def test_other_emoji_have_other_bases(one: str, other: str):
    assert find_base(one) != find_base(other)


def test_captions_tell_the_skin_tone():
    entry = {
        "name": "HANDSHAKE", "short_name": "handshake", "unified": "1F91D", "image": "a.png",
        "category": "People & Body",
        "skin_variations": {"1F3FB-1F3FF": {"unified": "1FAF1-1F3FB-200D-1FAF2-1F3FF",
                                            "image": "b.png"}},
    }  # fmt: skip
    plain, toned = expand_variants(entry)
    assert (plain.caption, toned.caption) == (
        "handshake",
        "handshake, light skin tone and dark skin tone",
    )
    assert plain.base == toned.base
    assert make_caption({"name": None, "short_name": "flag-eu"}) == "flag eu"


def test_no_base_stands_on_two_sides_and_every_category_is_split():
    emoji = [
        Emoji(f"{k}-{v}.png", "x", f"c{k % 3}", f"b{k}")
        for k in range(90)
        for v in range(1 + k % 4)
    ]
    sides = split_emoji(emoji)
    of_base, of_category = defaultdict(set), defaultdict(list)
    for one, side in zip(emoji, sides, strict=True):
        of_base[one.base].add(side)
        of_category[one.category].append((one.base, side))
    assert all(len(side) == 1 for side in of_base.values())
    for pairs in of_category.values():  # of 30 bases: a twentieth, and twice as many
        count = {s: len({b for b, t in pairs if t == s}) for s in ("train", "valid", "test")}
        assert count == {"train": 24, "valid": 2, "test": 4}
    assert split_emoji(emoji) == sides != split_emoji(emoji, seed=1)
    few = [Emoji("x.png", "x", "c", f"b{k}") for k in range(9)]
    assert set(split_emoji(few)) == {"train"}


def test_fetched_emoji_are_packed_by_split_in_the_order_of_the_catalog(place: Path):
    small, large = fetch_emoji(place)
    assert (small.packed.shape, large.packed.shape) == ((26, 3, 32, 32), (26, 3, 64, 64))
    assert (small.content, small.n_distinct) == ("24 emoji with their variants", 26)
    catalog = [
        one for e in packages.make_entries() if e["has_img_google"] for one in expand_variants(e)
    ]
    sides = split_emoji(catalog)
    for split in ("train", "valid", "test"):
        pictures = emoji_pictures(split)
        expected = [e for e, side in zip(catalog, sides, strict=True) if side == split]
        assert pictures.captions == tuple(e.caption for e in expected)
        assert pictures.classes == ("Animals & Nature", "Objects")
        assert pictures.labels is not None
        names = [pictures.classes[k] for k in pictures.labels.tolist()]
        assert names == [e.category for e in expected]
        assert (pictures.pixels[:, :, :2] == 255).all()  # white shows through
        assert pictures.name == f"emoji-64/{split}"
    splits = read_splits("emoji-32", size=32)
    assert splits.test is not None
    assert torch.equal(splits.test.pixels, emoji_pictures("test", size=32).pixels)
    assert len(read("emoji-64", size=64)) == 26


def test_what_is_not_fetched_says_how_to(place: Path):
    for ask in (lambda: read("emoji-64", size=64), lambda: emoji_pictures("train")):
        with expect_user_error("emoji-64 is not downloaded yet; run `smalti fetch emoji`"):
            ask()
    with expect_user_error("the emoji have no split 'valdi'; give 'train', 'valid' or 'test'"):
        emoji_pictures("valdi")  # pyright: ignore
    with expect_user_error("the emoji are not packed at size 48; give 32 or 64"):
        emoji_pictures("train", size=48)


def test_nothing_else_of_the_package_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bad = {"../escaped.png": b"x", "package/img/google/64/../../x.png": b"x", "/abs.png": b"x"}
    archive = packages.write_tar(tmp_path / "a.tgz", packages.make_package(bad))
    packages.fake_npm(tmp_path / "bin", monkeypatch, archive)
    fetch_emoji(tmp_path / "home")
    assert not list(tmp_path.rglob("escaped.png")) and not Path("/abs.png").exists()
    assert not any(map(is_emoji_file, [*bad, "package/img/apple/64/a.png", "package/package.json"]))


def test_faults_of_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "home"
    packages.fake_npm(
        tmp_path / "bin", monkeypatch, None, error_message="npm error network unreachable"
    )
    with expect_user_error(
        "`npm pack emoji-datasource-google@16.0.0` failed", "network unreachable"
    ):
        fetch_emoji(out)
    packages.fake_npm(tmp_path / "bin", monkeypatch, None)
    with expect_user_error("downloaded no archive"):
        fetch_emoji(out)
    (tmp_path / "cut.tgz").write_bytes(
        packages.write_tar(tmp_path / "a.tgz", packages.make_package()).read_bytes()[:5000]
    )
    packages.fake_npm(tmp_path / "bin", monkeypatch, tmp_path / "cut.tgz")
    with expect_user_error("cannot be unpacked", "fetch it again"):
        fetch_emoji(out)
    files = packages.make_package()
    lost = next(name for name in files if name.endswith(".png"))
    del files[lost]
    packages.fake_npm(tmp_path / "bin", monkeypatch, packages.write_tar(tmp_path / "b.tgz", files))
    with expect_user_error("1 of 26 pictures cannot be used", lost.rsplit("/", 1)[1]):
        fetch_emoji(out)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with expect_user_error("npm is not installed"):
        fetch_emoji(out)
    assert not out.exists()


def test_a_catalog_of_something_else(tmp_path: Path):
    for content in ("[{}]", "{", json.dumps([{"has_img_google": True}])):
        (tmp_path / "emoji.json").write_text(content)
        with expect_user_error("emoji.json is not the catalog of emoji-datasource-google 16.0.0"):
            read_catalog(tmp_path)


def test_where_fetched_data_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SMALTI_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert find_data_home() == tmp_path / ".cache/smalti"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert find_data_home() == Path("/cache/smalti")
    monkeypatch.setenv("SMALTI_DATA", "~/data")
    assert find_data_home() == tmp_path / "data"
