"""The article's two claims about VQ-VAE as a table, each row trained for equal minutes.

    .venv/bin/python -m benchmarks.codec_table --minutes 3
    .venv/bin/python -m benchmarks.codec_table --steps 20 --betas 0.25 --codes 16 32   # a try

1. beta from 0.1 to 2 changes little.  2. More codes, 16 to 512, reconstruct better.
Of the digits' test split: PSNR, Frechet distance of the reconstructions, codes used, perplexity.
The codebook is the article's (`vq`), with revival; `--json FILE` keeps a line for each row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import smalti
from smalti.evaluation.codec import examine_codec
from smalti.features import find_features
from smalti.recipes import find
from smalti.recipes.pictures import digit_splits
from smalti.training import run
from smalti.vq import VQConfig

ROWS = ("psnr", "ssim", "frechet", "codes used", "perplexity")


def trained(beta: float, codes: int, minutes: float | None, steps: int | None) -> dict[str, Any]:
    """One row: a codec trained and measured."""
    recipe, splits = find("vqvae-digits"), digit_splits()
    config = recipe.model(splits.train)
    config = replace(config, quantiser=VQConfig(codes, width=16, beta=beta))
    training = replace(recipe.training, steps=steps, save=10**6)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run(config, splits.train, splits.valid, training, out, minutes=minutes)
        codec = smalti.load(out)
    assert splits.test is not None
    found = examine_codec(codec, splits, "test", splits.test, find_features("digits"))
    values = {name: found.report[name].value for name in ROWS}
    return {"beta": beta, "codes": codes, "minutes": minutes, "steps": steps, **values}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--betas", type=float, nargs="*", default=[0.1, 0.25, 0.5, 1.0, 2.0])
    parser.add_argument("--codes", type=int, nargs="*", default=[16, 32, 64, 128, 256, 512])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    minutes = None if given.steps else given.minutes
    pairs = [(beta, 64) for beta in given.betas]
    pairs += [(0.25, K) for K in given.codes if (0.25, K) not in pairs]
    print(f"{'beta':>6} {'codes':>6} " + " ".join(f"{name:>11}" for name in ROWS), flush=True)
    for beta, codes in pairs:
        row = trained(beta, codes, minutes, given.steps)
        numbers = " ".join(f"{row[name]:11.3f}" for name in ROWS)
        print(f"{beta:6} {codes:6} {numbers}", flush=True)
        if given.json:
            with given.json.open("a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
