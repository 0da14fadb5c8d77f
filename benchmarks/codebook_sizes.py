"""The codebook size K of a VQGAN against its reconstructions, after equal steps of training.

    python -m benchmarks.codebook_sizes --steps 1000            # K 64, 256, 1024; rerun to resume
    python -m benchmarks.codebook_sizes --codes 64 512 --seeds 0 1

Emoji in four styles at 32x32 (`smalti fetch emoji4`), one code for 4x4 pixels: the network of
`vqgan-emoji` without its coarsest level. K hardly changes the time of a step, so equal steps are
equal minutes; both are in the table. All held-out pictures are encoded and decoded: PSNR and SSIM,
feature distance, and Frechet distance from the pictures to what came back, in the features of
emoji-classifier. Minutes are processor time. `--out` keeps a line for each finished row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import smalti
from benchmarks._machine import describe_machine, format_machine
from smalti.core.errors import UserError
from smalti.data import Pictures, read_splits
from smalti.recipes import find_recipe
from smalti.training import run

DATA, SIZE = "emoji4-32", 32
ROWS = ("psnr", "ssim", "feature distance", "frechet", "codes used", "perplexity")


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    print(format_machine(describe_machine()), flush=True)
    path = options.out / "rows.jsonl"
    options.out.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    rows = []
    for seed in options.seeds:
        for codes in options.codes:
            settings = {"K": codes, "seed": seed, "steps": options.steps, "split": options.split}
            known = [row for row in done if settings.items() <= row.items()]
            rows.append(known[0] if known else settings | train_and_measure(options, codes, seed))
            if not known:
                with path.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
            print(format_row(rows[-1]), flush=True)
    print(format_table(rows))


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codebook_sizes")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--codes", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--out", type=Path, default=Path("runs/codebook_sizes"))
    return parser.parse_args(argv)


def make_config(pictures: Pictures, codes: int) -> Any:
    """The config of vqgan-emoji with `codes` codes, one for 4x4 pixels."""
    config: Any = find_recipe("vqgan-emoji").make_config(pictures)
    network = replace(config.network, widths=(32, 64), attention=(False, False))
    quantizer = replace(config.quantizer, codebook_size=codes)
    return replace(config, network=network, quantizer=quantizer)


def train_and_measure(options: argparse.Namespace, codes: int, seed: int) -> dict[str, Any]:
    """Train a codec and measure it on held-out pictures."""
    splits, begun = read_splits(DATA, size=SIZE), time.process_time()
    training = replace(
        find_recipe("vqgan-emoji").training, steps=options.steps, batch_size=options.batch,
        seed=seed, save_every=10**6,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run(make_config(splits.train, codes), splits.train, splits.valid, training, out)
        codec, minutes = smalti.load(out), (time.process_time() - begun) / 60
    found = smalti.evaluate(
        codec, splits, ("likeness", "features", "codebook"), features="emoji", split=options.split
    )
    values = {name: found[name].value for name in ROWS}
    return {"minutes": minutes, **values, "psnr_error": found["psnr"].error}


def format_row(row: dict[str, Any]) -> str:
    cells = (
        f"{row['K']}", f"{row['seed']}", f"{row['minutes']:.2f}",
        f"{row['psnr']:.2f} ± {row['psnr_error']:.2f} dB", f"{row['ssim']:.3f}",
        f"{row['feature distance']:.4f}", f"{row['frechet']:.3f}", f"{row['codes used']:.0f}",
        f"{row['perplexity']:.1f}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def format_table(rows: list[dict[str, Any]]) -> str:
    heads = ("K", "seed", "minutes", "PSNR", "SSIM", "feature distance", "Frechet", "codes used")
    lines = ["| " + " | ".join((*heads, "perplexity")) + " |", "|---" * (len(heads) + 1) + "|"]
    return "\n".join([*lines, *map(format_row, rows)])


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"codebook_sizes: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
