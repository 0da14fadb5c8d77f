"""One table of all generators of digits: quality, likelihood and speed.

    python -m benchmarks.generators                       # all shipped ones, 1,000 samples each
    python -m benchmarks.generators -n 200                # a first look
    python -m benchmarks.generators --models runs/mine    # also your own run

Rows: the shipped diffusion model with its default sampler and with a fast one, the PixelCNNs, and
every prior of `vqvae-digits`. Each row is a report of `smalti.evaluate`: distances and their
bootstrap errors, class accuracy, recall, bits/dim (nats per code for a prior, which is not
comparable). Seconds are processor time of 64 samples in one batch, which other load hardly changes:
the best of `--repeats` after a first call, which compiles. Choose models on the validation digits;
give `--split test` once per model.

Rows are kept in `--out` and are not measured again with the same options and model; `table.md` and
`generators.png` (Frechet distance against seconds) lie beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import smalti
from benchmarks._generator_table import (
    TIMED_SAMPLES,
    Result,
    format_result,
    format_table,
    plot_results,
)
from benchmarks._machine import describe_machine, format_machine
from benchmarks._racer import write_text
from smalti.core.checkpoint import list_shipped, read_card
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_model
from smalti.diffusion import UniPC
from smalti.evaluation.report import Report

SHIPPED = (
    "ddpm-digits",
    "latent-ddpm-digits",
    "gated-pixelcnn-digits",
    "gated-pixelcnn-digits-8",
    "pixelcnnpp-digits",
)
CODEC = "vqvae-digits"
FAST_STEPS = 10
METRICS = ("frechet", "kernel", "precision-recall", "accuracy", "bits", "cost")


@dataclass(frozen=True)
class Generator:
    """A row of the table."""

    name: str
    model: str
    """Shipped name, run or checkpoint."""
    is_fast: bool = False
    """Whether a diffusion model samples with UniPC in few steps."""

    def choose_sampler(self, model: Any) -> Any:
        """The sampler of the row; None for the model's."""
        if not self.is_fast:
            return None
        return UniPC(steps=FAST_STEPS, guidance=model.config.sampler.guidance)


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    machine = format_machine(describe_machine())
    print(machine, flush=True)
    results = []
    for generator in list_generators(options.models, options.only):
        results.append(measure_once(generator, options))
        print(format_result(results[-1]), flush=True)
    table = format_table(results)
    print(table)
    write_text(options.out / "table.md", f"{machine}\n\n{table}\n")
    plot_results(results, options.out / "generators.png")


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generators")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--models", nargs="+", default=[], help="more models: runs, checkpoints")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("-n", type=int, default=1000, help="samples of each")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first sample")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--batch", type=int, default=100, help="samples drawn at a time")
    parser.add_argument("--repeats", type=int, default=3, help="timings of 64 samples")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/generators"))
    return parser.parse_args(argv)


def list_generators(more: Iterable[str] = (), only: str = "") -> list[Generator]:
    """List the rows: shipped models, priors of the codec of digits, and `more`."""
    priors = [name for name in list_shipped() if name.startswith(f"{CODEC}-")]
    rows = [Generator(name, name) for name in (*SHIPPED, *priors, *more)]
    fast = replace(rows[0], name=f"{rows[0].name}, UniPC in {FAST_STEPS} steps", is_fast=True)
    found = [row for row in (rows[0], fast, *rows[1:]) if only in row.name]
    if not found:
        raise UserError(f"no row contains {only!r}; there are {', '.join(r.name for r in rows)}")
    return found


def measure_once(generator: Generator, options: argparse.Namespace) -> Result:
    """Measure a row, or read it if it was measured with the same options and model."""
    model = smalti.load(generator.model)
    names = ("n", "seed", "split", "batch", "threads", "repeats")
    settings = {name: getattr(options, name) for name in names} | {"model": hash_model(model)}
    path = options.out / f"{generator.name.replace('/', '-')}.json"
    if path.is_file() and (content := json.loads(path.read_text()))["settings"] == settings:
        report = Report.from_json(content["report"])
        return Result(generator.name, content["seconds"], content["minutes"], report)
    result = measure(generator, model, options)
    values = {"seconds": result.seconds, "minutes": result.minutes}
    content = {"settings": settings, **values, "report": result.report.to_json()}
    write_text(path, json.dumps(content, indent=1) + "\n")
    return result


def measure(generator: Generator, model: Any, options: argparse.Namespace) -> Result:
    """Time 64 samples, and evaluate `options.n`."""
    sampler = generator.choose_sampler(model)
    metrics = [m for m in METRICS if m != "bits" or not generator.is_fast]  # of any sampler
    seconds = time_samples(model, sampler, options.repeats)
    report = smalti.evaluate(
        model, metrics=metrics, name=generator.name, sampler=sampler,
        n=options.n, seed=options.seed, split=options.split, batch_size=options.batch,
    )  # fmt: skip
    minutes = read_card(generator.model).facts.get("minutes")
    return Result(generator.name, seconds, None if minutes is None else float(minutes), report)


def time_samples(model: Any, sampler: Any, repeats: int) -> float:
    """Processor seconds of 64 samples, the best of `repeats` after a first call."""
    K = len(model.spec.classes)
    cond = torch.arange(TIMED_SAMPLES) % K if K else None

    taken = []
    for _ in range(1 + repeats):
        begun = time.process_time()
        smalti.sample(model, TIMED_SAMPLES, cond=cond, sampler=sampler)
        taken.append(time.process_time() - begun)
    return min(taken[1:])


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"generators: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
