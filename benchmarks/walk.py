"""Cost of sampling a batch, in forwards of the same network and batch size.

For each model, interleaved: only the convolutions and matrix products of a forward (with the same
shapes), the forward, and the sampling of 28x28 digits, `model.stream` with new seeds each time.
Naive is 784 forwards. Then the parts of a sampling: building the walker, work once per row, work
once per pixel, choosing levels, setting them, and the rest, which is Python overhead.

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
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks._machine import describe_machine, format_machine
from smalti.autoregressive import FrozenCodec
from smalti.autoregressive.conditioning import to_network_input
from smalti.autoregressive.pixelcnn.masks import RowsAboveConv
from smalti.core.protocols import SymbolDistribution
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data import digit_pictures
from smalti.pixelcnn import (
    Autoregressive,
    AutoregressiveConfig,
    GatedPixelCNNConfig,
    Levels,
    LogisticMixture,
    PixelCNNConfig,
    PixelCNNPlusPlusConfig,
    build_config,
)
from smalti.recipes import find_recipe

SHIPPED = ("gated-pixelcnn-digits", "gated-pixelcnn-digits-8", "pixelcnnpp-digits")
PARTS = ("building", "rows", "pixels", "choosing", "putting", "Python")
CLOCKS = {"wall": time.perf_counter, "thread": time.thread_time}
seeds = itertools.count(1)


class Timer:
    """Times calls by a clock: seconds, or the processor seconds of this thread."""

    read: Callable[[], float] = staticmethod(time.perf_counter)

    def time(self, work: Callable[[], object]) -> float:
        begun = self.read()
        work()
        return self.read() - begun


timer = Timer()


class Workload(NamedTuple):
    """A model and its batch size."""

    name: str
    config: AutoregressiveConfig
    batch_size: int


def list_workloads() -> list[Workload]:
    """List the large networks at batch size 16, the shipped ones at 16 and 64."""
    gray, plusplus = Levels(256, (1, 28, 28)), PixelCNNPlusPlusConfig(filters=64, blocks=5)
    found = [
        Workload(
            "PixelCNN, 15 x 128", build_config(gray, PixelCNNConfig(width=128, blocks=15)), 16
        ),
        Workload(
            "Gated, 15 x 128", build_config(gray, GatedPixelCNNConfig(width=128, blocks=14)), 16
        ),
        Workload("PixelCNN++, 5 x 64", build_config(gray, plusplus, LogisticMixture(10)), 16),
        Workload(
            "PixelCNN prior, 15 x 128",
            build_config(
                FrozenCodec(),
                PixelCNNConfig(width=128, blocks=15, head_width=32, embeds_symbols=True),
            ),
            16,
        ),
    ]
    pictures = digit_pictures("train")
    for name in SHIPPED:
        config: Any = find_recipe(name).make_config(pictures)
        found += [Workload(name, config, batch) for batch in (16, 64)]
    return found


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    timer.read = CLOCKS[options.clock]
    machine = describe_machine()
    print(format_machine(machine), flush=True)
    print(f"\n{'':26}   n  bare convs  forward  sampling  forwards per sampling        naive")
    result: dict[str, Any] = {"machine": machine, "repeats": options.repeats, "rows": []}
    result["clock"] = options.clock
    for workload in list_workloads():
        if options.only in workload.name:
            result["rows"].append(measure_workload(workload, options.repeats))
    print_parts(result["rows"])
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walk")
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, __doc__
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="thread: with one thread")
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--out", type=Path, help="JSON file of the result")
    return parser.parse_args()


@torch.no_grad()
def measure_workload(workload: Workload, repeats: int) -> dict[str, Any]:
    """Measure seconds, forwards per sampling with their range, and the parts; print a row."""
    torch.manual_seed(0)
    model = workload.config.build().eval()
    z = torch.randint(model.requirements.n_symbols, (workload.batch_size, *model.requirements.grid))
    x, y = to_network_input(model.network, z, model.values, torch.float32), None
    if model.spec.classes:
        y = torch.arange(workload.batch_size) % len(model.spec.classes)
    forward: Callable[[], object] = lambda: model.network(x, y)  # noqa: E731
    bare = record_convolutions(forward)

    def draw() -> None:
        list(model.stream(build_fresh_rng(workload.batch_size), SamplingInputs(labels=y)))

    taken: dict[str, list[float]] = {"bare": [], "forward": [], "sampling": []}
    for work in (bare, forward, draw):  # to compile and allocate memory
        work()
    for _ in range(repeats):
        taken["bare"].append(median(timer.time(bare) for _ in range(5)))
        taken["forward"].append(median(timer.time(forward) for _ in range(5)))
        taken["sampling"].append(timer.time(draw))
    pairs = zip(taken["sampling"], taken["forward"], strict=True)
    ratios = sorted(sampling / forward for sampling, forward in pairs)
    row: dict[str, Any] = {name: median(seconds) for name, seconds in taken.items()}
    row |= {"name": workload.name, "batch": workload.batch_size, "forwards": median(ratios)}
    row |= {"least": ratios[0], "most": ratios[-1], "overhead": row["forward"] / row["bare"]}
    row["naive"] = row["forward"] * model.requirements.sequence_length
    row["parts"] = time_parts(model, workload.batch_size, y)
    row["reading"] = sum_read_bytes(model) / measure_bandwidth()
    print(
        f"{workload.name:26} {workload.batch_size:3}  {row['bare']:8.3f} s {row['forward']:6.3f} s "
        f"{row['sampling']:7.3f} s  {row['forwards']:5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})   "
        f"{row['naive']:8.1f} s; a forward is {row['overhead']:.2f} bare, "
        f"reading weights {row['reading']:.3f} s",
        flush=True,
    )
    return row


def sum_read_bytes(model: Autoregressive) -> int:
    """Bytes of weights read once a pixel, or once a row by convolutions of the rows above."""
    total, (_, h, w) = 0, model.requirements.grid
    for module in model.network.modules():
        if isinstance(module, nn.Embedding):
            continue  # a row of it at a time
        count = h if isinstance(module, RowsAboveConv) else h * w
        total += count * sum(p.nbytes for p in module.parameters(recurse=False))
    return total


def measure_bandwidth(numbers: int = 1 << 25) -> float:
    """Bytes per second of reading an array, the best of five."""
    x = torch.ones(numbers)
    return x.nbytes / min(timer.time(x.sum) for _ in range(5))


def build_fresh_rng(n: int) -> Rng:
    """Build an Rng with n unused seeds."""
    return Rng([next(seeds) for _ in range(n)])


class Recorder(TorchDispatchMode):
    """Records every convolution and matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(part in str(func) for part in ("convolution", ".mm", "addmm", "bmm", "linear")):
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


