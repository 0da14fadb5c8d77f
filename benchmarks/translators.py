"""Translators at equal minutes: vocabulary, width, depth, BPE-dropout, R-Drop, the article's.

    python -m benchmarks.translators pairs.jsonl.xz --steps 1000    # Ctrl-C saves; rerun to resume
    python -m benchmarks.translators pairs.jsonl.xz --rows first "R-Drop 4"

The corpus is the prose of scripts/prepare_translation.py, split by document in the same way. Every
row is the recipe `translate` with one change, trained by the loop of `smalti train`. Rows get equal
processor time of one thread, whatever else runs: the cost of a step of all rows is measured first,
in turns, and a row whose step costs twice as much as the first's gets half of its `--steps`.

Then the averaged weights translate some validation sentences greedily: BLEU and chrF by sacrebleu,
nats per character of the reference after the true words (so that vocabularies of other sizes
compare; not the article's, whose rare words are <unk>), and processor milliseconds per sentence,
relative to the first row's. `raw` is the BLEU of the weights that are not averaged.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric

from benchmarks._machine import describe_machine, format_machine
from benchmarks._translator_rows import ROWS, Row
from smalti.core.files import write_text
from smalti.data.corpora import read_pairs
from smalti.recipes.corpus_recipe import TextSplits
from smalti.training.device import choose_precision
from smalti.training.interrupt import Interrupt
from smalti.training.loop import Loop
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop
from smalti.translation import Beam, CorpusSplits, Translator, prepare_corpus

PROSE = (
    *("libreoffice-help", "debian-reference", "debian-handbook", "gnome-apps-help"),
    *("mate-apps-help", "kicad-doc", "debmake-doc", "gnome-user-docs", "maint-guide"),
    *("debian-faq", "debian-edu", "gimp-help", "lilypond-doc"),
)
UNTESTED = ("gimp-help", "lilypond-doc", "debian-handbook")
TURNS = 10


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(1)
    print(format_machine(machine := describe_machine()), flush=True)
    with Interrupt() as interrupt:
        costs = measure_costs(options, interrupt)
        for name in find_waiting(options):
            while not interrupt.requested and "bleu" not in read_progress(options, name):
                take_turn(
                    name, round(options.steps * costs["first"] / costs[name]), options, interrupt
                )
    print_table(options, machine)
    if waiting := find_waiting(options):
        print(f"Not done: {'; '.join(waiting)}. Run the same command to resume.")


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.translators")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("pairs", type=Path, help="JSON lines of source, doc, en, zh")
    parser.add_argument("--steps", type=int, default=1000, help="steps of the first row")
    parser.add_argument("--slice", type=float, default=120.0, help="seconds between saves")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--sentences", type=int, default=300, help="to translate")
    parser.add_argument("--out", type=Path, default=Path("runs/translators"))
    return parser.parse_args(argv)


# ---------------------------------------------------------------- data


@cache
def read_prose(path: Path) -> CorpusSplits:
    pairs = [pair for pair in read_pairs(path) if pair.corpus in PROSE]
    return prepare_corpus(pairs, ratios={"debian-handbook": 1.7}, train_only=UNTESTED)


@cache
def make_texts(path: Path, name: str) -> TextSplits:
    """Datasets of a row."""
    row, splits = ROWS[name], read_prose(path)
    parts = [splits.train, splits.valid]
    if row.languages[0] != "en":
        parts = [[p._replace(source=p.target, target=p.source) for p in part] for part in parts]
    return row.build_recipe().make_splits(parts[0], parts[1], row.languages)


# ---------------------------------------------------------------- training


def locate_row(options: argparse.Namespace, name: str) -> Path:
    slug = re.sub(r"\W+", "-", f"{name} {options.steps} steps").strip("-").lower()
    return options.out / slug


def find_waiting(options: argparse.Namespace) -> list[str]:
    return [name for name in options.rows if "bleu" not in read_progress(options, name)]


def read_progress(options: argparse.Namespace, name: str) -> dict[str, Any]:
    path = locate_row(options, name) / "progress.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def measure_costs(options: argparse.Namespace, interrupt: Interrupt) -> dict[str, float]:
    """Processor seconds of a step of each row, the median of rounds in which all take turns."""
    path = options.out / "costs.json"
    costs = json.loads(path.read_text()) if path.is_file() else {}
    if costs.keys() >= {"first", *options.rows}:
        return costs
    names = ["first", *(name for name in options.rows if name != "first")]
    loops = {n: start_row(ROWS[n], make_texts(options.pairs, n), 10**6) for n in names}
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(TURNS + 1):
        for name, loop in loops.items():
            begun = time.process_time()
            loop.run_step()
            taken[name].append(time.process_time() - begun)
            if interrupt.requested:
                raise SystemExit("interrupted before the costs were measured")
        print(f"turn {turn} of {TURNS}", flush=True)
    costs = {name: median(seconds[1:]) for name, seconds in taken.items()}
    write_text(path, json.dumps(costs, indent=1))
    return costs


def take_turn(name: str, steps: int, options: argparse.Namespace, interrupt: Interrupt) -> None:
    """Train a row for a slice, save it, and measure it after its last step."""
    folder, progress, row = locate_row(options, name), read_progress(options, name), ROWS[name]
    texts = make_texts(options.pairs, name)
    loop = start_row(row, texts, progress.setdefault("steps", steps))
    if (folder / "state.pt").is_file():
        state = torch.load(folder / "state.pt", weights_only=True)
        loop.load_state_dict(state["loop"])
        loop.ema.module.load_state_dict(state["average"])
    begun = time.monotonic()
    for done in loop.run_steps():
        progress["loss"] = done.terms["nats_per_symbol"]
        if interrupt.requested or time.monotonic() - begun > options.slice:
            break
    folder.mkdir(parents=True, exist_ok=True)
    state = {"loop": loop.state_dict(), "average": loop.ema.module.state_dict()}
    torch.save(state, folder / "state.tmp")
    (folder / "state.tmp").replace(folder / "state.pt")
    if loop.step == progress["steps"]:
        progress |= measure(loop, texts, options)
    write_text(folder / "progress.json", json.dumps(progress, indent=1))
    print(
        f"{name:24} step {loop.step} of {progress['steps']}, nats {progress['loss']:.3f} "
        f"{progress.get('bleu', '')}",
        flush=True,
    )


def start_row(row: Row, texts: TextSplits, steps: int) -> Loop:
    recipe = row.build_recipe().change({"steps": steps})
    config = recipe.make_config(texts.train, row.languages)
    fabric = Fabric(accelerator="cpu", devices=1, precision=choose_precision(recipe.training))
    return start_loop(fabric, RunRecord(config, recipe.training, Path(), {}), texts.train)


# ---------------------------------------------------------------- measures


def measure(loop: Loop, texts: TextSplits, options: argparse.Namespace) -> dict[str, Any]:
    """Scores of the averaged weights, and the BLEU of those that are not averaged."""
    model, valid = loop.ema.module, texts.valid
    rows = torch.linspace(0, len(valid) - 1, options.sentences).long().unique().tolist()
    sources, references = (
        [side[k] for k in rows] for side in (valid.source_texts, valid.target_texts)
    )
    begun = time.process_time()
    found = translate_greedily(model, sources)
    milliseconds = 1000 * (time.process_time() - begun) / len(rows)
    raw = loop.model.module
    assert isinstance(raw, Translator)
    target = model.config.target_language
    return {
        **score(found, references, target),
        "raw": score(translate_greedily(raw, sources), references, target)["bleu"],
        "nats": measure_nats(model, texts),
        "ms": milliseconds,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "examples": [*zip(sources[:3], references[:3], found[:3], strict=True)],
    }


def translate_greedily(model: Translator, sources: list[str]) -> list[str]:
    hypotheses = model.search(sources, Beam(1))
    return model.target_tokenizer.decode([found[0].symbols for found in hypotheses])


def score(found: list[str], references: list[str], language: str) -> dict[str, float]:
    from sacrebleu import corpus_bleu, corpus_chrf

    tokenizer = "zh" if language == "zh" else "13a"
    bleu = corpus_bleu(found, [references], tokenize=tokenizer).score
    return {"bleu": round(bleu, 2), "chrf": round(corpus_chrf(found, [references]).score, 2)}


@torch.no_grad()
def measure_nats(model: Translator, texts: TextSplits) -> float:
    """Nats per character of the validation references, after the true words."""
    total, device = 0.0, torch.device("cpu")
    for indices in texts.valid.split_indices(2048):
        loss = model.loss(texts.valid.make_batch(indices, device), 0)
        total += float(loss.terms["nats_per_symbol"]) * float(loss.weight or 0)
    return total / sum(map(len, texts.valid.target_texts))


def print_table(options: argparse.Namespace, machine: dict) -> None:
    """Print a Markdown table, and write it with the machine to result.json."""
    found = {name: read_progress(options, name) for name in options.rows}
    done = {name: row for name, row in found.items() if "bleu" in row}
    if not done:
        return
    print("| row | million parameters | steps | BLEU | raw | chrF | nats per character "
          "| ms per sentence |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    for name, row in done.items():
        cells = f"{row['parameters'] / 1e6:.1f}", row["steps"], row["bleu"], row["raw"], row["chrf"]
        print(f"| {name} | {' | '.join(map(str, cells))} | {row['nats']:.3f} | {row['ms']:.0f} |")
    result = {"machine": machine, "steps": options.steps, "rows": done}
    write_text(options.out / f"result-{options.steps}.json", json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
