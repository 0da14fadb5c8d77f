"""make_gallery: an HTML page of samples, an interpolation and a short training."""

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
"""Files of a gallery."""
N_SAMPLES, FRAMES, QUICK_STEPS = 64, 10, 3
RECIPE = "ddpm-digits"
OnStage = Callable[[str, float | None], None]
"""Called with the name of a stage at its start, and again, with its seconds, at its end."""


def ignore_stage(stage: str, seconds: float | None) -> None:
    """Ignore every stage."""


def make_gallery(
    out: str | Path = "gallery",
    *,
    minutes: Minutes = 2.0,
    quick: bool = False,
    model: str = "ddpm-digits",
    on_progress: OnEvent = ignore_event,
    on_stage: OnStage = ignore_stage,
) -> Path:
    """Make an HTML page of samples and a short training.

    Returns the path of the page. `on_progress` also receives the events of the training.

    out: Output folder.
    minutes: Training time in minutes.
    quick: Train for 3 steps only.
    model: Diffusion model of the samples.
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
        record = {"model": model, "minutes": minutes, "quick": quick}
        write_record(folder / "record.json", record)
    return Path(out) / "index.html"


@contextmanager
def time_stage(stage: str, on_stage: OnStage) -> Iterator[list[float]]:
    """Time a stage; on exit, its seconds are in the list."""
    begun, seconds = time.perf_counter(), []
    on_stage(stage, None)
    yield seconds
    seconds.append(time.perf_counter() - begun)
    on_stage(stage, seconds[0])


def make_samples_exhibit(
    model: HasSpec, name: str, folder: Path, on_progress: OnProgress, on_stage: OnStage
) -> list[Exhibit]:
    """64 samples, sorted by class, and their denoising."""
    K = len(model.spec.classes)
    classes = "all" if K else ()

    options = {"batch_size": N_SAMPLES, "out": folder, "on_progress": on_progress}
    with time_stage(f"drawing {N_SAMPLES} pictures from {name}", on_stage) as took:
        draw_samples(model, N_SAMPLES, classes=classes, gif=True, **options)
    command = f"smalti sample {name} -n {N_SAMPLES}" + (" --class all" if K else "")
    return [
        Exhibit(
            f"{N_SAMPLES} samples",
            f"Every picture starts as noise from its seed, and {name} removes the noise step "
            "by step." + (" The pictures are sorted by class." if K else ""),
            (Picture(folder / "grid.png", f"{N_SAMPLES} samples of {name}"),),
            command,
            took[0],
        ),
        Exhibit(
            "From noise to pictures",
            "The same pictures while they are sampled. DDIM goes from pure noise to a picture; "
            "each frame is one of its states.",
            (Picture(folder / "denoising.gif", "from noise to pictures"),),
            f"{command} --gif",
            took[0],
        ),
    ]


def make_interpolation_exhibit(
    model: HasSpec, name: str, folder: Path, on_progress: OnProgress, on_stage: OnStage
) -> Exhibit:
    """An interpolation between two seeds, for each of a few classes."""
    rows = [k for k in (2, 3, 5, 8) if k < len(model.spec.classes)]
    first, last = 3, 8

    options = {"frames": FRAMES, "batch_size": N_SAMPLES, "out": folder, "on_progress": on_progress}
    with time_stage("interpolating between two seeds", on_stage) as took:
        interpolate(model, first, last, classes=rows, gif=True, **options)
    class_option = " --class " + ",".join(model.spec.classes[k] for k in rows) if rows else ""
    return Exhibit(
        "From one handwriting to another",
        "Each row interpolates between the noise of two seeds, along the same arc, for one class: "
        "the style changes, the class stays.",
        (
            Picture(folder / "strip.png", f"from seed {first} to seed {last}"),
            Picture(folder / "interpolation.gif", "forward and backward"),
        ),
        f"smalti interpolate {name} --from {first} --to {last}{class_option} --gif",
        took[0],
    )


def make_training_exhibit(
    folder: Path,
    minutes: float,
    quick: bool,
    on_progress: OnEvent,
    on_stage: OnStage,
) -> Exhibit:
    """Samples of a new model before and after training."""
    recipe = find_recipe(RECIPE).change({"warmup": 50, "save_every": 10**9})
    splits = recipe.read(None, size=recipe.size)
    torch.manual_seed(recipe.training.seed)
    untrained = recipe.make_config(splits.train).build()
    before = draw_in_batches(untrained, range(N_SAMPLES), on_progress=on_progress)
    save_png(make_grid(before.pictures), folder / "before.png")
    length, option = format_count(minutes, "minute"), f"--minutes {minutes:g}"
    steps, limit = None, minutes
    if quick:
        length, option = f"{QUICK_STEPS} steps", f"--steps {QUICK_STEPS}"
        steps, limit = QUICK_STEPS, None
    with time_stage(f"training a new model for {length}", on_stage) as took:
        duration = {"steps": steps, "minutes": limit}
        ended = train(recipe, data=splits, out=folder / "run", on_event=on_progress, **duration)
    if ended.interrupted:  # a run saves and returns; a gallery keeps nothing
        raise KeyboardInterrupt
    (last,) = (folder / "run" / "grids").glob("*.png")
    return Exhibit(
        "Learning to write",
        f"An untrained network, and the same network after {length} of training on "
        f"{len(splits.train):,} handwritten digits. Both start from the same noise.",
        (Picture(folder / "before.png", "before"), Picture(last, "after")),
        f"smalti train {RECIPE} {option} --warmup 50",
        took[0],
    )


def describe_machine() -> str:
    return (
        f"smalti {smalti.__version__}, PyTorch {torch.__version__}, "
        f"{format_count(torch.get_num_threads(), 'thread')} on "
        f"{format_count(os.cpu_count() or 1, 'core')}."
    )