def record_convolutions(work: Callable[[], object]) -> Callable[[], None]:
    """Replay the convolutions and matrix products of `work` on random numbers of their shapes."""
    with Recorder() as recorder:
        work()
    room: dict[tuple, Tensor] = {}

    def replace_tensor(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        key = (value.shape, value.stride(), value.dtype)
        if key not in room:
            room[key] = torch.empty_strided(*key[:2], dtype=value.dtype).normal_()
        return room[key]

    calls = [(func, [replace_tensor(value) for value in args]) for func, args in recorder.calls]

    def replay() -> None:
        for func, args in calls:
            func(*args)

    return replay


class TimedWalker:
    """A walker that times its calls."""

    def __init__(self, walker: Any, spent: dict[str, float], row: int):
        self.walker, self.spent, self.row = walker, spent, row  # numbers of a row

    def predict(self, k: int) -> Tensor:
        begun = timer.read()
        found = self.walker.predict(k)
        self.spent["pixels" if k % self.row else "rows"] += timer.read() - begun
        return found

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        self.spent["putting"] += timer.time(lambda: self.walker.set_symbols(k, symbols))


def time_parts(model: Autoregressive, n: int, y: Tensor | None) -> dict[str, float]:
    """Measure the parts of a sampling by timing the calls of its walker.

    The excess time of a row's first pixel over the others is that of the row.
    """
    spent: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    C, H, W = model.requirements.grid
    u = build_fresh_rng(n).uniform(H * W * C, 2)

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        begun = timer.read()
        levels = symbols.sample(u[:, k])
        spent["choosing"] += timer.read() - begun
        return levels

    begun = timer.read()
    walker = TimedWalker(model.build_walker(n, y), spent, W * C)
    spent["building"] = timer.read() - begun
    model.build_walker = lambda n, y, start=None: walker
    begun = timer.read()
    for _ in model.walk(choose, n, SamplingInputs(labels=y)):
        pass
    total = timer.read() - begun + spent["building"]
    del model.build_walker
    one = spent["pixels"] / (H * (W * C - 1))
    spent["pixels"] += H * one
    spent["rows"] -= H * one
    spent["Python"] = total - sum(spent.values())
    return spent


def print_parts(rows: list[dict[str, Any]]) -> None:
    """Print the parts of each sampling, in seconds."""
    print(f"\n{'seconds of a sampling':30} " + " ".join(f"{part:>9}" for part in PARTS))
    for row in rows:
        parts = " ".join(f"{row['parts'][part]:9.3f}" for part in PARTS)
        print(f"{row['name']:26} {row['batch']:3} {parts}")


if __name__ == "__main__":
    main()
