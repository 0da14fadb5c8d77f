"""Textures: brick, grass and gravel of scikit-image, and the materials of a free game.

The game is UFO: Alien Invasion.  Its pictures have different licenses, listed in Debian's
copyright file.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.data.arrays import to_pil_image
from smalti.data.debian_copyright import find_license, read_copyright
from smalti.data.decode import Preprocessing, to_pixels
from smalti.data.picture_formats import open_image
from smalti.data.source import Source, Split
from smalti.data.splitting import draw_permutation, group_rows_by_split

WHEEL = "scikit-image==0.26.0"
WHEEL_CLASSES = {"brick": "CC0", "grass": "public-domain", "gravel": "CC0"}  # from its docs
DEB = "ufoai-textures"
FREE_LICENSES = ("CC0", "CC-BY-3.0", "Expat", "public-domain")
"""Licenses that allow redistribution of trained models with attribution."""

MATERIALS = {
    "brick": "brick",
    "wood": "wood|bark|plank",
    "grass": "grass",
    "dirt": "dirt|soil|mud",
    "concrete": "conc|crete|cem(ent|drk)",
    "metal": "metal|mtl|rust|tin_|pewter",
    "rock": "rock|stone|mountain",
    "sand": "sand|desert",
    "snow": r"snow|(?<![a-z])ice(?![a-z])|icefloor",
    "carpet": "carpet",
    "tile": "tile",
    "roof": "roof",
    "wallpaper": "wallpaper",
    "pavement": "pav(ing|ement)|sidewalk",
    "leaves": "leaves|hedge|jungle",
    "water": "water",
}
"""Pattern of a file's name for each class; the first match counts."""
NOT_A_TEXTURE = re.compile(
    r"_(nm|sm|gm|blend|sign\w*|sgn\w*|cons|ow|pil|k\d|way\w*)$|_way_|trim|trm|window|door|stair|step|"
    r"fnce|fence|crate|pipe|duct|cover|bridge|chopped|support|light|pillar|vent|sign|grate|gate|"
    r"table|shelf|box|plat|edge|corner|hole|dispenser|counter|bench|chair|dirty"
)
EXCLUDED_NAMES = (  # a window, a swirl, a panel
    "tex_buildings/roof004",
    "tex_nature/water_green",
    "tex_trak/tile5e",
)
TILE_SIDE = 128  # pixels of a tile
SHORT_SIDE = 2 * TILE_SIDE  # shorter side after shrinking, so that a tile shows the pattern
MIN_MEAN = 28.0  # mean level of 256 below which a picture is near-black
MIN_STD = 5.0  # standard deviation of levels below which it is one color
MIN_OPAQUE = 0.99  # fraction of the picture that must be opaque
HELD_OUT_FRACTIONS = {"valid": 0.06, "test": 0.12}  # fractions of each class's pictures
AS_IS = Preprocessing(None, "rgb", (255, 255, 255), crop=True)


@dataclass(frozen=True)
class Texture:
    """One picture of a material."""

    name: str
    material: str
    license: str
    pixels: np.ndarray
    """uint8 (3, H, W), the shorter side SHORT_SIDE."""

    @property
    def is_free(self) -> bool:
        return self.license in FREE_LICENSES


def is_sample_file(name: str) -> bool:
    path = PurePosixPath(name)
    return str(path.parent) == "skimage/data" and path.stem in WHEEL_CLASSES


