"""`smalti reconstruct`: pictures into a model's own terms and back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cyclopts import App
from safetensors.torch import save_file
from torch import Tensor

import smalti
from smalti.cli.draw import chosen_classes, chosen_device, chosen_size, name_of
from smalti.cli.given import read_pictures
from smalti.cli.meter import Meter
from smalti.cli.options import Classes, Size, Switch
from smalti.cli.roundtrip import there_and_back
from smalti.codecs.codec import Codec
from smalti.core.config import to_json
from smalti.core.errors import UserError
from smalti.core.folders import Results, check_free, folder_for, write_record
from smalti.core.pictures import grid, image, save_png
from smalti.core.ranges import Batch, Levels, Rounds, Width
from smalti.core.sampling import check_finite
from smalti.core.size import show_size
from smalti.diffusion import DDIM, Diffusion
from smalti.diffusion.inversion import RoundTrip, round_trip

EXAMPLES = """[bold]Examples[/bold]

  smalti reconstruct vqvae-digits seven.png three.png
  smalti reconstruct runs/vqgan photos --out pairs
  smalti reconstruct runs/vqgan large.jpg --own-size --tile 512
  smalti reconstruct ddpm-digits seven.png three.png
  smalti reconstruct runs/ddpm photos/*.jpg --steps 100 --refine 3"""

FILES = Results(
    r"grid\.png|latents\.safetensors|reconstruction\.json|\d+\.png", "reconstruction.json"
)
"""What a folder of reconstructions holds."""

app = App(name="reconstruct", help_epilogue=EXAMPLES)


@app.default
def reconstruct(
    model: str,
    pictures: Sequence[Path],
    /,
    *,
    steps: Levels = 50,
    refine: Rounds = 1,
    classes: Classes = (),
    size: Size = None,
    own_size: Switch = False,
    tile: Width | None = None,
    batch: Batch = 64,
    out: Path | None = None,
    device: str = "auto",
) -> None:
    """Turn pictures into a codec's codes, or the noise that a model draws them from, and back.

    How near the second picture comes to the first is given as a PSNR in dB.

    Parameters
    ----------
    model
        A shipped model's name, a run or a checkpoint.
    pictures
        Picture files, for a codec also folders; cropped and resized to the model's size.
    steps
        DDIM steps, each way, of a diffusion model.
    refine
        Iterations that bring a step up nearer to the reverse of the step down; 0 is the plain way.
    classes
        Class names or numbers, with commas, that the pictures take turns at; else "no class".
    size
        Height and width in pixels (64 or 48x64), for models that can draw other sizes than they
        were trained on.
    own_size
        Leave every picture at its own size; of a codec only.
    tile
        Pixels of a tile's side, for pictures larger than memory; of a codec only.
    batch
        Pictures taken at a time.
    out
        Folder for the results; reconstructions/MODEL unless told otherwise.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    begun = time.perf_counter()
    if not pictures:
        raise UserError("no PICTURES to reconstruct; name one file or more")
    out = out or Path("reconstructions") / name_of(model)
    check_free(out, FILES)
    loaded = reversible_model(model, device)
    if isinstance(loaded, Codec):
        if classes:
            raise UserError(
                f"--classes is given, but {model} is a codec and has none; leave it out"
            )
        if own_size and size:
            raise UserError(f"--size {show_size(size)} and --own-size are both given; choose one")
        wanted = "own" if own_size else chosen_size(size, loaded.spec, model)
        return there_and_back(loaded, model, pictures, wanted, tile, batch, out, FILES)
    if own_size or tile is not None:
        raise UserError(
            f"--own-size and --tile are for codecs, and {model} is none; leave them out"
        )
    turns = chosen_classes(classes, loaded.spec, model)
    originals = read_pictures(pictures, loaded.spec, chosen_size(size, loaded.spec, model))
    way = Way(loaded, DDIM(steps=steps), refine, turns, batch)
    with folder_for(out, FILES) as folder:
        trip = way.there_and_back(originals)
        write_trip(folder, originals, trip)
        psnr = dict(zip(map(str, pictures), rounded(trip.psnr), strict=True))
        record = {
            "model": model,
            "psnr": psnr,
            "mean_psnr": rounded(trip.psnr.mean()[None])[0],
            "classes": [loaded.spec.classes[k] for k in turns] or None,
            "sampler": to_json(DDIM(steps=steps, clip=False)),
            "refine": refine,
            "smalti": smalti.__version__,
        }
        write_record(folder / "reconstruction.json", record)
    for name, value in zip(pictures, trip.psnr.tolist(), strict=True):
        print(f"{value:6.1f} dB  {name}")
    seconds = time.perf_counter() - begun
    print(f"{trip.psnr.mean():6.1f} dB  in the mean, {seconds:.1f} s: {out / 'grid.png'}")


@dataclass(frozen=True)
class Way:
    """How pictures go to noise and back, `batch` at a time."""

    model: Diffusion
    sampler: DDIM
    refine: int
    classes: list[int]
    """Taken in turn; none at all is "no class"."""
    batch: Batch = 64

    def there_and_back(self, originals: Tensor) -> RoundTrip:
        """originals: (n, C, H, W) in [0, 1]."""
        n, turns = len(originals), self.classes
        labels = torch.tensor([turns[i % len(turns)] for i in range(n)]) if turns else None
        trips: list[RoundTrip] = []
        with Meter("inverting", n) as meter:
            for first in range(0, n, self.batch):
                rows = slice(first, first + self.batch)
                y = None if labels is None else labels[rows]
                how = {"labels": y, "sampler": self.sampler, "refine": self.refine}
                trips.append(round_trip(self.model, originals[rows], **how))
                check_finite(trips[-1].pictures)
                meter.advance(len(originals[rows]))
        fields = ("latents", "pictures", "psnr")
        return RoundTrip(*(torch.cat([getattr(trip, f) for trip in trips]) for f in fields))


def reversible_model(name: str, device: str) -> Any:
    """A codec or a diffusion model. UserError for others."""
    model = smalti.load(name, device=chosen_device(device))
    if not isinstance(model, Codec | Diffusion):
        raise UserError(
            f"{name} is no codec and does not draw pictures out of noise, so there is no way back"
        )
    return model


def rounded(psnr: Tensor) -> list[float | None]:
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
