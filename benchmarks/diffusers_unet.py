"""The U-Net compared with diffusers' UNet2DModel and its DDIMPipeline, in one run.

(a) equal: ours without its space-to-depth stem and theirs, with equal parameters,
    multiply-adds and resolution (28, 14 and 7), without classes.
(b) shipped: the network of the recipe ddpm-digits and diffusers' (32, 64, 64).
(c) forwards: cost of a training step in forwards of the same network and batch size.

A step is forward, backward, clipping, fused AdamW and the EMA update of smalti's training loop, for
both. Sampling is 20 steps of DDIM, eta 0: ours with smalti.sample, theirs with DDIMPipeline without
its progress bar. Measurements are interleaved; the median is reported.

    python -m benchmarks.diffusers_unet --repeats 15
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.ddim.pipeline_ddim import DDIMPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

import smalti
from benchmarks._machine import describe_machine, format_machine, time_interleaved
from benchmarks._networks import DiffusersUNet, build_loop, choose_network, measure_size
from smalti.data import Pictures, digit_pictures
from smalti.diffusion import UNetConfig
from smalti.training.loop import Loop

THEIRS = DiffusersUNet(widths=(32, 64, 64), layers=2)
EQUAL = UNetConfig(stem=1, widths=(48, 72, 80), blocks=2, attention=(False, False, True))


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    pictures, machine = digit_pictures("train"), describe_machine()
    print(format_machine(machine), flush=True)
    result = {"machine": machine, "batch": options.batch, "repeats": options.repeats}
    result["equal"] = compare_equal(pictures, options)
    result["shipped"] = compare_shipped(pictures, options)
    result["forwards"] = [
        measure_step_cost(name, pictures, precision, options)
        for name in ("ours", "diffusers", "article")
        for precision in ("32", "bf16")
    ]
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diffusers_unet")
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, __doc__
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="JSON file of the result")
    return parser.parse_args()


def compare_equal(pictures: Pictures, options: argparse.Namespace) -> dict[str, Any]:
    """(a): compare both unconditional networks in float32."""
    ours, theirs = EQUAL, THEIRS
    sizes = {"ours": measure_size(ours), "diffusers": measure_size(theirs)}
    for i, what in enumerate(("parameters", "multiply-adds")):
        ratio = sizes["ours"][i] / sizes["diffusers"][i]
        if not 0.95 <= ratio <= 1.05:
            raise SystemExit(f"the networks are not equal: ours has {ratio:.2f} times the {what}")
    loops = {
        name: build_loop(net, pictures, precision="32", batch_size=options.batch, conditional=False)
        for name, net in (("ours", ours), ("diffusers", theirs))
    }
    print(f"\n(a) equal, batch {options.batch}, float32, seconds")
    return time_both(loops, sizes, options)


def compare_shipped(pictures: Pictures, options: argparse.Namespace) -> dict[str, Any]:
    """(b): ours is class-conditional; theirs is not, because the pipeline has no classes."""
    ours = choose_network("ours", pictures)
    sizes = {"ours": measure_size(ours, len(pictures.classes)), "diffusers": measure_size(THEIRS)}
    settings: dict[str, Any] = {"precision": "32", "batch_size": options.batch}
    loops = {
        "ours": build_loop(ours, pictures, **settings),
        "diffusers": build_loop(THEIRS, pictures, conditional=False, **settings),
    }
    print(f"\n(b) as shipped, batch {options.batch}, float32, seconds")
    found = time_both(loops, sizes, options)
    for name in loops:
        rates = {k: options.batch / found[name][k] for k in ("training_step", "sampling")}
        found[name]["pictures_per_second"] = rates
        print(f"{name:10} pictures/s: training {rates['training_step']:.0f}, ", end="")
        print(f"sampling {rates['sampling']:.1f}", flush=True)
    return found


def time_both(
    loops: dict[str, Loop], sizes: dict[str, tuple[int, int]], options: argparse.Namespace
) -> dict[str, Any]:
    """Time and print a training step and the sampling of a batch in 20 steps, with the sizes."""
    ours, theirs = loops["ours"], loops["diffusers"]
    draws = {
        "ours": partial(smalti.sample, ours.ema.module, options.batch),
        "diffusers": build_pipeline(theirs, options.batch),
    }
    step = time_interleaved({name: loop.run_step for name, loop in loops.items()}, options.repeats)
    batch = time_interleaved(draws, max(3, options.repeats // 3))
    print(f"{'':10} {'parameters':>10} {'multiply-adds':>13} {'training step':>13} {'20 steps':>9}")
    found: dict[str, Any] = {}
    for name, (parameters, multiply_adds) in sizes.items():
        found[name] = {"parameters": parameters, "multiply_adds": multiply_adds}
        found[name] |= {"training_step": step[name], "sampling": batch[name]}
        print(
            f"{name:10} {parameters:10,} {multiply_adds:13,} {step[name]:13.3f} {batch[name]:9.2f}"
        )
    ratios = {"training_step": step["ours"] / step["diffusers"]}
    ratios["sampling"] = batch["ours"] / batch["diffusers"]
    print(
        f"{'ratio':10} {'':24} {ratios['training_step']:13.2f} {ratios['sampling']:9.2f}",
        flush=True,
    )
    return found | {"ratio": ratios}


def build_pipeline(loop: Loop, batch_size: int) -> Callable[[], object]:
    """Build diffusers' pipeline with the network of `loop`."""
    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    pipe = DDIMPipeline(loop.ema.module.network.unet, scheduler)
    pipe.set_progress_bar_config(disable=True)
    return partial(pipe, batch_size=batch_size, eta=0.0, num_inference_steps=20, output_type="pt")


def measure_step_cost(
    name: str, pictures: Pictures, precision: Any, options: argparse.Namespace
) -> dict[str, Any]:
    """(c): divide a training step by a forward without gradients in eval mode."""
    loop = build_loop(
        choose_network(name, pictures), pictures, precision=precision, batch_size=options.batch
    )
    network = loop.ema.module.network
    x = torch.randn(options.batch, *pictures.shape)
    t = torch.randint(1000, (options.batch,))
    y = torch.arange(options.batch) % len(pictures.classes)

    @torch.no_grad()
    def forward() -> None:
        with loop.fabric.autocast():
            network(x, t, y)

    seconds = time_interleaved({"step": loop.run_step, "forward": forward}, options.repeats)
    cost = seconds["step"] / seconds["forward"]
    _, multiply_adds = measure_size(choose_network(name, pictures), len(pictures.classes))
    gflops = 2 * multiply_adds * options.batch / seconds["forward"] / 1e9
    print(
        f"(c) {name}, {precision}: a step costs {cost:.2f} forwards ({seconds['step']:.3f} s, "
        f"{seconds['forward']:.3f} s at {gflops:.0f} GFLOP/s), batch {options.batch}",
        flush=True,
    )
    found = {"network": name, "precision": precision, "forwards": cost, "gflops": gflops}
    return found | {"seconds_step": seconds["step"], "seconds_forward": seconds["forward"]}


if __name__ == "__main__":
    main()
