"""Train an English-to-Chinese Transformer within a number of seconds.

    python scripts/train_translator.py --data FOLDER --out FILE.safetensors --seconds 480

FOLDER is what prepare_translation.py wrote. Needs torch, NumPy, safetensors and smalti.translation;
with sentencepiece every pass sees other sub-words (BPE-dropout). `--seconds` counts from the start
of the process. The averaged weights are written every two minutes and at the end, 12 bits each
(`unpack_weights` reads them). `--variant b` adds R-Drop (arXiv:2106.14448); `--rehearse` trains a
tiny network for a minute on whatever there is.
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
from translator_loss import Step, warm_up  # noqa: E402
from translator_pairs import (  # noqa: E402
    Segmentations,
    count_pieces,
    plan_pass,
    read_kinds,
    read_pairs,
    segment,
)

from smalti.translation.transformer import Transformer, TransformerConfig  # noqa: E402

PHASES = ((0.0, (2.0, 1.0, 0.5)), (0.7, (1.0, 0.25, 0.05)))
"""From which share of the time on, how often prose, messages and games stand in a pass."""
PLAIN_FROM = 0.88
"""From this share of the time on, sub-words are split as they will be in use."""
VARIANTS: dict[str, dict[str, float]] = {
    "a": {"dropout": 0.25, "r_drop": 0.0},
    "b": {"dropout": 0.2, "r_drop": 4.0},
}


def elapsed() -> float:
    return time.monotonic() - START


def say(text: str) -> None:
    print(f"{elapsed():6.1f} s  {text}", flush=True)


def leave() -> None:
    """End on time, come what may: what is saved by then is whole."""
    say("time is up")
    os._exit(0)


# ---------------------------------------------------------------- training


class Phase(NamedTuple):
    """How a pass is made."""

    weights: tuple[float, ...]  # how often prose, messages and games stand in it
    plain: bool  # sub-words as in use
    r_drop: bool


class Training:
    """A run: everything that changes from step to step."""

    def __init__(self, given: argparse.Namespace):
        self.given, self.step, self.tokens = given, 0, 0
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.random = np.random.default_rng(given.seed)
        torch.manual_seed(given.seed)
        self.arrays = dict(np.load(given.data / "pairs.npz"))
        self.kinds = read_kinds(self.arrays)
        self.plain = read_pairs(self.arrays, "train", self.device)
        self.segmentations = Segmentations(given, self.plain, self.device, say)
        self.network = self.build().to(self.device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = self.build_optimizer()
        self.judge: subprocess.Popen[bytes] | None = None
        self.end = given.seconds - given.reserve
        self.stopped = self.replan = False
        count = sum(p.numel() for p in self.network.parameters())
        say(f"{count:,} parameters, {len(self.kinds):,} pairs, on {self.device}")

    def build(self) -> Transformer:
        g = self.given
        return TransformerConfig(
            source_size=count_pieces(self.arrays["source_model"]),
            target_size=count_pieces(self.arrays["target_model"]),
            width=g.width,
            heads=g.heads,
            encoder_layers=g.encoder_layers,
            decoder_layers=g.decoder_layers,
            hidden=g.hidden,
            dropout=g.dropout,
        ).build()

    def build_optimizer(self) -> torch.optim.AdamW:
        matrices, rest = [], []
        for name, p in self.network.named_parameters():
            embedding = name in ("source.weight", "target.weight")
            (rest if p.ndim < 2 or embedding else matrices).append(p)
        groups = [{"params": matrices, "weight_decay": self.given.weight_decay}, {"params": rest}]
        return torch.optim.AdamW(
            groups, lr=self.given.rate, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.0, fused=True
        )

    @property
    def progress(self) -> float:
        """Share of the time for training that has gone, from 0 to 1."""
        return min(1.0, (elapsed() - self.begin) / max(1e-3, self.end - self.begin))

    def run(self) -> None:
        compute = Step(self.network, self.given.r_drop, self.given.compile)
        if self.given.compile:
            warm_up(compute, self.given, self.device, say)
        signal.signal(signal.SIGALRM, lambda *_: leave())
        signal.setitimer(signal.ITIMER_REAL, max(1.0, self.given.seconds - elapsed()))
        self.begin = self.saved = self.told = elapsed()
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopped", True))
        say("training begins")
        for source, gold in self.batches():
            try:
                self.advance(compute, source, gold)
            except torch.OutOfMemoryError:
                self.shrink()
            if self.stopped or elapsed() > self.end:
                break
        say(f"{self.step} steps, {self.tokens / 1e6:.1f} M padded target symbols")
        self.save()
        self.segmentations.close()
        if self.judge:
            self.judge.kill()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            phase = self.phase
            pairs = self.plain if phase.plain else self.segmentations.draw(self.random)
            tokens = self.given.tokens // 2 if phase.r_drop else self.given.tokens
            plan = plan_pass(pairs, self.kinds, phase.weights, tokens, self.random)
            say(f"a pass of {len(plan)} batches, {phase}")
            for rows in plan:
                yield pairs.batch(rows)
                if self.phase != phase or self.replan:
                    self.replan = False
                    break

    @property
    def phase(self) -> Phase:
        p, given = self.progress, self.given
        weights = [weights for start, weights in PHASES if p >= start][-1]
        return Phase(weights, p >= PLAIN_FROM, given.r_drop > 0 and p >= given.r_drop_from)

    def shrink(self) -> None:
        """Smaller batches from now on: others may use the device's memory, too."""
        self.network.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        self.given.tokens = max(2048, self.given.tokens * 3 // 4)
        self.replan = True
        say(f"out of memory; going on with {self.given.tokens} symbols a batch")

    def advance(self, compute: Step, source: Tensor, gold: Tensor) -> None:
        self.step += 1
        self.tokens += gold.numel()
        p = self.progress
        rate = self.given.rate * min(1.0, self.step / self.given.warm_up) * (1 - p)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        plain = compute(source, gold, self.phase.r_drop)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        decay = min(self.given.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            averages, values = list(self.average.parameters()), list(self.network.parameters())
            torch._foreach_lerp_(averages, values, 1 - decay)  # pyright: ignore
        if self.step % 8 == 0:  # never far ahead of the device: time is kept by the clock
            self.watch(float(plain), rate)

    def watch(self, loss: float, rate: float) -> None:
        now = elapsed()
        if not math.isfinite(loss):
            say(f"step {self.step}: the loss is {loss}; back to the averaged weights")
            self.recover()
        if now - self.told > 15:
            self.told = now
            speed = self.tokens / (now - self.begin)
            say(f"step {self.step}, loss {loss:.3f}, rate {rate:.2e}, {speed / 1e3:.0f} k/s")
        if now - self.saved > self.given.save_every:
            self.save()
            self.validate()
            self.saved = elapsed()

    def recover(self) -> None:
        """From the last average that was finite, with a fresh optimizer."""
        with torch.no_grad(), contextlib.suppress(OSError, AttributeError):
            for one, good in zip(self.network.parameters(), self.good, strict=True):
                one.copy_(good)
            for one, good in zip(self.average.parameters(), self.good, strict=True):
                one.copy_(good)
        self.optimizer = self.build_optimizer()

    def validate(self) -> None:
        """Measure what was saved, on the CPU in a process of its own, unless one is at it."""
        if self.judge and self.judge.poll() is None:
            return
        script = Path(__file__).with_name("evaluate_translator.py")
        command = [sys.executable, str(script), str(self.given.out), "--data", str(self.given.data)]
        command += ["--limit", str(self.given.sentences), "--brief", "--threads", "2"]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        self.judge = subprocess.Popen(["nice", "-n", "5", *command], env=environment)

    def save(self) -> None:
        state = list(self.average.parameters())
        if not all(bool(p.isfinite().all()) for p in state):
            say("the averaged weights are not finite; not saved")
            return
        self.good = [p.clone() for p in state]
        keep = {k: v for k, v in vars(self.given).items() if not isinstance(v, Path)}
        note = {"given": keep, "step": self.step, "seconds": round(elapsed())}
        save(self.average, self.arrays, self.given.out, note)
        say(f"saved {self.given.out.name}, {self.given.out.stat().st_size:,} bytes")


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
    add("--workers", type=int, default=3, help="processes that draw sub-words")
    add("--width", type=int, default=256)
    add("--heads", type=int, default=4)
    add("--encoder-layers", type=int, default=6)
    add("--decoder-layers", type=int, default=2)
    add("--hidden", type=int, default=768)
    add("--tokens", type=int, default=16384, help="padded target symbols per batch")
    add("--rate", type=float, default=2e-3)
    add("--weight-decay", type=float, default=0.05)
    add("--warm-up", type=int, default=400)
    add("--decay", type=float, default=0.999, help="of the averaged weights")
    add("--save-every", type=float, default=80)
    add("--sentences", type=int, default=100, help="of each group, for a look at what is saved")
    add("--compile", action=argparse.BooleanOptionalAction, default=torch.cuda.is_available())
    add("--compile-seconds", type=float, default=100)
    add("--seed", type=int, default=0)
    add("--rehearse", action="store_true")
    add("--segment", type=Path, help=argparse.SUPPRESS)
    add("--first", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    for name, value in VARIANTS[given.variant].items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    if given.rehearse:
        tiny = {"width": 32, "hidden": 64, "encoder_layers": 2, "decoder_layers": 1, "heads": 2}
        times = {"seconds": 60.0, "save_every": 20.0, "reserve": 5.0}
        vars(given).update(tiny, **times, tokens=2048, sentences=8, workers=1)
    return given


def main() -> None:
    given = read_arguments()
    if given.segment:
        segment(given.data, given.segment, given.bpe_dropout, given.first, given.workers, 45)
        return
    torch.set_float32_matmul_precision("high")
    if torch.cuda.is_available():
        torch.backends.cuda.enable_cudnn_sdp(False)  # it would plan anew for every shape
    training = Training(given)
    training.run()
    say("done")


if __name__ == "__main__":
    main()
