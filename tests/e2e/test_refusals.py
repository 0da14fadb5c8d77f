"""What the command line refuses: one line, exit code 2, nothing left behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from smalti.cli import main
from tests.command import list_contents, run_command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trian ddpm", "no verb 'trian'; did you mean 'train'?"),
        ("--halp", "no option '--halp'; did you mean '--help'?"),
        ("sample", "MODEL is missing"),
        ("sample plain extra", "'extra' is one argument too many"),
        ("sample nothing", "no model 'nothing'"),
        ("sample photos", "photos is not a checkpoint"),
        ("sample plain --stepz 3", "--stepz; did you mean --steps?"),
        ("sample plain --steps", "--steps needs a value"),
        ("sample plain --steps x", 'unable to convert "x" into int'),
        ("sample plain --steps 0", "steps is 0"),
        ("sample plain --steps 2000", "steps is 2000"),
        ("sample plain --eta 2", "eta is 2"),
        ("sample plain --sampler ddmp", 'Did you mean "ddpm"?'),
        ("sample plain --sampler ddpm --eta 1", "--eta is given, but --sampler is ddpm"),
        ("sample plain --spacing often", "--spacing is 'often'"),
        ("sample plain --spacing 3,90", "are not decreasing"),
        ("sample plain -n 0", "-n is 0; give 1 or more"),
        ("sample plain --batch-size 0", "--batch-size is 0"),
        ("sample plain --seed -1", "--seed is -1; give 0 or more"),
        ("sample plain --class 1", "class 1 is given, but plain has no classes"),
        ("sample named --class cow", "class 'cow' is not one of named's classes: cat, dog, 3"),
        ("sample named --class 4", "class '4' is not one of"),
        ("sample plain --size 8by8", "--size 8by8"),
        ("sample plain --size 0x8", "--size 0x8"),
        ("sample plain --device warp", "--device warp"),
        ("sample plain --out photos", "photos holds 'day', which is not ours"),
        ("sample plain --out photos/day/0.png", "is a file"),
        ("sample plain --out photos/day/0.png/x", "Not a directory"),
        ("interpolate plain --frames 1", "--frames is 1"),
        ("interpolate named --class cow", "class 'cow'"),
        ("interpolate plain --to", "--to needs a value"),
        ("interpolate plain --from nowhere.png", "nowhere.png does not exist"),
        ("interpolate plain --from -1", "seed is -1; give 0 or more"),
        ("sample plain --strength 0.5", "strength is given without a picture"),
        ("sample plain --picture photos/day/0.png --strength 2", "strength is 2.0"),
        ("sample plain --picture nowhere.png", "nowhere.png does not exist"),
        ("sample plain --picture plain/config.json", "is not a readable picture"),
        ("sample plain --sampler dpm-solver --order 3", "order is 3; give 1 or more, 2 at most"),
        (
            "sample plain --sampler dpm-solver --eta 1",
            "--eta is given, but --sampler is dpm-solver",
        ),
        ("reconstruct plain", "PICTURES"),
        ("reconstruct plain nowhere.png", "nowhere.png does not exist"),
        ("reconstruct plain photos/day/0.png --refine -1", "refine is -1"),
        ("reconstruct plain photos/day/0.png --batch-size 0", "--batch-size is 0"),
        ("reconstruct plain photos/day/0.png --class 1", "class 1 is given, but plain has no"),
        ("reconstruct plain photos/day/0.png --out photos", "photos holds 'day'"),
        ("inpaint photos/day/0.png", "MASK is missing"),
        ("inpaint photos photos/day/0.png --model plain", "photos is a folder; give a picture"),
        (
            "inpaint photos/day/0.png photos/day/0.png --size 8",
            "size is given, but no model",
        ),
        (
            "inpaint photos/day/0.png photos/night/1.png --model plain",
            "a mask of the picture's size",
        ),
        ("inpaint photos/day/0.png nowhere.png --model plain", "nowhere.png does not exist"),
        ("inpaint photos/day/0.png photos/day/0.png --model plain -n 0", "-n is 0; give 1"),
        (
            "inpaint photos/day/0.png photos/day/0.png --model plain --jump-length 0",
            "--jump-length is 0",
        ),
        ("train", "RECIPE is missing; there are "),
        ("train dppm", "did you mean 'ddpm'?"),
        ("train ddpm --data nowhere", "nowhere does not exist"),
        ("train ddpm --data photos --size 0", "--size 0"),
        ("train ddpm --steps 0 --data photos", "steps is 0"),
        ("train ddpm --steps 3 --minutes 1", "minutes and steps are both given"),
        ("train ddpm --minutes 0", "--minutes is 0"),
        ("train ddpm --lr 3", "--lr is 3"),
        ("train ddpm --batch-size 5 --devices 2", "does not divide"),
        ("train ddpm --precision 16", 'Choose from: "auto"'),
        ("train ddpm --model.schedul linear", "did you mean --model.schedule?"),
        ("train ddpm --model.schedule linaer", 'Did you mean "linear"?'),
        ("train ddpm --model.schedule.tau 1", "--model.schedule.tau is given, but"),
        ("train ddpm --model.network.widths wide", "--model.network.widths is 'wide'"),
        ("train ddpm --model.network.widths 8", "attention has 2 entries for 1 widths"),
        ("train ddpm-digits --data photos", "works on the digits only"),
        ("train ddpm --out photos", "photos exists already"),
        ("train --resume", "--resume needs a recipe or --out"),
        ("train ddpm --resume", "nothing to resume in runs/ddpm"),
        ("train ddpm --resume --steps 9", "--steps cannot change"),
        ("convert dldemos-ddmi-unet x.pth --out m", "unknown kind 'dldemos-ddmi-unet'"),
        ("convert dldemos-ddim-unet x.pth", "--out needs a value"),
        ("convert dldemos-ddim-unet x.pth --out m", "x.pth: no such file"),
        ("convert dldemos-ddim-unet plain/model.safetensors --out m", "of another network"),
        ("demo --minutes 0", "--minutes is 0"),
    ],
)
def test_refusal(at_home: Path, capsys: pytest.CaptureFixture[str], words: str, said: str):
    before = list_contents(at_home)
    assert run_command(words) == 2
    out = capsys.readouterr()
    assert said in out.err
    assert re.fullmatch(r"smalti: [^\n]+\n", out.err)
    assert out.out == ""
    assert list_contents(at_home) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_device_that_is_not_there(at_home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["sample", "plain", "--device", "cuda"]) == 2
    assert capsys.readouterr().err.startswith("smalti: --device cuda: PyTorch finds no such device")


def test_a_run_is_not_begun_twice(at_home: Path, trained: Path, capsys: pytest.CaptureFixture[str]):
    before = list_contents(trained)
    assert main(["train", "ddpm", "--out", str(trained)]) == 2
    assert f"`smalti train --resume --out {trained}`" in capsys.readouterr().err
    assert list_contents(trained) == before


def test_a_run_of_another_recipe_is_not_resumed(trained: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "ddpm-digits", "--resume", "--out", str(trained)]) == 2
    assert "is a run of ddpm, not of ddpm-digits" in capsys.readouterr().err


def test_a_full_disk_is_one_line(
    at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device", "denoising.gif")

    monkeypatch.setattr("smalti.tasks._draw_samples.save_gif", full)
    before = list_contents(at_home)
    assert run_command("sample plain -n 2 --steps 1 --gif --out deep/er/s") == 2
    assert capsys.readouterr().err == "smalti: denoising.gif: No space left on device\n"
    assert list_contents(at_home) == before


def test_ctrl_c_leaves_nothing_behind(
    at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def stop(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("smalti.tasks._draw_samples.draw_in_batches", stop)
    before = list_contents(at_home)
    assert run_command("sample plain --out s") == 130
    assert capsys.readouterr().err == "smalti: interrupted\n"
    assert list_contents(at_home) == before


def test_a_failed_redraw_keeps_the_old_pictures(at_home: Path, monkeypatch: pytest.MonkeyPatch):
    assert run_command("sample plain -n 2 --steps 1 --out s") == 0
    before = list_contents(at_home)
    assert run_command("sample plain -n 1 --steps 1 --out s --batch-size 0") == 2
    assert list_contents(at_home) == before


def test_our_own_faults_show_where_they_are(at_home: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("smalti.tasks._draw_samples.draw_in_batches", broken)
    with pytest.raises(ZeroDivisionError):
        main(["sample", "plain"])


def test_the_installed_command_exits_with_the_code():
    code = "import sys; from smalti.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "sampel"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr == "smalti: no verb 'sampel'; did you mean 'sample'?\n"
