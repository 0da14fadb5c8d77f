"""Sliding windows against the network run anew for each code: seconds, and what a stride costs.

    .venv/bin/python -m benchmarks.windows                       # 4x256, with and without a map
    .venv/bin/python -m benchmarks.windows --layers 12 --width 512 --heads 8 -n 1
    .venv/bin/python -m benchmarks.windows --model RUN           # what a stride changes
    .venv/bin/python -m benchmarks.windows --sweeps              # a seamless canvas's sweep

The naive loop's time is that of `--evaluations` codes, scaled to all of the canvas: each takes one
forward of a whole window. Both are timed in turns, in one process, and the best of each counts.
Seconds are the processor's, on one thread, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from torch import Tensor

import smalti
from smalti import sliding
from smalti.autoregressive import GPTConfig
from smalti.autoregressive.windows import (
    WindowLayout,
    WindowPrefix,
    WindowWalker,
    choose_by_sampler,
)
from smalti.autoregressive.windows.seamless import redraw_places
from smalti.autoregressive.windows.sweep import plan_sweep
from smalti.core.rng import Rng
from smalti.core.sampling import find_sampler
from smalti.layers.symbol_sampling import Ancestral

N_CODES = 512


def build_network(layers: int, width: int, heads: int, n_tokens: int) -> Any:
    torch.manual_seed(0)
    sizes = {"layers": layers, "width": width, "heads": heads}
    return (
        GPTConfig(vocab_size=N_CODES, context_length=n_tokens, dropout=0.0, **sizes).build().eval()
    )


def draw(network: Any, cond: Tensor | None, args: argparse.Namespace, stride: int = 1) -> Tensor:
    size, seeds = (args.side, args.side), range(args.n)
    return sliding.sample(network, cond, args.window, size=size, seeds=seeds, stride=stride)


@torch.no_grad()
def time_naive_loop(network: Any, n_tokens: int, args: argparse.Namespace) -> float:
    """Seconds of the whole canvas, by some of its codes."""
    tokens = torch.randint(0, N_CODES, (args.n, n_tokens))
    begun = time.process_time()
    for _ in range(args.evaluations):
        network(tokens)
    return (time.process_time() - begun) / args.evaluations * args.side**2


def compare_speed(args: argparse.Namespace) -> None:
    cut = args.window**2
    network = build_network(args.layers, args.width, args.heads, 2 * cut)
    print(
        f"GPT {args.layers}x{args.width}, {args.side}x{args.side} codes in windows of "
        f"{args.window}x{args.window}, batch {args.n}"
    )
    for name, n_front in (("no condition", 1), (f"{cut} tokens of a map", cut)):
        cond = None if n_front == 1 else torch.randint(0, N_CODES, (args.n, args.side, args.side))
        naive, ours = [], []
        for _ in range(args.repeats):
            naive.append(time_naive_loop(network, n_front + cut - 1, args))
            begun = time.process_time()
            draw(network, cond, args)
            ours.append(time.process_time() - begun)
        print(
            f"  {name}: naive loop {min(naive):.1f} s, windows {min(ours):.1f} s: "
            f"{min(naive) / min(ours):.1f}x"
        )
        for stride in args.strides:
            begun = time.process_time()
            draw(network, cond, args, stride)
            seconds = time.process_time() - begun
            print(f"    stride {stride}: {seconds:.1f} s, {min(naive) / seconds:.1f}x")


@torch.no_grad()
def compute_nats(
    network: Any, codes: Tensor, prefix: WindowPrefix, window: Any, K: int, stride: int
) -> float:
    """Nats per code of canvases in their windows: as the walk sees them, but nothing is drawn."""
    layout = WindowLayout((codes.shape[1], codes.shape[2]), window, stride)
    walker, total = WindowWalker(network, prefix, layout, K), 0.0
    for places in layout.plan_steps():
        rows, columns = (list(side) for side in zip(*places, strict=True))
        symbols = codes[:, rows, columns].T
        nats = -walker.predict(places).double().log_softmax(-1).gather(-1, symbols[..., None])
        total += float(nats.sum())
        walker.set_symbols(places, symbols)
    return total / codes.numel()


def compare_strides(args: argparse.Namespace) -> None:
    """What a stride costs a trained model: other codes, and nats by the exact windows."""
    model = smalti.load(args.model)
    network, needs = model.network, model.requirements
    _, h, w = needs.grid
    rng = Rng(range(args.n))
    told = {c.name: torch.arange(args.n) % len(c.values) for c in model.spec.conditions if c.values}
    prefix = WindowPrefix((model.encode_conditions(told, args.n),))
    size = (args.factor * h, args.factor * w)
    print(f"{args.model}: {size[0]}x{size[1]} codes in windows of {h}x{w}, {args.n} canvases")
    exact = None
    for stride in (1, *args.strides):
        begun = time.process_time()
        codes = sliding.sample(
            network, list(prefix.parts), (h, w), needs.n_symbols, size=size, seeds=rng.seeds,
            n_symbols=needs.n_symbols, stride=stride,
        )  # fmt: skip
        seconds = time.process_time() - begun
        exact = codes if exact is None else exact
        differ = float((codes != exact).float().mean())
        nats = compute_nats(network, codes, prefix, (h, w), needs.n_symbols, 1)
        fixed = compute_nats(network, exact, prefix, (h, w), needs.n_symbols, stride)
        print(f"  stride {stride}: {seconds:.2f} s, {differ:.1%} of the codes differ")
        print(
            f"    {nats:.4f} nats per code by exact windows; exact codes have {fixed:.4f} by these"
        )


def compare_seams(args: argparse.Namespace) -> None:
    """Mean step across the border to the other side, over the mean step elsewhere; 1 is no seam."""
    model = smalti.load(args.model)
    H, W = (args.factor * side for side in model.spec.size)
    inputs = smalti.SamplingInputs(size=(H, W))
    for name in (False, True):
        sampler = {"seamless": name}
        x: Any = smalti.sample(model, args.n, inputs=inputs, sampler=find_sampler(sampler, model))
        across = (x[..., 0] - x[..., -1]).abs().mean(), (x[:, :, 0] - x[:, :, -1]).abs().mean()
        steps = x.diff(dim=3).abs().mean(), x.diff(dim=2).abs().mean()
        columns, rows = (float(a / b) for a, b in zip(across, steps, strict=True))
        print(
            f"  {'seamless' if name else 'clamped'}: {columns:.2f} left and right, {rows:.2f} above"
        )


def compare_sweeps(args: argparse.Namespace) -> None:
    """A sweep over the borders: codes drawn together, against one after another (some of them)."""
    network = build_network(args.layers, args.width, args.heads, 2 * args.window**2)
    layout = WindowLayout((args.side, args.side), (args.window, args.window))
    prefix = WindowPrefix((torch.zeros(args.n, 1, dtype=torch.int64),))
    walker, steps = WindowWalker(network, prefix, layout), plan_sweep(layout)
    draw_codes = choose_by_sampler(torch.rand(args.n, args.side, args.side), Ancestral(top_k=100))
    places = [place for step in steps for place in step]
    few = [[place] for place in places[: 5 * args.evaluations]]
    together, alone = [], []
    for _ in range(args.repeats):
        for times, plan in ((together, steps), (alone, few)):
            begun = time.process_time()
            for step in plan:
                redraw_places(walker, step, draw_codes)
            times.append(time.process_time() - begun)
    seconds = min(alone) * len(places) / len(few)
    print(
        f"GPT {args.layers}x{args.width}, batch {args.n}: {len(places)} codes in {len(steps)} "
        f"steps, {min(together):.1f} s; one after another {seconds:.1f} s: "
        f"{seconds / min(together):.2f}x"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", help="measure strides of this model instead")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--side", type=int, default=32, help="codes of the canvas's side")
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument("-n", type=int, default=2, help="canvases")
    parser.add_argument("--evaluations", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--strides", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--factor", type=int, default=4, help="canvas of so many grids a side")
    parser.add_argument("--seams", action="store_true", help="measure seams of --model instead")
    parser.add_argument("--sweeps", action="store_true", help="time seamless sweeps instead")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.sweeps:
        return compare_sweeps(args)
    if args.seams:
        return compare_seams(args)
    compare_strides(args) if args.model else compare_speed(args)


if __name__ == "__main__":
    main()
