"""Letters and digits from free fonts, without unusable fonts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from scipy.sparse.csgraph import connected_components

from smalti.data.arrays import to_pil_image
from smalti.data.debian_copyright import format_licenses, read_copyright
from smalti.data.decode_all import ProgressCallback
from smalti.data.glyphs import CHARACTERS, Face, crop_to_ink, read_face
from smalti.data.source import Source, Split
from smalti.data.splitting import group_rows_by_split

NAMES = """
adf-accanthis adf-baskervald adf-berenis adf-gillius adf-ikarius adf-irianis adf-libris
adf-mekanus adf-oldania adf-romande adf-solothurn adf-switzera adf-tribun adf-universalis
adf-verana aenigma allerta bebas-neue beteckna breip cabin cantarell comfortaa comic-neue
courier-prime dancingscript dosis dustin essays1743 fanwood freefont-otf goudybookletter
humor-sans inconsolata junction jura kaushanscript lato league-spartan leckerli-one levien-museum
lindenhill lobster lobstertwo manrope monofur national-park okolaks oldstandard open-sans opendin
play prociono quattrocento quicksand roboto-slab rufscript sil-gentium-basic sora texgyre
tomsontalks tuffy urw-base35 vollkorn yanone-kaffeesatz
"""
PACKAGES = tuple(f"fonts-{name}" for name in NAMES.split())
FONT_SUFFIXES = (".ttf", ".otf")
MIN_RECOGNIZED = 0.5  # fraction of a face's capitals, small letters or digits to recognize
CHARACTER_GROUPS = (str.isdigit, str.isupper, str.islower)
TWINS = {"0": "o", "1": "l", "i": "l", "I": "l"}  # characters that many fonts draw alike
SAME_SHAPE_CAPITALS = "CFJKMOPSUVWXYZ"  # capitals whose small letters have the same shape
GLYPH_SIDE = 16  # pixels of a glyph for recognition
FEATURES = 1500  # random cosine features
FREQUENCY_SCALE = 1.6  # standard deviation of their frequencies
MIN_COMMON = 8  # common characters needed to compare two faces
MAX_DISTANCE = 0.25  # relative difference of ink below which two faces are one design
VALID_NAMES = """
adf-accanthis:accanthis adf-oldania:oldania aenigma:amplitude aenigma:chemical
aenigma:dyphusion aenigma:hillock aenigma:jargon aenigma:kinkaid aenigma:kurvature
aenigma:macropsia aenigma:obloquy aenigma:splatz aenigma:techno aenigma:telephasic
comic-neue:comic dustin:wargames
"""
TEST_NAMES = """
aenigma:36 aenigma:?nigma aenigma:backlash aenigma:bobcaygeon aenigma:cleaved
aenigma:conduit aenigma:ecliptic aenigma:freak aenigma:galvanize aenigma:grotesque
aenigma:hand aenigma:jawbreaker aenigma:jupiter aenigma:key aenigma:loopy aenigma:moronic
aenigma:nanosecond aenigma:pindown aenigma:quacksalver aenigma:reason aenigma:redundant
aenigma:skull aenigma:square aenigma:swirled aenigma:turmoil aenigma:volatile
aenigma:wobbly aenigma:wyvern aenigma:your aenigma:zephyrean aenigma:zero
dustin:progenisis tomsontalks:tomson yanone-kaffeesatz:yanone
"""
HELD_OUT: dict[Split, frozenset[str]] = {
    "valid": frozenset(VALID_NAMES.split()),
    "test": frozenset(TEST_NAMES.split()),
}
"""Held-out designs, 5 % and 10 %, drawn once. They are named so that the split of trained models
stays the same when fonts are added or removed."""
WEIGHT_WORDS = re.compile(
    r"\b(thin|hairline|extra ?light|light|book|regular|medium|semi ?bold|demi ?bold|bold|"
    r"extra ?bold|black|heavy|ultra|italic|oblique|condensed|narrow|cond|cn|brk|std|pro)\b",
    re.I,
)


@dataclass(frozen=True)
class Font:
    """A face and its package."""

    package: str
    face: Face

    @property
    def family(self) -> str:
        """The name without weight and width: "TeX Gyre Heros" for "TeX Gyre Heros Cn"."""
        name = " ".join(WEIGHT_WORDS.sub(" ", self.face.family).split())
        return name or self.face.family

    @property
    def design(self) -> str:
        """The package and the first word of the family."""
        first = (self.family.split() or [""])[0].lower()
        return f"{self.package.removeprefix('fonts-')}:{first}"


def is_font_or_license(name: str) -> bool:
    """Whether a package's file is a font or a copyright file."""
    path = PurePosixPath(name)
    return path.suffix.lower() in FONT_SUFFIXES or path.name == "copyright"


