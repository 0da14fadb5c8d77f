"""Error over iterations for the frames of a video, with cold and warm start.

Two sequences from photographs of scikit-image (`pip install scikit-image`): a window that moves
over a large photograph of a retina, matched with its first frame; and one that moves over the right
picture of a stereo pair, matched with the left one. A warm start uses the field of the last frame.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks._photographs import read_photograph
from smalti.patchmatch import track

STEP = (3, 7)
"""Rows and columns that a window moves per frame."""


def cut_windows(x: np.ndarray, top: int, left: int, side: int, frames: int) -> list[np.ndarray]:
    corners = [(top + k * STEP[0], left + k * STEP[1]) for k in range(frames)]
    return [x[i : i + side, j : j + side] for i, j in corners]


def read_sequences(side: int, frames: int) -> dict[str, tuple[list[np.ndarray], np.ndarray | None]]:
    retina = read_photograph("retina", crop=False)
    left, right = read_photograph("motorcycle_left"), read_photograph("motorcycle_right")
    return {
        "retina against its first frame": (cut_windows(retina, 500, 500, side, frames), None),
        "motorcycle, right against left": (
            cut_windows(right, 100, 200, side, frames),
            left[60:, 160:700],
        ),
    }


def measure_error(
    frames: list[np.ndarray], reference: np.ndarray | None, iterations: int, warm: bool, patch: int
) -> tuple[float, float]:
    """Measure mean squared difference and seconds per frame, without the first."""
    first = 5 if warm else iterations
    matches = track(frames, reference, patch, iterations, first, warm)
    next(matches)
    begun = time.perf_counter()
    found = [float(m.distance.mean()) for m in matches]
    return float(np.mean(found)), (time.perf_counter() - begun) / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--patch", type=int, default=3)
    parser.add_argument("--most", type=int, default=6, help="maximum number of iterations")
    parser.add_argument("--plot", type=Path, help="a PNG of the curves")
    args = parser.parse_args()
    curves: dict[str, dict[str, list[float]]] = {}
    for name, (frames, reference) in read_sequences(args.side, args.frames).items():
        print(f"\n{name}: {args.frames} frames of {args.side} x {args.side}, patch {args.patch}")
        print("iterations      cold  s/frame      warm  s/frame")
        measure_error(frames[:2], reference, 1, True, args.patch)  # loads and compiles
        curve = curves.setdefault(name, {"cold": [], "warm": []})
        for n in range(args.most + 1):
            cold, warm = (measure_error(frames, reference, n, w, args.patch) for w in (False, True))
            curve["cold"].append(cold[0])
            curve["warm"].append(warm[0])
            print(f"{n:10} {cold[0]:9.2f} {cold[1]:8.3f} {warm[0]:9.2f} {warm[1]:8.3f}", flush=True)
    if args.plot:
        plot_curves(curves, args.plot)


def plot_curves(curves: dict[str, dict[str, list[float]]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, (name, curve) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        for start, values in curve.items():
            axes.semilogy(range(len(values)), values, marker="o", label=f"{start} start")
        axes.set(title=name, xlabel="iterations per frame", ylabel="mean squared difference")
        axes.legend()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
