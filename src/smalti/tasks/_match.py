"""match: match the patches of a picture or a video to the patches of another picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, check_replaceable, stage_optional_folder, write_record
from smalti.core.pictures import save_gif, save_png
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.ranges import RepeatCount, Seed, ThreadCount, Width
from smalti.core.short_repr import add_short_repr
from smalti.data.frames import count_frames, is_video, read_frames, read_still
from smalti.data.single_picture import PictureLike, read_mask
from smalti.patchmatch.matching import Method
from smalti.patchmatch.matching import match as find_match
from smalti.patchmatch.reconstruction import compute_consistency, psnr, reconstruct
from smalti.patchmatch.result import Match
from smalti.patchmatch.video import track
from smalti.patchmatch.visualization import distance_to_picture, flow_to_picture

FILES = ResultFiles(
    r"(\d{5}-)?(field|distance|copied|voted|consistent)\.(npy|png|gif)|match\.json", "match.json"
)
"""Files of a folder of matches."""


@dataclass(frozen=True)
class MatchMetrics:
    """Error of a picture that is rebuilt from matches, or its mean over the frames of a video."""

    mean_distance: float
    """Mean squared difference of matched patches."""
    psnr_copied: float | None
    """PSNR in dB of A rebuilt from single pixels; None if it is identical."""
    psnr_voted: float | None
    """PSNR in dB of A rebuilt from averages of overlapping patches; None if it is identical."""
    consistent: float | None = None
    """Share of matches whose reverse match leads back; None unless both ways are matched."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class Matching:
    """The match of a picture, or those of a video's frames."""

    metrics: MatchMetrics
    matches: tuple[Match, ...]
    """One per frame; of a video, only if no files are written."""
    frame_metrics: tuple[MatchMetrics, ...] = ()
    """Metrics of each frame of a video."""
    compared: tuple[np.ndarray, np.ndarray] | None = None
    """A and B as they were compared, uint8 (H, W, 3); None for a video."""
    source: object = None
    """A, if it is a video."""
    reference: np.ndarray | None = None
    """B, if A is a video: uint8 (H, W, 3)."""

    def read_frames(self) -> Iterator[np.ndarray]:
        """Read a video's frames again, uint8 (H, W, 3): they are too many to keep."""
        return read_frames(self.source)


Search = Mapping[str, Any]
"""Keyword arguments of `smalti.patchmatch.match`."""


