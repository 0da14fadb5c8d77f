"""make_gallery: a tour of all families, on an HTML page."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import smalti
from smalti.core.errors import MissingExtra
from smalti.core.folders import ResultFiles, check_replaceable, stage_folder, write_record
from smalti.core.messages import format_count
from smalti.core.progress import ignore_event
from smalti.core.ranges import Minutes
from smalti.tasks._train import OnEvent
from smalti.tasks.demo_pictures import write_pictures
from smalti.tasks.demo_stops import STOPS, Stop, Tour
from smalti.tasks.gallery import Exhibit, render_page

FILES = ResultFiles(
    r"index\.html|(before|bits)\.png|digits\.smalti|record\.json|"
    r"(pictures|samples|emoji|interpolation|pixelcnn|completions|codec|prior|texture|repair|match|"
    r"run)/.+",
    "record.json",
)
"""Files of a gallery."""
N_DIGITS, N_DIGITS_QUICK = 20, 6
OnStage = Callable[[str, float | None, str], None]
"""Called with the name of a stage at its start, and again at its end, with its seconds and, if it
was left out, with the reason."""


@dataclass(frozen=True)
class Gallery:
    """The page, and what can be done next."""

    page: Path
    exhibits: tuple[Exhibit, ...]
    seconds: float

    @property
    def next_commands(self) -> dict[str, str]:
        """Commands to try next, with what they are for."""
        pictures = self.page.parent / "pictures"
        return {
            "draw sevens": "smalti sample ddpm-digits -n 16 --class 7 --gif",
            "repair": f"smalti inpaint {pictures}/broken.png {pictures}/hole.png",
            "train": "smalti train ddpm --data FOLDER --minutes 3",
            "see all models": "smalti list",
            "in the browser": "smalti serve --open",
        }


def ignore_stage(stage: str, seconds: float | None, left_out: str = "") -> None:
    """Ignore every stage."""


def make_gallery(
    out: str | Path = "gallery",
    *,
    minutes: Minutes = 0.5,
    quick: bool = False,
    on_progress: OnEvent = ignore_event,
    on_stage: OnStage = ignore_stage,
) -> Gallery:
    """Make an HTML page with a picture and a command of every family.

    A stop whose extra is not installed is left out, with the line that installs it. `on_progress`
    also receives the events of the training.

    out: Output folder.
    minutes: Training time in minutes.
    quick: Draw few pictures, and train for 3 steps.
    """
    check_replaceable(out, FILES)
    begun = time.perf_counter()
    with stage_folder(out, FILES) as folder:
        write_pictures(folder / "pictures", N_DIGITS_QUICK if quick else N_DIGITS)
        tour = Tour(folder, Path(out).as_posix(), quick, minutes, on_progress)
        exhibits = tuple(show_stop(stop, tour, on_stage) for stop in STOPS)
        seconds = time.perf_counter() - begun
        gallery = Gallery(Path(out) / "index.html", exhibits, seconds)
        text = render_page(exhibits, gallery.next_commands, describe_machine(seconds))
        (folder / "index.html").write_text(text, encoding="utf-8")
        write_record(folder / "record.json", {"minutes": minutes, "quick": quick})
    return gallery


def show_stop(stop: Stop, tour: Tour, on_stage: OnStage) -> Exhibit:
    """Show a stop, and time it; if it needs an extra, only say so."""
    begun, name = time.perf_counter(), f"{stop.family}: {stop.title}"
    on_stage(name, None, "")
    try:
        exhibit = stop.show(tour)
    except MissingExtra as error:
        exhibit = Exhibit(f"Left out: {error}.", command="")
    seconds = time.perf_counter() - begun
    on_stage(name, seconds, "" if exhibit.command else exhibit.text)
    return replace(exhibit, family=stop.family, title=stop.title, seconds=seconds)


def describe_machine(seconds: float) -> str:
    return (
        f"Made in {seconds:.0f} seconds by smalti {smalti.__version__} and PyTorch "
        f"{torch.__version__}, {format_count(torch.get_num_threads(), 'thread')} on "
        f"{format_count(os.cpu_count() or 1, 'core')}."
    )
