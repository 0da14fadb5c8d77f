"""reconstruct: encode pictures with a model, and decode them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from smalti.codecs.picture_codec import PictureCodec
from smalti.core.config import coerce_value, to_json
from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, check_replaceable, stage_optional_folder, write_record
from smalti.core.pictures import make_grid, save_png, to_image
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.ranges import BatchSize, RepeatCount, SamplingSteps, Width
from smalti.core.sampling import check_finite_pictures
from smalti.core.short_repr import add_short_repr
from smalti.data.picture_folder import find_pictures
from smalti.data.single_picture import PictureLike
from smalti.diffusion import DDIM, Diffusion
from smalti.diffusion.inversion import RoundTrip, round_trip
from smalti.tasks.inputs import (
    Classes,
    Pictures,
    cycle_values,
    list_paths,
    list_pictures,
    select_model,
)

FILES = ResultFiles(
    r"grid\.png|latents\.safetensors|reconstruction\.json|\d+\.png", "reconstruction.json"
)
"""Files of a folder of reconstructions."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class Reconstruction:
    """Reconstructed pictures, and their error."""

    files: list[str | None]
    psnr: list[float | None]
    """PSNR in dB of each picture; None if it is identical."""
    mean_psnr: float | None
    pictures: tuple[Tensor, ...] = ()
    """(C, H, W) in [0, 1] each; of a codec, only if no files are written."""
    ssim: list[float] | None = None
    """SSIM of each picture, for a codec."""
    mean_ssim: float | None = None
    codebook_size: int | None = None
    """Number of codes of a codec."""
    codes_used: int | None = None
    """Number of different codes in these pictures."""
    latents: Tensor | None = None
    """(n, C, H, W): the noise of each picture, for a diffusion model."""
    has_grid: bool = True
    """Whether there is a grid.png: if all pictures have one size."""


