"""Quality of a model's digits.  `python -m benchmarks.quality --model ddpm-digits`.

Sets of class-balanced samples, evaluated with the shipped classifier: the share recognized as the
requested class, and the Frechet distance to the 8,500 training digits, compared with that of as
many real digits. Choose options with `--split valid`; report `--split test`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch

import smalti
from benchmarks._judge import compute_real_baseline, judge
from smalti.diffusion import DDIM, Diffusion


def draw_samples(
    model: Diffusion, sampler: DDIM, first_seed: int, n: int, batch_size: int
) -> torch.Tensor:
    """Draw n samples (n, 1, 28, 28), cycling classes 0 .. 9, with seeds from `first_seed`."""
    parts = []
    for rows in torch.arange(n).split(batch_size):
        seeds = (first_seed + rows).tolist()
        parts.append(smalti.sample(model, seeds=seeds, cond=rows % 10, sampler=sampler))
    return torch.cat(parts)


def measure_sets(
    model: Diffusion, sampler: DDIM, sets: int, n: int, batch_size: int
) -> dict[str, float]:
    """Compute mean and standard deviation over sets of seeds 0 .. n-1, n .. 2n-1, ..."""
    begun = time.perf_counter()
    found = [
        judge(draw_samples(model, sampler, i * n, n, batch_size), torch.arange(n) % 10)
        for i in range(sets)
    ]
    accuracies, distances = [j.accuracy for j in found], [j.frechet for j in found]
    return {
        "accuracy": statistics.mean(accuracies),
        "lowest": min(accuracies),
        "frechet": statistics.mean(distances),
        "highest": max(distances),
        "spread": statistics.stdev(distances) if sets > 1 else float("nan"),
        "seconds": time.perf_counter() - begun,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="ddpm-digits", help="shipped name or directory")
    parser.add_argument("--guidance", type=float, nargs="+", help="default: the model's")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("-n", type=int, default=500, help="samples per set")
    parser.add_argument("--sets", type=int, default=1)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    args = parser.parse_args()
    model = smalti.load(args.model)
    real = compute_real_baseline(args.n, args.split)
    print(f"{args.n} real digits ({args.split}): Frechet {real:.4f}")
    for guidance in args.guidance or [model.config.sampler.guidance]:
        sampler = DDIM(steps=args.steps, guidance=guidance)
        row = measure_sets(model, sampler, args.sets, args.n, args.batch)
        print(
            f"guidance {guidance:4.2f}"
            f"  recognized {row['accuracy']:.2%} (lowest {row['lowest']:.2%})"
            f"  Frechet {row['frechet']:.4f} +- {row['spread']:.4f} (highest {row['highest']:.4f})"
            f" = {row['frechet'] / real:.2f}x real  {row['seconds']:.0f} s",
            flush=True,
        )
        print(json.dumps({"guidance": guidance, "steps": args.steps, "real": real, **row}))


if __name__ == "__main__":
    main()
