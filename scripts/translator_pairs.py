"""Training pairs of a translator: batches, and random segmentations into subwords."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from smalti.translation.tokenizer import PAD, UNK

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
"""Lengths that the sides of a batch are padded to; longer sentences are skipped."""


def count_pieces(model: np.ndarray) -> int:
    """Count the pieces of a sentencepiece model without the package: its fields of number 1."""
    data, at, count = model.tobytes(), 0, 0
    while at < len(data) and data[at] == 0x0A:
        size, shift, at = 0, 0, at + 1
        while data[at] > 127:
            size, shift, at = size | (data[at] & 127) << shift, shift + 7, at + 1
        count, at = count + 1, at + 1 + (size | data[at] << shift)
    return count


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

    def make_batch(self, rows: Tensor, length: int, sizes: Tensor) -> Tensor:
        """(B, length) int64, padded. rows, sizes: (B,) which sentences and their lengths."""
        places = torch.arange(length, device=rows.device)
        index = (self.starts[rows][:, None] + places).clamp_(max=len(self.symbols) - 1)
        return torch.where(places < sizes[:, None], self.symbols[index].long(), PAD)


class Pairs(NamedTuple):
    """Training pairs under one segmentation."""

    source: Side
    target: Side

    def make_batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """(B, S) and (B, T), padded to the next of LENGTHS."""
        device = self.source.symbols.device
        sizes = [side.lengths[rows] for side in self]
        moved = torch.from_numpy(np.stack([rows, *sizes]))
        if device.type == "cuda":
            moved = moved.pin_memory().to(device, non_blocking=True)
        source, target = (
            side.make_batch(moved[0], pad_length(size.max()), moved[k])
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


def compute_batch_size(tokens: int, length: int) -> int:
    return max(8, tokens // length // 8 * 8)


def plan_epoch(
    pairs: Pairs, kinds: np.ndarray, weights: tuple[float, ...], tokens: int, random: Any
) -> list[np.ndarray]:
    """Plan one epoch in random order: batches of similar lengths, at most `tokens` per side."""
    share = np.array([*weights, 0.0])[kinds]
    count = np.floor(share + random.random(len(kinds))).astype(np.int64)
    rows = random.permutation(np.repeat(np.arange(len(kinds)), count))
    sizes = np.stack([np.searchsorted(LENGTHS, side.lengths[rows]) for side in pairs])
    rows, sizes = rows[sizes.max(0) < len(LENGTHS)], sizes[:, sizes.max(0) < len(LENGTHS)]
    order = np.lexsort((sizes[0], sizes.max(0)))  # by the longer side, then by the source
    rows, longer = rows[order], sizes.max(0)[order]
    batches = []
    for k, length in enumerate(LENGTHS):
        own, size = rows[longer == k], compute_batch_size(tokens, length)
        first = random.integers(size)  # so that the dropped remainder changes
        batches += [own[i : i + size] for i in range(first, len(own) - size + 1, size)]
    return [batches[k] for k in random.permutation(len(batches))]


# ---------------------------------------------------------------- random segmentations


def segment(data: Path, folder: Path, dropout: float, first: int, step: int, most: int) -> None:
    """Write segmentations first, first + step, ... into the folder; runs in its own process."""
    import sentencepiece

    arrays, parent = np.load(data / "pairs.npz"), os.getppid()
    codecs, texts = {}, {}
    for side in ("source", "target"):
        codec = sentencepiece.SentencePieceProcessor(model_proto=arrays[f"{side}_model"].tobytes())
        symbols, lengths = arrays[f"train_{side}"], arrays[f"train_{side}_lengths"]
        parts = np.split(symbols, np.cumsum(lengths.astype(np.int64))[:-1])
        codecs[side] = codec
        kept = [part[:-1].tolist() for part in parts]
        # Text behind <unk> is lost: such sentences keep their segmentation.
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
    """Serves new segmentations; the one in `pairs.npz` until the first is written."""

    def __init__(
        self,
        options: argparse.Namespace,
        plain: Pairs,
        device: torch.device,
        say: Callable[[str], None],
    ):
        self.say = say
        self.plain, self.device, self.processes, self.seen = plain, device, [], 0
        self.folder = Path(tempfile.mkdtemp(prefix="segments-"))
        if not options.bpe_dropout:
            return
        script = Path(__file__).with_name("train_translator.py")
        me = [
            sys.executable,
            str(script),
            "--data",
            str(options.data),
            "--segment",
            str(self.folder),
        ]
        me += ["--bpe-dropout", str(options.bpe_dropout), "--workers", str(options.workers)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        for k in range(options.workers):
            one = [*me, "--first", str(k)]
            self.processes.append(subprocess.Popen(["nice", "-n", "10", *one], env=environment))

    def draw_pairs(self, random: Any) -> Pairs:
        """Read the newest unused segmentation, or else a random used one."""
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
            self.say(f"segmentation {path.name} is not readable ({error}); skipped")
            return self.plain

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for path in self.folder.glob("*"):
            path.unlink()
        self.folder.rmdir()
