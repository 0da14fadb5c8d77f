"""Encode and decode pictures with a codec, for `reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from smalti.codecs.codec import Codec
from smalti.codecs.picture_codec import PictureCodec
from smalti.codecs.tiles import decode_tiled, encode_tiled
from smalti.core.errors import UserError
from smalti.core.folders import stage_optional_folder, write_record
from smalti.core.pictures import make_grid, save_png, to_image
from smalti.core.progress import OnProgress, Progress
from smalti.core.sampling import check_finite_pictures
from smalti.core.similarity import psnr, ssim
from smalti.data.single_picture import PictureLike
from smalti.tasks._reconstruct import FILES, Reconstruction, round_psnr
from smalti.tasks.inputs import list_paths, read_label_maps, read_pictures

GRAY = 128


def reconstruct_by_codec(
    codec: PictureCodec,
    name: str,
    files: list[PictureLike],
    size: tuple[int, int] | Literal["native"] | None,
    tile_size: int | None,
    batch_size: int,
    out: str | Path | None,
    on_progress: OnProgress,
) -> Reconstruction:
    """Like `reconstruct`; writes each picture beside its reconstruction, and a grid of these pairs.

    size: (H, W) to resize the pictures to, or "native" to keep the size of each.
    """
    target_size = None if size == "native" else size or codec.spec.size
    n, step = len(files), 1 if size == "native" else batch_size
    dB: list[float | None] = []
    indices: list[float] = []
    pairs: list[Tensor] = []
    results: list[Tensor] = []
    used: set[int] = set()
    with stage_optional_folder(out, FILES) as folder:
        for first in range(0, n, step):
            on_progress(Progress("reconstructing", first, n))
            part = files[first : first + step]
            x = read_codec_pictures(codec, part, target_size)
            codes, y = encode_and_decode(codec, x, tile_size)
            check_finite_pictures(y)
            used |= set() if codes is None else set(codes.unique().tolist())
            dB += round_psnr(psnr(x, y))
            indices += [round(index, 4) for index in ssim(x, y).tolist()]
            if not folder:
                results += y
                continue
            for k, (a, b) in enumerate(zip(x, y, strict=True), first):
                save_png(join_pictures(a, b), folder / f"{k:05d}.png")
            if size != "native" or n == 1:
                pairs.append(torch.stack([x, y], dim=1).flatten(0, 1))
        on_progress(Progress("reconstructing", n, n))
        reconstruction = Reconstruction(
            list_paths(files),
            dB,
            average_known(dB),
            tuple(results),
            indices,
            average_known(indices),
            codec.vocab_size if isinstance(codec, Codec) else None,
            len(used) if isinstance(codec, Codec) else None,
            has_grid=bool(pairs),
        )
        if folder:
            write_pairs(folder, pairs, reconstruction, name)
    return reconstruction


def read_codec_pictures(
    codec: PictureCodec, pictures: list[PictureLike], size: tuple[int, int] | None
) -> Tensor:
    """(n, C, H, W) as the codec takes them; label maps as they are."""
    if getattr(codec, "takes_labels", False):
        return read_label_maps(pictures, size)
    return read_pictures(pictures, codec.spec.channels, size)


def write_pairs(
    folder: Path, pairs: list[Tensor], reconstruction: Reconstruction, name: str
) -> None:
    """Write grid.png, if all pictures have one size, and the record."""
    if pairs:
        sheet = torch.cat(pairs)
        columns = 2 * max(1, round((len(sheet) / 2) ** 0.5))
        save_png(make_grid(sheet, columns=columns), folder / "grid.png")
    rows = [
        {"file": file, "psnr": dB, "ssim": index}
        for file, dB, index in zip(
            reconstruction.files, reconstruction.psnr, reconstruction.ssim or (), strict=True
        )
    ]
    record = {
        "model": name,
        "mean_psnr": reconstruction.mean_psnr,
        "mean_ssim": reconstruction.mean_ssim,
        "codes": reconstruction.codebook_size,
        "codes_used": reconstruction.codes_used,
        "pictures": rows,
    }
    if reconstruction.codebook_size is None:
        record = {k: v for k, v in record.items() if not k.startswith("codes")}
    write_record(folder / "reconstruction.json", record)


def encode_and_decode(
    codec: PictureCodec, x: Tensor, tile_size: int | None
) -> tuple[Tensor | None, Tensor]:
    """Codes (n, h, w), None for continuous latents, and pictures (n, C, H, W) on the CPU."""
    size = (x.shape[2], x.shape[3])
    if not isinstance(codec, Codec):
        if tile_size is not None:
            raise UserError(
                "tile_size is for codecs with codes, which this one lacks; leave it out"
            )
        return None, codec.decode_latents(codec.encode_latents(x), size).cpu()
    if tile_size is None:
        codes = codec.encode(x)
        return codes.cpu(), codec.decode(codes, size).cpu()
    side = max(1, tile_size // codec.network.downsampling_factor)
    codes = encode_tiled(codec, x, side)
    return codes.cpu(), decode_tiled(codec, codes, size, side).cpu()


def join_pictures(a: Tensor, b: Tensor) -> Image.Image:
    """A picture and its reconstruction, side by side."""
    left, right = to_image(a), to_image(b)
    gray = GRAY if left.mode == "L" else (GRAY,) * 3
    sheet = Image.new(left.mode, (left.width * 2 + 2, left.height), gray)
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + 2, 0))
    return sheet


def average_known(values: list[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
