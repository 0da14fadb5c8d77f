"""Draw the pictures of docs/patchmatch.md, from two photographs of one object.

A and B: the article's pair of cups in the docs.  The removed rocket and the textures are
photographs of scikit-image (`pip install scikit-image`).  The plots come from
`benchmarks.patchmatch --plot` and `benchmarks.video --plot`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._photographs import read_photograph
from smalti.patchmatch import (
    compute_consistency,
    distance_to_picture,
    flow_to_picture,
    inpaint,
    make_analogy,
    match,
    reconstruct,
)

GAP = 4
ROCKET = np.s_[110:427, 270:372]
"""Rows and columns of the photograph `rocket` to fill."""
MAGENTA = np.array([255, 0, 255], np.uint8)


def draw_row(pictures: list[np.ndarray], height: int) -> np.ndarray:
    """Draw pictures (H, W) or (H, W, 3) uint8 side by side, resized to one height."""
    pieces: list[np.ndarray] = []
    for x in pictures:
        image = Image.fromarray(x).convert("RGB")
        size = (round(image.width * height / image.height), height)
        pieces += [np.full((height, GAP, 3), 255, np.uint8)]
        pieces += [np.asarray(image.resize(size, Image.Resampling.LANCZOS))]
    return np.concatenate(pieces[1:], axis=1)


def stack_rows(rows: list[np.ndarray]) -> np.ndarray:
    width = max(x.shape[1] for x in rows)
    whole = [
        np.pad(x, ((GAP, 0), (0, width - x.shape[1]), (0, 0)), constant_values=255) for x in rows
    ]
    return np.concatenate(whole)[GAP:]


def draw_fields(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Draw a row for each method: a, b, a reconstructed from b, the field, the distances."""
    found = {m: match(a, b, method=m) for m in ("classic", "accurate")}
    largest = float(np.quantile(found["classic"].distance, 0.99))
    rows = []
    for m in found.values():
        heat = distance_to_picture(m, largest)
        rows.append(draw_row([a, b, reconstruct(b, m, 3), flow_to_picture(m, 140), heat], 150))
    return stack_rows(rows)


def draw_consistency(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    forward, backward = match(a, b, 7, method="accurate"), match(b, a, 7, method="accurate")
    consistent = compute_consistency(forward, backward)
    return draw_row([a, b, flow_to_picture(forward), consistent.astype(np.uint8) * 255], 150)


def draw_removal() -> np.ndarray:
    x = read_photograph("rocket")
    mask = np.zeros(x.shape[:2], bool)
    mask[ROCKET] = True
    marked = np.where(mask[..., None], MAGENTA, x)
    return draw_row([x, marked, inpaint(x, mask)], 210)


def draw_analogies(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Draw two analogies: gray to color, and regions to textures."""
    gray_a, gray_b = (np.asarray(Image.fromarray(x).convert("L")) for x in (a, b))
    top = draw_row([gray_a, a, gray_b, make_analogy(gray_a, a, gray_b)], 170)
    grass, gravel = (read_photograph(n)[100:270, 100:202] for n in ("grass", "gravel"))
    textures = np.concatenate([grass, gravel], axis=1)  # (170, 204, 3)
    halves, ellipse = np.zeros((170, 204), np.uint8), np.zeros((170, 204), np.uint8)
    halves[:, 102:] = 255
    i, j = np.indices(ellipse.shape)
    ellipse[((i - 85) / 64) ** 2 + ((j - 102) / 76) ** 2 < 1] = 255
    return stack_rows(
        [top, draw_row([halves, textures, ellipse, make_analogy(halves, textures, ellipse)], 170)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    args = parser.parse_args()
    a, b = (np.asarray(Image.open(path).convert("RGB")) for path in (args.a, args.b))
    drawn = {
        "field": draw_fields(a, b),
        "consistency": draw_consistency(a, b),
        "removal": draw_removal(),
        "analogy": draw_analogies(a, b),
    }
    for name, picture in drawn.items():
        Image.fromarray(picture).save(args.out / f"patchmatch-{name}.jpg", quality=85)


if __name__ == "__main__":
    main()
