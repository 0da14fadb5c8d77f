"""Train a translator as `en-zh-help` was: all sources first, mostly prose towards the end.

    python scripts/train_translator.py pairs.jsonl.xz --out runs/en-zh-help --seconds 14400
    python scripts/train_translator.py pairs.jsonl.xz --out runs/en-zh-help --resume

It is the recipe `translate` with other data: how often a source is seen depends on the step, and
the last eighth has no BPE-dropout. The split is that of prepare_translation.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from prepare_translation import GAMES, PROSE, split_help_pages
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from smalti.cli.event_printer import EventPrinter
from smalti.core.protocols import Batch
from smalti.data.corpora import SentencePair, read_pairs
from smalti.data.sentence_pairs import TextCodec, TextPairs
from smalti.data.shuffle import ShuffledTokenBatches
from smalti.recipes.translation import make_translator
from smalti.training import RunRecord, Training, read_run, resume, run
from smalti.training.device import build_fabric
from smalti.training.timing import probe_step_time
from smalti.translation import Beam, train_tokenizer
from smalti.translation.vocabularies import Vocabularies, make_text_pairs


class Phase(NamedTuple):
    """A part of the training."""

    first: float  # fraction of the steps at which it begins
    counts: tuple[int, int, int]  # relative frequency of prose, messages and games
    plain: bool = False  # without BPE-dropout


PHASES = Phase(0, (4, 2, 1)), Phase(0.7, (20, 5, 1)), Phase(0.88, (20, 5, 1), plain=True)


@dataclass(frozen=True, eq=False)
class PhasedPairs:
    """Pairs whose frequencies change with the step. Indices of n and above are without dropout."""

    pairs: TextPairs
    kinds: np.ndarray
    """(n,) 0 for prose, 1 for messages, 2 for games."""
    steps: int
    name: str = "help pages and messages"
    item_name: ClassVar[str] = "sentence pair"

    @property
    def source_tokenizer(self) -> TextCodec:
        return self.pairs.source_tokenizer

    @property
    def target_tokenizer(self) -> TextCodec:
        return self.pairs.target_tokenizer

    def __len__(self) -> int:
        return len(self.pairs)

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        if indices[0] < len(self):
            return self.pairs.make_batch(indices, device)
        return self.pairs.tokenized.make_batch(indices - len(self), device)

    def plan_batches(self, seed: int, batch_size: int) -> PhasedOrder:
        return PhasedOrder(self, seed, batch_size)

    def split_indices(self, batch_size: int) -> tuple[Tensor, ...]:
        return self.pairs.split_indices(batch_size)

    def compute_fingerprint(self) -> str:
        return self.pairs.compute_fingerprint()


class PhasedOrder:
    """The batches of every step."""

    def __init__(self, data: PhasedPairs, seed: int, batch_size: int):
        self.data, self.seed, self.batch_size = data, seed, batch_size
        self.orders = {phase: self.plan_phase(phase) for phase in PHASES}

    def select_indices(self, step: int) -> Tensor:
        phase = max(p for p in PHASES if step >= p.first * self.data.steps)
        rows, order = self.orders[phase]
        indices = rows[order.select_indices(step)]
        return indices + len(self.data) if phase.plain else indices

    def plan_phase(self, phase: Phase) -> tuple[Tensor, ShuffledTokenBatches]:
        kinds, pairs = self.data.kinds, self.data.pairs
        rows = np.repeat(np.arange(len(kinds)), np.array(phase.counts)[kinds])
        lengths = (pairs.tokenized if phase.plain else pairs).max_lengths[rows]
        return torch.from_numpy(rows), ShuffledTokenBatches(lengths, self.batch_size, self.seed)


def learn_vocabularies(pairs: Sequence[SentencePair]) -> Vocabularies:
    """5,000 and 6,000 subwords of prose, twice, and messages, without games."""
    text = [pair for pair in pairs if pair.corpus not in GAMES]
    text += [pair for pair in pairs if pair.corpus in PROSE]
    return Vocabularies(
        train_tokenizer((pair.source for pair in text), 5000, character_coverage=0.9999),
        train_tokenizer(
            (pair.target for pair in text), 6000, character_coverage=0.9997, add_dummy_prefix=False
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/en-zh-help"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seconds", type=float, default=4 * 3600, help="if steps are not given")
    parser.add_argument("--r-drop", type=float, default=0.0)
    parser.add_argument("--dropout", type=float, default=0.25)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--batch-size", type=int, default=16384, help="tokens")
    parser.add_argument("--save-every", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    splits = split_help_pages(read_pairs(options.pairs))
    vocabularies = learn_vocabularies(splits.train)
    train = make_text_pairs(splits.train, vocabularies, "train", 190, dropout=0.1)
    valid = make_text_pairs(splits.valid, vocabularies, "valid", 190)
    corpora = {pair.source: pair.corpus for pair in splits.train}
    names = [corpora[text] for text in train.source_texts]
    kinds = np.array([0 if n in PROSE else 2 if n in GAMES else 1 for n in names])
    training = Training(
        steps=options.steps,
        batch_size=options.batch_size,
        weight_decay=0.05,
        warmup=400,
        save_every=options.save_every,
        seed=options.seed,
    )
    config = make_translator(
        train,
        ("en", "zh"),
        width=options.width,
        feed_forward_width=options.hidden,
        dropout=options.dropout,
    )
    config = replace(config, r_drop=options.r_drop, sampler=Beam(length_penalty=2.0))
    with EventPrinter() as printer:
        if options.resume:
            steps = read_run(options.out).training.steps or 1
            resume(options.out, PhasedPairs(train, kinds, steps), valid, on_event=printer)
            return
        if options.steps is None:
            record = RunRecord(config, training, options.out, {})
            seconds = probe_step_time(build_fabric(training), record, train, 10.0).seconds
            training = replace(training, steps=max(1, round(0.95 * options.seconds / seconds)))
        data = PhasedPairs(train, kinds, training.steps or 1)
        run(config, data, valid, training, options.out, on_event=printer)


if __name__ == "__main__":
    main()
