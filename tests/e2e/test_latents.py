"""An autoencoder and a diffusion model in its latents, from a folder of pictures to samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import smalti
from smalti.cli import main
from tests.command import list_contents, read_pixels, run_command
from tests.e2e.test_codecs import GAN

RUN = ["--steps", "4", "--batch-size", "4", "--precision", "32", "--save-every", "2",
       "--model.network.widths", "8", "16", "--model.network.blocks", "1"]  # fmt: skip


@pytest.fixture(scope="module")
def runs(home: Path) -> Path:
    """A folder with runs of an autoencoder and of a diffusion model in its latents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("SMALTI_DATA", str(home / "cache"))
        assert main(["train", "autoencoder", "--data", "photos", *GAN]) == 0
        command = ["train", "latent-ddpm", "--data", "photos", "--codec", "runs/autoencoder"]
        assert main([*command, "--flip", *RUN]) == 0
    return home


@pytest.fixture
def at_runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(runs)
    monkeypatch.setenv("SMALTI_DATA", str(runs / "cache"))
    return runs


def test_the_autoencoder_is_tried_and_measured(
    at_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert Path("runs/autoencoder/grids/step-4.png").is_file()
    pictures, out = "photos/day/0.png photos/night/1.png", tmp_path / "pairs"
    assert run_command(f"reconstruct runs/autoencoder {pictures} --out {out}") == 0
    record = json.loads((out / "reconstruction.json").read_text())
    assert len(record["pictures"]) == 2 and "codes" not in record
    assert "codes" not in capsys.readouterr().out
    assert run_command(f"evaluate runs/autoencoder --out {tmp_path / 'e'}") == 0
    said = capsys.readouterr().out
    assert "channels used" in said and "nats a position" in said and "codes" not in said
    assert sorted(list_contents(tmp_path / "e")) == ["reconstructions.png", "report.json"]
    log = [json.loads(line) for line in Path("runs/autoencoder/log.jsonl").read_text().splitlines()]
    assert any("channels_active" in str(line) for line in log)
    assert run_command("reconstruct runs/autoencoder photos/day/0.png --tile-size 8") == 2
    assert "tile_size is for codecs with codes" in capsys.readouterr().err


def test_latents_are_encoded_once(at_runs: Path, tmp_path: Path, monkeypatch: Any) -> None:
    files = sorted(Path("cache/latents").rglob("*.safetensors"))
    counts = sorted(len(load_file(path)["latents"]) for path in files)
    assert counts == [1, 11, 11]  # validation, training, training mirrored
    before = files[0].read_bytes()
    files[0].write_bytes(before[:-1])  # a damaged one is encoded again
    again = {"data": "photos", "codec": "runs/autoencoder", "out": tmp_path / "again", "steps": 1}
    assert smalti.train("latent-ddpm", **again).step == 1
    assert files[0].read_bytes() == before or len(counts) == 3


def test_a_folder_becomes_samples(at_runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    assert run_command(f"sample runs/latent-ddpm -n 4 --class all --gif --steps 2 --out {out}") == 0
    assert read_pixels(out / "grid.png").ndim == 3
    assert any(name.endswith(".gif") for name in list_contents(out))
    model = smalti.load("runs/latent-ddpm")
    assert model.spec.classes == ("day", "night") and bool(model.space.is_measured)
    assert Path("runs/latent-ddpm/grids/step-4.png").is_file()


def test_pictures_are_edited(at_runs: Path, tmp_path: Path) -> None:
    one, two = "photos/day/0.png", "photos/night/1.png"
    command = f"interpolate runs/latent-ddpm --from {one} --to 3 --frames 3 --steps 2"
    assert run_command(f"{command} --out {tmp_path / 'i'}") == 0
    command = f"reconstruct runs/latent-ddpm {one} {two} --steps 2 --out {tmp_path / 'r'}"
    assert run_command(command) == 0
    assert load_file(tmp_path / "r" / "latents.safetensors")["latents"].shape[:2] == (2, 4)
    assert (tmp_path / "r" / "grid.png").is_file()
    command = f"sample runs/latent-ddpm -n 1 --picture {one} --strength 0.5 --steps 4"
    assert run_command(f"{command} --out {tmp_path / 'p'}") == 0


def test_an_exported_model_has_its_codec_inside(at_runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    assert run_command(f"export runs/latent-ddpm {out} --precision float16") == 0
    assert (out / "codec" / "config.json").is_file()
    out.rename(tmp_path / "moved")
    assert smalti.load(tmp_path / "moved").config.space.codec.model.endswith("codec")


def test_a_run_resumes(at_runs: Path, capsys: pytest.CaptureFixture) -> None:
    assert run_command("train latent-ddpm --resume") == 0
    assert run_command("train latent-ddpm --data photos --out runs/other") == 2
    assert "smalti train autoencoder --data photos" in capsys.readouterr().err


def test_super_resolution_is_trained_and_used(at_runs: Path, tmp_path: Path) -> None:
    command = ["train", "ddpm", "--data", "photos", "--size", "16", "--out", "runs/large"]
    command += ["--picture", "low-resolution", "--model.network.attention", "false", "true"]
    assert main([*command, *RUN]) == 0
    model = smalti.load("runs/large")
    assert model.config.picture.shape == (3, 8, 8) and model.config.network.map_channels == 4
    command = f"sample plain -n 2 --upscale runs/large --steps 2 --out {tmp_path / 's'}"
    assert run_command(command) == 0
    record = json.loads((tmp_path / "s" / "samples.json").read_text())
    assert record["upscale"] == "runs/large"
    assert read_pixels(tmp_path / "s" / "00000.png").shape == (16, 16, 3)
    assert run_command(f"sample plain --upscale plain --out {tmp_path / 'no'}") == 2
    assert run_command("train ddpm --data photos --picture edges --picture-codec x") == 2
    again = ["train", "latent-ddpm", "--data", "photos", "--codec", "runs/autoencoder", *RUN]
    assert main([*again, "--picture", "edges", "--out", "runs/edges"]) == 0
