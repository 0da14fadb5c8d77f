"""Bits/dim of the test digits under a model's variational bound.  `python -m benchmarks.bits`.

Bits/dim of the test digits given their class, by the variational bound of the averaged weights:
estimated over strata of the noise levels for all digits, and as the full sum over all levels for
some, with the estimate for the same ones. The terms are those of DDPM, eq. 5.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import get_args

import torch
from torch import Tensor

import smalti
from smalti.cli.progress_bar import ProgressBar
from smalti.core.progress import Progress
from smalti.core.protocols import Batch, Score
from smalti.core.rng import Rng
from smalti.data import Pictures, digit_pictures
from smalti.diffusion import BoundEstimator, Diffusion
from smalti.diffusion.likelihood import Variance

TERMS = ("L_T", "L_t", "L_0")


def score_pictures(
    model: Diffusion, pictures: Pictures, estimate: BoundEstimator, batch_size: int, name: str
) -> Iterator[Score]:
    """Score picture i with seed i, for any batch size."""
    with ProgressBar() as meter:
        for rows in torch.arange(len(pictures)).split(batch_size):
            labels = None if pictures.labels is None else pictures.labels[rows]
            batch = Batch(pictures.take_floats(rows), labels)
            yield model.score(batch, Rng(rows.tolist()), estimate)
            meter(Progress(name, int(rows[-1]) + 1, len(pictures)))


def measure_row(
    model: Diffusion, pictures: Pictures, estimate: BoundEstimator, batch_size: int, name: str
) -> str:
    begun = time.perf_counter()
    found = list(score_pictures(model, pictures, estimate, batch_size, name))
    bits, n = torch.cat([s.bits_per_dim for s in found]), len(pictures)
    errors = [s.to_bits_per_dim(s.standard_error) for s in found if s.standard_error is not None]
    drawing = f"{float(torch.cat(errors).norm()) / n:9.4f}" if errors else "        -"
    terms = {t: torch.cat([s.to_bits_per_dim(s.terms[t]) for s in found]).mean() for t in TERMS}
    error = float(compute_standard_error(bits))
    return (
        f"{name:24} {n:5} {float(bits.mean()):9.4f} {error:9.4f} {drawing} "
        + " ".join(
            f"{float(value):9.2g}" if t == "L_T" else f"{float(value):9.4f}"
            for t, value in terms.items()
        )
        + f" {time.perf_counter() - begun:8.1f}"
    )


def compute_standard_error(values: Tensor) -> Tensor:
    """Compute the standard error of the mean, over pictures and their random draws."""
    return values.std() / len(values) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="ddpm-digits", help="a shipped name or a directory")
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("-n", "--n", type=int, default=1000, help="digits of the estimate")
    parser.add_argument("--levels", type=int, default=16, help="strata of noise levels")
    parser.add_argument("--draws", type=int, default=2, help="levels per stratum")
    parser.add_argument("--full", type=int, default=100, help="digits of the full sum; 0 for none")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--variance", nargs="+", choices=get_args(Variance))
    args = parser.parse_args()
    model, digits = smalti.load(args.model), digit_pictures(args.split)
    learned = ("learned",) if model.config.objective.learns_variance else ()
    kinds: tuple[Variance, ...] = args.variance or ("beta-tilde", "beta", *learned)
    titles = ("variance", "n", "bits/dim", "error", "drawing", *TERMS, "seconds")
    print("{:24} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}".format(*titles))
    for kind in kinds:
        estimate = BoundEstimator(strata=args.levels, draws=args.draws, variance=kind)
        print(
            measure_row(
                model, take_first(digits, args.n), estimate, args.batch, f"{kind}, estimate"
            )
        )
        if args.full:
            few, full = (
                take_first(digits, args.full),
                BoundEstimator(strata=None, draws=1, variance=kind),
            )
            print(measure_row(model, few, estimate, args.batch, f"{kind}, estimate"))
            print(measure_row(model, few, full, min(args.batch, 10), f"{kind}, full sum"))


def take_first(pictures: Pictures, n: int) -> Pictures:
    return pictures.select(slice(n), f"first {n}")


if __name__ == "__main__":
    main()
