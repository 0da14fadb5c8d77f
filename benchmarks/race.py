"""The race: minutes of training until samples of digits are recognized.

Ours ("small": `UNetConfig` with its defaults, narrower than ddpm-digits), diffusers' UNet2DModel
and the U-Net of the DDPM article, all conditioned on the class and trained by the same loop
(smalti's) with the same schedule, prediction, optimizer, batch size, precision and threads. They
train in alternating time slices; only time inside training steps counts. From time to time the
averaged weights draw 500 digits, 50 of each class (20 DDIM steps, eta 0, guidance 1.5), which the
digits-classifier classifies. A mark is reached at the first trial that passes it; the table shows
whether the next trial passed it too.

    python -m benchmarks.race --minutes 60      # and again, until all are done
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks._machine import describe_machine, format_machine
from benchmarks._networks import RECIPE, build_loop, choose_network, measure_size
from benchmarks._racer import MARKS, Racer, write_text
from smalti.core.errors import UserError
from smalti.data import Pictures, digit_pictures

OURS, RIVALS = "small", ("diffusers", "article")


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    begun, pictures = time.perf_counter(), digit_pictures("train")
    racers = [load_racer(name, pictures, options) for name in (OURS, *RIVALS)]
    machine = describe_machine()
    print(format_machine(machine), flush=True)
    while running := [r for r in racers if not is_done(r, racers[0], options.limit)]:
        for racer in running:
            racer.train(options.slice, print_trial)
        if time.perf_counter() - begun > 60 * options.minutes:
            break
    write_result(options.out / "result.json", machine, racers)
    print(format_table(racers))
    print("All networks are done." if not running else "Run the same command again to resume.")


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--precision", choices=("32", "bf16"), default="32", help="precision of training"
    )
    parser.add_argument("--batch", type=int, default=RECIPE.training.batch_size)
    parser.add_argument("--slice", type=float, default=20.0, help="seconds of a time slice")
    parser.add_argument("--samples", type=int, default=500, help="digits drawn in a trial")
    parser.add_argument(
        "--limit", type=float, default=12.0, help="a rival stops after this multiple of our minutes"
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="of this session, including trials"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/race"))
    return parser.parse_args(argv)


def load_racer(name: str, pictures: Pictures, options: argparse.Namespace) -> Racer:
    """Create a racer, or restore it from the last session."""
    network = choose_network(name, pictures)
    loop = build_loop(network, pictures, precision=options.precision, batch_size=options.batch)
    names = ("threads", "precision", "batch", "samples")
    settings = {key: getattr(options, key) for key in names} | {"network": repr(network)}
    racer = Racer(name, loop, settings, options.out)
    racer.restore()
    return racer


def is_done(racer: Racer, ours: Racer, limit: float) -> bool:
    """Whether it has reached every mark or its time limit. Ours has no limit."""
    if not racer.list_open_marks():
        return True
    last = ours.find_mark(MARKS[-1])
    return racer is not ours and last is not None and racer.minutes >= limit * last[0]


def print_trial(racer: Racer) -> None:
    trial = racer.trials[-1]
    frechet = "" if trial.frechet is None else f", Frechet distance {trial.frechet:.1f}"
    print(
        f"{racer.name:10} {trial.minutes:7.2f} min, step {trial.step:6}: "
        f"{1 - trial.wrong / trial.judged:6.1%} right of {trial.judged}{frechet}",
        flush=True,
    )


def format_table(racers: list[Racer]) -> str:
    heads = [f"{f'minutes to {mark:.0%}':>17} {'x ours':>7} {'held':>5}" for mark in MARKS]
    lines = [
        f"{'network':10} {'parameters':>10} {'pictures/s':>10} {'minutes':>8} {''.join(heads)}"
    ]
    for racer in racers:
        row = build_row(racer, racers[0])
        line = f"{racer.name:10} {row['parameters']:10,} {row['pictures_per_second']:10.0f} "
        line += f"{racer.minutes:8.2f} "
        for mark in MARKS:
            found = row[f"{mark:.0%}"]
            more = "" if found["reached"] else "> "
            ratio = f"{more}{found['times_ours']:.1f}" if found["times_ours"] else "-"
            held = {True: "yes", False: "no", None: "-"}[found["held"]]
            line += f"{more + format(found['minutes'], '.2f'):>17} {ratio:>7} {held:>5}"
        lines.append(line)
    return "\n".join(lines)


def build_row(racer: Racer, ours: Racer) -> dict:
    """Build its row; for a mark not reached, the minutes so far and `reached` false."""
    model: Any = racer.loop.model.module
    parameters, multiply_adds = measure_size(model.config.network, len(model.spec.classes))
    speed = racer.settings["batch"] * racer.loop.step / max(racer.loop.seconds, 1e-9)
    row: dict = {"parameters": parameters, "multiply_adds": multiply_adds}
    row |= {"minutes": racer.minutes, "pictures_per_second": speed}
    for mark in MARKS:
        found, best = racer.find_mark(mark), ours.find_mark(mark)
        minutes, held = found or (racer.minutes, None)
        times = minutes / best[0] if best else None
        row[f"{mark:.0%}"] = {
            "minutes": minutes, "reached": found is not None, "held": held, "times_ours": times,
        }  # fmt: skip
    return row


def write_result(path: Path, machine: dict, racers: list[Racer]) -> None:
    settings = {k: v for k, v in racers[0].settings.items() if k != "network"}
    rows = {racer.name: build_row(racer, racers[0]) for racer in racers}
    content = {"machine": machine, "settings": settings, "networks": rows}
    write_text(path, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"race: {error}") from None
