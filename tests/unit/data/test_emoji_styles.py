"""Emoji in four styles: found by code points, held out by emoji and by style."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.data import read_splits
from smalti.data.emoji import Emoji, read_catalog, split_emoji
from smalti.data.emoji_styles import (
    STYLES,
    Drawing,
    has_skin_tone,
    is_national_flag,
    normalize_code,
    render_icon,
    split_drawings,
)
from smalti.data.fetch_sets import fetch_styles
from smalti.data.packs import open_pack_source
from tests import packages
from tests.expect import expect_user_error

FLAG = "1F1E9-1F1EA"


@pytest.mark.parametrize(
    ("code", "key", "national"),
    [
        ("0023-FE0F-20E3", "23-20e3", False),
        ("1f3f4-e0067_e0062_e0073_e0063_e0074", "1f3f4-e0067-e0062-e0073-e0063-e0074", True),
        ("1F3F4-E0067-E0062-E0073-E0063-E0074-E007F", "1f3f4-e0067-e0062-e0073-e0063-e0074", True),
        ("1F1E9-1F1EA", "1f1e9-1f1ea", True),
        ("1F3F3-FE0F-200D-1F308", "1f3f3-200d-1f308", False),
    ],
)
def test_code_points_are_one_key_however_a_package_writes_them(code: str, key: str, national: bool):
    assert normalize_code(code) == key
    assert is_national_flag(key) == national


def test_skin_tones_are_known_by_their_captions():
    names = ["waving hand", "waving hand, dark skin tone", "family: man, boy"]
    assert [has_skin_tone(Emoji("a.png", n, "c", "b")) for n in names] == [False, True, False]


def make_drawings(n: int) -> list[Drawing]:
    return [
        Drawing(Emoji(f"{k}.png", f"e{k}", "c", f"b{k // 2}"), f"{k:x}", style.name, Image.Image)
        for style in STYLES
        for k in range(n)
        if not (style.name == "fluent-flat" and k >= n - 10)
    ]


def test_held_out_are_whole_emoji_and_single_styles_of_others():
    every = make_drawings(400)
    sides = {f"b{k}": "test" if k % 10 == 0 else "valid" if k % 10 == 1 else "train"
             for k in range(200)}  # fmt: skip
    placed = split_drawings(every, sides, 0)  # pyright: ignore[reportArgumentType]
    of_base, of_pair = defaultdict(set), defaultdict(set)
    for one, (split, why) in zip(every, placed, strict=True):
        assert (why == "") == (split == "train")
        of_base[one.emoji.base].add((split, why))
        of_pair[one.emoji.base, one.style].add(split)
    assert all(len(splits) == 1 for splits in of_pair.values())  # variants go together
    for base, found in of_base.items():
        if sides[base] != "train":
            assert found == {(sides[base], "emoji")}
        else:
            assert ("train", "") in found and len(found) <= 2
    held = [(b, s) for (b, s), split in of_pair.items()
            if sides[b] == "train" and split != {"train"}]  # fmt: skip
    assert len(held) == round(0.04 * 156) + round(0.18 * 156)  # of 160, 4 lack a style
    counts = [sum(s == style.name for _, s in held) for style in STYLES]
    assert max(counts) - min(counts) <= 1
    assert split_drawings(every, sides, 0) == placed != split_drawings(every, sides, 1)  # pyright: ignore


def test_a_drawing_is_rendered_with_a_transparent_ground():
    pytest.importorskip("resvg_py")
    icons = {"height": 32, "icons": {"dot": {
        "body": '<circle cx="32" cy="16" r="16" fill="#f00"/>', "width": 64}}}  # fmt: skip
    image = np.asarray(render_icon(icons, "dot").convert("RGBA"))
    H, W = image.shape[:2]
    assert tuple(image[H // 2, W // 2]) == (255, 0, 0, 255)
    assert image[0, 0, 3] == image[H // 2, 0, 3] == 0


# ---- all of it, out of tiny packages


def write_archives(folder: Path) -> dict[str, Path]:
    """Four packages: of 24 emoji in every style, one is the same picture in two of them."""
    catalog = [*packages.make_entries(), {
        "name": None, "short_name": "flag-de", "unified": FLAG, "image": f"{FLAG.lower()}.png",
        "category": "Flags", "has_img_google": True,
    }]  # fmt: skip
    plain = [entry for entry in catalog if entry["has_img_google"]]
    google = packages.make_package()
    google["package/emoji.json"] = json.dumps(catalog).encode()
    google[f"package/img/google/64/{FLAG.lower()}.png"] = packages.make_picture(900)
    files = {"noto": google}
    for s, (style, place, ending) in enumerate(
        [("twemoji", "img/twitter/64", "png"), ("fluent-3d", "assets", "webp")], 1
    ):
        files[style] = {
            f"package/{place}/{e['unified'].lower()}.{ending}": packages.make_picture(100 * s + k)
            for k, e in enumerate(plain)
        }
        files[style]["package/../escaped.png"] = b"x"
    files["twemoji"][f"package/img/twitter/64/{plain[3]['unified'].lower()}.png"] = google[
        f"package/img/google/64/{plain[3]['image']}"
    ]
    codes = [e["unified"].lower() for e in plain[:-1]]
    bodies = {
        f"name-{code}": {"body": f'<rect x="{k}" y="{k % 7}" width="9" height="{9 + k}" '
                                 f'fill="#{k * 9:02x}{255 - k * 9:02x}80"/>'}
        for k, code in enumerate(codes)
    }  # fmt: skip
    files["fluent-flat"] = {
        "package/icons.json": json.dumps({"height": 32, "width": 32, "icons": bodies}).encode(),
        "package/chars.json": json.dumps({code: f"name-{code}" for code in codes}).encode(),
    }
    return {
        style.package: packages.write_tar(folder / f"{style.name}.tgz", files[style.name])
        for style in STYLES
    }


def test_styles_are_packed_with_what_is_known_of_each_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("resvg_py")
    packages.fake_npm_packages(tmp_path / "bin", monkeypatch, write_archives(tmp_path))
    small, large, flags, fluent = fetch_styles(tmp_path / "home")
    assert small.path.name == "emoji4-32" and large.path.name == "emoji4-64"
    assert large.content == "24 emoji in 4 styles" and large.n_leaks == 0
    source = open_pack_source(large.path)
    style, held = source.attributes["style"], source.attributes["held_out"]
    assert source.classes == ("noto", "twemoji", "fluent-3d", "fluent-flat")
    assert source.labels is not None
    assert tuple(source.classes[k] for k in source.labels) == style
    assert not any("skin tone" in caption for caption in source.captions)
    assert "name 1f400" in source.captions  # as Iconify calls it
    assert len(set(source.captions)) == 24 and 90 <= len(style) <= 96
    test = source.splits["test"]
    assert set(held[test.start : test.stop]) == {"emoji", "style"}
    assert set(held[: source.splits["train"].stop]) == {""}
    catalog = read_catalog(unpack_catalog(tmp_path))
    sides = {e.base: side for e, side in zip(catalog, split_emoji(catalog), strict=True)}
    for k, (base, why) in enumerate(zip(source.attributes["base"], held, strict=True)):
        if why == "emoji":
            assert k in source.splits[sides[base]]  # pyright: ignore[reportArgumentType]
    assert flags.packed.shape[0] == 3  # one flag, which one style lacks
    assert fluent.path.name == "fluent-128" and fluent.packed.shape[2:] == (128, 128)
    assert open_pack_source(fluent.path).classes == ("fluent-3d", "fluent-flat")
    assert "CC BY 4.0" in large.license and "MIT" in large.license
    splits = read_splits(str(large.path), size=64)
    assert (splits.train.pixels[:, :, :2] == 255).float().mean() > 0.7  # white shows through


def unpack_catalog(folder: Path) -> Path:
    from smalti.data.downloads import extract_tar

    place = folder / "noto"
    extract_tar(folder / "noto.tgz", place, lambda name: name.endswith("emoji.json"))
    return place / "package"


def test_a_package_that_is_not_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("resvg_py")
    found = write_archives(tmp_path)
    found[STYLES[2].package] = packages.write_tar(
        tmp_path / "x.tgz", {"package/assets/a b.webp": b""}
    )
    packages.fake_npm_packages(tmp_path / "bin", monkeypatch, found)
    with expect_user_error("@lobehub/fluent-emoji-3d@1.1.0 has unexpected contents"):
        fetch_styles(tmp_path / "home")
    monkeypatch.setattr("smalti.data.fetch_sets.find_spec", lambda name: None)
    with expect_user_error("pip install 'smalti[emoji]'"):
        fetch_styles(tmp_path / "home")
    assert not (tmp_path / "home").exists()
