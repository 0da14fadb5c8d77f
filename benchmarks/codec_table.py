"""Two claims of the article about VQ-VAE; each row is trained for equal minutes.

    .venv/bin/python -m benchmarks.codec_table --minutes 3
    .venv/bin/python -m benchmarks.codec_table --steps 20 --betas 0.25 --codes 16 32   # quick test

1. beta from 0.1 to 2 changes little.  2. More codes, 16 to 512, reconstruct better.
Columns: PSNR, Frechet distance of the reconstructions, codes used and perplexity, on the digits'
test split. The error of the PSNR is over the pictures; use several `--seeds` to compare seeds.
The codebook is the article's (`vq`), with revival; `--json FILE` appends a line for each row. On a
busy machine give equal `--steps` instead of minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import smalti
from smalti.recipes import find_recipe
from smalti.recipes.pictures import load_digit_splits
from smalti.training import run
from smalti.vq import VQConfig

ROWS = ("psnr", "ssim", "frechet", "codes used", "perplexity")


def train_and_measure(
    beta: float, codes: int, seed: int, minutes: float | None, steps: int | None
) -> dict[str, Any]:
    """Train and evaluate a codec; return a row."""
    recipe, splits = find_recipe("vqvae-digits"), load_digit_splits()
    config = recipe.make_config(splits.train)
    config = replace(config, quantizer=VQConfig(codes, width=16, beta=beta))
    training = replace(recipe.training, steps=steps, seed=seed, save_every=10**6)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run(config, splits.train, splits.valid, training, out, minutes=minutes)
        codec = smalti.load(out)
    assert splits.test is not None
    found = smalti.evaluate(codec, splits, features="digits", split="test")
    values = {name: found[name].value for name in ROWS}
    settings = {"beta": beta, "codes": codes, "seed": seed, "minutes": minutes, "steps": steps}
    return {**settings, **values, "psnr_error": found["psnr"].error}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--betas", type=float, nargs="*", default=[0.1, 0.25, 0.5, 1.0, 2.0])
    parser.add_argument("--codes", type=int, nargs="*", default=[16, 32, 64, 128, 256, 512])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    minutes = None if args.steps else args.minutes
    pairs = [(beta, 64) for beta in args.betas]
    pairs += [(0.25, K) for K in args.codes if (0.25, K) not in pairs]
    names = (*ROWS, "psnr_error")
    print(
        f"{'beta':>6} {'codes':>6} {'seed':>4} " + " ".join(f"{n:>11}" for n in names), flush=True
    )
    for beta, codes, seed in [(b, K, s) for b, K in pairs for s in args.seeds]:
        row = train_and_measure(beta, codes, seed, minutes, args.steps)
        numbers = " ".join(f"{row[name]:11.3f}" for name in names)
        print(f"{beta:6} {codes:6} {seed:4} {numbers}", flush=True)
        if args.json:
            with args.json.open("a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
