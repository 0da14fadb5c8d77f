"""The claims about priors of codes, on digits; each row is trained for equal minutes.

    python -m benchmarks.priors --minutes 2                 # Ctrl-C saves, rerun to resume
    python -m benchmarks.priors --steps 1000                # equal steps instead
    python -m benchmarks.priors --rows GPT "p 64, linear 32"
    python -m benchmarks.priors --rows "p 64, linear 32" --codec runs/K32 vqvae-digits runs/K128
    python -m benchmarks.priors --rows GPT --codec vqvae-digits runs/f2 pixels --batch 16

The claims:

1. The width p of a PixelCNN's features matters most, that of its head ("linear") hardly.
2. More codes K are harder to predict: `--codec` takes codecs of your own, such as
   `smalti train vqvae-digits --model.quantizer.codebook-size 32 --out runs/K32`.
3. Codes fed as numbers k / (K - 1) instead of embeddings draw badly, whatever the loss.
4. A GPT compared with PixelCNNs, at equal minutes and at equal steps.
5. A GPT on codes compared with a GPT on pixels: the codec "pixels" is 28x28 pixels of 8 levels.

All are conditioned on the class and trained by the same loop on codes that are encoded once, with
one learning rate and batch size, in alternating time slices. Minutes are processor time in training
steps, which other load hardly changes. Then the averaged weights score held-out codes (nats per
code, and their share of ln K) and draw `--samples` digits at temperature 1 with balanced classes,
evaluated with the digits-classifier; errors are over the digits, those of the Frechet distance by
bootstrap. Seconds are processor time of 64 samples. The last line of each codec is what it does to
real digits.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks._entrant import Entrant, take_turns
from benchmarks._machine import describe_machine, format_machine
from benchmarks._prior import (
    CODEC,
    NETWORKS,
    TIMED_SAMPLES,
    Prior,
    decode,
    encode_digits,
    hash_codec,
    judge_digits,
    load_codec,
    measure,
)
from benchmarks._prior_training import (
    add_options,
    describe_limit,
    keep_result,
    start_entrant,
    train_slice,
)
from benchmarks._racer import write_text
from smalti.core.errors import UserError
from smalti.training.interrupt import Interrupt


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    rows = [Prior(n, c) for c in options.codec for n in options.rows]
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
    parser.add_argument("--rows", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--codec", nargs="+", default=[CODEC], help="codecs, or pixels")
    parser.add_argument("--samples", type=int, default=500, help="digits, a multiple of 10")
    add_options(parser, out=Path("runs/priors"))
    return parser.parse_args(argv)


def load_entrant(row: Prior, options: argparse.Namespace) -> Entrant:
    codes, codec_hash = encode_digits(row.codec, "train"), hash_codec(row.codec)
    return start_entrant(row.name, row.build_config(), codes, codec_hash, options)


def take_turn(
    row: Prior, entrant: Entrant, options: argparse.Namespace, interrupt: Interrupt
) -> None:
    """Train for a time slice, and measure after the last one."""
    if train_slice(entrant, options, interrupt):
        measured = measure(row, entrant.loop.ema.module, options.split, options.samples)
        keep_result(entrant, describe_limit(options), measured)


def write_table(
    options: argparse.Namespace, machine: dict, priors: list[tuple[Prior, Entrant]]
) -> None:
    """Print a Markdown table; write result-LIMIT.json."""
    if not priors:
        return
    mark = describe_limit(options)
    rows = [{"row": r.network, "codec": r.codec, **e.results[mark]} for r, e in priors]
    heads = ("", "codec, K", "parameters", "steps", "minutes", "nats/code", "of ln K")
    heads += ("recognized", "Frechet", f"{TIMED_SAMPLES} samples")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for row in rows:
        print(format_row(row))
    for codec in dict.fromkeys(r.codec for r, _ in priors):
        codes = encode_digits(codec, options.split)
        labels = codes.pictures.labels
        assert labels is not None
        found = judge_digits(decode(load_codec(codec), codes.stored_codes), labels)
        name = f"{options.split} digits, decoded"
        print(f"| {name} | {codec} |" + " |" * 5 + f" {format_quality(found)} | |")
    content = {"machine": machine, "limit": mark, "split": options.split, "priors": rows}
    path = options.out / f"result-{mark.replace(' ', '-')}.json"
    write_text(path, json.dumps(content, indent=1) + "\n")


def format_row(row: dict[str, Any]) -> str:
    cells = (
        row["row"], f"{row['codec']}, {row['K']}", f"{row['parameters']:,}", f"{row['steps']:,}",
        f"{row['minutes']:.2f}", f"{row['nats']:.3f} ± {row['error']:.3f}", f"{row['share']:.1%}",
        format_quality(row), f"{row['seconds']:.2f} s",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def format_quality(found: dict[str, float]) -> str:
    accuracy = f"{found['accuracy']:.1%} ± {found['accuracy_error']:.1%}"
    return f"{accuracy} | {found['frechet']:.2f} ± {found['frechet_error']:.2f}"


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"priors: {error}") from None
    except KeyboardInterrupt:  # the second Ctrl-C
        raise SystemExit(130) from None
