"""What attention and the time code bring: digits after equal processor time, with and without.

The DDPM paper's network has both (arXiv:2006.11239, appendix B). Each variant trains for
`--seconds` of the processor within training steps alone, and is measured as in
`benchmarks.speedrun`: loss on the validation digits, and recognized digits among the samples.
Without the time code the network sees level 0 whatever the noise is, and has to guess the level
from the picture.

    python -m benchmarks.ablations --seconds 60 --seeds 0 1 --picture ablations.png
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

import smalti
from benchmarks._machine import describe_machine, format_machine
from benchmarks._networks import ENDLESS
from benchmarks.speedrun import ATTENTION, NONE, VARIANTS, Variant, measure, train_for
from smalti.core.pictures import make_grid, save_png
from smalti.data import Pictures, digit_pictures
from smalti.diffusion import DDIM, Diffusion, DiffusionConfig, UNetConfig
from smalti.diffusion.network import ConditionKind, NetworkConfig
from smalti.layers.condition_encoder import make_choices
from smalti.training.device import build_fabric
from smalti.training.loop import Loop
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop

Precision = Literal["32", "bf16"]
TRAINING = VARIANTS["muon-64"].training


@dataclass(frozen=True)
class TimelessConfig:
    """A network that is not told the noise level."""

    network: UNetConfig = field(default_factory=UNetConfig)
    condition_kinds: ClassVar[tuple[ConditionKind, ...]] = UNetConfig.condition_kinds
    free_size: ClassVar[bool] = True

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        self.network.check_fit(shape, condition)

    def build(self, outputs: int = 1) -> nn.Module:
        return Timeless(self.network.build(outputs))


class Timeless(nn.Module):
    """Calls its network with level 0, whatever the level is."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        return self.network(x, torch.zeros_like(t), c)


ABLATIONS = {
    "attention and time code": (Variant(TRAINING, ATTENTION), True),
    "no attention": (Variant(TRAINING, NONE), True),
    "no time code": (Variant(TRAINING, ATTENTION), False),
}
"""Whether the network has the time code is beside each."""


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(1)
    train, valid = digit_pictures("train"), digit_pictures("valid")
    print(format_machine(describe_machine()), flush=True)
    rows: list[Tensor] = []
    for name, (variant, timed) in ABLATIONS.items():
        results: list[dict[str, float]] = []
        for seed in options.seeds:
            loop = build_loop(variant, timed, train, seed, options.precision)
            seconds = train_for(loop, options.seconds)
            model = loop.ema.module
            row = measure(model, valid, options.samples)
            results.append(row | {"steps": loop.step, "seconds": seconds})
            print(f"{name:24} seed {seed}: {format_results(results[-1:])}", flush=True)
            if seed == options.seeds[0]:
                rows.append(draw_row(model))
        print(f"{name:24} mean:   {format_results(results)}", flush=True)
    if options.picture:
        save_png(make_grid(torch.cat(rows), columns=20), options.picture)


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablations", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, by the processor")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--samples", type=int, default=250, help="digits drawn at the end")
    parser.add_argument("--precision", choices=("32", "bf16"), default="bf16")
    parser.add_argument("--picture", type=Path, help="draw 20 samples of each variant there")
    return parser.parse_args(argv)


def build_loop(
    variant: Variant, timed: bool, train: Pictures, seed: int, precision: Precision = "bf16"
) -> Loop:
    """Build the loop of a variant, with the time code or without."""
    network: NetworkConfig = UNetConfig(condition_width=len(train.classes) + 1, **variant.network)
    if not timed:
        network = TimelessConfig(network)
    model = DiffusionConfig(train.shape, network, conditions=make_choices(train.classes))
    training = replace(variant.training, precision=precision, steps=ENDLESS, seed=seed)
    record = RunRecord(model, training, Path("nowhere"), {})
    return start_loop(build_fabric(training), record, train)


def draw_row(model: Diffusion) -> Tensor:
    """Draw two samples of each class, (20, 1, 28, 28) in [0, 1]."""
    pictures = smalti.sample(model, 20, cond=list(range(10)) * 2, sampler=DDIM(guidance=1.5))
    assert isinstance(pictures, Tensor)
    return pictures


def format_results(results: list[dict[str, float]]) -> str:
    mean = {key: statistics.fmean(row[key] for row in results) for key in results[0]}
    return (
        f"{mean['steps']:5.0f} steps in {mean['seconds']:5.1f} s, loss {mean['loss']:.4f}, "
        f"{mean['accuracy']:6.1%} recognized, Frechet distance {mean['frechet']:.2f}"
    )


if __name__ == "__main__":
    main()
