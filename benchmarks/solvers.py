"""Error of samplers with few steps.  `python -m benchmarks.solvers --model ddpm-digits`.

Root mean squared pixel difference (range 0 to 1) between the pictures of each sampler with few
steps and those of deterministic DDIM with `--reference` steps, from the same x_T and without
guidance, averaged over `-n` pictures with cycled classes. A step is one network call.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch

import smalti
from smalti.diffusion import DDIM, DPMSolver, UniPC

SOLVERS: dict[str, Callable[[int], Any]] = {
    "DDIM()": lambda steps: DDIM(steps=steps),
    "DPMSolver()": lambda steps: DPMSolver(steps=steps),
    "UniPC()": lambda steps: UniPC(steps=steps),
    "UniPC(order=3)": lambda steps: UniPC(steps=steps, order=3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="ddpm-digits", help="shipped name or directory")
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--reference", type=int, default=200, help="steps of DDIM")
    parser.add_argument("-n", type=int, default=64)
    args = parser.parse_args()
    model = smalti.load(args.model)
    K = len(model.spec.classes)
    cond = torch.arange(args.n) % K if K else None

    def draw_pictures(sampler: Any) -> torch.Tensor:
        pictures = smalti.sample(model, args.n, cond=cond, sampler=sampler)
        assert isinstance(pictures, torch.Tensor)
        return pictures

    expected = draw_pictures(DDIM(steps=args.reference))
    heads = (f"{n} steps" for n in args.steps)
    print("| " + " | ".join(["sampler", *heads]) + " |")
    print("|---" * (1 + len(args.steps)) + "|")
    for name, make in SOLVERS.items():
        errors = [
            (draw_pictures(make(steps)) - expected).square().mean((1, 2, 3)) for steps in args.steps
        ]
        cells = (f"{mse.sqrt().mean():.4f}" for mse in errors)
        print("| " + " | ".join([f"`{name}`", *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
