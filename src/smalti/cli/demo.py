"""`smalti demo`: a page that shows everything once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Parameter

import smalti
from smalti.cli.draw import draw, picture_model
from smalti.cli.gallery import Exhibit, Picture, page
from smalti.cli.interpolate import deterministic, walked, write_walk
from smalti.cli.options import Switch
from smalti.cli.sample import write_samples
from smalti.cli.watch import Watcher
from smalti.core.checkpoint import read_card
from smalti.core.folders import Results, check_free, folder_for, write_record
from smalti.core.given import Given
from smalti.core.messages import count
from smalti.core.pictures import grid, save_png
from smalti.core.ranges import Minutes
from smalti.recipes import find
from smalti.training import run

EXAMPLES = """[bold]Examples[/bold]

  smalti demo
  smalti demo --minutes 5 --out page"""

FILES = Results(
    r"index\.html|before\.png|record\.json|(samples|interpolation|run)/.+", "record.json"
)
"""What a gallery holds."""
NUMBER, FRAMES, QUICK_STEPS = 64, 10, 3
RECIPE = "ddpm-digits"

app = App(name="demo", help_epilogue=EXAMPLES)


@app.default
def make_gallery(
    *,
    out: Path = Path("gallery"),
    minutes: Minutes = 2.0,
    quick: Switch = False,
    model: Annotated[str, Parameter(show=False)] = "ddpm-digits",
) -> None:
    """Make a page that shows everything once.

    Parameters
    ----------
    out
        Folder for the page and its pictures.
    minutes
        How long the model that is trained here may train.
    quick
        Train for a few steps only, to see that everything works.
    """
    check_free(out, FILES)
    with folder_for(out, FILES) as folder:
        loaded = picture_model(model, "cpu")
        exhibits = [
            *samples(loaded, model, folder / "samples"),
            interpolation(loaded, model, folder / "interpolation"),
            trained(folder, minutes, quick),
        ]
        text = page(exhibits, replace(read_card(model), name=model), footer())
        (folder / "index.html").write_text(text, encoding="utf-8")
        how = {"model": model, "minutes": minutes, "quick": quick, "smalti": smalti.__version__}
        write_record(folder / "record.json", how)
    print(f"open {(out / 'index.html').resolve()}")


@contextmanager
def timed(what: str) -> Iterator[list[float]]:
    """Says what goes on, and how long it took; the seconds are in the list afterwards."""
    seconds: list[float] = []
    begun = time.perf_counter()
    print(f"{what} ...", flush=True)
    yield seconds
    seconds.append(time.perf_counter() - begun)
    print(f"  {seconds[0]:.1f} s", flush=True)


def samples(model: Any, name: str, folder: Path) -> list[Exhibit]:
    """64 pictures in the order of their classes, and how they came about."""
    folder.mkdir()
    K = len(model.spec.classes)
    labels = torch.arange(NUMBER) % K if K else None
    with timed(f"drawing {NUMBER} pictures from {name}") as seconds:
        sampler, given = model.config.sampler, Given(labels=labels)
        drawn = draw(model, range(NUMBER), given, sampler, batch=NUMBER, film=True)
        write_samples(folder, drawn, 0, labels)
    command = f"smalti sample {name} -n {NUMBER}" + (" --class all" if K else "")
    grid_png, film = folder / "grid.png", folder / "denoising.gif"
    return [
        Exhibit(
            f"{NUMBER} pictures that nobody drew",
            f"Every picture begins as its own noise, from its own seed, and {name} takes the noise "
            f"away, step by step."
            + (" They stand in the order of the class that was asked for." if K else ""),
            (Picture(grid_png, f"{NUMBER} samples of {name}"),),
            command,
            seconds[0],
        ),
        Exhibit(
            "Out of noise",
            "The same pictures on their way. DDIM walks from pure noise to a picture; each frame "
            "is one of its states.",
            (Picture(film, "from noise to pictures"),),
            f"{command} --gif",
            seconds[0],
        ),
    ]


def interpolation(model: Any, name: str, folder: Path) -> Exhibit:
    """A walk between two noises, once for each of a few classes."""
    folder.mkdir()
    rows = [k for k in (2, 3, 5, 8) if k < len(model.spec.classes)]
    first, last = 3, 8
    with timed("walking between two noises") as seconds:
        sampler = deterministic(model, {})
        pictures = walked(model, [first, last], FRAMES, rows, sampler, batch=NUMBER)
        write_walk(folder, pictures, FRAMES, gif=True)
    chosen = " --class " + ",".join(model.spec.classes[k] for k in rows) if rows else ""
    return Exhibit(
        "From one handwriting to another",
        "Between two noises lie others. Each row walks along the same arc from the noise of one "
        "seed to that of another, for one class: the style changes, the class stays.",
        (
            Picture(folder / "strip.png", f"from seed {first} to seed {last}"),
            Picture(folder / "interpolation.gif", "there and back"),
        ),
        f"smalti interpolate {name} --from {first} --to {last}{chosen} --gif",
        seconds[0],
    )


def trained(folder: Path, minutes: float, quick: bool) -> Exhibit:
    """A model that knows nothing, and what it draws after training."""
    recipe = find(RECIPE)
    splits = recipe.read(None, size=recipe.size)
    pictures, valid = splits.train, splits.valid
    config = recipe.model(pictures)
    steps = QUICK_STEPS if quick else None
    training = replace(recipe.training, steps=steps, warmup=50, save=10**9)
    torch.manual_seed(training.seed)
    untrained = draw(config.build(), range(NUMBER), Given(), None, batch=NUMBER, film=False)
    save_png(grid(untrained.pictures), folder / "before.png")
    length = f"{QUICK_STEPS} steps" if quick else count(minutes, "minute")
    with timed(f"training a new model for {length}") as seconds:
        watcher = Watcher(tells_end=False)
        try:
            run(
                config,
                pictures,
                valid,
                training,
                folder / "run",
                minutes=None if quick else minutes,
                watch=watcher,
                about={"recipe": RECIPE, "data": None, "size": recipe.size},
            )
        finally:
            watcher.close()
    if watcher.interrupted:  # a run saves and ends in order; here there is nothing to keep
        raise KeyboardInterrupt
    (last,) = (folder / "run" / "grids").glob("*.png")
    how = f"--steps {QUICK_STEPS}" if quick else f"--minutes {minutes:g}"
    return Exhibit(
        "Learning to write",
        f"A network that has seen nothing, and the same network after {length} with "
        f"{len(pictures):,} digits written by hand. Both start from the same noise.",
        (Picture(folder / "before.png", "before"), Picture(last, "after")),
        f"smalti train {RECIPE} {how} --warmup 50",
        seconds[0],
    )


def footer() -> str:
    return (
        f"smalti {smalti.__version__}, PyTorch {torch.__version__}, "
        f"{count(torch.get_num_threads(), 'thread')} on {count(os.cpu_count() or 1, 'core')}."
    )
