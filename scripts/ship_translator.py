"""Add a trained translator to the shipped models, in int8, with a card.

python scripts/ship_translator.py FILE.safetensors en-zh-help --summary "..." --fact minutes=9
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from ship import count_parameters, parse_value
from translator_file import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from smalti.core.checkpoint import SHIPPED_FOLDER, save
from smalti.core.protocols import Card
from smalti.translation import Beam, SubwordTokenizer
from smalti.translation.model import build_translator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("name")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument("--summary", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--fact", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    network, models = load(args.file)
    source, target = SubwordTokenizer(models["source"]), SubwordTokenizer(models["target"])
    model = build_translator(network, source, target, sampler=Beam(args.beam, args.penalty))
    facts = {k: parse_value(v) for k, v in (fact.split("=", 1) for fact in args.fact)}
    card = Card(
        args.name, args.summary, args.data, {**facts, "parameters": count_parameters(model)}
    )
    print(save(model, SHIPPED_FOLDER / args.name, card, torch.int8))


if __name__ == "__main__":
    main()
