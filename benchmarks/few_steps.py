"""Digits in one or two evaluations beside the teacher's samplers, in one run.

    python -m benchmarks.few_steps                        # validation digits
    python -m benchmarks.few_steps --split test           # once for each model card

Sets of class-balanced samples (seeds 0 .. n-1, n .. 2n-1, ...) of `--student` in 1, 2 and 4
evaluations, and of `--teacher` by DDIM in 20 steps and by UniPC, whose guided steps have two
evaluations each. The error is the standard deviation over the sets; x real is the Frechet distance
relative to that of as many held-out digits; seconds are the processor's for 64 samples on one
thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch

import smalti
from benchmarks.goals import METRICS, read_numbers
from smalti.diffusion import DDIM, Consistency, UniPC

TIMED = 64  # samples


def list_contenders(student: str, teacher: str) -> dict[str, tuple[str, Any, int]]:
    """Model, sampler and evaluations of each row."""
    guidance = smalti.load(teacher).config.sampler.guidance
    return {
        **{f"student, {k}": (student, Consistency(k), k) for k in (1, 2, 4)},
        "UniPC, 5 steps unguided": (teacher, UniPC(5), 5),
        "UniPC, 5 steps": (teacher, UniPC(5, guidance=guidance), 10),
        "UniPC, 10 steps": (teacher, UniPC(10, guidance=guidance), 20),
        "DDIM, 20 steps": (teacher, DDIM(20, guidance=guidance), 40),
    }


def measure(model: str, sampler: Any, args: argparse.Namespace) -> list[str]:
    """The cells of a row."""
    loaded, rows = smalti.load(model), []
    for k in range(args.sets):
        report = smalti.evaluate(
            loaded,
            metrics=METRICS,
            n=args.n,
            seed=k * args.n,
            split=args.split,
            features="digits",
            sampler=sampler,
            batch_size=100,
            bootstraps=2,  # errors come from the sets
        )
        rows.append(read_numbers(report))
    begun = time.process_time()
    smalti.sample(loaded, TIMED, cond=[k % 10 for k in range(TIMED)], sampler=sampler)
    seconds = time.process_time() - begun
    cells = [
        f"{statistics.mean(values):{form}} ± {statistics.stdev(values):{form}}"
        for name, form in (("accuracy", ".1%"), ("frechet", ".3f"), ("ratio", ".2f"))
        if (values := [row[name] for row in rows])
    ]
    others = [f"{statistics.mean(row[n] for row in rows):.1%}" for n in ("precision", "recall")]
    nearest = statistics.mean(row["nearest"] for row in rows)
    return [*cells, *others, f"{nearest:.2f}", f"{seconds:.2f}"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_steps")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--student", default="consistency-digits")
    parser.add_argument("--teacher", default="ddpm-digits")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--sets", type=int, default=5)
    parser.add_argument("-n", type=int, help="samples per set (default: 1,000; valid: 500)")
    parser.add_argument("--rows", nargs="*", help="default: all")
    args = parser.parse_args(argv)
    args.n = args.n or (1000 if args.split == "test" else 500)
    torch.set_num_threads(1)
    heads = ("sampler", "evaluations", "recognized", "Frechet", "x real", "precision", "recall")
    print("| " + " | ".join((*heads, "nearest", f"s for {TIMED}")) + " |\n" + "|---" * 9 + "|")
    for name, (model, sampler, count) in list_contenders(args.student, args.teacher).items():
        if args.rows is None or name in args.rows:
            cells = measure(model, sampler, args)
            print("| " + " | ".join((name, f"{count}", *cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
