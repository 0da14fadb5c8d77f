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
from smalti.core.drawing import draw_in_batches
from smalti.core.folders import ResultFiles, check_replaceable, stage_folder, write_record
from smalti.core.messages import format_count
from smalti.core.model import open_model
from smalti.core.pictures import make_grid, save_png
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.protocols import HasSpec
from smalti.core.ranges import Minutes
from smalti.recipes import find_recipe
from smalti.tasks._draw_samples import draw_samples
from smalti.tasks._interpolate import interpolate
from smalti.tasks._train import OnEvent, train
from smalti.tasks.gallery import Exhibit, Picture, render_page

FILES = ResultFiles(
    r"index\.html|before\.png|record\.json|(samples|interpolation|run)/.+", "record.json"
)
"""What a gallery holds."""
N_SAMPLES, FRAMES, QUICK_STEPS = 64, 10, 3
RECIPE = "ddpm-digits"
OnStage = Callable[[str, float | None], None]
"""Told what begins, and again, with its seconds, when it is done."""


def ignore_stage(stage: str, seconds: float | None) -> None:
    """Shows nothing."""


def make_gallery(
    out: str | Path = "gallery",
    *,
    minutes: Minutes = 2.0,
    quick: bool = False,
    model: str = "ddpm-digits",
    on_progress: OnEvent = ignore_event,
    on_stage: OnStage = ignore_stage,
) -> Path:
    """Make a page that shows everything once: samples, a walk, and a model that is trained here.

    out: folder for the page and its pictures.
    minutes: how long the model that is trained here may train.
    quick: train for a few steps only, to see that everything works.

    on_progress: told of the training's events, too.  Returns the page's path.
    """
    check_replaceable(out, FILES)
    loaded = open_model(model, "draw pictures", "cpu")
    with stage_folder(out, FILES) as folder:
        exhibits = [
            *make_samples_exhibit(loaded, model, folder / "samples", on_progress, on_stage),
            make_interpolation_exhibit(
                loaded, model, folder / "interpolation", on_progress, on_stage
            ),
            make_training_exhibit(folder, minutes, quick, on_progress, on_stage),
        ]
        text = render_page(exhibits, replace(read_card(model), name=model), describe_machine())
        (folder / "index.html").write_text(text, encoding="utf-8")
        how = {"model": model, "minutes": minutes, "quick": quick}
        write_record(folder / "record.json", how)
    return Path(out) / "index.html"


@contextmanager
def time_stage(stage: str, on_stage: OnStage) -> Iterator[list[float]]:
    """While entered, some work is done; on leaving, its seconds stand in the list."""
    begun, seconds = time.perf_counter(), []
    on_stage(stage, None)
    yield seconds
    seconds.append(time.perf_counter() - begun)
    on_stage(stage, seconds[0])


def make_samples_exhibit(
    model: HasSpec, name: str, folder: Path, on_progress: OnProgress, on_stage: OnStage
) -> list[Exhibit]:
    """64 pictures in the order of their classes, and how they came about."""
    K = len(model.spec.classes)
    classes = "all" if K else ()

    drawing = {"batch_size": N_SAMPLES, "out": folder, "on_progress": on_progress}
    with time_stage(f"drawing {N_SAMPLES} pictures from {name}", on_stage) as took:
        draw_samples(model, N_SAMPLES, classes=classes, gif=True, **drawing)
    command = f"smalti sample {name} -n {N_SAMPLES}" + (" --class all" if K else "")
    return [
        Exhibit(
            f"{N_SAMPLES} pictures that nobody drew",
            f"Every picture begins as its own noise, from its own seed, and {name} takes the noise "
            f"away, step by step."
            + (" They stand in the order of the class that was asked for." if K else ""),
            (Picture(folder / "grid.png", f"{N_SAMPLES} samples of {name}"),),
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


def make_interpolation_exhibit(
    model: HasSpec, name: str, folder: Path, on_progress: OnProgress, on_stage: OnStage
) -> Exhibit:
    """A walk between two noises, once for each of a few classes."""
    rows = [k for k in (2, 3, 5, 8) if k < len(model.spec.classes)]
    first, last = 3, 8

    walking = {"frames": FRAMES, "batch_size": N_SAMPLES, "out": folder, "on_progress": on_progress}
    with time_stage("walking between two noises", on_stage) as took:
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


def make_training_exhibit(
    folder: Path,
    minutes: float,
    quick: bool,
    on_progress: OnEvent,
    on_stage: OnStage,
) -> Exhibit:
    """A model that knows nothing, and what it draws after training."""
    recipe = find_recipe(RECIPE).change({"warmup": 50, "save_every": 10**9})
    splits = recipe.read(None, size=recipe.size)
    torch.manual_seed(recipe.training.seed)
    untrained = recipe.make_config(splits.train).build()
    before = draw_in_batches(untrained, range(N_SAMPLES), on_progress=on_progress)
    save_png(make_grid(before.pictures), folder / "before.png")
    length, how = format_count(minutes, "minute"), f"--minutes {minutes:g}"
    steps, limit = None, minutes
    if quick:
        length, how = f"{QUICK_STEPS} steps", f"--steps {QUICK_STEPS}"
        steps, limit = QUICK_STEPS, None
    with time_stage(f"training a new model for {length}", on_stage) as took:
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
        f"{format_count(torch.get_num_threads(), 'thread')} on {format_count(os.cpu_count() or 1, 'core')}."
    )
