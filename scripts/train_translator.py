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
import tempfile  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from translator_file import save  # noqa: E402

from smalti.translation.transformer import Transformer, TransformerConfig  # noqa: E402
from smalti.translation.vocabulary import BOS, PAD, UNK  # noqa: E402

PROSE = (
    "libreoffice-help",
    "debian-reference",
    "debian-handbook",
    "gnome-apps-help",
    "mate-apps-help",
    "kicad-doc",
    "debmake-doc",
    "gnome-user-docs",
    "maint-guide",
    "debian-faq",
    "debian-edu",
    "gimp-help",
    "lilypond-doc",
)
GAMES = ("mo:cataclysm-dda-data", "mo:wesnoth-1.16-data")
LENGTHS = (8, 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192)
"""Lengths that either side of a batch is padded to; longer sentences are not trained on."""
PHASES = ((0.0, (2.0, 1.0, 0.5)), (0.7, (1.0, 0.25, 0.05)))
"""From which share of the time on, how often prose, messages and games stand in a pass."""
PLAIN_FROM = 0.88
"""From this share of the time on, sub-words are split as they will be in use."""
VARIANTS: dict[str, dict[str, float]] = {
    "a": {"dropout": 0.25, "r_drop": 0.0},
    "b": {"dropout": 0.2, "r_drop": 4.0},
}


def count_pieces(model: np.ndarray) -> int:
    """Pieces of a sentencepiece model, without the package: they are its fields of number 1."""
    data, at, count = model.tobytes(), 0, 0
    while at < len(data) and data[at] == 0x0A:
        size, shift, at = 0, 0, at + 1
        while data[at] > 127:
            size, shift, at = size | (data[at] & 127) << shift, shift + 7, at + 1
        count, at = count + 1, at + 1 + (size | data[at] << shift)
    return count


def elapsed() -> float:
    return time.monotonic() - START


def say(text: str) -> None:
    print(f"{elapsed():6.1f} s  {text}", flush=True)


def leave() -> None:
    """End on time, come what may: what is saved by then is whole."""
    say("time is up")
    os._exit(0)


# ---------------------------------------------------------------- data


class Side(NamedTuple):
    """One language of all pairs: symbols in a row, where each sentence begins, its length."""

    symbols: Tensor  # (all,) int32
    starts: Tensor  # (n,) int64
    lengths: np.ndarray  # (n,)

    @classmethod
    def read(cls, symbols: np.ndarray, lengths: np.ndarray, device: torch.device) -> Side:
        lengths = lengths.astype(np.int64)
        starts = torch.from_numpy(np.cumsum(lengths) - lengths).to(device)
        return cls(torch.from_numpy(symbols.astype(np.int32)).to(device), starts, lengths)

    def batch(self, rows: Tensor, length: int, sizes: Tensor) -> Tensor:
        """(B, length) int64, padded. rows, sizes: (B,) which sentences and their lengths."""
        places = torch.arange(length, device=rows.device)
        index = (self.starts[rows][:, None] + places).clamp_(max=len(self.symbols) - 1)
        return torch.where(places < sizes[:, None], self.symbols[index].long(), PAD)


class Pairs(NamedTuple):
    """Training pairs under one segmentation."""

    source: Side
    target: Side

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """(B, S) and (B, T), padded to the next of LENGTHS."""
        device = self.source.symbols.device
        sizes = [side.lengths[rows] for side in self]
        moved = torch.from_numpy(np.stack([rows, *sizes]))
        if device.type == "cuda":
            moved = moved.pin_memory().to(device, non_blocking=True)
        source, target = (
            side.batch(moved[0], pad_length(size.max()), moved[k])
            for k, (side, size) in enumerate(zip(self, sizes, strict=True), 1)
        )
        return source, target


def pad_length(length: int) -> int:
    return LENGTHS[int(np.searchsorted(LENGTHS, length))]


def read_pairs(arrays: Any, split: str, device: torch.device) -> Pairs:
    names = [f"{split}_{side}" for side in ("source", "target")]
    return Pairs(*(Side.read(arrays[n], arrays[f"{n}_lengths"], device) for n in names))


def read_kinds(arrays: Any) -> np.ndarray:
    """0 for prose, 1 for messages, 2 for games, 3 for games' pairs that hold <unk>: (n,)."""
    names = [str(name) for name in arrays["names"]]
    table = np.array([0 if n in PROSE else 2 if n in GAMES else 1 for n in names])
    kinds = table[arrays["train_name"]]
    lengths = arrays["train_target_lengths"].astype(np.int64)
    unknown = np.add.reduceat(arrays["train_target"] == UNK, np.cumsum(lengths) - lengths) > 0
    return np.where(unknown & (kinds == 2), 3, kinds)


