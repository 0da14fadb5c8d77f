"""Train an English-to-Chinese Transformer within a number of seconds.

    python scripts/train_translator.py --data FOLDER --out FILE.safetensors --seconds 480

FOLDER is the output of prepare_translation.py. Needs torch, NumPy, safetensors and
smalti.translation; with sentencepiece every epoch has other subwords (BPE-dropout). `--seconds`
counts from the start of the process. The averaged weights are written every two minutes and at the
end, 12 bits each (`unpack_weights` reads them). `--variant b` adds R-Drop (arXiv:2106.14448);
`--rehearse` trains a tiny network for a minute on the available device.
"""

from __future__ import annotations

import time

START = time.monotonic()

import argparse  # noqa: E402
import contextlib  # noqa: E402
import copy  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import NamedTuple  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from translator_file import save  # noqa: E402
from translator_loss import GradientStep, warm_up  # noqa: E402
from translator_pairs import (  # noqa: E402
    Segmentations,
    count_pieces,
    plan_epoch,
    read_kinds,
    read_pairs,
    segment,
)

from smalti.translation.transformer import Transformer, TransformerConfig  # noqa: E402

PHASES = ((0.0, (2.0, 1.0, 0.5)), (0.7, (1.0, 0.25, 0.05)))
"""From which fraction of the time on, how often prose, messages and games are in an epoch."""
PLAIN_FROM = 0.88
"""From this fraction of the time on, there is no BPE-dropout."""
VARIANTS: dict[str, dict[str, float]] = {
    "a": {"dropout": 0.25, "r_drop": 0.0},
    "b": {"dropout": 0.2, "r_drop": 4.0},
}


def measure_elapsed() -> float:
    return time.monotonic() - START


def print_line(text: str) -> None:
    print(f"{measure_elapsed():6.1f} s  {text}", flush=True)


def exit_now() -> None:
    """Exit on time; saved files are complete."""
    print_line("time is up")
    os._exit(0)


# ---------------------------------------------------------------- training


class Phase(NamedTuple):
    """How an epoch is made."""

    weights: tuple[float, ...]  # how often prose, messages and games are in it
    plain: bool  # subwords without BPE-dropout
    r_drop: bool


