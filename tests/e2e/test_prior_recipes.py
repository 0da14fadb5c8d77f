"""Priors over a codec of one's own: from a folder of pictures to samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import smalti
from smalti.cli import main
from smalti.core.checkpoint import save
from tests.command import list_contents, read_pixels, run_command
from tests.e2e.test_codecs import GAN
from tests.expect import expect_user_error

STEPS = ["--steps", "4", "--batch-size", "4", "--precision", "32", "--save-every", "2"]
SMALL = [*STEPS, "--model.network.layers", "1", "--model.network.width", "16",
         "--model.network.heads", "2"]  # fmt: skip


@pytest.fixture(scope="module")
def runs(home: Path) -> Path:
    """A folder with runs of a VQGAN and of a GPT over its codes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("SMALTI_DATA", str(home / "cache"))
        assert main(["train", "vqgan", "--data", "photos", *GAN]) == 0
        command = ["train", "gpt", "--data", "photos", "--codec", "runs/vqgan", "--flip", *SMALL]
        assert main(command) == 0
    return home


@pytest.fixture
def at_runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(runs)
    monkeypatch.setenv("SMALTI_DATA", str(runs / "cache"))
    return runs


def test_a_folder_becomes_samples_and_a_report(
    at_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run_command(f"sample runs/gpt -n 4 --class all --gif --out {tmp_path / 's'}") == 0
    assert read_pixels(tmp_path / "s" / "grid.png").ndim == 3
    assert any(name.endswith(".gif") for name in list_contents(tmp_path / "s"))
    record = json.loads((tmp_path / "s" / "samples.json").read_text())
    assert (record["sampler"]["top_k"], record["sampler"]["temperature"]) == (100, 1.0)
    capsys.readouterr()
    assert run_command(f"evaluate runs/gpt -n 4 --out {tmp_path / 'e'}") == 0
    assert "nats/code" in capsys.readouterr().out
    assert run_command("report runs/gpt") == 0
    assert smalti.load("runs/gpt").spec.classes == ("day", "night")
    log = [json.loads(line) for line in Path("runs/gpt/log.jsonl").read_text().splitlines()]
    assert any("nats_per_code" in line for line in log) and any("valid" in line for line in log)
    assert Path("runs/gpt/grids/step-4.png").is_file()


def test_the_codec_encodes_each_picture_once(
    at_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(Path("cache/codes").rglob("*.safetensors"))
    counts = sorted(len(load_file(path)["codes"]) for path in files)
    assert counts == [1, 11, 11]  # validation, training, training mirrored
    codec = type(smalti.load("runs/vqgan"))

    def refuse(self: Any, x: Any) -> Any:
        raise AssertionError("encoded again")

    monkeypatch.setattr(codec, "encode", refuse)
    again = {"data": "photos", "codec": Path("runs/vqgan"), "steps": 1, "out": tmp_path / "again"}
    assert smalti.train("gpt", **again).step == 1
    assert smalti.train("pixelcnn-codes", **{**again, "out": tmp_path / "c"}).step == 1


def test_a_damaged_cache_is_encoded_again(at_runs: Path, tmp_path: Path) -> None:
    for path in Path("cache/codes").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    smalti.train("gpt", data="photos", codec="runs/vqgan", steps=1, out=tmp_path / "again")
    sizes = [len(load_file(p)["codes"]) for p in Path("cache/codes").rglob("*") if is_intact(p)]
    assert sorted(sizes) == [1, 11]


def is_intact(path: Path) -> bool:
    try:
        return path.is_file() and bool(load_file(path))
    except Exception:
        return False


def test_a_run_goes_on_with_its_codec(at_runs: Path, tmp_path: Path) -> None:
    codec, out = tmp_path / "codec", tmp_path / "prior"
    save(smalti.load("runs/vqgan"), codec)
    smalti.train("gpt", data="photos", codec=codec, steps=2, out=out)
    assert smalti.resume(out).step == 2
    codec.rename(tmp_path / "elsewhere")
    with expect_user_error(f"the codec of this model is missing: no model '{codec}'"):
        smalti.resume(out)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("gpt --data photos", "codec is missing: train one with `smalti train vqgan --data photos"),
        ("gpt --codec plain", "plain is not a codec; give a VQ-VAE or a VQGAN"),
        ("gpt --codec nothing", "no model 'nothing'"),
        ("gpt --codec runs/vqgan --data photos --size 8",
         "size is 8, but codec runs/vqgan has pictures of 16; give that size"),
        ("vqvae-digits-gpt --codec runs/vqgan",
         "codec runs/vqgan has pictures of 3 x 16 x 16 (channels, height, width), but "),
        ("ddpm --codec runs/vqgan", "unknown option --codec"),
        ("pixelcnn-celebahq-2 --data photos", "smalti train vqvae-celebahq-2 --data photos"),
        ("gpt --resume --codec runs/vqgan", "--codec cannot change when a run resumes"),
    ],
)  # fmt: skip
def test_a_wrong_codec_is_a_line(
    options: str, error: str, at_runs: Path, capsys: pytest.CaptureFixture
) -> None:
    capsys.readouterr()
    out = "" if "--resume" in options else " --out wrong"
    assert run_command(f"train {options}{out}") == 2
    message = capsys.readouterr().err.strip()
    assert error in message and message.count("\n") == 0
    assert not Path("wrong").exists()


def test_without_data_a_prior_takes_the_codecs_pictures(at_runs: Path, tmp_path: Path) -> None:
    smalti.train("gpt", codec="runs/vqgan", steps=1, out=tmp_path / "prior")
    about = json.loads((tmp_path / "prior" / "run.json").read_text())["about"]
    assert about["data"] == str(at_runs / "photos") and about["size"] == 16


def test_attributes_of_a_pack_are_conditions_and_options(
    at_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    smalti.pack("photos", tmp_path / "pack", size=16)
    record = tmp_path / "pack" / "pack.json"
    content = json.loads(record.read_text())
    n = content["splits"]["valid"][1]
    styles = [("ink", "oil")[k % 2] for k in range(n)]
    more = {"attributes": {"style": styles}, "captions": [f"word{k}" for k in range(n)]}
    record.write_text(json.dumps({**content, **more}))
    out = tmp_path / "gpt"
    command = f"train gpt --data {tmp_path / 'pack'} --codec runs/vqgan --conditions"
    assert main([*command.split(), "style,text", "--out", str(out), *SMALL]) == 0
    assert [c.name for c in smalti.load(out).spec.conditions] == ["style", "text"]
    assert smalti.resume(out).step == 4
    draw = f"sample {out} -n 2 --text word1 --style ink --out {tmp_path / 's'}"
    assert run_command(draw) == 0
    drawn = json.loads((tmp_path / "s" / "samples.json").read_text())
    assert drawn["conditions"] == {"style": ["ink", "ink"]}
    capsys.readouterr()
    assert run_command(draw.replace("ink", "inkk")) == 2
    assert "style 'inkk' is not one of this model's: ink, oil" in capsys.readouterr().err
    assert run_command(f"sample {out} --help") == 0
    assert "--style STR" in capsys.readouterr().out
    assert main([*command.split(), "size", "--steps", "1", "--out", str(tmp_path / "no")]) == 2
    assert "condition size is given, but " in capsys.readouterr().err
    assert run_command(f"evaluate {out} -n 4 --out {tmp_path / 'e'}") == 0
