"""Nearest-neighbor fields of two pictures: seconds and distances of every method.

A and B are two photographs of one object; the article's pair of cups has 244 x 326 pixels.
Measurements are interleaved.  "Plain" is a straightforward scanline PatchMatch in Numba with one
thread and early stopping (a row of `smalti bench patchmatch`); exact compares all patches.
pypatchmatch and patchmatch-cython return no field.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._machine import read_processor_name
from smalti.patchmatch import Match, match, match_brute_force
from smalti.patchmatch.matching import Method
from smalti.tasks.patchmatch_variants import Problem

Work = Callable[[], tuple[Match, float]]
SIDES = (64, 128, 256, 512, 1024)


def read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def enlarge(x: np.ndarray, side: int) -> np.ndarray:
    """Resample to (side, side, 3), with noise for the grain lost by enlarging."""
    rng = np.random.default_rng(side)
    big = np.asarray(Image.fromarray(x).resize((side, side), Image.Resampling.LANCZOS), int)
    return (big + rng.integers(-6, 7, big.shape)).clip(0, 255).astype(np.uint8)


def time_match(work: Callable[[], Match]) -> Work:
    def run() -> tuple[Match, float]:
        begun = time.perf_counter()
        found = work()
        return found, time.perf_counter() - begun

    return run


def list_methods(a: np.ndarray, b: np.ndarray, patch: int, threads: int) -> dict[str, Work]:
    problem = Problem(a, b, patch, 5, 0)
    return {
        "plain, 1 thread": lambda: problem.run_variant("Numba, stopping early"),
        "classic, 1 thread": time_match(lambda: match(a, b, patch, threads=1)),
        f"classic, {threads} threads": time_match(lambda: match(a, b, patch, threads=threads)),
        "accurate, 1 thread": time_match(lambda: match(a, b, patch, method="accurate", threads=1)),
        f"accurate, {threads} threads": time_match(
            lambda: match(a, b, patch, method="accurate", threads=threads)
        ),
    }


def compare_methods(a: np.ndarray, b: np.ndarray, patch: int, threads: int, repeats: int) -> None:
    print(f"\npatch {patch}{'':21}seconds  of plain  distance  of exact")
    works = list_methods(a, b, patch, threads)
    for work in works.values():
        work()  # loads and compiles
    taken: dict[str, list[float]] = {name: [] for name in works}
    distance = {}
    for _ in range(repeats):
        for name, work in works.items():
            found, seconds = work()
            taken[name].append(seconds)
            distance[name] = float(found.distance.mean())
    best, seconds = time_match(lambda: match_brute_force(a, b, patch, threads=threads))()
    name = f"exact, {threads} threads"
    taken[name], distance[name] = [seconds], float(best.distance.mean())
    plain = float(np.median(taken["plain, 1 thread"]))
    for name, times in taken.items():
        middle = float(np.median(times))
        ratio = distance[name] / distance[f"exact, {threads} threads"]
        print(f"{name:26} {middle:9.3f} {middle / plain:9.2f} {distance[name]:9.2f} {ratio:9.2f}")


def compare_seeds(a: np.ndarray, b: np.ndarray, patch: int, count: int) -> None:
    found = [float(match(a, b, patch, seed=s).distance.mean()) for s in range(count)]
    print(f"\nclassic, patch {patch}, {count} seeds: {min(found):.2f} to {max(found):.2f}")


def measure_growth(a: np.ndarray, b: np.ndarray, threads: int, plot: Path | None) -> None:
    print(f"\npixels of each, patch 3, {threads} threads: classic   accurate")
    curves: dict[Method, list[float]] = {"classic": [], "accurate": []}
    for side in SIDES:
        x, y = enlarge(a, side), enlarge(b, side)
        for method, curve in curves.items():
            run = time_match(lambda m=method, x=x, y=y: match(x, y, method=m, threads=threads))
            curve.append(min(run()[1] for _ in range(3)))
        classic, accurate = (curve[-1] for curve in curves.values())
        print(f"{side * side:12,}{'':25}{classic:7.3f} s {accurate:7.3f} s", flush=True)
    if plot:
        plot_growth(curves, plot)


def plot_growth(curves: Mapping[Method, list[float]], path: Path) -> None:
    from matplotlib.figure import Figure

    pixels = np.array(SIDES) ** 2
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, seconds in curves.items():
        axes.loglog(pixels, seconds, marker="o", label=name)
    line = curves["classic"][-1] * pixels / pixels[-1]
    axes.loglog(pixels, line, color="gray", linestyle=":", label="linear")
    axes.set(xlabel="pixels of each picture", ylabel="seconds, patch 3, 5 iterations")
    axes.legend()
    figure.savefig(path, dpi=90)


def measure_first_match(patch: int = 3) -> None:
    """Measure the overhead of a process's first match, without imports and the match itself."""
    code = f"""
import time
import numpy as np
import smalti.patchmatch.brute_force, smalti.patchmatch.matching as matching
x = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
for method in matching.METHODS:
    taken = []
    for _ in range(2):
        begun = time.perf_counter()
        matching.match(x, x, {patch}, method=method)
        taken.append(time.perf_counter() - begun)
    print(f"{{method}} {{taken[0] - taken[1]:.2f}} s", end="  ")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(f"\noverhead of the first match in a new process, without imports: {done.stdout}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--patches", type=int, nargs="+", default=[3, 7])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--plot", type=Path, help="a PNG of seconds against pixels")
    args = parser.parse_args()
    a, b = read_picture(args.a), read_picture(args.b)
    print(f"{args.a.name}, {args.b.name}: {a.shape[0]} x {a.shape[1]}; {read_processor_name()}")
    for patch in args.patches:
        compare_methods(a, b, patch, args.threads, args.repeats)
        compare_seeds(a, b, patch, args.seeds)
    measure_first_match()
    measure_growth(a, b, args.threads, args.plot)


if __name__ == "__main__":
    main()
