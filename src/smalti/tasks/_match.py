"""match: where every patch of a picture is found in another, or of a video in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smalti.core.brief import brief
from smalti.core.errors import UserError
from smalti.core.folders import Results, check_free, results_folder, write_record
from smalti.core.pictures import save_gif, save_png
from smalti.core.progress import OnProgress, Progress, ignore
from smalti.core.ranges import Rounds, Seed, Threads, Width
from smalti.data.frames import frames, is_video, length, still
from smalti.data.single import Picture, read_mask
from smalti.patchmatch.colours import distance_picture, flow_picture
from smalti.patchmatch.matching import Method
from smalti.patchmatch.matching import match as find_match
from smalti.patchmatch.reconstruction import consistency, psnr, reconstruct
from smalti.patchmatch.result import Match
from smalti.patchmatch.video import track

FILES = Results(
    r"(\d{5}-)?(field|distance|copied|voted|consistent)\.(npy|png|gif)|match\.json", "match.json"
)
"""What a folder of matches holds."""


@dataclass(frozen=True)
class Figures:
    """How near a picture, put together from another, comes to what it was; or a video's mean."""

    mean_distance: float
    """Mean squared difference of the patches."""
    psnr_copied: float | None
    """In dB, of single pixels put together; None for equal pictures."""
    psnr_voted: float | None
    """The same of what overlapping patches say."""
    consistent: float | None = None
    """Share of matches that lead back to where they began, where both ways are matched."""


@dataclass(frozen=True, eq=False)
@brief
class Matching:
    """Matches of a picture, or of each frame of a video."""

    figures: Figures
    matches: tuple[Match, ...]
    """One for each frame; of a video only where no files are written."""
    frames: tuple[Figures, ...] = ()
    """Of each frame of a video."""


Search = Mapping[str, Any]
"""How pictures are matched: what `smalti.patchmatch.match` takes beside them."""


def match(
    a: Picture | Sequence[Picture],
    b: Picture | None = None,
    *,
    patch: Width = 3,
    iterations: Rounds | None = None,
    method: Method = "classic",
    mask: Picture | None = None,
    seed: Seed = 0,
    both_ways: bool = False,
    cold: bool = False,
    threads: Threads | None = None,
    out: str | Path | None = None,
    on_progress: OnProgress = ignore,
) -> Matching:
    """Find for every patch of A a patch of B that looks like it, and put A together from B.

    a: a picture; or a video, as an animation (GIF, ...) or a folder of frames.
    b: where to look. For a video it may be left out, and is then the first frame.
    patch: width of the patches in pixels; odd.
    iterations: rounds of propagation and search: 5; for a frame of a video that has one before it,
    2.
    method: classic searches at random; accurate looks through a tree of patches, and comes nearer.
    mask: a picture of B's size: nothing is taken where it is white.
    seed: of what is random.
    both_ways: match B against A, too, and tell which matches lead back to where they began.
    cold: begin every frame of a video at random, not with what the last one found.
    threads: at most so many at once; as many as there are cores unless told otherwise.
    out: folder for the results; matches/A unless told otherwise.

    From Python pictures may be arrays and tensors, too, a list of them is a video, and without
    `out` nothing is written.
    """
    check_free(out, FILES)
    moving, name = is_video(a), str(a) if isinstance(a, str | Path) else "a"
    if b is None and not moving:
        raise UserError(f"{name} is one picture; give B, the picture to look in")
    if moving and both_ways:
        raise UserError("both ways are asked for, but A is a video; leave that out")
    if cold and not moving:
        raise UserError("cold is asked for, but A is no video; leave it out")
    reference = next(frames(a)) if b is None else still(b)
    closed = None if mask is None else read_mask(mask, a if b is None else b, reference)
    rounds = iterations if iterations is not None else 2 if moving and not cold else 5
    search = {"patch": patch, "iterations": rounds, "seed": seed, "method": method,
              "threads": threads, "mask": closed}  # fmt: skip
    with results_folder(out, FILES) as folder:
        if moving:
            begin = None if b is None else reference
            found = match_video(folder, a, begin, search, cold, on_progress)
        else:
            on_progress(Progress("matching", 0, 1))
            found = match_pair(folder, still(a), reference, search, both_ways)
            on_progress(Progress("matching", 1, 1))
        if folder:
            write_record(folder / "match.json", describe(a, b, mask, search, found, cold))
    return found


