"""reconstruct: pictures into a model's own terms and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from smalti.codecs.codec import Codec
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
"""What a folder of reconstructions holds."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class Reconstruction:
    """Pictures that went there and back."""

    files: list[str | None]
    psnr: list[float | None]
    """In dB of each picture, more is nearer; None where it came back the same."""
    mean_psnr: float | None
    pictures: tuple[Tensor, ...] = ()
    """(C, H, W) in [0, 1] each; of a codec only where no files are written."""
    ssim: list[float] | None = None
    """Of a codec."""
    mean_ssim: float | None = None
    codebook_size: int | None = None
    """How many a codec has."""
    codes_used: int | None = None
    latents: Tensor | None = None
    """(n, C, H, W): the noises that a diffusion model draws the pictures from."""
    has_grid: bool = True
    """Whether grid.png is written: of pictures of one size."""


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
    """Turn pictures into a codec's codes, or the noise that a model draws them from, and back.

    How near the second picture comes to the first is given as a PSNR in dB.

    model: a shipped model's name, a run or a checkpoint.
    pictures: picture files, for a codec also folders; cropped and resized to the model's size.
    steps: DDIM steps, each way, of a diffusion model.
    refine: iterations that bring a step up nearer to the reverse of the step down; 0 is the plain
    way.
    classes: class names or numbers, with commas, that the pictures take turns at; else "no class".
    size: height and width in pixels (64 or 48x64), for models that can draw other sizes than they
    were trained on.
    keep_size: leave every picture at its own size; of a codec only.
    tile_size: pixels of a tile's side, for pictures larger than memory; of a codec only.
    batch_size: pictures taken at a time.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for the results; reconstructions/MODEL unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    each = list_pictures(pictures)
    batch_size = coerce_value(batch_size, BatchSize, "batch_size")
    check_replaceable(out, FILES)
    selected = select_model(model, device, ability="")
    loaded, name = selected.model, selected.name
    if isinstance(loaded, Codec):
        from smalti.tasks.codec_reconstruction import reconstruct_by_codec

        if classes:
            raise UserError(
                f"classes are given, but {name} is a codec and has none; leave them out"
            )
        if keep_size and size:
            raise UserError("size and own_size are both given; choose one")
        requested_size = "own" if keep_size else selected.check_size(size)
        files = expand_folders(each)
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
            f"{name} is no codec and does not draw pictures out of noise, so there is no way back"
        )
    if keep_size or tile_size is not None:
        raise UserError(f"own_size and tile are for codecs, and {name} is none; leave them out")
    turns = selected.find_class_indices(classes)
    originals = selected.read_pictures(each, selected.check_size(size))
    sampler = DDIM(steps=steps, clip=False)
    with stage_optional_folder(out, FILES) as folder:
        trip = reconstruct_by_inversion(
            loaded, originals, sampler, refine, turns, batch_size, on_progress
        )
        psnr, mean = round_psnr(trip.psnr), round_psnr(trip.psnr.mean()[None])[0]
        files = list_paths(each)
        if folder:
            write_reconstruction(folder, originals, trip)
            record = {
                "model": selected.recorded_name,
                "psnr": dict(zip(map(str, files), psnr, strict=True)),
                "mean_psnr": mean,
                "classes": selected.name_classes(turns),
                "sampler": to_json(sampler),
                "refine": refine,
            }
            write_record(folder / "reconstruction.json", record)
    return Reconstruction(files, psnr, mean, tuple(trip.pictures), latents=trip.latents)


def expand_folders(pictures: list[PictureLike]) -> list[PictureLike]:
    """Pictures; those inside a folder for the folder."""
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
    """Pictures (n, C, H, W) to noise and back, `batch_size` at a time; no turns are "no class"."""
    n = len(originals)
    labels = torch.tensor(cycle_values(classes, n)) if classes else None
    trips: list[RoundTrip] = []
    for first in range(0, n, batch_size):
        on_progress(Progress("inverting", first, n))
        rows = slice(first, first + batch_size)
        y = None if labels is None else labels[rows]
        how = {"labels": y, "sampler": sampler, "refine": refine}
        trips.append(round_trip(model, originals[rows], **how))
        check_finite_pictures(trips[-1].pictures)
    on_progress(Progress("inverting", n, n))
    fields = ("latents", "pictures", "psnr")
    return RoundTrip(*(torch.cat([getattr(trip, f) for trip in trips]) for f in fields))


def round_psnr(psnr: Tensor) -> list[float | None]:
    """In dB to two places; None where the two pictures are the same."""
    return [round(v, 2) if v < float("inf") else None for v in psnr.tolist()]


def write_reconstruction(folder: Path, originals: Tensor, trip: RoundTrip) -> None:
    """grid.png, originals, latents and reconstructions; the last one by one, too; the latents."""
    N = len(originals)
    latents = (0.5 + trip.latents.float() / 6).clamp(0, 1)  # three standard deviations to each side
    rows = torch.stack([originals, latents, trip.pictures], dim=1).flatten(0, 1)
    save_png(make_grid(rows, columns=3 * max(1, round((N / 3) ** 0.5))), folder / "grid.png")
    for i, picture in enumerate(trip.pictures):
        save_png(to_image(picture), folder / f"{i:05d}.png")
    save_file({"latents": trip.latents.float().contiguous()}, folder / "latents.safetensors")
