"""Photographs with holes, filled by smalti, pypatchmatch and patchmatch-cython.

The photographs are those of scikit-image, which like the other libraries is not a dependency of
smalti: `pip install pypatchmatch patchmatch-cython scikit-image`. Missing libraries are skipped.
Patches are 7 x 7. PSNR and SSIM are of the filled pixels only: all others are unchanged.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks._photographs import HOLES, NAMES, read_photograph
from smalti.patchmatch import inpaint, psnr

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def list_fills(threads: int) -> dict[str, Fill]:
    found: dict[str, Fill] = {
        f"smalti, {n} thread{'s' if n > 1 else ''}": lambda x, m, n=n: inpaint(x, m, 7, threads=n)
        for n in sorted({threads, 1}, reverse=True)
    }
    try:
        from patchmatch import patch_match  # pyright: ignore

        found["pypatchmatch"] = lambda x, m: patch_match.inpaint(x, m, patch_size=3)
    except ImportError:
        print("pypatchmatch is not installed")
    try:
        import patchmatch_cython as cython  # pyright: ignore[reportMissingImports]

        found["patchmatch-cython"] = lambda x, m: cython.inpaint_pyramid(
            x, m.astype(np.uint8) * 255, patch_size=7, seed=0
        )
    except ImportError:
        print("patchmatch-cython is not installed")
    return found


def ssim(x: np.ndarray, y: np.ndarray, mask: np.ndarray) -> float:
    """Wang et al. 2004, Gaussian windows of 1.5 pixels; the mean over `mask` and the channels."""

    def blur(z: np.ndarray) -> np.ndarray:
        return np.asarray(ndimage.gaussian_filter(z, (1.5, 1.5, 0), truncate=3.5))

    a, b = x.astype(np.float64), y.astype(np.float64)
    ma, mb = blur(a), blur(b)
    va, vb, both = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = (2 * ma * mb + c1) * (2 * both + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(values[mask].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--holes", nargs="+", default=[*HOLES], choices=[*HOLES])
    parser.add_argument("--seed", type=int, default=1, help="seed of the holes' positions")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="output folder of the filled pictures")
    args = parser.parse_args()
    fills = list_fills(args.threads)
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in fills}
    for case_name, x, mask in iterate_cases(args.names, args.holes, args.seed):
        holed = np.where(mask[..., None], np.uint8(0), x)
        if not any(rows.values()):  # the first call of each loads and compiles
            for fill in fills.values():
                fill(holed[:64, :64], np.pad(np.ones((12, 12), bool), 26))
        words = [f"{case_name:26}"]
        for name, fill in fills.items():
            begun = time.perf_counter()
            out = fill(holed, mask)
            seconds = time.perf_counter() - begun
            rows[name].append((psnr(out[mask], x[mask]), ssim(out, x, mask), seconds))
            words.append("{:6.2f} dB {:.3f} {:5.2f} s".format(*rows[name][-1]))
            if args.out:
                args.out.mkdir(parents=True, exist_ok=True)
                Image.fromarray(out).save(args.out / f"{case_name}-{name.split(',')[0]}.png")
        print("  ".join(words), flush=True)
    print_report(rows)


def iterate_cases(names: list[str], holes: list[str], seed: int):
    for name in names:
        x = read_photograph(name)
        for kind in holes:
            yield f"{name}-{kind}", x, HOLES[kind](x.shape, np.random.default_rng(seed))


def print_report(rows: dict[str, list[tuple[float, float, float]]]) -> None:
    (first, first_figures), *_ = rows.items()
    print(
        f"\nmeans of {len(first_figures)}{'':22}PSNR    SSIM  seconds  "
        f"best PSNR in, {first} wins in"
    )
    best = np.max([[p for p, _, _ in figures] for figures in rows.values()], axis=0)
    for name, figures in rows.items():
        p, s, t = np.mean(figures, axis=0)
        tops = int(sum(a[0] == b for a, b in zip(figures, best, strict=True)))
        wins = sum(a[0] > b[0] for a, b in zip(first_figures, figures, strict=True))
        print(f"{name:30} {p:8.2f} {s:7.3f} {t:8.2f}  {tops:6}, {wins:6}")


if __name__ == "__main__":
    main()
