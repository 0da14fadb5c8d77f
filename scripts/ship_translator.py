"""Write a trained translator in int8, with a card: into the shipped models, or anywhere.

python scripts/ship_translator.py runs/en-zh-help en-zh-help --summary "..." --fact minutes=9
python scripts/ship_translator.py runs/en-zh-help rounded --folder /tmp     # to evaluate it first
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from ship import count_parameters, parse_value

import smalti
from smalti.core.checkpoint import SHIPPED_FOLDER, read_card, save
from smalti.core.protocols import Card
from smalti.translation import Beam


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path, default=SHIPPED_FOLDER)
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--penalty", type=float, default=2.0)
    parser.add_argument("--summary", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--fact", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    model = smalti.load(args.run)
    model.config = replace(model.config, sampler=Beam(args.beam, args.penalty))
    facts = {k: parse_value(v) for k, v in (fact.split("=", 1) for fact in args.fact)}
    facts = {**read_card(args.run).facts, **facts}
    card = Card(
        args.name, args.summary, args.data, {**facts, "parameters": count_parameters(model)}
    )
    print(save(model, args.folder / args.name, card, torch.int8))


if __name__ == "__main__":
    main()
