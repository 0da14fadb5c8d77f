"""A small deterministic player, and callbacks that can be sent to other processes."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smalti.core.config import TAGS
from smalti.core.protocols import Batch, Loss
from smalti.data.codes import Codes, encode_pictures
from smalti.data.pictures import Pictures
from smalti.data.sentence_pairs import SentencePairs, join_sentences
from smalti.diffusion import DDIM, DiffusionConfig, UNetConfig
from smalti.training.events import Event, Stepped

TAGS["toy"] = "tests.toys:ToyConfig"
TAGS["token-toy"] = "tests.toys:TokenToyConfig"


@dataclass(frozen=True)
class ToyConfig:
    """Faults of the toy, by step; -1 is never."""

    nan_loss: int = -1
    nan_gradient: int = -1
    trace_folder: str = ""
    """Folder where every process saves its weights before each step."""
    max_pictures: int = 0
    """Pictures that fit into memory; 0 for any number, -1 for none."""
    failing_rank: str = ""
    """The process with that limit; empty for all."""
    error_message: str = "CUDA out of memory"
    """Message of the out-of-memory error."""
    exploding: int = -1
    """The step whose loss is multiplied by 1000."""
    marker_file: str = ""
    """A file made at the first fault; while it exists there are no faults."""

    def build(self) -> Toy:
        return Toy(self)


class Toy(nn.Module):
    """Learns the brightness of 8x8 pictures, with a deterministic loss."""

    def __init__(self, config: ToyConfig):
        super().__init__()
        self.config = config
        self.layer = nn.Linear(64, 1)

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        if self.config.trace_folder:
            rank = os.environ.get("LOCAL_RANK", "0")
            weights = self.layer.weight.detach().numpy()
            np.save(Path(self.config.trace_folder) / f"{rank}-{step}.npy", weights)
        pictures = batch.require_pictures()
        if (
            self.config.max_pictures
            and self.config.max_pictures < len(pictures)
            and self.is_affected()
        ):
            torch.rand(3)  # must be drawn again in the retry
            raise RuntimeError(self.config.error_message)
        x = pictures.flatten(1)  # (B, 64)
        total = (self.layer(x).squeeze(1) - x.mean(1)).square().mean()
        if self.should_misbehave(step == self.config.nan_gradient):
            total = total + (0 * self.layer.weight).sqrt().sum()  # 0, with a slope of 0 times inf
        if self.should_misbehave(step == self.config.nan_loss):
            total = total * float("nan")
        if self.should_misbehave(step == self.config.exploding):
            total = total * 1000
        return Loss(total, {"half": total.detach() / 2})

    def is_affected(self) -> bool:
        return self.config.failing_rank in ("", os.environ.get("LOCAL_RANK", "0"))

    def should_misbehave(self, now: bool) -> bool:
        if not now or not self.config.marker_file:
            return now
        first = not Path(self.config.marker_file).exists()
        Path(self.config.marker_file).touch()
        return first


@dataclass(frozen=True)
class TokenToyConfig:
    """A toy over tokens: symbols of codes, or of sentence pairs."""

    def build(self) -> TokenToy:
        return TokenToy(self)


class TokenToy(nn.Module):
    """Learns a number for each of 32 tokens, with a deterministic mean loss over tokens."""

    def __init__(self, config: TokenToyConfig):
        super().__init__()
        self.config = config
        self.table = nn.Embedding(32, 1)

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        if batch.codes is not None:
            total = self.errors(batch.codes).mean()
            return Loss(total, {"half": total.detach() / 2})
        assert batch.pairs is not None
        source, target = batch.pairs
        real = target != 0
        ends = self.table(source[:, 0])  # (B, 1)
        total = ((self.errors(target) + ends.square()) * real).sum() / real.sum()
        return Loss(total, {"half": total.detach() / 2}, weight=real.sum())

    def errors(self, tokens: Tensor) -> Tensor:
        return (self.table(tokens).squeeze(-1) - tokens / 32).square()


TINY = DiffusionConfig(
    shape=(1, 8, 8),
    network=UNetConfig(widths=(8,), blocks=1, attention=(True,), heads=2, groups=4, dropout=0.1),
    sampler=DDIM(steps=2),
)
"""A diffusion model, whose loss draws noise, levels and dropout."""


def make_pictures(n: int = 24, seed: int = 0) -> Pictures:
    """n gray 8x8 pictures of noise."""
    g = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=g)
    return Pictures(pixels, None, (), f"noise-{seed}")


NO_PICTURES = Pictures(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), None, (), "none")


def make_pairs(n: int = 40, seed: int = 0) -> SentencePairs:
    """n pairs of 1 to 12 tokens a side, of 31 symbols."""
    g = np.random.default_rng(seed)
    sides = [[g.integers(1, 32, g.integers(1, 13)).tolist() for _ in range(n)] for _ in range(2)]
    return SentencePairs(join_sentences(sides[0]), join_sentences(sides[1]), f"pairs-{seed}")


def make_codes(n: int = 24, seed: int = 0) -> Codes:
    """n pictures as 4x4 codes, the mean levels of 2x2 pixels."""
    return encode_pictures(
        make_pictures(n, seed), MeanCodec(), "means", torch.device("cpu"), batch_size=10
    )


class MeanCodec:
    """A codec with 32 symbols: the brightness of 2x2 pixels."""

    vocab_size, symbol_values = 32, None

    def compute_code_shape(self, size: tuple[int, int]) -> tuple[int, int]:
        return size[0] // 2, size[1] // 2

    def encode(self, x: Tensor) -> Tensor:
        return (nn.functional.avg_pool2d(x, 2)[:, 0] * 31).round().long()  # (N, h, w)

    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        return (codes / 31)[:, None].repeat_interleave(2, 2).repeat_interleave(2, 3)


class EventRecorder:
    """Records a run's events."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def select_events(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class InterruptAfterStep(EventRecorder):
    """Sends a signal to its process after `step`."""

    def __init__(self, step: int, signal_number: int = signal.SIGINT):
        super().__init__()
        self.step, self.signal_number = step, signal_number

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, Stepped) and event.step == self.step:
            os.kill(os.getpid(), self.signal_number)


class KillAfterStep(EventRecorder):
    """Raises PowerCut after `step`, to simulate a power failure."""

    def __init__(self, step: int):
        super().__init__()
        self.step = step

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, Stepped) and event.step == self.step:
            raise PowerCut


class PowerCut(Exception):
    pass


def are_equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two sets of weights are the same bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class EventLog:
    """Writes events to a file, for a run in another process; can stop it once."""

    def __init__(self, path: Path, stop: int = 0):
        self.path, self.stop = path, stop

    def __call__(self, event: Event) -> None:
        with self.path.open("a") as file:
            file.write(f"{type(event).__name__} {getattr(event, 'step', '')}\n")
        if isinstance(event, Stepped) and event.step == self.stop:
            os.kill(os.getpid(), signal.SIGINT)

    def read_lines(self) -> list[str]:
        return [line.strip() for line in self.path.read_text().splitlines()]
