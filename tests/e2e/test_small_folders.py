"""Few pictures: augmentation, starting from a model, early stopping, copies and groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smalti.training import read_run
from tests import albums
from tests.command import run_command

Said = pytest.CaptureFixture[str]
OPTIONS = "--batch-size 4 --precision 32 --model.network.widths 8 --model.network.attention true"


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: album/ has 16 pictures of 4 people, in 2 classes, and one twice."""
    pictures = albums.make_noise(16, 8, 8, 3)
    files = {
        f"album/{'ab'[k % 2]}/person{k // 4}_{k:02d}.png": albums.encode_picture(p)
        for k, p in enumerate(pictures)
    }
    files["album/a/person0_16.png"] = files["album/a/person0_00.png"]
    monkeypatch.chdir(albums.write_folder(tmp_path / "inside", files))
    return Path()


def read_plan(run: str) -> dict[str, Any]:
    return json.loads(Path(run, "run.json").read_text())


def test_few_pictures_are_augmented_unless_told_otherwise(capsys: Said):
    train = f"train ddpm --data album --size 8 --steps 1 {OPTIONS}"
    assert run_command(f"{train} --out a --model.augmentation.strength 0.5") == 0
    assert "augmenting: 16 pictures are few; --no-augment trains without" in capsys.readouterr().err
    assert read_plan("a")["model"]["augmentation"]["strength"] == 0.5
    assert run_command("sample a -n 1 --steps 2") == 0
    assert run_command("train ddpm --resume --out a") == 0
    assert run_command(f"{train} --out b --no-augment") == 0
    assert "augmenting" not in capsys.readouterr().err
    assert read_plan("b")["model"]["augmentation"] is None
    assert run_command(f"train ddpm --steps 1 {OPTIONS} --out c --augment") == 0  # 8,500 digits
    assert read_plan("c")["model"]["augmentation"]["strength"] == 1.0


def test_augmentation_that_a_model_does_not_have_is_refused(capsys: Said):
    assert run_command("train vqvae --data album --size 8 --steps 1 --augment --out a") == 2
    assert "augment is given, but this recipe's model takes none" in capsys.readouterr().err
    flag = "--model.augmentation.strength 0.5 --no-augment"
    assert run_command(f"train ddpm --data album --size 8 --steps 1 {flag} --out a") == 2
    said = capsys.readouterr().err
    assert "model.augmentation.strength is given, but this model has no augmentation" in said
    assert run_command("train ddpm --model.augmentation.strength 5 --data album --out a") == 2
    assert "4 at most" in capsys.readouterr().err
    assert not Path("a").exists()


def test_a_run_starts_from_a_model_of_other_classes_size_and_channels(capsys: Said):
    begin = f"train ddpm --steps 1 {OPTIONS} --no-augment"
    assert run_command(f"{begin} --out digits") == 0
    capsys.readouterr()
    follow = "train ddpm --data album --steps 1 --batch-size 4 --precision 32"
    assert run_command(f"{follow} --start digits --out a") == 0
    told = "starting from digits: 100% of the weights are taken; anew: augmentation, 2 of 2 values"
    assert told in capsys.readouterr().err
    model = read_run("a").model
    assert model.shape == (3, 28, 28) and model.network.widths == (8,)
    assert run_command("train ddpm --resume --out a") == 0
    wide = "--size 12x8 --model.network.blocks 3"
    assert run_command(f"{follow} --init-from digits {wide} --out b") == 0  # the older name
    said = capsys.readouterr().err
    assert "starting from digits: " in said and "anew: " in said and "network.levels" in said
    assert read_run("b").model.shape == (3, 12, 8)


def test_starts_that_do_not_fit_are_refused(capsys: Said):
    for words, message in (
        (
            "ddpm --start vqvae-digits",
            "start is a VQ-VAE, but this recipe trains a diffusion model",
        ),
        (
            "vqvae --start ddpm-digits",
            "start is a diffusion model, but this recipe trains a VQ-VAE",
        ),
        ("ddpm --start nowhere", "no model 'nowhere'"),
        ("pixelcnn --start vqvae-digits-gpt", "start predicts the codes of a codec"),
    ):
        assert run_command(f"train {words} --data album --size 8 --steps 1 --out a") == 2
        assert message in capsys.readouterr().err
        assert not Path("a").exists()


def test_a_run_without_patience_left_stops(capsys: Said, monkeypatch: pytest.MonkeyPatch):
    losses = {1: 3.0, 2: 2.0, 3: 2.5, 4: 2.1}
    monkeypatch.setattr(
        "smalti.training.saving.compute_validation_loss", lambda loop, valid: losses[loop.step]
    )
    train = f"train ddpm --data album --size 8 {OPTIONS} --save-every 1"
    assert run_command(f"{train} --steps 9 --patience 2 --out a") == 0
    out, err = capsys.readouterr()
    assert "stopped: no improvement in 2 validations; the model is step 2" in err
    assert "done at step 4" in out and "a/step-2" in out and "a/grids/step-2.png" in out
    assert run_command("train ddpm --resume --out a") == 0
    assert "already finished at step 4" in capsys.readouterr().out
    assert run_command(f"{train} --steps 9 --patience 0 --out b") == 2
    assert "--patience" in capsys.readouterr().err


def test_copies_are_dropped_and_groups_stay_together(capsys: Said):
    pattern = r"--group-by (person\d)_"
    assert run_command(f"pack album packed --size 8 --unique {pattern} --test 0.2") == 0
    out = capsys.readouterr().out
    assert "dropped 1 exact copy and 0 near copies: 16 pictures are left" in out
    assert "grouped by names: 4 groups of 16 pictures" in out
    assert "train 8, valid 4, test 4" in out
    assert run_command(f"data album --size 8 {pattern}") == 0
    out = capsys.readouterr().out
    assert "4 groups of 17 pictures; each is in one split" in out and "train 13, valid 4" in out
    train = f"train ddpm --data album --size 8 --steps 1 {OPTIONS}"
    assert run_command(f"{train} {pattern} --out a") == 0
    assert read_plan("a")["about"]["group_by"] == r"(person\d)_"
    assert read_plan("a")["data"]["valid"]["pictures"] == 4
    assert run_command("train ddpm --resume --out a") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pack album p --group-by (", "group_by is '(', which is no regular expression"),
        (
            "pack album p --group-by cat",
            "group_by 'cat' matches no name, such as 'a/person0_00.png'",
        ),
        ("data album --group-by person", "puts all 17 pictures into one group"),
        ("train ddpm --data album --out p --group-by cat", "matches no name"),
        ("train ddpm --steps 1 --out p --group-by cat", "the recipe's own pictures are split"),
        ("train ddpm --resume --group-by cat", "--group-by cannot change when a run resumes"),
    ],
)
def test_patterns_that_make_no_groups_are_refused(words: str, message: str, capsys: Said):
    assert run_command(words) == 2
    assert message in capsys.readouterr().err
    assert not Path("p").exists() and not Path("looks").exists()
