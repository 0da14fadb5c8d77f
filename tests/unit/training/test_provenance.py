"""What a run keeps of its pictures and its machine, and a resume that finds others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from smalti.core.checkpoint import read_card
from smalti.data.pictures import ROWS, Pictures
from smalti.recipes import RECIPES, find
from smalti.training import Training, read_run, resume, run
from smalti.training.provenance import check_same, facts_of, machine
from tests.expect import refusal
from tests.toys import NONE, ToyConfig, pictures

TRAIN, VALID = pictures(24), pictures(6, seed=1)
PLAN = Training(steps=4, batch=8, precision="32", save=2)


def labelled(classes: tuple[str, ...] = ("a", "b"), first: int = 0) -> Pictures:
    labels = torch.arange(24) % 2
    labels[0] = first
    return replace(TRAIN, labels=labels, classes=classes)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (pictures(23), ["pictures 24 then", "23 now", "--start"]),
        (pictures(24, seed=5), ["checksum"]),
        (Pictures(torch.zeros(24, 1, 8, 9, dtype=torch.uint8), None, (), "wide"), ["shape 1 8 8"]),
        (labelled(), ["classes none then", "a b now"]),
    ],
)
def test_a_resume_names_what_changed(tmp_path: Path, changed: Pictures, words: list[str]):
    run(ToyConfig(), TRAIN, VALID, PLAN, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with refusal("train pictures changed", *words):
        resume(tmp_path / "run", changed, VALID)
    with refusal("valid pictures changed"):
        resume(tmp_path / "run", TRAIN, changed)
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    resume(tmp_path / "run", TRAIN, VALID)


def test_one_picture_and_one_label_are_noticed():
    facts = {"train": facts_of(labelled())}
    pixels = labelled().pixels.clone()
    pixels[-1, 0, 0, 0] ^= 1
    for other in (labelled(first=1), replace(labelled(), stored=pixels)):
        with refusal("checksum"):
            check_same(facts, train=other)
    with refusal("classes a b then, 7 from c0 to c6 now"):
        check_same(facts, train=labelled(tuple(f"c{k}" for k in range(7))))


def test_few_pictures_are_looked_at_however_many_there_are(monkeypatch: pytest.MonkeyPatch):
    looked: list[int] = []
    take = Pictures.take
    monkeypatch.setattr(
        Pictures, "take", lambda self, rows: (looked.extend(rows.tolist()), take(self, rows))[1]
    )
    stored = torch.zeros(1, 1, 8, 8, dtype=torch.uint8).expand(10_000_000, 1, 8, 8)
    facts_of(Pictures(stored, None, (), "many"))
    assert len(set(looked)) == ROWS and (looked[0], looked[-1]) == (0, 9_999_999)
    assert facts_of(NONE)["pictures"] == 0


def test_a_run_of_an_older_smalti_goes_on(tmp_path: Path):
    run(ToyConfig(), TRAIN, NONE, PLAN, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    content: dict[str, Any] = json.loads(path.read_text())
    for key in ("data", "facts", "recovered"):
        del content[key]
    for key in ("recover", "explode"):
        del content["training"][key]
    path.write_text(json.dumps(content))
    resume(tmp_path / "run", pictures(30), NONE)
    assert read_run(tmp_path / "run").training == PLAN


def test_a_saved_step_tells_minutes_and_hardware(tmp_path: Path):
    out = tmp_path / "run"
    run(ToyConfig(), TRAIN, NONE, PLAN, out)
    facts, here = read_card(out).facts, machine()
    assert 0 <= facts["minutes"] < 1
    assert here["processor"] in facts["hardware"] and torch.__version__ in facts["hardware"]
    assert f"{torch.get_num_threads()} thread" in facts["hardware"]
    kept = read_run(out).facts
    assert kept == {**here, "minutes": facts["minutes"]}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_what_the_table_says_of_it(name: str):
    recipe, entry = find(name), RECIPES[name]
    assert (recipe.name, recipe.summary, recipe.minutes) == (name, entry.summary, entry.minutes)
    assert recipe.training.steps == entry.steps
