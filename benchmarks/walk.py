"""Forwards per sampling: what drawing a batch costs, in forwards of the same network and batch.

For each model, in turns: the bare convolutions and products of a forward (of the same shapes, and
nothing else), the forward, and a whole sampling of 28x28 digits, `model.stream` from new seeds each
time. Naive is what 784 forwards take. Then what a sampling is made of: building the walker, what
comes from above once a row, what is done once a pixel, choosing levels, putting them back, and the
rest, which is Python around all that.

    python -m benchmarks.walk --repeats 5
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks._machine import clock, described, facts
from smalti.autoregressive.calling import show_symbols
from smalti.core.given import Given
from smalti.core.protocols import Symbols
from smalti.core.rng import Rng
from smalti.data import digit_pictures
from smalti.pixelcnn import (
    Autoregressive,
    AutoregressiveConfig,
    GatedConfig,
    Levels,
    LogisticMixture,
    PlainConfig,
    PlusPlusConfig,
    fit,
)
from smalti.recipes import find

SHIPPED = ("gated-pixelcnn-digits", "gated-pixelcnn-digits-8", "pixelcnnpp-digits")
PARTS = ("building", "rows", "pixels", "choosing", "putting", "Python")
seeds = itertools.count(1)


class Job(NamedTuple):
    """A model and how many pictures it draws at once."""

    name: str
    config: AutoregressiveConfig
    batch: int


def jobs() -> list[Job]:
    """The large networks at 16, the shipped ones at 16 and 64."""
    grey, plusplus = Levels(256, (1, 28, 28)), PlusPlusConfig(filters=64, blocks=5)
    found = [
        Job("PixelCNN, 15 x 128", fit(grey, PlainConfig(width=128, blocks=15)), 16),
        Job("Gated, 15 x 128", fit(grey, GatedConfig(width=128, blocks=14)), 16),
        Job("PixelCNN++, 5 x 64", fit(grey, plusplus, LogisticMixture(10)), 16),
    ]
    pictures = digit_pictures("train")
    for name in SHIPPED:
        config: Any = find(name).model(pictures)
        found += [Job(name, config, batch) for batch in (16, 64)]
    return found


def main() -> None:
    options = parsed()
    torch.set_num_threads(options.threads)
    machine = facts()
    print(described(machine), flush=True)
    print(f"\n{'':26}   n  bare convs  forward  sampling  forwards per sampling        naive")
    result: dict[str, Any] = {"machine": machine, "repeats": options.repeats, "rows": []}
    for job in jobs():
        if options.only in job.name:
            result["rows"].append(measured(job, options.repeats))
    told(result["rows"])
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walk")
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, __doc__
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--out", type=Path, help="a JSON file for the result")
    return parser.parse_args()


@torch.no_grad()
def measured(job: Job, repeats: int) -> dict[str, Any]:
    """Seconds of each, forwards per sampling with their spread, and the parts; prints a row."""
    torch.manual_seed(0)
    model = job.config.build().eval()
    z = torch.randint(model.needs.symbols, (job.batch, *job.config.shape))
    x, y = show_symbols(model.network, z, model.values, torch.float32), None
    if model.spec.classes:
        y = torch.arange(job.batch) % len(model.spec.classes)
    forward: Callable[[], object] = lambda: model.network(x, y)  # noqa: E731
    bare = convolutions_of(forward)
    drawing = lambda: list(model.stream(fresh(job.batch), Given(labels=y)))  # noqa: E731
    taken: dict[str, list[float]] = {"bare": [], "forward": [], "sampling": []}
    for work in (bare, forward, drawing):  # to compile, and to find memory
        work()
    for _ in range(repeats):
        taken["bare"].append(median(clock(bare) for _ in range(5)))
        taken["forward"].append(median(clock(forward) for _ in range(5)))
        taken["sampling"].append(clock(drawing))
    pairs = zip(taken["sampling"], taken["forward"], strict=True)
    ratios = sorted(sampling / forward for sampling, forward in pairs)
    row: dict[str, Any] = {name: median(seconds) for name, seconds in taken.items()}
    row |= {"name": job.name, "batch": job.batch, "forwards": median(ratios)}
    row |= {"least": ratios[0], "most": ratios[-1], "overhead": row["forward"] / row["bare"]}
    row["naive"] = row["forward"] * model.spec.channels * 784
    row["parts"] = parts_of(model, job.batch, y)
    print(
        f"{job.name:26} {job.batch:3}  {row['bare']:8.3f} s {row['forward']:6.3f} s "
        f"{row['sampling']:7.3f} s  {row['forwards']:5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})   "
        f"{row['naive']:8.1f} s; a forward is {row['overhead']:.2f} bare",
        flush=True,
    )
    return row


def fresh(n: int) -> Rng:
    """Seeds that were not used before."""
    return Rng([next(seeds) for _ in range(n)])


class Recorder(TorchDispatchMode):
    """Keeps every convolution and matrix product that is called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(part in str(func) for part in ("convolution", ".mm", "addmm", "bmm", "linear")):
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