def batch_size(tokens: int, length: int) -> int:
    return max(8, tokens // length // 8 * 8)


def plan_pass(
    pairs: Pairs, kinds: np.ndarray, weights: tuple[float, ...], tokens: int, random: Any
) -> list[np.ndarray]:
    """The batches of one pass in random order: rows of like length, at most `tokens` of a side."""
    share = np.array([*weights, 0.0])[kinds]
    count = np.floor(share + random.random(len(kinds))).astype(np.int64)
    rows = random.permutation(np.repeat(np.arange(len(kinds)), count))
    sizes = np.stack([np.searchsorted(LENGTHS, side.lengths[rows]) for side in pairs])
    rows, sizes = rows[sizes.max(0) < len(LENGTHS)], sizes[:, sizes.max(0) < len(LENGTHS)]
    order = np.lexsort((sizes[0], sizes.max(0)))  # by the longer side, then by the source
    rows, longer = rows[order], sizes.max(0)[order]
    batches = []
    for k, length in enumerate(LENGTHS):
        own, size = rows[longer == k], batch_size(tokens, length)
        first = random.integers(size)  # so that not always the same ones are left over
        batches += [own[i : i + size] for i in range(first, len(own) - size + 1, size)]
    return [batches[k] for k in random.permutation(len(batches))]


# ---------------------------------------------------------------- sub-words drawn anew


def segment(data: Path, folder: Path, dropout: float, first: int, step: int, most: int) -> None:
    """Write segmentations first, first + step, ... into the folder, in a process of its own."""
    import sentencepiece

    arrays, parent = np.load(data / "pairs.npz"), os.getppid()
    codecs, texts = {}, {}
    for side in ("source", "target"):
        codec = sentencepiece.SentencePieceProcessor(model_proto=arrays[f"{side}_model"].tobytes())
        symbols, lengths = arrays[f"train_{side}"], arrays[f"train_{side}_lengths"]
        parts = np.split(symbols, np.cumsum(lengths.astype(np.int64))[:-1])
        codecs[side] = codec
        kept = [part[:-1].tolist() for part in parts]
        # What <unk> stood for is gone: such sentences keep their segmentation.
        texts[side] = kept, [None if UNK in part else codec.decode(part) for part in kept]
    for number in range(first, most, step):
        sentencepiece.set_random_generator_seed(number)
        drawn = {}
        for side, codec in codecs.items():
            kept, text = texts[side]
            rows = codec.encode(
                [one or "" for one in text], enable_sampling=True, alpha=dropout, num_threads=1
            )
            rows = [
                row if one and len(row) < 191 else old
                for row, one, old in zip(rows, text, kept, strict=True)
            ]
            lengths = np.array([len(row) + 1 for row in rows], np.uint16)
            flat = np.full(int(lengths.sum(dtype=np.int64)), 3, np.uint16)  # </s> at the ends
            mask = np.ones(len(flat), bool)
            mask[np.cumsum(lengths.astype(np.int64)) - 1] = False
            flat[mask] = np.concatenate([np.array(row, np.uint16) for row in rows])
            drawn |= {f"train_{side}": flat, f"train_{side}_lengths": lengths}
        name = folder / f"{number:03d}.npz"
        np.savez(name.with_suffix(".tmp.npz"), **drawn)
        name.with_suffix(".tmp.npz").rename(name)
        if os.getppid() != parent:
            return


class Segmentations:
    """Segmentations as they come; the one in `pairs.npz` until the first is there."""

    def __init__(self, given: argparse.Namespace, plain: Pairs, device: torch.device):
        self.plain, self.device, self.processes, self.seen = plain, device, [], 0
        self.folder = Path(tempfile.mkdtemp(prefix="segments-"))
        if not given.bpe_dropout:
            return
        me = [sys.executable, __file__, "--data", str(given.data), "--segment", str(self.folder)]
        me += ["--bpe-dropout", str(given.bpe_dropout), "--workers", str(given.workers)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        for k in range(given.workers):
            one = [*me, "--first", str(k)]
            self.processes.append(subprocess.Popen(["nice", "-n", "10", *one], env=environment))

    def draw(self, random: Any) -> Pairs:
        """The newest segmentation that was not used yet, else one of those that were."""
        there = sorted(self.folder.glob("[0-9][0-9][0-9].npz"))
        if not there:
            return self.plain
        fresh = len(there) > self.seen
        path = there[-1] if fresh else there[random.integers(len(there))]
        self.seen = len(there)
        try:
            with np.load(path) as arrays:
                return read_pairs(arrays, "train", self.device)
        except (OSError, ValueError, KeyError) as error:
            say(f"segmentation {path.name} is not readable ({error}); going on without")
            return self.plain

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for path in self.folder.glob("*"):
            path.unlink()
        self.folder.rmdir()


# ---------------------------------------------------------------- loss


def smooth_loss(out: nn.Linear, x: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy with labels smoothed by 0.1, and the plain one, per symbol that is no <pad>."""
    return smooth(out(x).flatten(0, 1).float().log_softmax(-1), gold.flatten())


def r_drop_loss(out: nn.Linear, x: Tensor, gold: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The same, and the divergence between the two halves of the batch.

    They hold the same sentences under other dropout.
    """
    log_p, gold = out(x).flatten(0, 1).float().log_softmax(-1), gold.flatten()
    loss, plain = smooth(log_p, gold)
    one, other = log_p.chunk(2)
    real = (gold.chunk(2)[0] != PAD).float()
    gap = ((one.exp() - other.exp()) * (one - other)).sum(-1)  # both divergences at once
    return loss + weight / 4 * (gap * real).sum() / real.sum(), plain


def smooth(log_p: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
    real = (gold != PAD).float()
    plain = -(log_p.gather(1, gold[:, None])[:, 0] * real).sum() / real.sum()
    spread = -(log_p.mean(-1) * real).sum() / real.sum()
    return 0.9 * plain + 0.1 * spread, plain.detach()


class Step:
    """Loss and gradients of a batch, compiled where that works."""

    def __init__(self, network: Transformer, r_drop: float, compiled: bool):
        self.network, self.r_drop = network, r_drop
        self.weight = torch.tensor(r_drop, device=network.out.weight.device)
        self.layers = [*network.encoder, *network.decoder]
        self.loss, self.double = smooth_loss, r_drop_loss
        if compiled:
            for layer in self.layers:  # layers share their code: few compilations
                layer.compile(dynamic=True)
            self.loss = torch.compile(smooth_loss, dynamic=True)
            self.double = torch.compile(r_drop_loss, dynamic=True)

    def undo(self) -> None:
        """No longer compiled."""
        self.loss, self.double = smooth_loss, r_drop_loss
        for layer in self.layers:
            layer._compiled_call_impl = None
        torch._dynamo.reset()

    def __call__(self, source: Tensor, gold: Tensor, r_drop: bool) -> Tensor:
        """The plain cross-entropy, gradients added to the parameters'."""
        if r_drop:
            source, gold = source.repeat(2, 1), gold.repeat(2, 1)
        start = torch.full_like(gold[:, :1], BOS)
        target = torch.cat([start, gold[:, :-1]], dim=1)
        with torch.autocast(source.device.type, torch.bfloat16):
            memory, mask = self.network.encode(source)
            x, out = self.network.decode(target, memory, mask), self.network.out
            loss, plain = (
                self.double(out, x, gold, self.weight) if r_drop else self.loss(out, x, gold)
            )
        loss.backward()
        return plain


def warm_up(step: Step, given: argparse.Namespace, device: torch.device) -> None:
    """Compile for every shape; give up on compiling when it fails, or takes too long."""

    def stop(*_: object) -> None:
        raise TimeoutError("compiling takes too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, given.compile_seconds, 5)  # again, where it is swallowed
    try:
        for r_drop in (False, True) if step.r_drop else (False,):
            for length in reversed(LENGTHS):
                size = batch_size(given.tokens // 2 if r_drop else given.tokens, length)
                for shorter in (3 * length // 4 // 8 * 8 or 8, length):  # unlike sides first
                    source = torch.randint(4, 999, (size, shorter), device=device)
                    gold = torch.randint(4, 999, (size, length), device=device)
                    source[:, -1:], gold[:, -2:] = PAD, PAD
                    if not math.isfinite(float(step(source, gold, r_drop))):
                        raise ValueError("the loss is not finite")
                say(f"compiled for {size} x {length}{' with R-Drop' * r_drop}")
    except Exception as error:  # a compiler can raise anything
        say(f"going on without compiling: {type(error).__name__}: {str(error)[:200]!r}")
        step.undo()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        step.network.zero_grad(set_to_none=True)


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
        self.segmentations = Segmentations(given, self.plain, self.device)
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
            warm_up(compute, self.given, self.device)
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