def reconstruct(
    model: object,
    pictures: Pictures,
    *,
    steps: SamplingSteps = 50,
    refine: RepeatCount = 1,
    classes: Classes = (),
    size: int | tuple[int, int] | None = None,
    keep_size: bool = False,
    tile_size: Width | None = None,
    batch_size: BatchSize = 64,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> Reconstruction:
    """Encode pictures into codes or noise, and decode them.

    A codec encodes into codes, a diffusion model into noise (DDIM inversion). The error is given as
    PSNR in dB.

    model: Shipped model, run or checkpoint.
    pictures: Picture files; for a codec, folders too. Cropped and resized to the model's size.
    steps: DDIM steps in each direction (diffusion).
    refine: Fixed-point iterations per step (diffusion). With 0, plain DDIM inversion.
    classes: Class name or number (default: no class). Several are separated by commas and cycled
    over the pictures.
    size: Height and width (default: the model's). In pixels, as 64 or 48x64; for models that can
    draw other sizes than their training size.
    keep_size: Keep the size of each picture (codecs only).
    tile_size: Side of a tile in pixels (codecs only). For pictures that do not fit into memory.
    batch_size: Pictures per batch.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.
    out: Output folder (default: reconstructions/MODEL).

    From Python, pictures may also be arrays or tensors, and nothing is written without `out`.
    """
    picture_list = list_pictures(pictures)
    batch_size = coerce_value(batch_size, BatchSize, "batch_size")
    check_replaceable(out, FILES)
    selected = select_model(model, device, ability="")
    loaded, name = selected.model, selected.name
    if isinstance(loaded, PictureCodec):
        from smalti.tasks.codec_reconstruction import reconstruct_by_codec

        if classes:
            raise UserError(
                f"classes are given, but {name} is a codec and has none; leave them out"
            )
        if keep_size and size:
            raise UserError("size and keep_size are both given; choose one")
        requested_size = "native" if keep_size else selected.check_size(size)
        files = expand_folders(picture_list)
        return reconstruct_by_codec(
            loaded,
            selected.recorded_name,
            files,
            requested_size,
            tile_size,
            batch_size,
            out,
            on_progress,
        )
    if not isinstance(loaded, Diffusion):
        raise UserError(
            f"{name} is neither a codec nor a diffusion model, so it cannot reconstruct"
        )
    if keep_size or tile_size is not None:
        raise UserError(
            f"keep_size and tile_size are for codecs, and {name} is not one; leave them out"
        )
    class_indices = selected.find_class_indices(classes)
    originals = selected.read_pictures(picture_list, selected.check_size(size))
    sampler = DDIM(steps=steps, clip=False)
    with stage_optional_folder(out, FILES) as folder:
        trip = reconstruct_by_inversion(
            loaded, originals, sampler, refine, class_indices, batch_size, on_progress
        )
        psnr, mean = round_psnr(trip.psnr), round_psnr(trip.psnr.mean()[None])[0]
        files = list_paths(picture_list)
        if folder:
            write_reconstruction(folder, originals, trip, loaded)
            record = {
                "model": selected.recorded_name,
                "psnr": dict(zip(map(str, files), psnr, strict=True)),
                "mean_psnr": mean,
                "classes": selected.name_classes(class_indices),
                "sampler": to_json(sampler),
                "refine": refine,
            }
            write_record(folder / "reconstruction.json", record)
    return Reconstruction(files, psnr, mean, tuple(trip.pictures), latents=trip.latents)


def expand_folders(pictures: list[PictureLike]) -> list[PictureLike]:
    """The pictures, with each folder replaced by the pictures in it."""
    found: list[PictureLike] = []
    for one in pictures:
        folder = Path(one) if isinstance(one, str | Path) and Path(one).is_dir() else None
        inside = [one] if folder is None else sorted(find_pictures(folder))
        if not inside:
            raise UserError(f"{one} holds no pictures; name a folder that does")
        found += inside
    return found


def reconstruct_by_inversion(
    model: Diffusion,
    originals: Tensor,
    sampler: DDIM,
    refine: int,
    classes: list[int],
    batch_size: int,
    on_progress: OnProgress,
) -> RoundTrip:
    """Pictures (n, C, H, W) to noise and back, in batches; no `classes` is "no class"."""
    n = len(originals)
    labels = torch.tensor(cycle_values(classes, n)) if classes else None
    trips: list[RoundTrip] = []
    for first in range(0, n, batch_size):
        on_progress(Progress("inverting", first, n))
        rows = slice(first, first + batch_size)
        y = None if labels is None else labels[rows]
        options = {"labels": y, "sampler": sampler, "refine": refine}
        trips.append(round_trip(model, originals[rows], **options))
        check_finite_pictures(trips[-1].pictures)
    on_progress(Progress("inverting", n, n))
    fields = ("latents", "pictures", "psnr")
    return RoundTrip(*(torch.cat([getattr(trip, f) for trip in trips]) for f in fields))


def round_psnr(psnr: Tensor) -> list[float | None]:
    """PSNR in dB with two digits; None for identical pictures."""
    return [round(v, 2) if v < float("inf") else None for v in psnr.tolist()]


def write_reconstruction(
    folder: Path, originals: Tensor, trip: RoundTrip, model: Diffusion
) -> None:
    """Write grid.png (originals, latents, reconstructions), the reconstructions and the latents.

    Where the latents are no pictures, the codec decodes them.
    """
    N = len(originals)
    latents = (0.5 + trip.latents.float() / 6).clamp(0, 1)  # -3 to 3 standard deviations
    if model.space.is_latent:
        H, W = originals.shape[2:]
        latents = model.space.decode(trip.latents.to(model.alpha_bars.device), (H, W)).cpu()
    rows = torch.stack([originals, latents, trip.pictures], dim=1).flatten(0, 1)
    save_png(make_grid(rows, columns=3 * max(1, round((N / 3) ** 0.5))), folder / "grid.png")
    for i, picture in enumerate(trip.pictures):
        save_png(to_image(picture), folder / f"{i:05d}.png")
    save_file({"latents": trip.latents.float().contiguous()}, folder / "latents.safetensors")
