"""Letters of fonts: which glyphs are kept, and how fonts are held out."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from smalti.data import read_splits
from smalti.data.debian_copyright import find_license, format_licenses, read_copyright
from smalti.data.fetch_sets import fetch_letters
from smalti.data.glyphs import (
    CHARACTERS,
    Face,
    correlate_glyphs,
    crop_to_ink,
    drop_small_capitals,
    find_real_characters,
    read_face,
)
from smalti.data.letters import (
    MAX_DISTANCE,
    Font,
    compare_faces,
    group_designs,
    keep_letters,
    recognize_glyphs,
    split_designs,
    to_shape_class,
)
from smalti.data.packs import open_pack_source
from tests import packages
from tests.expect import expect_user_error

FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"
NAMED = re.compile(r"DejaVuS(ans|erif)(?!.*Display)|STIXGeneral")
SANS = FONTS / "DejaVuSans.ttf"


@pytest.fixture(scope="module")
def sans() -> Face:
    face = read_face(SANS)
    assert face is not None
    return face


def glyph(face: Face, character: str) -> np.ndarray:
    return face.pictures[face.characters.index(character)]


def rows_of(picture: np.ndarray) -> tuple[int, int]:
    rows = np.flatnonzero((picture >= 128).any(1))
    return int(rows[0]), int(rows[-1])


def test_glyphs_share_a_scale_and_a_baseline_and_none_is_cropped(sans: Face):
    assert sans.characters == CHARACTERS
    assert sans.pictures.shape == (62, 32, 32) and sans.pictures.dtype == np.uint8
    assert sans.pictures.max() == 255
    edge = np.concatenate([sans.pictures[:, [0, -1]].ravel(), sans.pictures[..., [0, -1]].ravel()])
    assert edge.max() < 32  # black, but for what averaging spills
    baseline = rows_of(glyph(sans, "H"))[1]
    assert all(abs(rows_of(glyph(sans, c))[1] - baseline) <= 1 for c in "ABEax1")
    assert rows_of(glyph(sans, "g"))[1] > baseline + 3
    assert rows_of(glyph(sans, "x"))[0] > rows_of(glyph(sans, "H"))[0] + 2
    for c in "AWgil":  # centered from left to right
        columns = np.flatnonzero((glyph(sans, c) >= 32).any(0))
        assert abs(columns[0] + columns[-1] - 31) <= 2


def test_what_a_font_lacks_is_left_out(sans: Face):
    face = read_face(SANS, ["A", "\u0378", " "])  # unassigned: the box of a missing character
    assert face is not None and face.characters == "A"
    assert read_face(Path(__file__)) is None
    box, ink = b"box", {c: c.encode() for c in "abcdef"}
    assert find_real_characters({**ink, "x": box, "y": b""}, {box}) == set("abcdef")
    assert find_real_characters({c: b"same" for c in "abcd"}, set()) == set()  # one picture for all
    assert find_real_characters({c: b"same" for c in "Il1"}, set()) == set("Il1")
    assert len(crop_to_ink(glyph(sans, "x"))) < len(crop_to_ink(glyph(sans, "X")))


def test_small_letters_that_are_capitals_are_left_out(sans: Face):
    whole = dict(zip(sans.characters, sans.pictures, strict=True))
    assert [*drop_small_capitals(whole)] == [*whole]
    caps = {c: whole[c.upper()] for c in whole}
    assert "".join(drop_small_capitals(caps)) == CHARACTERS[:36]
    half = {c: np.asarray(whole[c.upper()] if c.isupper() else halved(whole[c.upper()]))
            for c in whole if c.isalpha()}  # fmt: skip
    assert not any(c.islower() for c in drop_small_capitals(half))
    assert (
        correlate_glyphs(whole["A"], halved(whole["A"]))
        > 0.8
        > correlate_glyphs(whole["A"], whole["a"])
    )


def halved(picture: np.ndarray) -> np.ndarray:
    small = picture.reshape(16, 2, 16, 2).mean((1, 3)).astype(np.uint8)
    return np.pad(small, 8)


@pytest.fixture(scope="module")
def fonts() -> list[Font]:
    """Fifteen that draw letters, one of symbols for letters, and one inside out."""
    names = [p.name for p in sorted(FONTS.glob("*.ttf")) if NAMED.match(p.name)]
    found = [Font("fonts", face) for name in names if (face := read_face(FONTS / name))]
    dingbats = np.stack([found[0].face.pictures[(7 * k + 3) % 62].T for k in range(62)])
    inverted = np.stack([255 - p for p in found[1].face.pictures])
    odd = [Face("Dings", "", "d.ttf", CHARACTERS, dingbats),
           Face("Stamp", "", "s.ttf", CHARACTERS, inverted)]  # fmt: skip
    return [*found, *(Font("odd", face) for face in odd)]


def test_fonts_that_draw_something_else_are_found(
    fonts: list[Font], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("smalti.data.letters.FEATURES", 300)  # enough for so few
    known = recognize_glyphs(fonts)
    kept = [keep_letters(font, is_known) for font, is_known in zip(fonts, known, strict=True)]
    assert [font.face.family for font, k in zip(fonts, kept, strict=True) if k is None] == [
        "Dings", "Stamp",
    ]  # fmt: skip
    assert all(k is not None and len(k.face.characters) == 62 for k in kept[:-2])
    half = known[0].copy()
    half[:10] = False  # no digit is recognized
    letters = keep_letters(fonts[0], half)
    assert letters is not None and letters.face.characters == CHARACTERS[10:]
    assert to_shape_class("0") == to_shape_class("O") == to_shape_class("o") != to_shape_class("Q")


def test_faces_of_one_design_stand_in_one_split(fonts: list[Font]):
    real = fonts[:-2]
    copy = Font("other", Face("Free Copy", "", "c.ttf", CHARACTERS, real[0].face.pictures))
    groups = group_designs([*real, copy])
    unlike = compare_faces([*real, copy, Font("x", faint(real[3].face))])
    assert max(unlike[0, -2], *np.diag(unlike)) < 0.01  # float32 leaves a thousandth
    assert np.sort(unlike[-1])[1] > MAX_DISTANCE  # thin strokes alone are no likeness
    of_name = {font.face.family: group for font, group in zip(real, groups, strict=False)}
    assert groups[-1] == groups[0]
    assert of_name["DejaVu Sans"] == of_name["DejaVu Serif"]  # by the first word
    assert of_name["DejaVu Sans"] != of_name["STIXGeneral"]
    faces = [Face(name, "", "f", "A", real[0].face.pictures[:1]) for name in
             ("Lato", "Yanone Kaffeesatz Bold", "Comic Neue", "Twin of Yanone")]  # fmt: skip
    held = [Font("fonts-lato", faces[0]), Font("fonts-yanone-kaffeesatz", faces[1]),
            Font("fonts-comic-neue", faces[2]), Font("fonts-x", faces[3])]  # fmt: skip
    assert split_designs(held, np.array([0, 1, 2, 1])) == ["train", "test", "valid", "test"]


def faint(face: Face) -> Face:
    """The same with a few pixels of its ink left."""
    rows = np.arange(32)[:, None] % 8 == 3
    return Face("Faint", "", "x.ttf", face.characters, face.pictures * rows.astype(np.uint8))


def test_families_are_named_without_weight(sans: Face):
    names = {"TeX Gyre Heros Cn": "TeX Gyre Heros", "Lato Black": "Lato", "Bold": "Bold"}
    for name, family in names.items():
        assert Font("p", Face(name, "", "f", "", sans.pictures)).family == family


COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: A
License: GPL-2+

Files:
 base/textures/a.png
 base/textures/b*.png
Copyright: B
License: public-domain
 do as you like

Files: debian/*
Copyright: C
License: Expat
"""


