"""reconstruct: pictures into a model's own terms and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from smalti.codecs.codec import Codec
from smalti.core.brief import brief
from smalti.core.config import fitted, to_json
from smalti.core.errors import UserError
from smalti.core.folders import Results, check_free, results_folder, write_record
from smalti.core.pictures import grid, image, save_png
from smalti.core.progress import OnProgress, Progress, ignore
from smalti.core.ranges import Batch, Levels, Rounds, Width
from smalti.core.sampling import check_finite
from smalti.data.finding import find_pictures
from smalti.data.single import Picture
from smalti.diffusion import DDIM, Diffusion
from smalti.diffusion.inversion import RoundTrip, round_trip
from smalti.tasks.inputs import (
    Classes,
    Pictures,
    choose_model,
    list_pictures,
    name_files,
    take_turns,
)

FILES = Results(
    r"grid\.png|latents\.safetensors|reconstruction\.json|\d+\.png", "reconstruction.json"
)
"""What a folder of reconstructions holds."""


@dataclass(frozen=True, eq=False)
@brief
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
    codes: int | None = None
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
    steps: Levels = 50,
    refine: Rounds = 1,
    classes: Classes = (),
    size: int | tuple[int, int] | None = None,
    own_size: bool = False,
    tile: Width | None = None,
    batch: Batch = 64,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore,
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
    own_size: leave every picture at its own size; of a codec only.
    tile: pixels of a tile's side, for pictures larger than memory; of a codec only.
    batch: pictures taken at a time.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for the results; reconstructions/MODEL unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    each = list_pictures(pictures)
    batch = fitted(batch, Batch, "batch")
    check_free(out, FILES)
    chosen = choose_model(model, device, able="")
    loaded, name = chosen.model, chosen.name
    if isinstance(loaded, Codec):
        from smalti.tasks.codecs import pass_codec

        if classes:
            raise UserError(
                f"classes are given, but {name} is a codec and has none; leave them out"
            )
        if own_size and size:
            raise UserError("size and own_size are both given; choose one")
        wanted = "own" if own_size else chosen.check_size(size)
        files = find_files(each)
        return pass_codec(loaded, chosen.record, files, wanted, tile, batch, out, on_progress)
    if not isinstance(loaded, Diffusion):
        raise UserError(
            f"{name} is no codec and does not draw pictures out of noise, so there is no way back"
        )
    if own_size or tile is not None:
        raise UserError(f"own_size and tile are for codecs, and {name} is none; leave them out")
    turns = chosen.find_classes(classes)
    originals = chosen.read_pictures(each, chosen.check_size(size))
    sampler = DDIM(steps=steps, clip=False)
    with results_folder(out, FILES) as folder:
        trip = pass_noise(loaded, originals, sampler, refine, turns, batch, on_progress)
        psnr, mean = round_psnr(trip.psnr), round_psnr(trip.psnr.mean()[None])[0]
        files = name_files(each)
        if folder:
            write_trip(folder, originals, trip)
            record = {
                "model": chosen.record,
                "psnr": dict(zip(map(str, files), psnr, strict=True)),
                "mean_psnr": mean,
                "classes": chosen.name_classes(turns),
                "sampler": to_json(sampler),
                "refine": refine,
            }
            write_record(folder / "reconstruction.json", record)
    return Reconstruction(files, psnr, mean, tuple(trip.pictures), latents=trip.latents)


def find_files(pictures: list[Picture]) -> list[Picture]:
    """Pictures; those inside a folder for the folder."""
    found: list[Picture] = []
    for one in pictures:
        folder = Path(one) if isinstance(one, str | Path) and Path(one).is_dir() else None
        inside = [one] if folder is None else sorted(find_pictures(folder))
        if not inside:
            raise UserError(f"{one} holds no pictures; name a folder that does")
        found += inside
    return found


def pass_noise(
    model: Diffusion,
    originals: Tensor,
    sampler: DDIM,
    refine: int,
    turns: list[int],
    batch: int,
    on_progress: OnProgress,
) -> RoundTrip:
    """Pictures (n, C, H, W) to noise and back, `batch` at a time; no turns are "no class"."""
    n = len(originals)
    labels = torch.tensor(take_turns(turns, n)) if turns else None
    trips: list[RoundTrip] = []
    for first in range(0, n, batch):
        on_progress(Progress("inverting", first, n))
        rows = slice(first, first + batch)
        y = None if labels is None else labels[rows]
        how = {"labels": y, "sampler": sampler, "refine": refine}
        trips.append(round_trip(model, originals[rows], **how))
        check_finite(trips[-1].pictures)
    on_progress(Progress("inverting", n, n))
    fields = ("latents", "pictures", "psnr")
    return RoundTrip(*(torch.cat([getattr(trip, f) for trip in trips]) for f in fields))


def round_psnr(psnr: Tensor) -> list[float | None]:
    """In dB to two places; None where the two pictures are the same."""
    return [round(v, 2) if v < float("inf") else None for v in psnr.tolist()]


def write_trip(folder: Path, originals: Tensor, trip: RoundTrip) -> None:
    """grid.png, originals, latents and reconstructions; the last one by one, too; the latents."""
    N = len(originals)
    latents = (0.5 + trip.latents.float() / 6).clamp(0, 1)  # three standard deviations to each side
    rows = torch.stack([originals, latents, trip.pictures], dim=1).flatten(0, 1)
    save_png(grid(rows, columns=3 * max(1, round((N / 3) ** 0.5))), folder / "grid.png")
    for i, picture in enumerate(trip.pictures):
        save_png(image(picture), folder / f"{i:05d}.png")
    save_file({"latents": trip.latents.float().contiguous()}, folder / "latents.safetensors")
