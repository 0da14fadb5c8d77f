"""A prior and its codecs as one folder that can be moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.autoregressive import FrozenCodec, PictureCondition, build_config
from smalti.core.fingerprint import hash_model
from smalti.vq import VQConfig
from tests.command import read_pixels, run_command
from tests.tiny import GPT, randomize_zeros, vqvae_config


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save_prior(folder: str, *conditions: str, standalone: bool = False) -> Any:
    """A prior over the codec in runs/codec, with a picture condition by each of these codecs."""
    for name in ("codec", "other"):
        if not Path("runs", name).exists():
            torch.manual_seed(name == "other")
            smalti.save(vqvae_config(VQConfig(16, 8)).build(), f"runs/{name}")
    pictures = tuple(
        PictureCondition(FrozenCodec(codec, shape=(1, 8, 8)), f"picture{k}")
        for k, codec in enumerate(conditions)
    )
    config = build_config(
        FrozenCodec("runs/codec", shape=(1, 8, 8)), GPT, conditions=pictures, condition_dropout=0.1
    )
    model = randomize_zeros(config.build()).eval()
    smalti.save(model, folder, standalone=standalone)
    return model


def test_a_standalone_prior_can_be_moved_without_its_codec() -> None:
    model = save_prior("prior", "runs/other", "runs/codec", "vqvae-digits", standalone=True)
    shutil.rmtree("runs")
    Path("prior").rename("moved")
    written = json.loads(Path("moved/config.json").read_text())["model"]
    places = [c["codec"]["model"] for c in written["conditions"]]
    assert written["codec"]["model"] == "./codec"
    assert places == ["./codec-2", "./codec", "./codec-3"]  # each codec once, shipped ones too
    again = smalti.load("moved")
    drawn = [torch.as_tensor(smalti.sample(one, 2)) for one in (model, again)]
    assert torch.equal(*drawn)
    assert again.config.codec.model == str(Path("moved/codec").absolute())
    assert hash_model(again) == hash_model(model)  # wherever the codecs are


def test_saving_over_itself_keeps_the_codec() -> None:
    save_prior("prior", "runs/other", standalone=True)
    shutil.rmtree("runs")
    Path("link").symlink_to("prior")
    for folder in ("prior", "link"):
        smalti.save(smalti.load(folder), "prior")
        assert json.loads(Path("prior/config.json").read_text())["model"]["codec"]["model"] == (
            "./codec"
        )
        smalti.load("prior")


def test_export_writes_one_folder(capsys: pytest.CaptureFixture) -> None:
    save_prior("runs/prior")
    assert run_command("sample runs/prior -n 2 --out drawn") == 0
    capsys.readouterr()
    assert run_command("export runs/prior models/prior") == 0
    printed = capsys.readouterr().out
    assert ", with codec: models/prior" in printed
    assert "next  smalti sample models/prior -n 16" in printed
    shutil.rmtree("runs")
    assert run_command("sample models/prior -n 2 --out again") == 0
    assert (read_pixels("drawn/grid.png") == read_pixels("again/grid.png")).all()
    assert run_command("export models/prior models/small --precision float16") == 0
    sizes = [Path(f"models/{k}/model.safetensors").stat().st_size for k in ("small", "prior")]
    assert sizes[0] < 0.7 * sizes[1]
    assert run_command("export models/prior/codec models/codec") == 0
    assert "smalti reconstruct models/codec PICTURES" in capsys.readouterr().out


def test_a_missing_or_another_codec_is_refused(capsys: pytest.CaptureFixture) -> None:
    save_prior("prior", standalone=True)
    shutil.copy("runs/other/model.safetensors", "prior/codec/model.safetensors")
    assert run_command("sample prior -n 1") == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert "codec is not the codec this model was trained with" in error
    shutil.rmtree("prior/codec")
    assert run_command("sample prior -n 1") == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert (
        f"the codec of this model is missing: no model '{Path('prior/codec').absolute()}'" in error
    )
    save_prior("second")
    shutil.rmtree("runs/codec")
    for command in ("export second models/second", "export nothing models/second"):
        assert run_command(command) == 2
        (error,) = capsys.readouterr().err.strip().splitlines()
        assert error.startswith("smalti: ") and not Path("models/second").exists()
