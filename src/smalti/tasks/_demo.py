"""make_gallery: a page that shows everything once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

import smalti
from smalti.core.checkpoint import read_card
from smalti.core.drawing import draw_batches
from smalti.core.folders import Results, check_free, folder_for, write_record
from smalti.core.messages import count
from smalti.core.model import open_model
from smalti.core.pictures import grid, save_png
from smalti.core.progress import OnProgress, ignore
from smalti.core.protocols import Specified
from smalti.core.ranges import Minutes
from smalti.recipes import find
from smalti.tasks._draw_samples import draw_samples
from smalti.tasks._interpolate import interpolate
from smalti.tasks._train import OnEvent, train
from smalti.tasks.gallery import Exhibit, Picture, page

FILES = Results(
    r"index\.html|before\.png|record\.json|(samples|interpolation|run)/.+", "record.json"
)
"""What a gallery holds."""
NUMBER, FRAMES, QUICK_STEPS = 64, 10, 3
RECIPE = "ddpm-digits"
OnStage = Callable[[str, float | None], None]
"""Told what begins, and again, with its seconds, when it is done."""


def pass_over(what: str, seconds: float | None) -> None:
    """Shows nothing."""


def make_gallery(
    out: str | Path = "gallery",
    *,
    minutes: Minutes = 2.0,
    quick: bool = False,
    model: str = "ddpm-digits",
    on_progress: OnEvent = ignore,
    on_stage: OnStage = pass_over,
) -> Path:
    """Make a page that shows everything once: samples, a walk, and a model that is trained here.

    out: folder for the page and its pictures.
    minutes: how long the model that is trained here may train.
    quick: train for a few steps only, to see that everything works.

    on_progress: told of the training's events, too.  Returns the page's path.
    """
    check_free(out, FILES)
    loaded = open_model(model, "draw pictures", "cpu")
    with folder_for(out, FILES) as folder:
        exhibits = [
            *show_samples(loaded, model, folder / "samples", on_progress, on_stage),
            show_walk(loaded, model, folder / "interpolation", on_progress, on_stage),
            show_training(folder, minutes, quick, on_progress, on_stage),
        ]
        text = page(exhibits, replace(read_card(model), name=model), describe_machine())
        (folder / "index.html").write_text(text, encoding="utf-8")
        how = {"model": model, "minutes": minutes, "quick": quick}
        write_record(folder / "record.json", how)
    return Path(out) / "index.html"


@contextmanager
def measured(what: str, on_stage: OnStage) -> Iterator[list[float]]:
    """While entered, some work is done; on leaving, its seconds stand in the list."""
    begun, seconds = time.perf_counter(), []
    on_stage(what, None)
    yield seconds
    seconds.append(time.perf_counter() - begun)
    on_stage(what, seconds[0])


def show_samples(
    model: Specified, name: str, folder: Path, on_progress: OnProgress, on_stage: OnStage
) -> list[Exhibit]:
    """64 pictures in the order of their classes, and how they came about."""
    K = len(model.spec.classes)
    classes = "all" if K else ()

    drawing = {"batch": NUMBER, "out": folder, "on_progress": on_progress}
    with measured(f"drawing {NUMBER} pictures from {name}", on_stage) as took:
        draw_samples(model, NUMBER, classes=classes, film=True, **drawing)
    command = f"smalti sample {name} -n {NUMBER}" + (" --class all" if K else "")
    return [
        Exhibit(
            f"{NUMBER} pictures that nobody drew",
            f"Every picture begins as its own noise, from its own seed, and {name} takes the noise "
            f"away, step by step."
            + (" They stand in the order of the class that was asked for." if K else ""),
            (Picture(folder / "grid.png", f"{NUMBER} samples of {name}"),),
            command,
            took[0],
        ),
        Exhibit(
            "Out of noise",
            "The same pictures on their way. DDIM walks from pure noise to a picture; each frame "
            "is one of its states.",
            (Picture(folder / "denoising.gif", "from noise to pictures"),),
            f"{command} --gif",
            took[0],
        ),
    ]


def show_walk(
    model: Specified, name: str, folder: Path, on_progress: OnProgress, on_stage: OnStage
) -> Exhibit:
    """A walk between two noises, once for each of a few classes."""
    rows = [k for k in (2, 3, 5, 8) if k < len(model.spec.classes)]
    first, last = 3, 8

    walking = {"frames": FRAMES, "batch": NUMBER, "out": folder, "on_progress": on_progress}
    with measured("walking between two noises", on_stage) as took:
        interpolate(model, first, last, classes=rows, gif=True, **walking)
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
        took[0],
    )


def show_training(
    folder: Path,
    minutes: float,
    quick: bool,
    on_progress: OnEvent,
    on_stage: OnStage,
) -> Exhibit:
    """A model that knows nothing, and what it draws after training."""
    recipe = find(RECIPE).change({"warmup": 50, "save": 10**9})
    splits = recipe.read(None, size=recipe.size)
    torch.manual_seed(recipe.training.seed)
    untrained = recipe.model(splits.train).build()
    before = draw_batches(untrained, range(NUMBER), on_progress=on_progress)
    save_png(grid(before.pictures), folder / "before.png")
    length, how = count(minutes, "minute"), f"--minutes {minutes:g}"
    steps, limit = None, minutes
    if quick:
        length, how = f"{QUICK_STEPS} steps", f"--steps {QUICK_STEPS}"
        steps, limit = QUICK_STEPS, None
    with measured(f"training a new model for {length}", on_stage) as took:
        how_long = {"steps": steps, "minutes": limit}
        ended = train(recipe, data=splits, out=folder / "run", on_event=on_progress, **how_long)
    if ended.interrupted:  # a run saves and ends in order; here there is nothing to keep
        raise KeyboardInterrupt
    (last,) = (folder / "run" / "grids").glob("*.png")
    return Exhibit(
        "Learning to write",
        f"A network that has seen nothing, and the same network after {length} with "
        f"{len(splits.train):,} digits written by hand. Both start from the same noise.",
        (Picture(folder / "before.png", "before"), Picture(last, "after")),
        f"smalti train {RECIPE} {how} --warmup 50",
        took[0],
    )


def describe_machine() -> str:
    return (
        f"smalti {smalti.__version__}, PyTorch {torch.__version__}, "
        f"{count(torch.get_num_threads(), 'thread')} on {count(os.cpu_count() or 1, 'core')}."
    )