def convolutions_of(work: Callable[[], object]) -> Callable[[], None]:
    """The convolutions and products of some work, on other numbers of the same shapes."""
    with Recorder() as recorder:
        work()
    room: dict[tuple, Tensor] = {}

    def other(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        key = (value.shape, value.stride(), value.dtype)
        if key not in room:
            room[key] = torch.empty_strided(*key[:2], dtype=value.dtype).normal_()
        return room[key]

    calls = [(func, [other(value) for value in args]) for func, args in recorder.calls]

    def again() -> None:
        for func, args in calls:
            func(*args)

    return again


class Clocked:
    """A walker that counts the seconds of what it is asked."""

    def __init__(self, walker: Any, spent: dict[str, float], row: int):
        self.walker, self.spent, self.row = walker, spent, row  # numbers of a row

    def parameters(self, k: int) -> Tensor:
        begun = time.perf_counter()
        found = self.walker.parameters(k)
        self.spent["pixels" if k % self.row else "rows"] += time.perf_counter() - begun
        return found

    def put(self, k: int, symbols: Tensor) -> None:
        self.spent["putting"] += clock(lambda: self.walker.put(k, symbols))


def parts_of(model: Autoregressive, n: int, y: Tensor | None) -> dict[str, float]:
    """Seconds of each part of a sampling, told from outside its walker.

    What a row's first pixel takes more than the others do is the row's.
    """
    spent: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    C, H, W = model.config.shape
    u = fresh(n).uniform(H * W * C, 2)

    def choose(k: int, symbols: Symbols) -> Tensor:
        begun = time.perf_counter()
        levels = symbols.draw(u[:, k])
        spent["choosing"] += time.perf_counter() - begun
        return levels

    begun = time.perf_counter()
    walker = Clocked(model.build_walker(n, y), spent, W * C)
    spent["building"] = time.perf_counter() - begun
    model.build_walker = lambda n, y: walker
    begun = time.perf_counter()
    for _ in model.walk(choose, n, Given(labels=y)):
        pass
    total = time.perf_counter() - begun + spent["building"]
    del model.build_walker
    one = spent["pixels"] / (H * (W * C - 1))
    spent["pixels"] += H * one
    spent["rows"] -= H * one
    spent["Python"] = total - sum(spent.values())
    return spent


def told(rows: list[dict[str, Any]]) -> None:
    """What a sampling of each consists of, in seconds."""
    print(f"\n{'seconds of a sampling':30} " + " ".join(f"{part:>9}" for part in PARTS))
    for row in rows:
        parts = " ".join(f"{row['parts'][part]:9.3f}" for part in PARTS)
        print(f"{row['name']:26} {row['batch']:3} {parts}")


if __name__ == "__main__":
    main()
