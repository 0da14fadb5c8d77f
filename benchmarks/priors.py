"""The claims about priors of codes, on digits; each row is trained for equal minutes.

    python -m benchmarks.priors --minutes 2                 # Ctrl-C saves, rerun to resume
    python -m benchmarks.priors --steps 1000                # equal steps instead, on a busy machine
    python -m benchmarks.priors --rows GPT "p 64, linear 32"
    python -m benchmarks.priors --codec runs/K32 runs/K128 --rows "p 64, linear 32"

The claims:

1. The width p of a PixelCNN's features matters most, that of its head ("linear") hardly.
2. More codes K are harder to predict: `--codec` adds rows for codecs of your own, such as
   `smalti train vqvae-digits --model.quantizer.codebook-size 32 --out runs/K32`.
3. Codes fed as numbers k / (K - 1) instead of embeddings draw badly, whatever the loss.
4. A GPT compared with PixelCNNs, at equal minutes and at equal steps.

All are conditioned on the class and trained by the same loop on codes that are encoded once, with
one learning rate and batch size, in alternating time slices, so that other load affects all alike;
only time in training steps counts. Then the averaged weights score held-out codes (nats per code,
and their share of ln K) and draw `--samples` digits at temperature 1 with balanced classes,
evaluated with the digits-classifier; the last line is what the codec does to real digits.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from benchmarks._entrant import Entrant, take_turns
from benchmarks._judge import judge
from benchmarks._machine import describe_machine, format_machine
from benchmarks._prior import (
    CODEC,
    NETWORKS,
    Prior,
    decode,
    encode_digits,
    load_codec,
    measure,
)
from benchmarks._racer import write_text
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_model
from smalti.training.config import Training
from smalti.training.device import choose_precision
from smalti.training.interrupt import Interrupt
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop

ENDLESS = 10**9  # steps: constant learning rate, so that a longer training can continue


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    rows = [Prior(n, c) for c in (CODEC, *options.codec) for n in options.rows]
    priors, machine = [(row, load_entrant(row, options)) for row in rows], describe_machine()
    print(format_machine(machine), flush=True)
    find = {entrant.name: row for row, entrant in priors}
    entrants, mark = [entrant for _, entrant in priors], describe_limit(options)
    take_turns(entrants, mark, options.sitting, lambda e, i: take_turn(find[e.name], e, options, i))
    write_table(options, machine, [(r, e) for r, e in priors if mark in e.results])
    if waiting := [e.name for e in entrants if mark not in e.results]:
        print(f"Not done: {'; '.join(waiting)}. Run the same command to resume.")


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.priors")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=2.0, help="training minutes of each row")
    parser.add_argument("--steps", type=int, help="steps of each row, instead of minutes")
    parser.add_argument("--sitting", type=float, default=1e9, help="maximum minutes of a session")
    parser.add_argument("--rows", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--codec", nargs="+", default=[], help=f"codecs besides {CODEC}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--slice", type=float, default=15.0, help="seconds of a time slice")
    parser.add_argument("--samples", type=int, default=500, help="digits, a multiple of 10")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--out", type=Path, default=Path("runs/priors"))
    return parser.parse_args(argv)


def describe_limit(options: argparse.Namespace) -> str:
    return f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes"


def load_entrant(row: Prior, options: argparse.Namespace) -> Entrant:
    """Create an entrant, or restore it from the last session."""
    torch.manual_seed(0)
    training = Training(
        steps=ENDLESS, batch_size=options.batch, learning_rate=options.rate, ema=0.99
    )
    config = row.build_config()
    fabric = Fabric(accelerator="cpu", devices=1, precision=choose_precision(training))
    record = RunRecord(config, training, Path("nowhere"), {})
    loop = start_loop(fabric, record, encode_digits(row.codec, "train"))
    settings = {key: getattr(options, key) for key in ("threads", "batch", "rate")}
    settings |= {"network": repr(config.network), "codec": hash_model(load_codec(row.codec))}
    entrant = Entrant(row.name, loop, settings, options.out)
    entrant.restore()
    return entrant


def take_turn(
    row: Prior, entrant: Entrant, options: argparse.Namespace, interrupt: Interrupt
) -> None:
    """Train for a time slice, and measure after the last one."""
    limit = math.inf if options.steps else options.minutes

    def is_done() -> bool:
        if options.steps:
            return entrant.loop.step >= options.steps
        return entrant.minutes >= options.minutes

    if not is_done():
        entrant.train(options.slice, limit, lambda: interrupt.requested or is_done())
    print(
        f"{entrant.name:32} {entrant.minutes:6.2f} min, step {entrant.loop.step:6}, "
        f"nats {entrant.loss:.4f}",
        flush=True,
    )
    if is_done() and not interrupt.requested:
        measured = measure(row, entrant.loop.ema.module, options.split, options.samples)
        done = {"minutes": entrant.minutes, "steps": entrant.loop.step}
        entrant.results[describe_limit(options)] = {**done, **measured}
        entrant.save()


def write_table(
    options: argparse.Namespace, machine: dict, priors: list[tuple[Prior, Entrant]]
) -> None:
    """Print a Markdown table; write result-LIMIT.json."""
    if not priors:
        return
    mark = describe_limit(options)
    rows = [{"row": r.network, "codec": r.codec, **e.results[mark]} for r, e in priors]
    heads = ("", "codec, K", "parameters", "steps", "minutes", "nats/code", "of ln K")
    print("| " + " | ".join((*heads, "recognized", "Frechet")) + " |\n" + "|---" * 9 + "|")
    for row in rows:
        print(format_row(row))
    for codec in dict.fromkeys(r.codec for r, _ in priors):
        codes = encode_digits(codec, options.split)
        labels = codes.pictures.labels
        assert labels is not None
        found = judge(decode(load_codec(codec), codes.stored_codes), labels)
        name = f"{options.split} digits, reconstructed"
        print(f"| {name} | {codec} |" + " |" * 5 + f" {found.accuracy:.1%} | {found.frechet:.3f} |")
    content = {"machine": machine, "limit": mark, "split": options.split, "priors": rows}
    path = options.out / f"result-{mark.replace(' ', '-')}.json"
    write_text(path, json.dumps(content, indent=1) + "\n")


def format_row(row: dict[str, Any]) -> str:
    cells = (
        row["row"], f"{row['codec']}, {row['K']}", f"{row['parameters']:,}", f"{row['steps']:,}",
        f"{row['minutes']:.2f}", f"{row['nats']:.3f} ± {row['error']:.3f}", f"{row['share']:.1%}",
        f"{row['accuracy']:.1%}", f"{row['frechet']:.2f}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"priors: {error}") from None
    except KeyboardInterrupt:  # the second Ctrl-C
        raise SystemExit(130) from None
