"""Textures: materials of files, licenses, tiles and splits."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.data import pack
from smalti.data.fetch_sets import fetch_textures
from smalti.data.packs import open_pack_source
from smalti.data.textures import (
    Texture,
    cut_tiles,
    is_texture,
    is_usable,
    match_material,
    name_motif,
    shrink,
    split_textures,
)
from tests import albums, packages
from tests.expect import expect_user_error


@pytest.mark.parametrize(
    ("name", "material"),
    [
        ("textures/tex_buildings/wall_brick01.png", "brick"),
        ("textures/tex_buildings/wall_brick01_nm.png", None),  # a normal map
        ("textures/tex_nature/grass003.jpg", "grass"),
        ("textures/tex_nature/grass003_way_hor.jpg", None),
        ("textures/tex_material/metall007.png", "metal"),
        ("textures/tex_buildings/metal_window.png", None),
        ("textures/tex_misc/exit_dirty.png", None),
        ("textures/tex_nature/ice001.jpg", "snow"),
        ("textures/tex_misc/device.png", None),
        ("textures/tex_pics/art_africa002.png", None),
    ],
)
def test_the_material_is_told_by_the_name(name: str, material: str | None):
    assert match_material(name) == material


def test_tiles_are_whole_and_from_the_middle():
    pixels = np.arange(3 * 300 * 260).reshape(3, 300, 260).astype(np.uint8)
    tiles = cut_tiles(pixels)
    assert tiles.shape == (4, 3, 128, 128)
    assert (tiles[0] == pixels[:, 22:150, 2:130]).all()
    assert (tiles[3] == pixels[:, 150:278, 130:258]).all()
    assert shrink(Image.new("L", (1024, 512))).shape == (3, 256, 512)
    assert shrink(Image.new("RGB", (200, 128))).shape == (3, 128, 200)


def test_dark_flat_small_and_transparent_pictures_are_dropped():
    noise = albums.make_noise(1, 64, 64, 3, seed=0)[0].transpose(2, 0, 1)
    assert is_texture(noise)
    assert not is_texture(noise // 16)
    assert not is_texture(np.full((3, 64, 64), 90, np.uint8))
    assert not is_usable(Image.new("RGB", (300, 100)))
    assert is_usable(Image.new("RGBA", (128, 128), (9, 9, 9, 255)))
    assert not is_usable(Image.new("RGBA", (128, 128), (9, 9, 9, 0)))


def test_versions_of_one_picture_stand_in_one_split():
    names = [f"t/brick{k}{v}.png" for k in range(20) for v in ("", "a", "b", "_dark")]
    textures = [Texture(n, "brick", "CC0", np.zeros((3, 1, 1), np.uint8)) for n in names]
    assert len({name_motif(one) for one in textures}) == 20
    sides = split_textures(textures, 0)
    assert {s: sides.count(s) // 4 for s in ("train", "valid", "test")} == {
        "train": 17, "valid": 1, "test": 2,
    }  # fmt: skip
    assert all(len(set(sides[4 * k : 4 * k + 4])) == 1 for k in range(20))
    assert set(split_textures(textures[:28], 0)) == {"train"}  # of seven


COPYRIGHT = """Files: *
License: GPL-2+

Files: base/textures/tex/brick0*.png
License: public-domain
"""


def picture(seed: int) -> bytes:
    pixels = albums.make_noise(1, 32, 32, 3, seed=seed)[0]
    image = Image.fromarray(pixels).resize((256, 128), Image.Resampling.NEAREST)
    return albums.encode_picture(np.asarray(image))


def write_game(path: Path, copyright: str = COPYRIGHT) -> Path:
    pictures = io.BytesIO()
    with zipfile.ZipFile(pictures, "w") as file:
        for k in range(16):
            file.writestr(f"textures/tex/brick{k:02}.png", picture(k))
        file.writestr("textures/tex/brick00_nm.png", picture(50))
        file.writestr("textures/tex/sign01.png", picture(51))
    files = {"./usr/games/0textures.pk3": pictures.getvalue()}
    files["./usr/share/doc/ufoai-textures/copyright"] = copyright.encode()
    return packages.write_tar(path, files)


def write_wheel(path: Path, names: tuple[str, ...] = ("brick", "grass", "gravel")) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for k, name in enumerate(names):
            file.writestr(f"skimage/data/{name}.png", picture(60 + k))
        file.writestr("skimage/data/astronaut.png", picture(70))
        file.writestr("skimage/__init__.py", b"1/0")
    return path


def test_textures_are_packed_with_the_license_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    packages.fake_apt(
        tmp_path / "bin", monkeypatch, {"ufoai-textures": write_game(tmp_path / "g.tar")}
    )
    packages.fake_pip(tmp_path / "bin", monkeypatch, write_wheel(tmp_path / "w.whl"))
    every, free = fetch_textures(tmp_path / "home")
    assert every.packed.shape == (38, 3, 128, 128)  # two tiles of each of 19
    assert every.packed.classes == ("brick", "grass", "gravel")
    assert free.packed.shape[0] == 2 * (10 + 3)
    assert "GPL-2+" in every.license and "GPL-2+" not in free.license
    source = open_pack_source(free.path)
    assert set(source.attributes["license"]) == {"public-domain", "CC0"}
    pictures = source.attributes["picture"]
    held = {pictures[k] for s in ("valid", "test") if s in source.splits for k in source.splits[s]}
    assert not held & {pictures[k] for k in source.splits["train"]}
    assert not fetch_textures(tmp_path / "home")[0].is_new


def test_packages_that_are_not_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    packages.fake_apt(
        tmp_path / "bin", monkeypatch, {"ufoai-textures": write_game(tmp_path / "g.tar", "")}
    )
    packages.fake_pip(tmp_path / "bin", monkeypatch, write_wheel(tmp_path / "w.whl"))
    with expect_user_error("ufoai-textures has unexpected contents: it holds no pictures or no"):
        fetch_textures(tmp_path / "home")
    packages.fake_pip(tmp_path / "bin", monkeypatch, write_wheel(tmp_path / "v.whl", ("brick",)))
    with expect_user_error("scikit-image==0.26.0 has unexpected contents: it holds no grass.png"):
        fetch_textures(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_what_is_known_of_pictures_stays_when_they_are_packed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    packages.fake_apt(
        tmp_path / "bin", monkeypatch, {"ufoai-textures": write_game(tmp_path / "g.tar")}
    )
    packages.fake_pip(tmp_path / "bin", monkeypatch, write_wheel(tmp_path / "w.whl"))
    every, _ = fetch_textures(tmp_path / "home")
    pack(every.path, tmp_path / "small.zip", size=32)
    first, again = open_pack_source(every.path), open_pack_source(tmp_path / "small.zip")
    assert again.attributes == first.attributes and again.origin == first.origin
    assert again.size == (32, 32) and "license" in again.origin
