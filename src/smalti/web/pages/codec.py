"""Codec: pictures as codes that can be swapped and moved."""

from __future__ import annotations

import json
import math
from pathlib import Path

from PIL import Image

from smalti.core.pictures import save_png, to_image
from smalti.tasks import DecodedCodes, DrawnCodebook, EncodedPictures
from smalti.web.registry import Page, Summary, WebTask


def summarize_encoded(encoded: EncodedPictures, folder: Path) -> Summary:
    """Each picture, its reconstruction, and its codes in a file."""
    pictures: list[Summary] = []
    for k, (picture, codes, rebuilt) in enumerate(
        zip(encoded.pictures, encoded.codes, encoded.reconstructions, strict=True)
    ):
        files = {name: f"{name}-{k}.{end}" for name, end in
                 (("picture", "png"), ("reconstruction", "png"), ("codes", "json"))}  # fmt: skip
        save_png(to_image(picture), folder / files["picture"])
        save_png(to_image(rebuilt), folder / files["reconstruction"])
        (folder / files["codes"]).write_text(json.dumps(codes.tolist()))
        used = len({*codes.flatten().tolist()})
        pictures.append({**files, "psnr": encoded.psnr[k], "codes_used": used})
    return {
        "pictures": pictures,
        "size": [*encoded.pictures.shape[2:]],
        "codebook_size": encoded.codebook_size,
        "code_side": encoded.code_side,
    }


def summarize_decoded(decoded: DecodedCodes, folder: Path) -> Summary:
    """The picture."""
    save_png(to_image(decoded.pictures[0]), folder / "picture.png")
    return {"picture": "picture.png"}


def summarize_codebook(codebook: DrawnCodebook, folder: Path) -> Summary:
    """A sheet of tiles without gaps, and the colors in a file."""
    tiles = [to_image(tile) for tile in codebook.tiles]
    columns, side = math.ceil(math.sqrt(len(tiles))), tiles[0].width
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new(tiles[0].mode, (columns * side, rows * side))
    for k, tile in enumerate(tiles):
        sheet.paste(tile, (k % columns * side, k // columns * side))
    save_png(sheet, folder / "codebook.png")
    colors = (codebook.colors * 255).round().int().tolist()
    (folder / "colors.json").write_text(json.dumps(colors))
    return {
        "count": len(tiles),
        "columns": columns,
        "tile": side,
        "codebook_size": codebook.codebook_size,
    }


PAGE = Page(
    "codec",
    20,
    (
        WebTask(
            "smalti.tasks:encode_pictures",
            f"{__name__}:summarize_encoded",
            ability="encode",
            uploads=("pictures",),
            lane="quick",
            job_seconds=60,
        ),
        WebTask(
            "smalti.tasks:decode_codes",
            f"{__name__}:summarize_decoded",
            ability="encode",
            lane="quick",
            job_seconds=60,
        ),
        WebTask(
            "smalti.tasks:draw_codebook",
            f"{__name__}:summarize_codebook",
            ability="encode",
            hidden=("first",),
            fixed={"n": 1024},
            lane="quick",
            job_seconds=60,
        ),
    ),
)
