"""One prior over the codes of digits: its config, and what is measured of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import smalti
from benchmarks._judge import classify, compute_training_moments, judge
from smalti.autoregressive import (
    AutoregressiveConfig,
    FrozenCodec,
    GPTConfig,
    Levels,
    build_config,
)
from smalti.core.fingerprint import hash_model
from smalti.core.rng import Rng
from smalti.data import digit_pictures
from smalti.data.codes import Codes, encode_pictures
from smalti.data.source import Split
from smalti.evaluation.bootstrap import compute_spread, draw_resamples
from smalti.evaluation.cost import count_parameters
from smalti.evaluation.frechet import bootstrap_frechet
from smalti.layers.condition_encoder import make_choices
from smalti.pixelcnn import GatedPixelCNNConfig

CODEC = "vqvae-digits"
PIXELS = "pixels"
"""The codec's name for no codec: pixels of 8 levels, as `gated-pixelcnn-digits-8` has."""
BATCH_SIZE = 100  # pictures scored or drawn at a time
TIMED_SAMPLES = 64
MIDDLE = GatedPixelCNNConfig(width=64, head_width=32, blocks=6, first_kernel_size=5)
GPT_SIZE = GPTConfig(layers=4, heads=4, width=128, dropout=0.0)
NETWORKS: dict[str, Any] = {
    "p 32, linear 32": replace(MIDDLE, width=32),
    "p 64, linear 32": MIDDLE,
    "p 128, linear 32": replace(MIDDLE, width=128),
    "p 64, linear 16": replace(MIDDLE, head_width=16),
    "p 64, linear 64": replace(MIDDLE, head_width=64),
    "p 64, linear 32, numbers": MIDDLE,
    "GPT": GPT_SIZE,
}
"""Networks by the name of their row; "numbers" feeds codes as numbers."""


@dataclass(frozen=True)
class Prior:
    """A row: a network over a codec's codes."""

    network: str
    """Key of `NETWORKS`."""
    codec: str = CODEC
    """A VQ-VAE or VQGAN of digits, or `PIXELS`."""

    @property
    def name(self) -> str:
        return f"{self.network}, {Path(self.codec).name}"

    def build_config(self) -> AutoregressiveConfig:
        """Build the model's config; numbers are the levels of a picture as small as the grid."""
        codec, conditions = choose_codec(self.codec), make_choices(tuple("0123456789"))
        if self.network.endswith("numbers"):
            loaded = load_codec(self.codec)
            h, w = loaded.compute_code_shape(codec.shape[1:])[-2:]
            levels = Levels(loaded.vocab_size, (1, h, w))
            return build_config(levels, NETWORKS[self.network], conditions=conditions)
        return build_config(codec, NETWORKS[self.network], conditions=conditions)


def choose_codec(name: str) -> FrozenCodec | Levels:
    return Levels(8, (1, 28, 28)) if name == PIXELS else FrozenCodec(name)


@cache
def load_codec(name: str) -> Any:
    return choose_codec(name).load()


@cache
def hash_codec(name: str) -> str:
    codec = load_codec(name)
    return repr(codec) if name == PIXELS else hash_model(codec)


@cache
def encode_digits(codec: str, split: Split) -> Codes:
    """Encode the digits of a split with a codec."""
    loaded, device = load_codec(codec), torch.device("cpu")
    with torch.no_grad():
        return encode_pictures(digit_pictures(split), loaded, hash_codec(codec), device)


def measure(row: Prior, model: Any, split: Split, samples: int) -> dict[str, Any]:
    """Score held-out codes, classify samples, and time some."""
    codes, K = encode_digits(row.codec, split), load_codec(row.codec).vocab_size
    nats = score_codes(model, codes)
    labels = torch.arange(samples) % 10
    pictures = draw_digits(row, model, labels)
    return {
        "K": K, "parameters": count_parameters(model), "nats": float(nats.mean()),
        "error": float(nats.std() / len(nats) ** 0.5), "share": float(nats.mean()) / math.log(K),
        "seconds": time_samples(row, model), **judge_digits(pictures, labels),
    }  # fmt: skip


def score_codes(model: Any, codes: Codes) -> Tensor:
    """Nats per code (N,) of each picture, given its class."""
    parts = []
    for rows in codes.split_indices(BATCH_SIZE):
        score = model.score(codes.make_batch(rows, torch.device("cpu")), Rng(rows.tolist()))
        parts.append(score.nats / score.dims)
    return torch.cat(parts)


def draw_digits(row: Prior, model: Any, labels: Tensor) -> Tensor:
    """Draw codes of these classes (n,) and decode them to digits (n, 1, 28, 28)."""
    codec, pictures = load_codec(row.codec), []
    for seeds in torch.arange(len(labels)).split(BATCH_SIZE):
        *_, last = smalti.stream(model, seeds=seeds.tolist(), cond=labels[seeds])
        pictures.append(decode(codec, last.symbols))
    return torch.cat(pictures)


def time_samples(row: Prior, model: Any) -> float:
    """Processor seconds of 64 samples, once; drawing others first compiles what it needs."""
    begun = time.process_time()
    draw_digits(row, model, torch.arange(TIMED_SAMPLES) % 10)
    return time.process_time() - begun


def judge_digits(pictures: Tensor, labels: Tensor) -> dict[str, float]:
    """Class accuracy and Frechet distance of digits, with standard errors over the digits."""
    found = judge(pictures, labels)
    resamples = draw_resamples(len(pictures), labels=labels)
    features = classify(pictures)[1]
    spread = compute_spread(bootstrap_frechet(features, compute_training_moments(), resamples))
    share = found.accuracy
    return {
        "accuracy": share, "accuracy_error": (share * (1 - share) / len(pictures)) ** 0.5,
        "frechet": found.frechet, "frechet_error": spread,
    }  # fmt: skip


def decode(codec: Any, symbols: Tensor) -> Tensor:
    """Decode codes (n, 1, h, w) to digits (n, 1, 28, 28)."""
    size = (28, 28)
    codes = symbols.long().reshape(len(symbols), *codec.compute_code_shape(size))
    with torch.no_grad():
        return codec.decode(codes, size).float()
