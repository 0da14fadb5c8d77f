"""Which latents are better to diffuse: those of a VQ-VAE, or of a KL-regularized autoencoder.

    python -m benchmarks.latents --minutes 4               # Ctrl-C saves, rerun to resume
    python -m benchmarks.latents --codec runs/vqvae-digits runs/autoencoder-digits

The same U-Net (of the recipe latent-ddpm-digits, but for its first and last layer) is trained on
digits in the latents of each codec, 7x7 with 16 channels before the quantizer of vqvae-digits and
7x7 with 4 channels of autoencoder-digits, with one learning rate, batch size and seed, in
alternating time slices of processor time. Then the averaged weights draw `--samples` digits with
balanced classes in 20 steps of DDIM, judged by the digits-classifier, which neither codec saw. The
last line of each codec is what it does to real digits, which no diffusion in it can beat.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks._entrant import Entrant, take_turns
from benchmarks._judge import compute_real_baseline, judge
from benchmarks._machine import describe_machine, format_machine
from benchmarks._prior_training import (
    add_options,
    describe_limit,
    keep_result,
    start_entrant,
    train_slice,
)
from benchmarks._racer import write_text
from smalti.core.checkpoint import load
from smalti.core.errors import UserError
from smalti.data import digit_pictures
from smalti.data.code_cache import encode_latents_with_cache
from smalti.data.latents import EncodedLatents
from smalti.recipes.latents import latent_ddpm_digits
from smalti.training.interrupt import Interrupt

CODECS = ["vqvae-digits", "autoencoder-digits"]
CPU = torch.device("cpu")


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    machine, mark = describe_machine(), describe_limit(options)
    print(format_machine(machine), flush=True)
    entrants = [start(codec, options) for codec in options.codec]
    take_turns(entrants, mark, options.sitting, lambda e, i: take_turn(e, options, i))
    write_table(options, machine, [e for e in entrants if mark in e.results])
    if waiting := [e.name for e in entrants if mark not in e.results]:
        print(f"Not done: {'; '.join(waiting)}. Run the same command to resume.")


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latents")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--codec", nargs="+", default=CODECS, help="codecs of digits")
    parser.add_argument("--samples", type=int, default=500, help="digits, a multiple of 10")
    add_options(parser, out=Path("runs/latents"))
    return parser.parse_args(argv)


def start(codec: str, options: argparse.Namespace) -> Entrant:
    """A diffusion model in the latents of a codec, with the codec's name."""
    pictures = digit_pictures("train")
    config = latent_ddpm_digits(pictures, codec)
    frozen = config.space.codec  # pyright: ignore[reportAttributeAccessIssue]
    data: EncodedLatents = encode_latents_with_cache(pictures, frozen.load(), frozen.sha256, CPU)
    entrant = start_entrant(Path(codec).name, config, data, frozen.sha256, options)
    entrant.settings["precision"] = "32"
    return entrant


def take_turn(entrant: Entrant, options: argparse.Namespace, interrupt: Interrupt) -> None:
    """Train for a time slice, and measure after the last one."""
    if train_slice(entrant, options, interrupt):
        measured = entrant.judge_samples(options.samples, guidance=1.0)
        parameters = sum(p.numel() for p in entrant.loop.ema.module.network.parameters())
        keep_result(entrant, describe_limit(options), {"parameters": parameters, **measured})


def judge_reconstructions(codec: str, split: Any) -> dict[str, float]:
    """What encoding and decoding does to real digits."""
    pictures = digit_pictures(split)
    assert pictures.labels is not None
    x = pictures.take_floats(slice(None))
    found = judge(load(codec).reconstruct(x), pictures.labels)
    return {"accuracy": found.accuracy, "frechet": found.frechet}


def write_table(
    options: argparse.Namespace, machine: dict[str, Any], entrants: list[Entrant]
) -> None:
    """Print a Markdown table; write result-LIMIT.json."""
    if not entrants:
        return
    mark, real = describe_limit(options), compute_real_baseline(500, options.split)
    print(
        "| latents | parameters | steps | minutes | recognized | Frechet | x real |\n" + "|---" * 7
    )
    rows = {e.name: e.results[mark] for e in entrants}
    for name, row in rows.items():
        counts = f"{row['parameters']:,} | {row['steps']:,} | {row['minutes']:.2f}"
        print(f"| {name} | {counts} | {format_quality(row, real)} |")
    for codec in options.codec:
        found = judge_reconstructions(codec, options.split)
        print(f"| real digits, by {Path(codec).name} | | | | {format_quality(found, real)} |")
    content = {"machine": machine, "limit": mark, "split": options.split, "real": real, **rows}
    write_text(
        options.out / f"result-{mark.replace(' ', '-')}.json", json.dumps(content, indent=1) + "\n"
    )


def format_quality(found: dict[str, float], real: float) -> str:
    """Share recognized, Frechet distance, and its ratio to that of real digits."""
    return f"{found['accuracy']:.1%} | {found['frechet']:.3f} | {found['frechet'] / real:.2f}"


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"latents: {error}") from None
    except KeyboardInterrupt:  # the second Ctrl-C
        raise SystemExit(130) from None
