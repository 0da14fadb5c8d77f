"""Provenance of a run: its pictures and machine, and a resume with other pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from smalti.core.checkpoint import read_card
from smalti.data.pictures import FINGERPRINT_ROWS, Pictures
from smalti.recipes import RECIPES, find_recipe
from smalti.training import Training, read_run, resume, run
from smalti.training.provenance import check_data_unchanged, describe_data, describe_machine
from tests.expect import expect_user_error
from tests.toys import NO_PICTURES, ToyConfig, make_pictures

TRAIN, VALID = make_pictures(24), make_pictures(6, seed=1)
PLAN = Training(steps=4, batch_size=8, precision="32", save_every=2)


def labeled(classes: tuple[str, ...] = ("a", "b"), first: int = 0) -> Pictures:
    labels = torch.arange(24) % 2
    labels[0] = first
    return replace(TRAIN, labels=labels, classes=classes)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (make_pictures(23), ["pictures 24 then", "23 now", "--start"]),
        (make_pictures(24, seed=5), ["checksum"]),
        (Pictures(torch.zeros(24, 1, 8, 9, dtype=torch.uint8), None, (), "wide"), ["shape 1 8 8"]),
        (labeled(), ["classes none then", "a b now"]),
    ],
)
def test_a_resume_names_what_changed(tmp_path: Path, changed: Pictures, words: list[str]):
    run(ToyConfig(), TRAIN, VALID, PLAN, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with expect_user_error("train pictures changed", *words):
        resume(tmp_path / "run", changed, VALID)
    with expect_user_error("valid pictures changed"):
        resume(tmp_path / "run", TRAIN, changed)
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    resume(tmp_path / "run", TRAIN, VALID)


def test_one_picture_and_one_label_are_noticed():
    facts = {"train": describe_data(labeled())}
    pixels = labeled().pixels.clone()
    pixels[-1, 0, 0, 0] ^= 1
    for other in (labeled(first=1), replace(labeled(), stored_pixels=pixels)):
        with expect_user_error("checksum"):
            check_data_unchanged(facts, train=other)
    with expect_user_error("classes a b then, 7 from c0 to c6 now"):
        check_data_unchanged(facts, train=labeled(tuple(f"c{k}" for k in range(7))))


def test_few_pictures_are_looked_at_however_many_there_are(monkeypatch: pytest.MonkeyPatch):
    rows_read: list[int] = []
    take = Pictures.take
    monkeypatch.setattr(
        Pictures, "take", lambda self, rows: (rows_read.extend(rows.tolist()), take(self, rows))[1]
    )
    stored = torch.zeros(1, 1, 8, 8, dtype=torch.uint8).expand(10_000_000, 1, 8, 8)
    describe_data(Pictures(stored, None, (), "many"))
    assert len(set(rows_read)) == FINGERPRINT_ROWS and (rows_read[0], rows_read[-1]) == (
        0,
        9_999_999,
    )
    assert describe_data(NO_PICTURES)["pictures"] == 0


def test_a_run_of_an_older_smalti_goes_on(tmp_path: Path):
    run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    content: dict[str, Any] = json.loads(path.read_text())
    for key in ("data", "facts", "recoveries"):
        del content[key]
    for key in ("max_recoveries", "explosion_factor"):
        del content["training"][key]
    path.write_text(json.dumps(content))
    resume(tmp_path / "run", make_pictures(30), NO_PICTURES)
    assert read_run(tmp_path / "run").training == PLAN


def test_a_saved_step_tells_minutes_and_hardware(tmp_path: Path):
    out = tmp_path / "run"
    run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, out)
    facts, here = read_card(out).facts, describe_machine()
    assert 0 <= facts["minutes"] < 1
    assert here["processor"] in facts["hardware"] and torch.__version__ in facts["hardware"]
    assert f"{torch.get_num_threads()} thread" in facts["hardware"]
    kept = read_run(out).facts
    assert kept == {**here, "minutes": facts["minutes"]}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_what_the_table_says_of_it(name: str):
    recipe, entry = find_recipe(name), RECIPES[name]
    assert (recipe.name, recipe.summary, recipe.minutes) == (name, entry.summary, entry.minutes)
    assert recipe.training.steps == entry.steps