def is_game_file(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix == ".pk3" or path.name == "copyright"


def match_material(name: str) -> str | None:
    """Match a file name to a class; None for signs, doors, normal maps and the like."""
    stem = PurePosixPath(name).stem.lower()
    if NOT_A_TEXTURE.search(stem) or str(PurePosixPath(name).with_suffix("")).endswith(
        EXCLUDED_NAMES
    ):
        return None
    return next((m for m, words in MATERIALS.items() if re.search(words, stem)), None)


def read_samples(folder: Path) -> list[Texture]:
    """Read the three pictures of scikit-image's unpacked wheel."""
    found: list[Texture] = []
    for material, license in WHEEL_CLASSES.items():
        path = folder / f"skimage/data/{material}.png"
        if not path.is_file():
            raise UserError(f"{WHEEL} has unexpected contents: it holds no {path.name}")
        found.append(Texture(f"skimage/{path.name}", material, license, shrink(open_image(path))))
    return found


def read_game_textures(folder: Path) -> list[Texture]:
    """Read the materials of the game's unpacked package, with their licenses."""
    archives = sorted(folder.rglob("*.pk3"))
    stanzas = [s for path in folder.rglob("copyright") for s in read_copyright(path)]
    if not archives or not stanzas:
        raise UserError(f"{DEB} has unexpected contents: it holds no pictures or no licenses")
    found: list[Texture] = []
    for archive in archives:
        with zipfile.ZipFile(archive) as file:
            for name in sorted(file.namelist()):
                material = match_material(name)
                license = find_license(stanzas, f"base/{name}")
                if material and license and name.lower().endswith((".png", ".jpg")):
                    with open_image(io.BytesIO(file.read(name))) as image:
                        if is_usable(image):
                            found.append(Texture(name, material, license, shrink(image)))
    return [one for one in found if is_texture(one.pixels)]


def is_usable(image: Image.Image) -> bool:
    """Whether a picture is large enough for a tile, and opaque."""
    if min(image.size) < TILE_SIDE:
        return False
    if not image.has_transparency_data:
        return True
    return float((np.asarray(image.convert("RGBA").getchannel("A")) > 250).mean()) >= MIN_OPAQUE


def is_texture(pixels: np.ndarray) -> bool:
    return bool(pixels.mean() >= MIN_MEAN and pixels.std(axis=(1, 2)).max() >= MIN_STD)


def shrink(image: Image.Image) -> np.ndarray:
    """Shrink the shorter side to SHORT_SIDE, uint8 (3, H, W); smaller pictures keep their size."""
    scale = SHORT_SIDE / min(image.size)
    image = image.convert("RGB")
    if scale < 1:
        width, height = (round(scale * side) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    pixels = to_pixels(image, AS_IS)
    return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels


def cut_tiles(pixels: np.ndarray) -> np.ndarray:
    """Cut all whole tiles from the center, uint8 (n, 3, TILE_SIDE, TILE_SIDE)."""
    _, H, W = pixels.shape
    rows, columns = H // TILE_SIDE, W // TILE_SIDE
    top, left = (H - rows * TILE_SIDE) // 2, (W - columns * TILE_SIDE) // 2
    part = pixels[:, top : top + rows * TILE_SIDE, left : left + columns * TILE_SIDE]
    tiles = part.reshape(3, rows, TILE_SIDE, columns, TILE_SIDE).transpose(1, 3, 0, 2, 4)
    return tiles.reshape(-1, 3, TILE_SIDE, TILE_SIDE)


def name_motif(texture: Texture) -> str:
    """Name the motif of a picture: "wall/brick2" for brick2, brick2a and brick2_dark."""
    stem = re.sub(
        r"_?(dark|light)$|(?<=[\d_])[a-z]{1,2}$", "", texture.name.lower().rsplit(".", 1)[0]
    )
    return f"{texture.material} {stem.rstrip('_')}"


def split_textures(textures: Sequence[Texture], seed: int) -> list[Split]:
    """Choose the split of each picture; classes of under eight motifs are only trained on."""
    motif_splits: dict[str, Split] = {}
    for material in sorted({one.material for one in textures}):
        motifs = sorted({name_motif(one) for one in textures if one.material == material})
        order = draw_permutation(len(motifs), seed)
        valid = max(1, round(HELD_OUT_FRACTIONS["valid"] * len(motifs))) if len(motifs) >= 8 else 0
        count = valid + round(HELD_OUT_FRACTIONS["test"] / HELD_OUT_FRACTIONS["valid"] * valid)
        for i, k in enumerate(order.tolist()):
            motif_splits[motifs[k]] = "valid" if i < valid else "test" if i < count else "train"
    return [motif_splits[name_motif(one)] for one in textures]


def make_texture_source(
    textures: Sequence[Texture], splits: Iterable[Split]
) -> tuple[Source, dict[Split, np.ndarray]]:
    """Make a source of all tiles, the material as class; and the rows of each split."""
    tiles = [cut_tiles(one.pixels) for one in textures]
    pixels = np.concatenate(tiles)
    each = [one for one, cut in zip(textures, tiles, strict=True) for _ in cut]
    classes = tuple(sorted({one.material for one in textures}))
    source = Source(
        name="textures",
        titles=[one.name for one in each],
        open_picture=lambda k: to_pil_image(pixels[k]),
        labels=np.array([classes.index(one.material) for one in each], np.int64),
        classes=classes,
        attributes={
            "picture": tuple(one.name for one in each),
            "license": tuple(one.license for one in each),
        },
        pixels=pixels,
    )
    tile_splits: list[Split] = [s for s, cut in zip(splits, tiles, strict=True) for _ in cut]
    return source, group_rows_by_split(tile_splits)
