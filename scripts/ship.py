"""Add a trained run to the shipped models, in float16 or int8, with a card.

python scripts/ship.py runs/ddpm-digits ddpm-digits --summary "..." --data "..." --fact minutes=60
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

import torch

import smalti
from smalti.autoregressive import Autoregressive
from smalti.core.checkpoint import SHIPPED_FOLDER, read_card, save
from smalti.core.protocols import Card
from smalti.diffusion import Diffusion


def parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("name")
    parser.add_argument("--summary", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--guidance", type=float, help="guidance of the default sampler")
    parser.add_argument(
        "--top-p", type=float, help="top-p of the default sampler; autoregressive models only"
    )
    parser.add_argument("--int8", action="store_true", help="matrices as int8 with scales")
    parser.add_argument("--fact", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    model = smalti.load(args.run)
    changes = {}
    if isinstance(model, Diffusion | Autoregressive):
        changes["guidance"] = args.guidance
    if isinstance(model, Autoregressive):
        changes["top_p"] = args.top_p
    changes = {name: value for name, value in changes.items() if value is not None}
    if changes:
        config: Any = model.config
        sampler = dataclasses.replace(config.sampler, **changes)
        setattr(model, "config", dataclasses.replace(config, sampler=sampler))  # noqa: B010
    new_facts = {k: parse_value(v) for k, v in (fact.split("=", 1) for fact in args.fact)}
    run_facts = {
        k: v for k, v in read_card(args.run).facts.items() if v is not None and k != "step"
    }
    facts = {**run_facts, "parameters": count_parameters(model), **new_facts}
    card = Card(name=args.name, summary=args.summary, data=args.data, facts=facts)
    dtype = torch.int8 if args.int8 else torch.float16
    print(save(model, SHIPPED_FOLDER / args.name, card, dtype))


def count_parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


if __name__ == "__main__":
    main()