def read_fonts(
    folder: Path, packages: Sequence[str], progress: ProgressCallback | None = None
) -> list[tuple[str, Face | None]]:
    """Read every font file of the unpacked packages, in order; None for one without glyphs."""
    files: dict[tuple[str, str], Path] = {}  # a font in two formats counts once
    for package in packages:
        for path in sorted((folder / package).rglob("*"), key=lambda path: path.name):
            if path.suffix.lower() in FONT_SUFFIXES and path.is_file():
                files.setdefault((package, path.stem), path)
    found: list[tuple[str, Face | None]] = []
    for (package, _), path in files.items():
        found.append((package, read_face(path)))
        if progress is not None:
            progress(len(found), len(files))
    return found


def read_licenses(folder: Path, packages: Sequence[str]) -> str:
    """Format every license with its packages, in one line."""
    under: dict[str, list[str]] = {}
    for package in packages:
        found = sorted((folder / package).rglob("copyright"))
        named = format_licenses(read_copyright(found[0])) if found else ""
        under.setdefault(named or "see their copyright files", []).append(package)
    return "; ".join(f"{license}: {', '.join(names)}" for license, names in under.items())


# ---- glyph recognition


def to_shape_class(character: str) -> str:
    """Map characters of the same shape, apart from size, to one class."""
    lower = character.lower() if character in SAME_SHAPE_CAPITALS else character
    return TWINS.get(lower, lower)


def compute_glyph_features(picture: np.ndarray) -> np.ndarray:
    """Compute float32 (GLYPH_SIDE^2 + 1,): resized, normalized ink and its aspect ratio."""
    part = crop_to_ink(picture)
    small = Image.fromarray(part).resize((GLYPH_SIDE, GLYPH_SIDE), Image.Resampling.BILINEAR)
    levels = np.asarray(small, np.float32).ravel()
    levels = levels - levels.mean()
    levels /= np.linalg.norm(levels) + 1e-6
    return np.append(levels, np.float32(0.3 * np.log(part.shape[1] / part.shape[0])))


def recognize_glyphs(fonts: Sequence[Font]) -> list[np.ndarray]:
    """Find, per font, which glyphs (bool) look like those of the other fonts.

    A ridge regression on random cosine features of all glyphs, with the exact leave-one-font-out
    correction of its predictions.
    """
    classes = sorted({to_shape_class(c) for c in CHARACTERS})
    random = np.random.Generator(np.random.Philox(0))
    frequencies = FREQUENCY_SCALE * random.standard_normal(
        (GLYPH_SIDE**2 + 1, FEATURES), np.float32
    )
    phase = 2 * np.pi * random.random(FEATURES, np.float32)
    features = [np.stack([compute_glyph_features(p) for p in font.face.pictures]) for font in fonts]
    truth = [np.array([classes.index(to_shape_class(c)) for c in f.face.characters]) for f in fonts]
    gram, moment = np.eye(FEATURES), np.zeros((FEATURES, len(classes)))
    for x, numbers in zip(features, truth, strict=True):
        cosines = np.cos(x @ frequencies + phase)  # (glyphs, FEATURES)
        gram += cosines.T @ cosines
        moment += cosines.T @ np.eye(len(classes))[numbers]
    inverse = np.linalg.inv(gram)
    weights = inverse @ moment
    recognized: list[np.ndarray] = []
    for x, numbers in zip(features, truth, strict=True):
        cosines = np.cos(x @ frequencies + phase)
        one_hot, hat = np.eye(len(classes))[numbers], cosines @ inverse @ cosines.T
        residual = np.linalg.solve(np.eye(len(hat)) - hat, one_hot - cosines @ weights)
        recognized.append((one_hot - residual).argmax(1) == numbers)
    return recognized


