"""Codecs through the command line: trained, tried, measured, converted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

import smalti
from smalti.cli import main
from smalti.convert import read_weights
from tests.command import list_contents, read_pixels, run_command

GOLDEN = Path(__file__).parents[1] / "golden"
RUN = ["--steps", "4", "--batch-size", "4", "--precision", "32", "--save-every", "2"]
SMALL = [*RUN, "--size", "16", "--model.network.width", "8",
         "--model.quantizer.codebook-size", "8"]  # fmt: skip
GAN = [*RUN, "--size", "16", "--model.network.widths", "16", "16",
       "--model.network.attention", "false", "false",
       "--model.discriminator.layers", "1", "--model.discriminator-start", "2"]  # fmt: skip


@pytest.fixture(scope="module")
def codecs(home: Path) -> Path:
    """Finished runs of four steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main(["train", "vqvae", "--data", "photos", "--out", "vqvae", *SMALL]) == 0
        assert main(["train", "vqgan", "--data", "photos", "--out", "vqgan", *GAN]) == 0
    return home


@pytest.fixture
def at_codecs(codecs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(codecs)
    return codecs


def read_record(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text())


def test_a_run_shows_pairs_and_the_next_command(at_codecs: Path, capsys: Any) -> None:
    assert read_pixels("vqvae/grids/step-4.png").ndim == 3
    assert run_command("report vqgan") == 0
    output = capsys.readouterr().out
    assert (
        "codebook" in output
        and "discriminator" in output
        and "smalti reconstruct vqgan PICTURES" in output
    )
    assert (at_codecs / "vqgan/report.png").is_file()


def test_pictures_are_reconstructed(at_codecs: Path, capsys: Any) -> None:
    assert run_command("reconstruct vqvae photos --out pairs") == 0
    output = capsys.readouterr().out
    assert output.count(" dB ") == 13 and "of 8 codes are used" in output
    names = [f"{k:05d}.png" for k in range(12)]
    assert list_contents(Path("pairs")) == [*names, "grid.png", "reconstruction.json"]
    assert read_pixels("pairs/00000.png").shape == (16, 34, 3)  # side by side
    kept = read_record("pairs/reconstruction.json")
    assert len(kept["pictures"]) == 12 and kept["mean_psnr"] > 0 and kept["codes"] == 8


def test_pictures_of_their_own_size_in_tiles(at_codecs: Path, capsys: Any) -> None:
    assert (
        run_command("reconstruct vqgan photos/day/0.png --keep-size --tile-size 4 --out tiled") == 0
    )
    assert run_command("reconstruct vqgan photos/day/0.png --keep-size --out untiled") == 0
    ours, theirs = read_pixels("tiled/00000.png"), read_pixels("untiled/00000.png")
    assert ours.shape == (9, 24, 3)
    assert abs(ours - theirs).max() <= 2


def test_a_codec_is_measured(at_codecs: Path, capsys: Any) -> None:
    assert run_command("evaluate vqvae --data photos --split valid --out report") == 0
    output = capsys.readouterr().out
    assert all(word in output for word in ("psnr", "ssim", "perplexity", "codes used", "valid"))
    assert list_contents(Path("report")) == ["codes.png", "reconstructions.png", "report.json"]
    assert run_command("compare report report") == 0
    assert "perplexity" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [
        ("sample vqvae", "vqvae does not draw pictures"),
        ("reconstruct vqvae photos/none.png", "photos/none.png does not exist"),
        ("reconstruct vqvae photos --classes 1", "--classes"),
        ("reconstruct vqvae photos --tile-size 0", "--tile-size is 0"),
        ("reconstruct vqvae photos --size 8 --keep-size", "size and keep_size are both given"),
        ("reconstruct plain photos/day/0.png --tile-size 8", "tile_size are for codecs"),
        ("train vqvae --model.quantizer.codebook-size 1 --out x", "codebook-size is 1"),
        ("train vqgan --model.perceptual lpips --out x", "SMALTI_VGG16"),
    ],
)
def test_refusals(at_codecs: Path, capsys: Any, words: str, said: str) -> None:
    assert run_command(words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("smalti: ") and said in error
    assert not Path("x").exists()


# ------------------------------------------------------------------------------ published weights


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A checkpoint as Lightning leaves it, and its YAML, in the current folder."""
    weights, config = read_weights(GOLDEN / "taming_vqgan.safetensors")
    assert config is not None
    extras = {"loss.discriminator.main.0.weight": torch.zeros(2), "colorize": torch.zeros(1)}
    content = {"state_dict": {**weights, **extras}, "epoch": 3, "lr_schedulers": [],
               "callbacks": {"early": 1.5}, "optimizer_states": [{"state": {}}]}  # fmt: skip
    torch.save(content, tmp_path / "last.ckpt")
    loss = {"target": "taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator",
            "params": {"disc_start": 30001}}  # fmt: skip
    model = {"base_learning_rate": 4.5e-6, "target": "taming.models.vqgan.VQModel",
             "params": {**config, "lossconfig": loss}}  # fmt: skip
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"model": model}))
    monkeypatch.chdir(tmp_path)
    return weights


def test_a_published_vqgan_is_converted(published: dict[str, Any], capsys: Any) -> None:
    assert run_command("convert taming-vqgan last.ckpt --config model.yaml --out vqgan") == 0
    output = capsys.readouterr().out
    assert "2 weights of colorize, loss are not part of the model" in output
    assert "smalti reconstruct vqgan PICTURES" in output
    from safetensors.torch import load_file

    golden, codec = load_file(GOLDEN / "taming_vqgan.safetensors"), smalti.load("vqgan")
    assert codec.spec.size == (32, 32)
    assert torch.equal(codec.network.encode(golden["x"]), golden["codes"])
    assert torch.equal(codec.encode((golden["x"] + 1) / 2), golden["codes"])


def test_what_does_not_convert_is_named(published: dict[str, Any], capsys: Any) -> None:
    save_file({k: v for k, v in published.items() if k != "quant_conv.bias"}, "less.safetensors")
    save_file({**published, "more.weight": torch.zeros(1)}, "more.safetensors")
    Path("other.yaml").write_text("model: {target: taming.models.vqgan.GumbelVQ, params: {}}")
    Path("broken.yaml").write_text("model: [")
    for words, said in (
        ("less.safetensors --config model.yaml", "quant_conv.bias"),
        ("more.safetensors --config model.yaml", "more.weight"),
        ("last.ckpt", "--config"),
        ("last.ckpt --config other.yaml", "GumbelVQ"),
        ("last.ckpt --config broken.yaml", "broken.yaml is not YAML"),
    ):
        assert run_command(f"convert taming-vqgan {words} --out x") == 2
        (error,) = capsys.readouterr().err.strip().splitlines()
        assert said in error
        assert not Path("x").exists()


def test_the_articles_vqvae_is_converted(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "vqvae"
    file = GOLDEN / "dldemos_vqvae.safetensors"
    assert main(["convert", "dldemos-vqvae", str(file), "--out", str(out)]) == 0
    from safetensors.torch import load_file

    golden, codec = load_file(file), smalti.load(out)
    x = golden["x"].clamp(0, 1)
    assert codec.network.pixel_range == (0.0, 1.0)
    assert torch.equal(codec.encode(x), codec.network.encode(x))
