"""`smalti interpolate`: a walk between samples or pictures through the noise they start from."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Parameter
from torch import Tensor

import smalti
from smalti.cli.draw import chosen_classes, draw, name_of, picture_model
from smalti.cli.given import read_pictures
from smalti.cli.options import Classes, Switch
from smalti.core.config import fitted, to_json
from smalti.core.errors import UserError
from smalti.core.folders import Results, check_free, folder_for, write_record
from smalti.core.given import Given
from smalti.core.messages import count
from smalti.core.pictures import grid, save_gif, save_png
from smalti.core.ranges import Batch, Frames, Guidance, Levels, Seed
from smalti.core.rng import Rng
from smalti.core.sampling import find_sampler
from smalti.diffusion import DDIM, invert, slerp

EXAMPLES = """[bold]Examples[/bold]

  smalti interpolate ddpm-digits --from 3 --to 8
  smalti interpolate ddpm-digits --class 2,3,5 --frames 16 --gif
  smalti interpolate ddpm-digits --from mine.png --to yours.png"""

FILES = Results(r"strip\.png|interpolation\.gif|interpolation\.json", "interpolation.json")
"""What a folder of an interpolation holds."""

REFINE = 1

app = App(name="interpolate", help_epilogue=EXAMPLES)


@app.default
def walk_between(
    model: str,
    /,
    *,
    first: Annotated[str, Parameter(name="--from")] = "0",
    last: Annotated[str, Parameter(name="--to")] = "1",
    frames: Frames = 10,
    classes: Classes = (),
    steps: Levels | None = None,
    guidance: Guidance | None = None,
    batch: Batch = 64,
    out: Path | None = None,
    gif: Switch = False,
    device: str = "auto",
) -> None:
    """Walk from one sample or picture to another, through the noise that they start from.

    Parameters
    ----------
    model
        A shipped model's name, a run or a checkpoint.
    first
        The seed, or the picture file, to start from.
    last
        The seed, or the picture file, to arrive at.
    frames
        Pictures on the way, both ends included.
    classes
        A class by name or number, or several with commas, or "all": a row for each.
    steps
        DDIM steps; the model's own number unless told otherwise, or 50 with a picture.
    guidance
        Classifier-free guidance; the model's own unless told otherwise, or none with a picture.
    batch
        Pictures drawn at a time.
    out
        Folder for the results; interpolations/MODEL unless told otherwise.
    gif
        Write interpolation.gif, too.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    begun = time.perf_counter()
    out = out or Path("interpolations") / name_of(model)
    check_free(out, FILES)
    loaded = picture_model(model, device)
    ends = [chosen_end(word) for word in (first, last)]
    if "start" not in loaded.spec.given:
        raise UserError(f"{model} does not start from noise, so it has nothing to walk between")
    values = {"steps": steps, "guidance": guidance}
    if any(isinstance(end, Path) for end in ends):
        own = {"steps": min(50, loaded.config.schedule.T), "guidance": 1}
        values = {k: own[k] if v is None else v for k, v in values.items()}
        values["clip"] = False
    sampler = deterministic(loaded, {k: v for k, v in values.items() if v is not None})
    rows = chosen_classes(classes, loaded.spec, model)
    if any(isinstance(end, Path) for end in ends) and not rows and loaded.spec.classes:
        sampler = replace(sampler, guidance=0.0)  # "no class", as the noises are found
    with folder_for(out, FILES) as folder:
        pictures = walked(loaded, ends, frames, rows, sampler, batch)
        write_walk(folder, pictures, frames, gif)
        record = {
            "model": model,
            "from": ends[0] if isinstance(ends[0], int) else str(ends[0]),
            "to": ends[1] if isinstance(ends[1], int) else str(ends[1]),
            "frames": frames,
            "classes": [loaded.spec.classes[k] for k in rows] or None,
            "sampler": to_json(sampler),
            "smalti": smalti.__version__,
        }
        write_record(folder / "interpolation.json", record)
    seconds = time.perf_counter() - begun
    print(f"{count(len(pictures), 'picture')} in {seconds:.1f} s: {out / 'strip.png'}")


def write_walk(folder: Path, pictures: Tensor, frames: int, gif: bool) -> None:
    """strip.png, a row for each walk, and interpolation.gif."""
    save_png(grid(pictures, columns=frames), folder / "strip.png")
    if gif:
        save_gif(there_and_back(pictures, frames), folder / "interpolation.gif", hold=0.08)


def deterministic(model: Any, values: dict[str, Any]) -> Any:
    """The model's sampler as DDIM without noise, so that near starts end near each other."""
    still = {"sampler": "ddim", "eta": 0.0, "sigma_hat": False}
    return find_sampler({**still, **values}, model)


def chosen_end(word: str) -> int | Path:
    """A seed, or a picture file."""
    if not (word.isascii() and word.removeprefix("-").isdigit()):
        return Path(word)
    if len(word) > len(str(2**64)):
        raise UserError(f"{word} is no seed; give 0 to 2^64 - 1, or a picture file")
    return fitted(int(word), Seed, "seed")


def walked(
    model: Any, ends: list[int | Path], frames: int, rows: list[int], sampler: DDIM, batch: int
) -> Tensor:
    """(rows x frames, C, H, W): the walk once for each class, or once when there are none."""
    starts: list[Tensor] = []
    for k in rows or [None]:
        a, b = (noise_at(end, model, k, sampler) for end in ends)
        starts += [slerp(a, b, i / (frames - 1)) for i in range(frames)]
    labels = torch.tensor(rows).repeat_interleave(frames) if rows else None
    # without labels, every frame draws the class that the seed `first` draws: one for the walk
    seed = ends[0] if isinstance(ends[0], int) else 0
    given = Given(labels=labels, start=torch.stack(starts))
    return draw(model, [seed] * len(starts), given, sampler, batch=batch, film=False).pictures


def noise_at(end: int | Path, model: Any, k: int | None, sampler: DDIM) -> Tensor:
    """The noise (C, H, W) of a seed, or the one that a picture comes from, as one of class k."""
    if isinstance(end, int):
        return Rng([end]).normal(model.spec.channels, *model.spec.size)[0]
    picture = read_pictures([end], model.spec, None)
    labels = None if k is None else torch.tensor([k])
    return invert(model, picture, labels=labels, sampler=sampler, refine=REFINE)[0].cpu()


def there_and_back(pictures: Tensor, frames: int) -> list:
    """GIF frames: a column of the strip each, forth and back again."""
    moments = pictures.unflatten(0, (-1, frames)).transpose(0, 1)  # (frames, rows, C, H, W)
    forth = [grid(moment, columns=1) for moment in moments]
    return [*forth, *forth[-2:0:-1]]