def describe(
    a: object, b: object, mask: object, search: Search, found: Matching, cold: bool
) -> dict[str, Any]:
    """What stands in match.json."""
    given = {"a": a, "b": b, "mask": mask}
    files = {k: str(v) if isinstance(v, str | Path) else None for k, v in given.items()}
    own = {k: v for k, v in search.items() if k not in files}
    record = {**files, **own, **list_figures(found.figures)}
    if found.frames:
        record |= {"cold": cold, "frames": [list_figures(one) for one in found.frames]}
    return record


def list_figures(figures: Figures) -> dict[str, Any]:
    return {k: v for k, v in vars(figures).items() if k != "consistent" or v is not None}


def match_pair(
    folder: Path | None, a: np.ndarray, b: np.ndarray, search: Search, both_ways: bool
) -> Matching:
    """Match two pictures and write everything."""
    found = find_match(a, b, **search)
    figures, shown = look_at(a, b, found, search)
    if both_ways:
        back = find_match(b, a, **{**search, "mask": None})
        holds = consistency(found, back)
        figures = replace(figures, consistent=round(float(holds.mean()), 4))
        shown["consistent"] = holds.astype(np.uint8) * 255
    if folder:
        write_arrays(folder, "", found)
        for name, picture in shown.items():
            save_png(Image.fromarray(picture), folder / f"{name}.png")
    return Matching(figures, (found,))


def look_at(
    a: np.ndarray, b: np.ndarray, found: Match, search: Search
) -> tuple[Figures, dict[str, np.ndarray]]:
    """The figures of a match, and its pictures by name."""
    copied = reconstruct(b, found)
    voted = reconstruct(b, found, search["patch"], search["threads"])
    distance = round(float(found.distance.mean()), 4)
    figures = Figures(distance, find_psnr(a, copied), find_psnr(a, voted))
    pictures = {"copied": copied, "voted": voted, "field": flow_picture(found)}
    return figures, {**pictures, "distance": distance_picture(found)}


def find_psnr(x: np.ndarray, y: np.ndarray) -> float | None:
    """In dB; None for equal pictures, whose PSNR JSON cannot hold."""
    value = psnr(x, y)
    return round(value, 2) if np.isfinite(value) else None


def write_arrays(folder: Path, prefix: str, found: Match) -> None:
    np.save(folder / f"{prefix}field.npy", found.field)
    np.save(folder / f"{prefix}distance.npy", found.distance)


def match_video(
    folder: Path | None,
    source: object,
    reference: np.ndarray | None,
    search: Search,
    cold: bool,
    on_progress: OnProgress,
) -> Matching:
    """Match every frame and write everything."""
    films: dict[str, list[Image.Image]] = {}
    each: list[Figures] = []
    matches: list[Match] = []
    rounds = search["iterations"]
    given = {**search, "first": rounds if cold else max(rounds, 5), "warm": not cold}
    total = length(source)
    for number, (frame, found) in enumerate(pair_frames(source, reference, given)):
        on_progress(Progress("matching", number, total))
        reference = frame if reference is None else reference
        figures, shown = look_at(frame, reference, found, search)
        each.append(figures)
        if not folder:
            matches.append(found)
            continue
        write_arrays(folder, f"{number:05d}-", found)
        save_png(Image.fromarray(shown["voted"]), folder / f"{number:05d}-voted.png")
        for name in ("voted", "field", "distance"):
            films.setdefault(name, []).append(Image.fromarray(shown[name]))
    on_progress(Progress("matching", total, total))
    if folder:
        for name, film in films.items():
            save_gif(film, folder / f"{name}.gif")
    return Matching(find_means(each), tuple(matches), tuple(each))


def pair_frames(
    source: object, reference: np.ndarray | None, given: dict[str, Any]
) -> Iterator[tuple[np.ndarray, Match]]:
    """Each frame with its match, one at a time."""
    held: list[np.ndarray] = []

    def hand_over() -> Iterator[np.ndarray]:
        for frame in frames(source):
            held[:] = [frame]
            yield frame

    for found in track(hand_over(), reference, **given):
        yield held[0], found


def find_means(each: list[Figures]) -> Figures:
    """Over all frames; a PSNR over those that are not equal to what was put together."""

    def mean(name: str) -> float | None:
        values = [getattr(one, name) for one in each if getattr(one, name) is not None]
        return round(float(np.mean(values)), 4) if values else None

    return Figures(mean("mean_distance") or 0.0, mean("psnr_copied"), mean("psnr_voted"))