def test_licenses_out_of_a_copyright_file(tmp_path: Path):
    (tmp_path / "copyright").write_text(COPYRIGHT)
    stanzas = read_copyright(tmp_path / "copyright")
    assert find_license(stanzas, "base/textures/a.png") == "public-domain"
    assert find_license(stanzas, "base/textures/b_7.png") == "public-domain"
    assert find_license(stanzas, "base/textures/c.png") == "GPL-2+"
    assert format_licenses(stanzas) == "GPL-2+, public-domain"
    assert read_copyright(tmp_path / "nothing") == []


def deb(path: Path, names: list[str]) -> Path:
    files = {f"./usr/share/fonts/{name}": (FONTS / name).read_bytes() for name in names}
    files["./usr/share/doc/x/copyright"] = COPYRIGHT.encode()
    files["./usr/bin/other"] = b"x"
    return packages.write_tar(path, files)


def test_letters_are_fetched_from_what_this_debian_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    known = {
        "fonts-adf-libris": deb(tmp_path / "a.tar", ["DejaVuSans.ttf", "cmsy10.ttf"]),
        "fonts-lato": deb(tmp_path / "b.tar", ["STIXGeneral.ttf"]),
        "fonts-play": deb(tmp_path / "c.tar", ["cmr10.ttf"]),
        "fonts-sora": deb(tmp_path / "d.tar", ["DejaVuSerif.ttf"]),
    }
    packages.fake_apt(tmp_path / "bin", monkeypatch, known)
    monkeypatch.setattr("smalti.data.fetch_sets.PACKAGES", [*known, "fonts-gone"])
    held = {"valid": frozenset({"lato:stixgeneral"}), "test": frozenset({"sora:dejavu"})}
    monkeypatch.setattr("smalti.data.letters.HELD_OUT", held)
    monkeypatch.setattr("smalti.data.letters.FEATURES", 300)
    (pack,) = fetch_letters(tmp_path / "home")
    assert pack.packed.classes == tuple(CHARACTERS) and pack.packed.shape[1:] == (1, 32, 32)
    assert "of 5 fonts" in pack.content and pack.n_leaks == 0
    assert pack.license == (
        "GPL-2+, public-domain: fonts-adf-libris, fonts-lato, fonts-play, fonts-sora"
    )
    source = open_pack_source(pack.path)
    assert source.origin["versions"] == [f"{name}=1:2-3" for name in sorted(known)]
    assert source.pixels is not None and source.pixels[:, 0, 0, 0].max() == 0  # black ground
    of_split = {s: {source.captions[k] for k in rows} for s, rows in source.splits.items()}
    assert of_split["valid"] == {"STIXGeneral"} and of_split["test"] == {"DejaVu Serif"}
    assert "DejaVu Sans" in of_split["train"]
    assert read_splits(str(pack.path), size=32).test is not None
    monkeypatch.setattr("smalti.data.fetch_sets.fetch_debs", None)  # nothing is downloaded twice
    assert not fetch_letters(tmp_path / "home")[0].is_new


def test_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    packages.fake_apt(tmp_path / "bin", monkeypatch, {})
    monkeypatch.setattr("smalti.data.fetch_sets.PACKAGES", ["fonts-adf-accanthis", "fonts-lato"])
    with expect_user_error(
        "`apt-get download fonts-adf-accanthis` failed (E: Unable to locate package"
    ):
        fetch_letters(tmp_path / "home")
    monkeypatch.setenv("PATH", str(tmp_path))
    with expect_user_error("apt-get is not installed"):
        fetch_letters(tmp_path / "home")
    assert not (tmp_path / "home").exists()