def keep_letters(font: Font, recognized: np.ndarray) -> Font | None:
    """Drop digits, capitals or small letters if most of them are not recognized.

    Returns None if no letters are left: the font is pictorial or inverted.
    """
    characters = font.face.characters
    kept = np.zeros(len(characters), bool)
    for belongs in CHARACTER_GROUPS:
        group = np.array([belongs(c) for c in characters])
        if group.any() and recognized[group].mean() >= MIN_RECOGNIZED:
            kept |= group
    if not any(c.isalpha() and k for c, k in zip(characters, kept, strict=True)):
        return None
    rest = "".join(c for c, k in zip(characters, kept, strict=True) if k)
    return replace(
        font, face=replace(font.face, characters=rest, pictures=font.face.pictures[kept])
    )


# ---- splits


def group_designs(fonts: Sequence[Font]) -> np.ndarray:
    """Group fonts of one design, int (fonts,), by name or by shape.

    By name: families of a package with the same first word.  By shape: faces whose common
    characters are nearly equal, such as free copies of one typeface.
    """
    designs = [font.design for font in fonts]
    named = np.unique(designs, return_inverse=True)[1]
    linked = (named[:, None] == named) | (compare_faces(fonts) < MAX_DISTANCE)
    return connected_components(linked)[1]


def compare_faces(fonts: Sequence[Font]) -> np.ndarray:
    """Compute the relative difference (fonts, fonts) of common characters, 0 if equal.

    The root mean square of the difference is divided by that of the levels, so that thin, mostly
    black fonts are not closer.
    """
    side = fonts[0].face.pictures.shape[1] // 2
    V = np.zeros((len(fonts), len(CHARACTERS), side * side), np.float32)
    M = np.zeros((len(fonts), len(CHARACTERS)), np.float32)
    for k, font in enumerate(fonts):
        indices = [CHARACTERS.index(c) for c in font.face.characters]
        halves = font.face.pictures.reshape(-1, side, 2, side, 2).mean((2, 4))
        V[k, indices], M[k, indices] = halves.reshape(len(halves), -1), 1
    energy = np.square(V).sum(2)  # (fonts, characters)
    flat = V.reshape(len(fonts), -1)
    both = energy @ M.T + M @ energy.T
    difference = np.sqrt(np.maximum(both - 2 * flat @ flat.T, 0) / np.maximum(both / 2, 1))
    return np.where(M @ M.T >= MIN_COMMON, difference, np.inf)


def split_designs(fonts: Sequence[Font], groups: np.ndarray) -> list[Split]:
    """Choose the split of each font; a group is held out if one of its designs is in HELD_OUT."""
    group_splits: dict[int, Split] = {}
    for split, names in HELD_OUT.items():
        for font, group in zip(fonts, groups.tolist(), strict=True):
            if font.design in names:
                group_splits[group] = split
    return [group_splits.get(group, "train") for group in groups.tolist()]


def make_letter_source(
    fonts: Sequence[Font], splits: Sequence[Split]
) -> tuple[Source, dict[Split, np.ndarray]]:
    """Make a source with the character as class and the family as caption; rows of each split."""
    pixels = np.concatenate([font.face.pictures for font in fonts])[:, None]
    characters = "".join(font.face.characters for font in fonts)
    each = [font for font in fonts for _ in font.face.characters]
    source = Source(
        name="letters",
        titles=[f"{font.face.file} {c}" for font, c in zip(each, characters, strict=True)],
        open_picture=lambda k: to_pil_image(pixels[k]),
        labels=np.array([CHARACTERS.index(c) for c in characters], np.int64),
        classes=tuple(CHARACTERS),
        captions=tuple(font.family for font in each),
        attributes={
            "face": tuple(f"{font.face.family} {font.face.style}".strip() for font in each),
            "package": tuple(font.package for font in each),
        },
        pixels=pixels,
    )
    glyph_splits: list[Split] = [
        split for font, split in zip(fonts, splits, strict=True) for _ in font.face.characters
    ]
    return source, group_rows_by_split(glyph_splits)