class Training:
    """A run: everything that changes from step to step."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.step, self.tokens = options, 0, 0
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.random = np.random.default_rng(options.seed)
        torch.manual_seed(options.seed)
        self.arrays = dict(np.load(options.data / "pairs.npz"))
        self.kinds = read_kinds(self.arrays)
        self.plain = read_pairs(self.arrays, "train", self.device)
        self.segmentations = Segmentations(options, self.plain, self.device, print_line)
        self.network = self.build().to(self.device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = self.build_optimizer()
        self.validation_process: subprocess.Popen[bytes] | None = None
        self.end = options.seconds - options.reserve
        self.stopped = self.replan = False
        count = sum(p.numel() for p in self.network.parameters())
        print_line(f"{count:,} parameters, {len(self.kinds):,} pairs, on {self.device}")

    def build(self) -> Transformer:
        g = self.options
        return TransformerConfig(
            source_vocab_size=count_pieces(self.arrays["source_model"]),
            target_vocab_size=count_pieces(self.arrays["target_model"]),
            width=g.width,
            heads=g.heads,
            encoder_layers=g.encoder_layers,
            decoder_layers=g.decoder_layers,
            feed_forward_width=g.hidden,
            dropout=g.dropout,
        ).build()

    def build_optimizer(self) -> torch.optim.AdamW:
        matrices, rest = [], []
        for name, p in self.network.named_parameters():
            embedding = name in ("source.weight", "target.weight")
            (rest if p.ndim < 2 or embedding else matrices).append(p)
        groups = [{"params": matrices, "weight_decay": self.options.weight_decay}, {"params": rest}]
        return torch.optim.AdamW(
            groups, lr=self.options.rate, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.0, fused=True
        )

    @property
    def progress(self) -> float:
        """Elapsed fraction of the training time, 0 to 1."""
        return min(1.0, (measure_elapsed() - self.begin) / max(1e-3, self.end - self.begin))

    def run(self) -> None:
        compute = GradientStep(self.network, self.options.r_drop, self.options.compile)
        if self.options.compile:
            warm_up(compute, self.options, self.device, print_line)
        signal.signal(signal.SIGALRM, lambda *_: exit_now())
        signal.setitimer(signal.ITIMER_REAL, max(1.0, self.options.seconds - measure_elapsed()))
        self.begin = self.saved = self.last_print = measure_elapsed()
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopped", True))
        print_line("training begins")
        for source, gold in self.iterate_batches():
            try:
                self.take_step(compute, source, gold)
            except torch.OutOfMemoryError:
                self.reduce_batch_size()
            if self.stopped or measure_elapsed() > self.end:
                break
        print_line(f"{self.step} steps, {self.tokens / 1e6:.1f} M padded target symbols")
        self.save()
        self.segmentations.close()
        if self.validation_process:
            self.validation_process.kill()

    def iterate_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            phase = self.phase
            pairs = self.plain if phase.plain else self.segmentations.draw_pairs(self.random)
            tokens = self.options.tokens // 2 if phase.r_drop else self.options.tokens
            plan = plan_epoch(pairs, self.kinds, phase.weights, tokens, self.random)
            print_line(f"an epoch of {len(plan)} batches, {phase}")
            for rows in plan:
                yield pairs.make_batch(rows)
                if self.phase != phase or self.replan:
                    self.replan = False
                    break

    @property
    def phase(self) -> Phase:
        p, options = self.progress, self.options
        weights = [weights for start, weights in PHASES if p >= start][-1]
        return Phase(weights, p >= PLAIN_FROM, options.r_drop > 0 and p >= options.r_drop_from)

    def reduce_batch_size(self) -> None:
        """Reduce the batch size: other processes may use the device's memory, too."""
        self.network.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        self.options.tokens = max(2048, self.options.tokens * 3 // 4)
        self.replan = True
        print_line(f"out of memory; continuing with {self.options.tokens} symbols a batch")

    def take_step(self, compute: GradientStep, source: Tensor, gold: Tensor) -> None:
        self.step += 1
        self.tokens += gold.numel()
        p = self.progress
        rate = self.options.rate * min(1.0, self.step / self.options.warm_up) * (1 - p)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        plain = compute(source, gold, self.phase.r_drop)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        decay = min(self.options.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            averages, values = list(self.average.parameters()), list(self.network.parameters())
            torch._foreach_lerp_(averages, values, 1 - decay)  # pyright: ignore
        if self.step % 8 == 0:  # synchronize with the device: progress is measured in time
            self.check_progress(float(plain), rate)

    def check_progress(self, loss: float, learning_rate: float) -> None:
        now = measure_elapsed()
        if not math.isfinite(loss):
            print_line(f"step {self.step}: the loss is {loss}; back to the averaged weights")
            self.recover()
        if now - self.last_print > 15:
            self.last_print = now
            speed = self.tokens / (now - self.begin)
            print_line(
                f"step {self.step}, loss {loss:.3f}, lr {learning_rate:.2e}, {speed / 1e3:.0f} k/s"
            )
        if now - self.saved > self.options.save_every:
            self.save()
            self.validate()
            self.saved = measure_elapsed()

    def recover(self) -> None:
        """Restart from the last finite averaged weights, with a new optimizer."""
        with torch.no_grad(), contextlib.suppress(OSError, AttributeError):
            for one, good in zip(self.network.parameters(), self.last_finite, strict=True):
                one.copy_(good)
            for one, good in zip(self.average.parameters(), self.last_finite, strict=True):
                one.copy_(good)
        self.optimizer = self.build_optimizer()

    def validate(self) -> None:
        """Evaluate the saved file on the CPU in another process, unless one is running."""
        if self.validation_process and self.validation_process.poll() is None:
            return
        script = Path(__file__).with_name("evaluate_translator.py")
        command = [
            sys.executable,
            str(script),
            str(self.options.out),
            str(self.options.data / "valid.jsonl"),
        ]
        command += ["--width", "1", "--limit", str(self.options.sentences), "--threads", "2"]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        self.validation_process = subprocess.Popen(["nice", "-n", "5", *command], env=environment)

    def save(self) -> None:
        state = list(self.average.parameters())
        if not all(bool(p.isfinite().all()) for p in state):
            print_line("the averaged weights are not finite; not saved")
            return
        self.last_finite = [p.clone() for p in state]
        keep = {k: v for k, v in vars(self.options).items() if not isinstance(v, Path)}
        note = {"given": keep, "step": self.step, "seconds": round(measure_elapsed())}
        save(self.average, self.arrays, self.options.out, note)
        print_line(f"saved {self.options.out.name}, {self.options.out.stat().st_size:,} bytes")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, required=True)
    add("--out", type=Path, default=Path("translator.safetensors"))
    add("--seconds", type=float, default=480)
    add("--reserve", type=float, default=6, help="seconds left for the end")
    add("--variant", choices=sorted(VARIANTS), default="a")
    add("--dropout", type=float)
    add("--r-drop", type=float)
    add("--r-drop-from", type=float, default=0.25)
    add("--bpe-dropout", type=float, default=0.1)
    add("--workers", type=int, default=3, help="processes for BPE-dropout")
    add("--width", type=int, default=256)
    add("--heads", type=int, default=4)
    add("--encoder-layers", type=int, default=6)
    add("--decoder-layers", type=int, default=2)
    add("--hidden", type=int, default=768)
    add("--tokens", type=int, default=16384, help="padded target symbols per batch")
    add("--rate", type=float, default=2e-3)
    add("--weight-decay", type=float, default=0.05)
    add("--warm-up", type=int, default=400)
    add("--decay", type=float, default=0.999, help="decay of the averaged weights (EMA)")
    add("--save-every", type=float, default=80)
    add("--sentences", type=int, default=100, help="per group, to evaluate saved files")
    add("--compile", action=argparse.BooleanOptionalAction, default=torch.cuda.is_available())
    add("--compile-seconds", type=float, default=100)
    add("--seed", type=int, default=0)
    add("--rehearse", action="store_true")
    add("--segment", type=Path, help=argparse.SUPPRESS)
    add("--first", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name, value in VARIANTS[options.variant].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.rehearse:
        tiny = {"width": 32, "hidden": 64, "encoder_layers": 2, "decoder_layers": 1, "heads": 2}
        times = {"seconds": 60.0, "save_every": 20.0, "reserve": 5.0}
        vars(options).update(tiny, **times, tokens=2048, sentences=8, workers=1)
    return options


def main() -> None:
    options = read_arguments()
    if options.segment:
        segment(
            options.data, options.segment, options.bpe_dropout, options.first, options.workers, 45
        )
        return
    torch.set_float32_matmul_precision("high")
    if torch.cuda.is_available():
        torch.backends.cuda.enable_cudnn_sdp(False)  # it would plan anew for every shape
    training = Training(options)
    training.run()
    print_line("done")


if __name__ == "__main__":
    main()
