"""Evaluate a file of train_translator.py on held-out pairs, also as it is rounded for shipping.

    python scripts/evaluate_translator.py translator.safetensors FOLDER/valid.jsonl --int8

`smalti evaluate` does the same for shipped models and runs, with all its options.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from translator_file import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
import smalti
from smalti.cli.evaluate import print_report
from smalti.core.int8 import dequantize_weights, quantize_weights
from smalti.data.corpora import SentencePair, read_pairs
from smalti.translation import Beam, SubwordTokenizer, Translator
from smalti.translation.model import build_translator


def load_translator(path: Path, rounded: bool) -> Translator:
    """Load a file of train_translator.py."""
    network, models = load(path)
    model = build_translator(
        network, SubwordTokenizer(models["source"]), SubwordTokenizer(models["target"])
    )
    if rounded:
        model.load_state_dict(dequantize_weights(quantize_weights(model.state_dict())))
    return model


def thin_out(pairs: list[SentencePair], limit: int) -> list[SentencePair]:
    """Every k-th sentence of each corpus, at most `limit` of each."""
    kept = []
    for name in sorted({pair.corpus for pair in pairs}):
        group = [pair for pair in pairs if pair.corpus == name]
        kept += group[:: max(1, len(group) // limit)][:limit]
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--width", type=int, default=4, help="beam size")
    parser.add_argument("--penalty", type=float, default=2.0, help="length penalty")
    parser.add_argument("--int8", action="store_true", help="round the weights as for shipping")
    parser.add_argument("--limit", type=int, help="sentences of each corpus")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pairs = read_pairs(options.data)
    print_report(
        smalti.evaluate(
            load_translator(options.model, options.int8),
            thin_out(pairs, options.limit) if options.limit else pairs,
            ["bleu", "chrf", "tokens"],
            sampler=Beam(options.width, options.penalty),
            name=options.model.name,
        )
    )


if __name__ == "__main__":
    main()
