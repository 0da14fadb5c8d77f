"""Where a training step's time goes, for each family, beside its bare matrix products.

    python -m benchmarks.steps
    python -m benchmarks.steps --only pixelcnnpp vqgan --precision 32

Steps are those of `smalti train` with the recipe's model and batch, on one thread, and all figures
are processor milliseconds, medians over steps; precisions take turns, step by step. A step is
reading the batch, the forward pass (with the loss), the backward pass, and the update: clipping,
optimizer, averaged weights, and what a model does after a step. A VQGAN is measured with its
discriminator at work; the generator's adaptive weight counts as forward.

"Bare" are the step's matrix products and convolutions alone, each repeated on random numbers in the
memory format that suits it better, at its fastest; attention counts as its products without
masks. "x bare" is the step divided by this. "of a product" is the rate of the bare products
relative to that of a product of two 2048 x 2048 matrices in the same precision, timed beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks._machine import describe_machine, format_machine
from benchmarks._products import (
    Layout,
    Product,
    ProductRecorder,
    time_product,
    time_products,
)
from smalti.core.protocols import Dataset
from smalti.data import digit_pictures
from smalti.data.sentence_pairs import SentencePairs, join_sentences
from smalti.recipes import find_any_recipe
from smalti.training import Training
from smalti.training.device import build_fabric
from smalti.training.ema import EMA
from smalti.training.loop import Loop
from smalti.training.rng_state import read_rng_state, set_rng_state
from smalti.training.start import assemble_loop
from smalti.translation import TransformerConfig, TranslatorConfig

FAMILIES = (
    *("ddpm-digits", "gated-pixelcnn-digits", "pixelcnnpp-digits", "vqvae-digits", "vqgan"),
    *("vqvae-digits-gpt", "vqvae-digits-pixelcnn", "translate"),
)
PHASES = ("batch", "forward", "backward", "update")
MIDDLE = 50_000
"""The step in the middle of a training, so that a discriminator is at work."""
MIN_STEPS = 4
VOCABULARY = 8000
SIDE = 2048
"""Rows and columns of the product that all are compared with."""


def main() -> None:
    options = parse_options()
    torch.set_num_threads(1)
    machine = describe_machine()
    print(format_machine(machine), flush=True)
    print("\n| recipe | precision | step, ms | batch | forward | backward | update | bare "
          "| step x bare | forward x bare | backward x bare | GFLOP | of a product |"
          f"\n{'|---' * 13}|")  # fmt: skip
    rows = []
    for name in options.only or FAMILIES:
        for row in measure_family(name, options.precision, options.seconds):
            rows.append(row)
            print(format_row(row), flush=True)
    if options.out:
        options.out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps")
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, __doc__
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=[])
    parser.add_argument("--precision", nargs="+", choices=("32", "bf16"), default=["32", "bf16"])
    parser.add_argument("--seconds", type=float, default=10.0, help="a recipe and precision")
    parser.add_argument("--out", type=Path, help="JSON file of the result")
    return parser.parse_args()


# ---------------------------------------------------------------- the training loops


def build_loop(name: str, precision: str) -> Loop:
    """The loop of a recipe, in the middle of a long training."""
    torch.manual_seed(0)
    recipe: Any = find_any_recipe(name)  # of pictures, or of a corpus
    if name == "translate":
        data: Dataset = make_sentence_pairs(4096)
        config: Any = TranslatorConfig(TransformerConfig(VOCABULARY, VOCABULARY))
    else:
        data = digit_pictures("train")
        config = recipe.make_config(data)
    training: Training = replace(recipe.training, precision=precision, steps=2 * MIDDLE)
    model = config.build()
    loop = assemble_loop(build_fabric(training), model, EMA(model, training.ema), data, training)
    loop.step = MIDDLE
    return loop


def make_sentence_pairs(n: int) -> SentencePairs:
    """Pairs of random symbols whose lengths are those of prose: 24 on average."""
    lengths = torch.empty(n).log_normal_(3.0, 0.6).long().clamp(2, 100)
    targets = (lengths * torch.empty(n).uniform_(0.8, 1.2)).long().clamp(2)
    source, target = (
        join_sentences([torch.randint(4, VOCABULARY, (int(k),)).tolist() for k in side])
        for side in (lengths, targets)
    )
    return SentencePairs(source, target, "random pairs")


@dataclass
class StepTimer:
    """Splits the steps of a loop into phases, by wrapping its parts."""

    loop: Loop
    taken: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    recorder: ProductRecorder | None = None

    def __post_init__(self) -> None:
        loop: Any = self.loop
        for phase, owner, method in (
            ("batch", loop, "load_batch"),
            ("backward", loop.fabric, "backward"),
            ("forward", loop, "compute_gradients"),  # with batch and backward, taken off below
        ):
            setattr(owner, method, self.wrap(getattr(owner, method), phase))

    def wrap(self, work: Callable[..., Any], phase: str) -> Callable[..., Any]:
        def time_part(*args: Any, **kwargs: Any) -> Any:
            if self.recorder:
                self.recorder.phase = "backward" if phase == "backward" else "forward"
            begun = time.thread_time()
            out = work(*args, **kwargs)
            self.taken[phase] += time.thread_time() - begun
            if self.recorder:
                self.recorder.phase = "forward"
            return out

        return time_part

    def time_step(self) -> dict[str, float]:
        """Seconds of each phase of one step, and of the step."""
        self.taken = dict.fromkeys(PHASES, 0.0)
        begun = time.thread_time()
        self.loop.run_step()
        step = time.thread_time() - begun
        gradients = self.taken["forward"]
        self.taken["forward"] -= self.taken["batch"] + self.taken["backward"]
        return self.taken | {"update": step - gradients, "step": step}

    def record_products(self) -> ProductRecorder:
        """Run one step, recording its products."""
        with ProductRecorder() as self.recorder:
            self.loop.run_step()
        recorder, self.recorder = self.recorder, None
        return recorder


# ---------------------------------------------------------------- measuring


def measure_family(name: str, precisions: list[str], seconds: float) -> list[dict[str, Any]]:
    """Measure a recipe in each precision, in turns: the same batches and noise for both."""
    timers = {precision: StepTimer(build_loop(name, precision)) for precision in precisions}
    rng = read_rng_state()
    bare: dict[str, Any] = {}
    for timer in timers.values():
        for _ in range(2):  # compiles kernels, fills the optimizer's state
            timer.time_step()
        set_rng_state(rng)
    begun, taken = time.thread_time(), {precision: [] for precision in precisions}
    while (
        time.thread_time() - begun < seconds * len(precisions)
        or len(taken[precisions[0]]) < MIN_STEPS
    ):
        for precision, timer in timers.items():
            taken[precision].append(timer.time_step())
    for precision, timer in timers.items():
        timer.loop.step = MIDDLE
        bare[precision] = time_products(timer.record_products(), seconds / 2)
    return [build_row(name, p, taken[p], bare[p]) for p in precisions]


def measure_product_rate(precision: str) -> float:
    """FLOP/s of a large square product."""
    dtype = {"32": torch.float32, "bf16": torch.bfloat16}[precision]
    a = Layout((SIDE, SIDE), (SIDE, 1), dtype)
    return 2 * SIDE**3 / time_product(Product(torch.mm, (a, a), 0.0), 1.0, time.thread_time)


def build_row(
    name: str, precision: str, taken: list[dict[str, float]], bare: dict[str, Any]
) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "precision": precision, "steps": len(taken)}
    row |= {phase: median(one[phase] for one in taken) for phase in (*PHASES, "step")}
    row["bare"] = sum(found.seconds for found in bare.values())
    row["flops"] = sum(found.flops for found in bare.values())
    row["of_product"] = row["flops"] / row["bare"] / measure_product_rate(precision)
    return row | {f"bare_{phase}": found.seconds for phase, found in bare.items()}


def format_row(row: dict[str, Any]) -> str:
    cells = [row["name"], row["precision"], f"{1e3 * row['step']:.0f}"]
    cells += [f"{1e3 * row[phase]:.0f}" for phase in (*PHASES, "bare")]
    cells += [f"{row['step'] / row['bare']:.2f}"]
    cells += [f"{row[phase] / row[f'bare_{phase}']:.2f}" for phase in ("forward", "backward")]
    cells += [f"{row['flops'] / 1e9:.1f}", f"{row['of_product']:.0%}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
