"""The race: minutes of training until samples of digits are recognized.

All networks are conditioned on the class. From time to time their averaged weights draw 500 digits,
50 of each class (20 DDIM steps, eta 0, guidance 1.5), which the digits-classifier classifies. A
mark is reached at the first trial that passes it; the table shows how many seeds held it at the
next trial. Minutes are the processor's, within training steps alone, so a run may be interrupted
and other load hardly matters; networks and seeds train in alternating time slices.

Two goals: `same-trainer`, where smalti's loop trains all networks, each with its best settings
(`benchmarks/_contest.py`), and `as-people`, where diffusers' network trains as in its own example
(`benchmarks/_example_loop.py`).

    python -m benchmarks.race --goal same-trainer --minutes 60    # and again, until all are done
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks._contest import CONTESTS, build_race_loop
from benchmarks._machine import describe_machine, format_machine
from benchmarks._networks import measure_size
from benchmarks._racer import MARKS, Racer, write_text
from smalti.core.errors import UserError
from smalti.data import Pictures, digit_pictures


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    begun, pictures = time.perf_counter(), digit_pictures("train")
    names = options.networks or list(CONTESTS[options.goal])
    teams = {
        name: [load_racer(name, seed, pictures, options) for seed in options.seeds]
        for name in names
    }
    machine = describe_machine()
    print(format_machine(machine), flush=True)
    while running := list_running(teams, options.limit):
        for racer in running:
            racer.train(options.slice, print_trial)
        if time.perf_counter() - begun > 60 * options.minutes:
            break
    write_result(options, machine, teams)
    print(format_table(teams))
    print("All networks are done." if not running else "Run the same command again to resume.")


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--goal", choices=CONTESTS, default="same-trainer")
    parser.add_argument("--networks", nargs="+", help="default: all of the goal")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--precision", choices=("32", "bf16"), default="bf16", help="precision of training"
    )
    parser.add_argument("--slice", type=float, default=20.0, help="seconds of a time slice")
    parser.add_argument("--samples", type=int, default=500, help="digits drawn in a trial")
    parser.add_argument(
        "--first-trial", type=float, default=0.0, help="minutes of training before the first trial"
    )
    parser.add_argument(
        "--limit", type=float, default=12.0, help="a rival stops after this multiple of our minutes"
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="of this session, including trials"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/race"))
    options = parser.parse_args(argv)
    entries = CONTESTS[options.goal]
    if unknown := [name for name in options.networks or () if name not in entries]:
        parser.error(f"no network {unknown[0]!r} in {options.goal}; there are {', '.join(entries)}")
    return options


def load_racer(name: str, seed: int, pictures: Pictures, options: argparse.Namespace) -> Racer:
    """Create a racer, or restore it from the last session."""
    entry = CONTESTS[options.goal][name]
    loop = build_race_loop(entry, pictures, options.precision, seed)
    settings = {key: getattr(options, key) for key in ("threads", "precision", "samples")}
    settings |= {"entry": repr(entry), "batch": entry.training.batch_size}
    out, first_trial = options.out / options.goal, 60 * options.first_trial
    racer = Racer(f"{name}-{seed}", loop, settings, out, first_trial=first_trial)
    racer.restore()
    return racer


def list_running(teams: dict[str, list[Racer]], limit: float) -> list[Racer]:
    """List the racers that have neither reached every mark nor their time limit.

    The first team has no limit; that of the others is a multiple of its slowest racer's minutes.
    """
    first, *rivals = teams.values()
    found = [racer.find_mark(MARKS[-1]) for racer in first]
    ends = [mark[0] for mark in found if mark is not None]
    end = limit * max(ends) if len(ends) == len(found) else float("inf")
    running = [racer for racer in first if racer.list_open_marks()]
    running += [r for team in rivals for r in team if r.list_open_marks() and r.minutes < end]
    return running


def print_trial(racer: Racer) -> None:
    trial = racer.trials[-1]
    frechet = "" if trial.frechet is None else f", Frechet distance {trial.frechet:.2f}"
    print(
        f"{racer.name:18} {trial.minutes:7.2f} min, step {trial.step:6}: "
        f"{1 - trial.wrong / trial.judged:6.1%} right of {trial.judged}{frechet}",
        flush=True,
    )


def build_row(team: list[Racer], ours: list[Racer]) -> dict[str, Any]:
    """Build a network's row: for each mark its minutes by seed; lower bounds where not reached."""
    model = team[0].loop.read_average()
    parameters, multiply_adds = measure_size(model.config.network, len(model.spec.classes))
    per_step = [racer.seconds / max(racer.loop.step, 1) for racer in team]
    row: dict[str, Any] = {"parameters": parameters, "multiply_adds": multiply_adds}
    row |= {"seconds_per_step": statistics.median(per_step)}
    for mark in MARKS:
        found = [racer.find_mark(mark) for racer in team]
        minutes = [f[0] if f else racer.minutes for f, racer in zip(found, team, strict=True)]
        best = [f[0] for racer in ours if (f := racer.find_mark(mark))]
        middle = statistics.median(minutes)
        row[f"{mark:.0%}"] = {
            "minutes": minutes,
            "median": middle,
            "reached": sum(f is not None for f in found),
            "held": sum(f is not None and f[1] is True for f in found),
            "times_ours": middle / statistics.median(best) if best else None,
        }
    return row


def format_table(teams: dict[str, list[Racer]]) -> str:
    """Format the rows; minutes as median and range over the seeds, > if not all reached a mark."""
    ours = next(iter(teams.values()))
    heads = [f"{f'minutes to {mark:.0%}':>24} {'x ours':>7} {'held':>5}" for mark in MARKS]
    lines = [f"{'network':16} {'parameters':>11} {'s/step':>7} {''.join(heads)}"]
    for name, team in teams.items():
        row = build_row(team, ours)
        line = f"{name:16} {row['parameters']:11,} {row['seconds_per_step']:7.3f} "
        for mark in MARKS:
            cell = row[f"{mark:.0%}"]
            more = "" if cell["reached"] == len(team) else "> "
            span = f"{min(cell['minutes']):.2f} to {max(cell['minutes']):.2f}"
            ratio = f"{more}{cell['times_ours']:.1f}" if cell["times_ours"] else "-"
            text = f"{more}{cell['median']:.2f} ({span})"
            line += f"{text:>24} {ratio:>7} {cell['held']:>3}/{len(team)}"
        lines.append(line)
    return "\n".join(lines)


def write_result(
    options: argparse.Namespace, machine: dict[str, Any], teams: dict[str, list[Racer]]
) -> None:
    names = ("goal", "seeds", "threads", "precision", "samples")
    ours = next(iter(teams.values()))
    content = {
        "machine": machine,
        "settings": {name: getattr(options, name) for name in names},
        "networks": {name: build_row(team, ours) for name, team in teams.items()},
    }
    path = options.out / options.goal / "result.json"
    write_text(path, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"race: {error}") from None
