"""`smalti match`: where every patch of a picture is found in another, or of a video in one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Parameter
from PIL import Image

import smalti
from smalti.cli.meter import Meter
from smalti.cli.options import Switch
from smalti.core.errors import UserError
from smalti.core.folders import Results, check_free, folder_for, write_record
from smalti.core.messages import count
from smalti.core.pictures import save_gif, save_png
from smalti.core.ranges import Rounds, Seed, Threads, Width
from smalti.data.frames import frames, is_video, length, still
from smalti.data.single import read_mask
from smalti.patchmatch.colours import distance_picture, flow_picture
from smalti.patchmatch.matching import Method, match
from smalti.patchmatch.reconstruction import consistency, psnr, reconstruct
from smalti.patchmatch.result import Match
from smalti.patchmatch.video import track

EXAMPLES = """[bold]Examples[/bold]

  smalti match a.png b.png
  smalti match a.png b.png --method accurate
  smalti match a.png b.png --patch 7 --both-ways
  smalti match clip.gif                          every frame against the first
  smalti match frames/ reference.png             frames against a picture"""

FILES = Results(
    r"(\d{5}-)?(field|distance|copied|voted|consistent)\.(npy|png|gif)|match\.json", "match.json"
)
"""What a folder of matches holds."""

app = App(name="match", help_epilogue=EXAMPLES)


@dataclass(frozen=True)
class Search:
    """How pictures are matched."""

    patch: int
    iterations: int
    seed: int
    method: Method
    threads: int | None
    mask: np.ndarray | None

    def arguments(self) -> dict[str, Any]:
        names = ("patch", "iterations", "seed", "method", "threads", "mask")
        return {name: getattr(self, name) for name in names}


@app.default
def match_pictures(
    a: Path,
    b: Path | None = None,
    /,
    *,
    patch: Width = 3,
    iterations: Rounds | None = None,
    method: Method = "classic",
    mask: Path | None = None,
    seed: Seed = 0,
    both_ways: Switch = False,
    cold: Switch = False,
    threads: Annotated[Threads | None, Parameter(show_default=False)] = None,
    out: Path | None = None,
) -> None:
    """Find for every patch of A a patch of B that looks like it, and put A together from B.

    Parameters
    ----------
    a
        A picture; or a video, as an animation (GIF, ...) or a folder of frames.
    b
        Where to look. For a video it may be left out, and is then the first frame.
    patch
        Width of the patches in pixels; odd.
    iterations
        Rounds of propagation and search: 5; for a frame of a video that has one before it, 2.
    method
        classic searches at random; accurate looks through a tree of patches, and comes nearer.
    mask
        A picture of B's size: nothing is taken where it is white.
    seed
        Of what is random.
    both_ways
        Match B against A, too, and tell which matches lead back to where they began.
    cold
        Begin every frame of a video at random, not with what the last one found.
    threads
        At most so many at once; as many as there are cores unless told otherwise.
    out
        Folder for the results; matches/A unless told otherwise.
    """
    begun = time.perf_counter()
    out = out or Path("matches") / a.stem
    check_free(out, FILES)
    moving = is_video(a)
    if b is None and not moving:
        raise UserError(f"{a} is one picture; give B, the picture to look in")
    if moving and both_ways:
        raise UserError("--both-ways is given, but A is a video; leave it out")
    if cold and not moving:
        raise UserError("--cold is given, but A is no video; leave it out")
    reference = next(frames(a)) if b is None else still(b)
    closed = None if mask is None else read_mask(mask, b or a, reference)
    rounds = iterations if iterations is not None else 2 if moving and not cold else 5
    search = Search(patch, rounds, seed, method, threads, closed)
    with folder_for(out, FILES) as folder:
        if moving:
            facts = of_video(folder, a, None if b is None else reference, search, cold)
        else:
            facts = of_pair(folder, still(a), reference, search, both_ways)
        told = {"a": str(a), "b": b and str(b), "mask": mask and str(mask)}
        own = {k: v for k, v in search.arguments().items() if k != "mask"}
        record = {**told, **own, **facts, "smalti": smalti.__version__}
        write_record(folder / "match.json", record)
    seconds = time.perf_counter() - begun
    print(sentence(facts), f"{seconds:.1f} s: {out}")


def sentence(facts: dict[str, Any]) -> str:
    """What stands on the terminal; None is the PSNR of equal pictures."""
    copied, voted = (
        "the same" if facts[k] is None else f"{facts[k]:.1f} dB"
        for k in ("psnr_copied", "psnr_voted")
    )
    what = f"{count(len(facts['frames']), 'frame')}, " if "frames" in facts else ""
    back = f", {facts['consistent']:.0%} lead back" if "consistent" in facts else ""
    return (
        f"{what}mean squared difference {facts['mean_distance']:.2f}; put together from B: "
        f"{copied} copied, {voted} voted{back};"
    )


def of_pair(
    folder: Path, a: np.ndarray, b: np.ndarray, search: Search, both_ways: bool
) -> dict[str, Any]:
    """Match two pictures and write everything; returns the figures."""
    found = match(a, b, **search.arguments())
    facts, shown = looked_at(a, b, found, search)
    if both_ways:
        back = match(b, a, **replace(search, mask=None).arguments())
        holds = consistency(found, back)
        facts["consistent"] = round(float(holds.mean()), 4)
        shown["consistent"] = holds.astype(np.uint8) * 255
    write_arrays(folder, "", found)
    for name, picture in shown.items():
        save_png(Image.fromarray(picture), folder / f"{name}.png")
    return facts


def looked_at(
    a: np.ndarray, b: np.ndarray, found: Match, search: Search
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The figures of a match, and its pictures by name."""
    copied = reconstruct(b, found)
    voted = reconstruct(b, found, search.patch, search.threads)
    facts = {
        "mean_distance": round(float(found.distance.mean()), 4),
        "psnr_copied": decibels(a, copied),
        "psnr_voted": decibels(a, voted),
    }
    pictures = {"copied": copied, "voted": voted, "field": flow_picture(found)}
    return facts, {**pictures, "distance": distance_picture(found)}


