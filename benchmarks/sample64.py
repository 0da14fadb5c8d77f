"""Seconds of `smalti sample MODEL -n 64` in a new process, part by part.

The parent records the time and starts Python; the child runs the command and records the end of its
parts. The rest is the start and end of Python.

    python -m benchmarks.sample64
    python -m benchmarks.sample64 --model runs/ddpm-digits --repeats 3
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

PARTS = ("start", "imports", "load", "sampling", "writing", "end")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sample64", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", default="ddpm-digits", help="shipped model, run or checkpoint")
    parser.add_argument("-n", type=int, default=64, help="pictures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    runs = [time_cold_start(options) for _ in range(options.repeats)]
    middle = {part: median(run[part] for run in runs) for part in (*PARTS, "total")}
    print(f"{options.n} pictures of {options.model}, {options.threads} threads, seconds:")
    print(" ".join(f"{part:>9}" for part in ("", *PARTS, "total")))
    for name, run in (("first", runs[0]), ("median", middle)):
        print(" ".join([f"{name:>9}", *(f"{run[part]:9.2f}" for part in (*PARTS, "total"))]))
    print(json.dumps({"model": options.model, "n": options.n, "first": runs[0], "median": middle}))


def time_cold_start(options: argparse.Namespace) -> dict[str, float]:
    """Time each part of a new process."""
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder, "clock.json")
        command = [sys.executable, "-c", "from benchmarks.sample64 import run_child; run_child()"]
        arguments = ["sample", options.model, "-n", str(options.n), "--out", f"{folder}/samples"]
        begun = time.time()
        command += [str(clock), *arguments]
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        ended = time.time()
        if done.returncode:
            raise SystemExit(done.returncode)
        marks = json.loads(clock.read_text())
    times = [begun, marks["start"], marks["imports"], marks["load"], marks["sampling"]]
    times += [marks["writing"], ended]
    parts = {part: b - a for part, a, b in zip(PARTS, times, times[1:], strict=False)}
    return parts | {"total": ended - begun}


def run_child() -> None:
    """Run the command, and write the end times of its parts to a file."""
    marks = {"start": time.time()}
    import smalti.cli
    import smalti.tasks._draw_samples as task

    marks["imports"] = time.time()
    clock, *arguments = sys.argv[1:]
    task.select_model = add_timestamp(task.select_model, marks, "load")
    task.draw_in_batches = add_timestamp(task.draw_in_batches, marks, "sampling")
    code = smalti.cli.main(arguments)
    marks["writing"] = time.time()
    Path(clock).write_text(json.dumps(marks))
    raise SystemExit(code)


def add_timestamp(
    work: Callable[..., Any], marks: dict[str, float], name: str
) -> Callable[..., Any]:
    def run_timed(*args: Any, **kwargs: Any) -> Any:
        result = work(*args, **kwargs)
        marks[name] = time.time()
        return result

    return run_timed


if __name__ == "__main__":
    main()