def match(
    a: PictureLike | Sequence[PictureLike],
    b: PictureLike | None = None,
    *,
    patch: Width = 3,
    iterations: RepeatCount | None = None,
    method: Method = "classic",
    mask: PictureLike | None = None,
    seed: Seed = 0,
    both_ways: bool = False,
    cold_start: bool = False,
    threads: ThreadCount | None = None,
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> Matching:
    """Match patches of one picture to another (PatchMatch).

    Finds a similar patch of B for every patch of A, and rebuilds A from these patches.

    a: Picture, animation or folder of frames.
    b: Picture to search (default: A's first frame). Required unless A is a video.
    patch: Patch width in pixels; odd.
    iterations: Search rounds (default: 5; 2 for video frames). A video's first frame takes 5.
    method: Random search, or a k-d tree (accurate). The latter finds better matches.
    mask: Mask of B's size; white is excluded.
    seed: Random seed.
    both_ways: Also match B to A, and check consistency. A match is consistent if the match back
    leads to where it started.
    cold_start: Start each frame of a video at random. By default a frame starts from the matches of
    the previous one.
    threads: Maximum number of threads (default: CPU cores).
    out: Output folder (default: matches/A).

    From Python, pictures may also be arrays or tensors, a list of them is a video, and nothing is
    written without `out`.
    """
    check_replaceable(out, FILES)
    moving, name = is_video(a), str(a) if isinstance(a, str | Path) else "a"
    if b is None and not moving:
        raise UserError(f"{name} is one picture; give B, the picture to search")
    if moving and both_ways:
        raise UserError("both_ways is given, but A is a video; leave it out")
    if cold_start and not moving:
        raise UserError("cold_start is given, but A is not a video; leave it out")
    reference = next(read_frames(a)) if b is None else read_still(b)
    blocked = None if mask is None else read_mask(mask, a if b is None else b, reference)
    rounds = iterations if iterations is not None else 2 if moving and not cold_start else 5
    search = {"patch": patch, "iterations": rounds, "seed": seed, "method": method,
              "threads": threads, "mask": blocked}  # fmt: skip
    with stage_optional_folder(out, FILES) as folder:
        if moving:
            begin = None if b is None else reference
            matching = match_video(folder, a, begin, search, cold_start, on_progress)
        else:
            on_progress(Progress("matching", 0, 1))
            matching = match_pictures(folder, read_still(a), reference, search, both_ways)
            on_progress(Progress("matching", 1, 1))
        if folder:
            write_record(
                folder / "match.json", describe_matching(a, b, mask, search, matching, cold_start)
            )
    return matching


def describe_matching(
    a: object, b: object, mask: object, search: Search, result: Matching, cold_start: bool
) -> dict[str, Any]:
    """The content of match.json."""
    inputs = {"a": a, "b": b, "mask": mask}
    files = {k: str(v) if isinstance(v, str | Path) else None for k, v in inputs.items()}
    options = {k: v for k, v in search.items() if k not in files}
    record = {**files, **options, **list_metrics(result.metrics)}
    if result.frame_metrics:
        record |= {
            "cold": cold_start,
            "frames": [list_metrics(one) for one in result.frame_metrics],
        }
    return record


def list_metrics(metrics: MatchMetrics) -> dict[str, Any]:
    return {k: v for k, v in vars(metrics).items() if k != "consistent" or v is not None}


def match_pictures(
    folder: Path | None, a: np.ndarray, b: np.ndarray, search: Search, both_ways: bool
) -> Matching:
    """Match two pictures and write the results."""
    result = find_match(a, b, **search)
    metrics, pictures = measure_match(a, b, result, search)
    if both_ways:
        back = find_match(b, a, **{**search, "mask": None})
        consistent = compute_consistency(result, back)
        metrics = replace(metrics, consistent=round(float(consistent.mean()), 4))
        pictures["consistent"] = consistent.astype(np.uint8) * 255
    if folder:
        write_arrays(folder, "", result)
        for name, picture in pictures.items():
            save_png(Image.fromarray(picture), folder / f"{name}.png")
    return Matching(metrics, (result,), compared=(a, b))


def measure_match(
    a: np.ndarray, b: np.ndarray, result: Match, search: Search
) -> tuple[MatchMetrics, dict[str, np.ndarray]]:
    """Metrics of a match, and its pictures by name."""
    copied = reconstruct(b, result)
    voted = reconstruct(b, result, search["patch"], search["threads"])
    distance = round(float(result.distance.mean()), 4)
    metrics = MatchMetrics(distance, compute_psnr(a, copied), compute_psnr(a, voted))
    pictures = {"copied": copied, "voted": voted, "field": flow_to_picture(result)}
    return metrics, {**pictures, "distance": distance_to_picture(result)}


def compute_psnr(x: np.ndarray, y: np.ndarray) -> float | None:
    """PSNR in dB; None for identical pictures, since JSON has no infinity."""
    value = psnr(x, y)
    return round(value, 2) if np.isfinite(value) else None


def write_arrays(folder: Path, prefix: str, result: Match) -> None:
    np.save(folder / f"{prefix}field.npy", result.field)
    np.save(folder / f"{prefix}distance.npy", result.distance)


def match_video(
    folder: Path | None,
    source: object,
    reference: np.ndarray | None,
    search: Search,
    cold_start: bool,
    on_progress: OnProgress,
) -> Matching:
    """Match every frame and write the results."""
    gif_frames: dict[str, list[Image.Image]] = {}
    frame_metrics: list[MatchMetrics] = []
    matches: list[Match] = []
    rounds = search["iterations"]
    options = {
        **search,
        "first_iterations": rounds if cold_start else max(rounds, 5),
        "warm_start": not cold_start,
    }
    total = count_frames(source)
    for index, (frame, result) in enumerate(pair_frames(source, reference, options)):
        on_progress(Progress("matching", index, total))
        reference = frame if reference is None else reference
        metrics, pictures = measure_match(frame, reference, result, search)
        frame_metrics.append(metrics)
        if not folder:
            matches.append(result)
            continue
        write_arrays(folder, f"{index:05d}-", result)
        save_png(Image.fromarray(pictures["voted"]), folder / f"{index:05d}-voted.png")
        for name in ("voted", "field", "distance"):
            gif_frames.setdefault(name, []).append(Image.fromarray(pictures[name]))
    on_progress(Progress("matching", total, total))
    if folder:
        for name, images in gif_frames.items():
            save_gif(images, folder / f"{name}.gif")
    return Matching(
        average_metrics(frame_metrics),
        tuple(matches),
        tuple(frame_metrics),
        source=source,
        reference=reference,
    )


def pair_frames(
    source: object, reference: np.ndarray | None, options: dict[str, Any]
) -> Iterator[tuple[np.ndarray, Match]]:
    """Yield each frame with its match."""
    latest: list[np.ndarray] = []

    def yield_frames() -> Iterator[np.ndarray]:
        for frame in read_frames(source):
            latest[:] = [frame]
            yield frame

    for result in track(yield_frames(), reference, **options):
        yield latest[0], result


def average_metrics(frame_metrics: list[MatchMetrics]) -> MatchMetrics:
    """Mean over the frames; of a PSNR, over the frames where it is finite."""

    def average_metric(name: str) -> float | None:
        values = [getattr(one, name) for one in frame_metrics if getattr(one, name) is not None]
        return round(float(np.mean(values)), 4) if values else None

    return MatchMetrics(
        average_metric("mean_distance") or 0.0,
        average_metric("psnr_copied"),
        average_metric("psnr_voted"),
    )