def decibels(x: np.ndarray, y: np.ndarray) -> float | None:
    """None for equal pictures, whose PSNR JSON cannot hold."""
    value = psnr(x, y)
    return round(value, 2) if np.isfinite(value) else None


def write_arrays(folder: Path, prefix: str, found: Match) -> None:
    np.save(folder / f"{prefix}field.npy", found.field)
    np.save(folder / f"{prefix}distance.npy", found.distance)


def of_video(
    folder: Path, path: Path, reference: np.ndarray | None, search: Search, cold: bool
) -> dict[str, Any]:
    """Match every frame and write everything; returns the figures."""
    films: dict[str, list[Image.Image]] = {}
    each: list[dict[str, Any]] = []
    given = search.arguments() | {"first": max(search.iterations, 5), "warm": not cold}
    if cold:
        given["first"] = search.iterations
    with Meter("matching", length(path)) as meter:
        for number, (frame, found) in enumerate(paired(path, reference, given)):
            reference = frame if reference is None else reference
            facts, shown = looked_at(frame, reference, found, search)
            each.append(facts)
            write_arrays(folder, f"{number:05d}-", found)
            save_png(Image.fromarray(shown["voted"]), folder / f"{number:05d}-voted.png")
            for name in ("voted", "field", "distance"):
                films.setdefault(name, []).append(Image.fromarray(shown[name]))
            meter.advance()
    for name, film in films.items():
        save_gif(film, folder / f"{name}.gif")
    return {**means(each), "cold": cold, "frames": each}


def paired(
    path: Path, reference: np.ndarray | None, given: dict[str, Any]
) -> Iterator[tuple[np.ndarray, Match]]:
    """Each frame with its match, one at a time."""
    held: list[np.ndarray] = []

    def handed() -> Iterator[np.ndarray]:
        for frame in frames(path):
            held[:] = [frame]
            yield frame

    for found in track(handed(), reference, **given):
        yield held[0], found


def means(each: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all frames; a PSNR over those that are not equal to what was put together."""
    figures: dict[str, Any] = {}
    for key in ("mean_distance", "psnr_copied", "psnr_voted"):
        values = [facts[key] for facts in each if facts[key] is not None]
        figures[key] = round(float(np.mean(values)), 4) if values else None
    return figures
