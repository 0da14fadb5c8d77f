"""Put a trained translator among the shipped models, int8, with its card.

python scripts/ship_translator.py FILE.safetensors en-zh-help --summary "..." --fact minutes=9
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from ship import count, value
from translator_file import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from smalti.core.checkpoint import SHIPPED, save
from smalti.core.protocols import Card
from smalti.translation import Beam, Subwords
from smalti.translation.model import assemble


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
    source, target = Subwords(models["source"]), Subwords(models["target"])
    model = assemble(network, source, target, sampler=Beam(args.beam, args.penalty))
    facts = {k: value(v) for k, v in (fact.split("=", 1) for fact in args.fact)}
    card = Card(args.name, args.summary, args.data, {**facts, "parameters": count(model)})
    print(save(model, SHIPPED / args.name, card, torch.int8))


if __name__ == "__main__":
    main()
