"""Checkpoints: equal bits, atomic writes, and one clear line for errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import smalti
from smalti.core import checkpoint
from smalti.core.checkpoint import list_shipped, read_card, save
from smalti.core.protocols import Card
from smalti.diffusion import Diffusion
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, randomize_zeros


def make_model(seed: int = 0, **changes: Any) -> Diffusion:
    torch.manual_seed(seed)
    return randomize_zeros(diffusion_config(**changes).build())


def assert_equal_bits(a: Diffusion, b: Diffusion) -> None:
    assert a.config == b.config
    weights, others = a.state_dict(), b.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[key], others[key]) for key in weights)


def edit_config(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save(make_model(), tmp_path / "model")


# ---- what was saved comes back


def test_equal_bits_in_eval_mode(tmp_path: Path) -> None:
    model = make_model(classes=("a", "b"))
    assert save(model, tmp_path / "deep" / "model") == tmp_path / "deep" / "model"
    again = smalti.load(tmp_path / "deep" / "model")
    assert_equal_bits(again, model)
    assert not again.training
    assert model.training  # the saved one is left as it was
    assert torch.equal(again.alpha_bars, model.alpha_bars)
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["model"]


def test_weights_stored_as_float16_come_back_as_float32(tmp_path: Path) -> None:
    model = make_model()
    whole = save(model, tmp_path / "whole") / "model.safetensors"
    half = save(model, tmp_path / "half", dtype=torch.float16) / "model.safetensors"
    assert {w.dtype for w in load_file(half).values()} == {torch.float16}
    assert half.stat().st_size < 0.7 * whole.stat().st_size
    again = smalti.load(tmp_path / "half").state_dict()
    assert all(torch.equal(again[k], w.half().float()) for k, w in model.state_dict().items())


def test_what_counts_stays_whole_numbers(tmp_path: Path) -> None:
    model = make_model()
    model.register_buffer("counted", torch.tensor(70_001))  # beyond float16
    save(model, tmp_path / "model", dtype=torch.float16)
    stored = load_file(tmp_path / "model" / "model.safetensors")["counted"]
    assert stored.dtype == torch.int64
    assert stored == 70_001


def test_a_card_is_kept(tmp_path: Path) -> None:
    card = Card("name", "summary", "data", {"minutes": 3.5, "seed": 0})
    assert read_card(save(make_model(), tmp_path / "model", card)) == card


def test_a_loaded_model_has_its_card_and_keeps_it(tmp_path: Path) -> None:
    card, model = Card("name", "summary", "data", {"minutes": 3.5}), make_model()
    assert model.card == Card()
    loaded = smalti.load(smalti.save(model, tmp_path / "a", card))
    assert loaded.card == card
    assert smalti.load(smalti.save(loaded, tmp_path / "b")).card == card
    assert repr(card) == "<Card name: summary; facts: minutes>"
    assert repr(Card()) == "<Card empty>"


@pytest.mark.parametrize("name", list_shipped())
def test_a_model_is_shown_in_one_short_line(name: str) -> None:
    model = smalti.load(name)
    assert re.fullmatch(rf"<\w+ {name}: .*\d\.\d\d M parameters, cpu>", repr(model))
    assert len(repr(model)) < 100
    parts = [part for part in model.children() if [*part.children()]]
    assert parts or name == "pixelcnnpp-digits-counts"  # its base is not among its children
    assert all("\n" in repr(part) for part in parts)


def test_the_line_tells_size_and_classes() -> None:
    expected = "<Diffusion ddpm-digits: 1x28x28, 10 classes, 0.92 M parameters, cpu>"
    assert repr(smalti.load("ddpm-digits")) == expected


def test_saving_again_replaces(saved: Path) -> None:
    other = make_model(seed=1)
    save(other, saved)
    assert_equal_bits(smalti.load(str(saved)), other)
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_a_run_directory_is_its_latest_step(tmp_path: Path) -> None:
    models = {name: make_model(seed) for seed, name in enumerate(("step-5", "step-10"))}
    for name, model in models.items():
        save(model, tmp_path / name)
    for name, model in models.items():
        (tmp_path / "latest").write_text(f"{name}\n")
        assert_equal_bits(smalti.load(tmp_path), model)


def test_shipped_models_go_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED_FOLDER", tmp_path / "models")
    assert list_shipped() == []
    model = make_model()
    for name in ("second", "first"):
        save(model, tmp_path / "models" / name)
    monkeypatch.chdir(tmp_path)
    assert list_shipped() == ["first", "second"]
    assert_equal_bits(smalti.load("first"), model)
    with expect_user_error("no model 'frist'", "did you mean 'first'?"):
        smalti.load("frist")


# ---- atomic writes


@pytest.mark.parametrize("part", ["weights", "json"])
def test_a_failing_write_leaves_the_old_one(
    part: str, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = smalti.load(saved)
    if part == "weights":
        monkeypatch.setattr(checkpoint, "serialized", full)
    else:
        monkeypatch.setattr(checkpoint.json, "dumps", full)
    with pytest.raises(OSError, match="No space left"):
        save(make_model(seed=1), saved)
    monkeypatch.undo()
    assert_equal_bits(smalti.load(saved), before)
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_folders_beside_a_checkpoint_are_not_ours(saved: Path) -> None:
    for end in (".tmp", ".old"):
        (saved.parent / (saved.name + end)).mkdir()
        (saved.parent / (saved.name + end) / "mine").write_text("mine")
    (saved / "notes.txt").write_text("mine")
    other = make_model(seed=1)
    save(other, saved)
    assert_equal_bits(smalti.load(saved), other)
    mine = [saved.with_name(saved.name + end) / "mine" for end in (".tmp", ".old")]
    assert [p.read_text() for p in (*mine, saved / "notes.txt")] == ["mine"] * 3


def test_what_is_no_checkpoint_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    for taken in (tmp_path / "letters" / "dear.txt", tmp_path / "letters"):
        if not taken.exists():
            taken.write_text("Dear")
        with expect_user_error(str(taken), "not a checkpoint"):
            save(make_model(), taken)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "Dear"


# ---- what cannot be read


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 99}, ["config.json has format 99", "reads 1"]),
        ({"format": None}, ["has format None"]),
        ({"model": {"tag": "no-such"}}, ["config.json", "no-such"]),
        ({"model": {"tag": "diffusion", "shape": "big"}}, ["config.json", "shape", "big"]),
        ({"model": {"tag": "linear"}}, ["config.json", "no model", "linear"]),
        ({"model": None}, ["config.json", "no model", "None"]),
        ({"model": 3}, ["config.json", "no model", "3"]),
    ],
)
def test_configs_that_are_none(saved: Path, changes: Any, words: list[str]) -> None:
    edit_config(saved, **changes)
    with expect_user_error(str(saved), *words):
        smalti.load(saved)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\udcff"])
def test_a_config_that_is_no_json_object(saved: Path, text: str) -> None:
    (saved / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with expect_user_error(str(saved / "config.json")):
        smalti.load(saved)


@pytest.mark.parametrize("card", [{"color": "red"}, [1], 3])
def test_a_card_that_is_none(saved: Path, card: Any) -> None:
    edit_config(saved, card=card)
    with expect_user_error(str(saved / "config.json"), "card"):
        read_card(saved)


def test_weights_that_do_not_fit(saved: Path) -> None:
    path = saved / "model.safetensors"
    weights = load_file(path)
    name = "network.first.bias"
    save_file({k: w for k, w in weights.items() if k != name}, path)
    with expect_user_error(str(saved), "lacks", name):
        smalti.load(saved)
    save_file({**weights, "network.more": torch.zeros(1)}, path)
    with expect_user_error(str(saved), "unknown", "network.more"):
        smalti.load(saved)
    save_file({**weights, name: torch.zeros(3)}, path)
    with expect_user_error(str(saved), name, "(3,)", "(8,)"):
        smalti.load(saved)


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all", b"\xff" * 64])
def test_weights_that_cannot_be_read(saved: Path, content: bytes | None) -> None:
    path = saved / "model.safetensors"
    path.unlink() if content is None else path.write_bytes(content)
    with expect_user_error(str(path), "cannot be read"):
        smalti.load(saved)


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with expect_user_error(str(tmp_path), "not a checkpoint", "config.json"):
        smalti.load(tmp_path)
    with expect_user_error("no model", str(tmp_path / "nothing")):
        smalti.load(tmp_path / "nothing")
    (tmp_path / "latest").write_text("step-7")
    with expect_user_error(str(tmp_path), "no intact step", "step-7"):
        smalti.load(tmp_path)


# ---- as earlier versions left it in a crash


def test_a_checkpoint_that_was_set_aside_is_found(saved: Path) -> None:
    before = smalti.load(saved)
    saved.rename(saved.with_name(saved.name + ".old"))
    assert_equal_bits(smalti.load(saved), before)


def test_a_run_finds_its_latest_step_set_aside(tmp_path: Path) -> None:
    model = make_model()
    save(model, tmp_path / "step-5.old")
    (tmp_path / "latest").write_text("step-5\n")
    assert_equal_bits(smalti.load(tmp_path), model)
