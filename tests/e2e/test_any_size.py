"""Priors of codes and diffusion models draw pictures of any size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import smalti
from smalti.core.checkpoint import save
from smalti.core.protocols import Card
from smalti.data.single_picture import to_image
from smalti.diffusion import Windows
from tests.command import run_command
from tests.tiny import diffusion_config, pixelcnn_config, prior_config, randomize_zeros


@pytest.fixture
def prior(at_home: Path) -> str:
    torch.manual_seed(0)
    save(prior_config(("a", "b")).build(), at_home / "prior", Card(name="prior"))
    save(pixelcnn_config().build(), at_home / "pixels", Card(name="pixels"))
    return "prior"


def test_pictures_of_any_size(prior: str) -> None:
    assert run_command("sample prior --size 19x30 -n 2 --class all --gif --batch-size 1") == 0
    folder = Path("samples/prior")
    told = json.loads((folder / "samples.json").read_text())
    assert (told["size"], told["sampler"]["tag"]) == ([19, 30], "ancestral")
    drawn = smalti.draw_samples("prior", 2, size=(19, 30), classes="all")
    assert drawn.pictures.shape == (2, 1, 19, 30)
    for k, picture in enumerate(drawn.pictures):
        with Image.open(folder / f"0000{k}.png") as image:
            assert image.size == (30, 19)
            same = np.asarray(image, int) - np.asarray(to_image(picture), int)
            assert abs(same).max() <= 1
    with Image.open(folder / "rows.gif") as film:
        assert getattr(film, "n_frames", 1) == 5


def test_a_diffusion_model_draws_pictures_that_tile(at_home: Path) -> None:
    torch.manual_seed(0)
    config = diffusion_config((1, 8, 8), ("a", "b"), windows=Windows())
    save(randomize_zeros(config.build()), at_home / "tiles", Card(name="tiles"))
    words = "sample tiles --size 12x20 -n 2 --steps 2 --class a --out"
    assert run_command(f"{words} drawn") == 0
    assert run_command(f"{words} tiled --seamless") == 0
    told = json.loads(Path("tiled/samples.json").read_text())
    assert (told["size"], told["sampler"]["seamless"]) == ([12, 20], True)
    drawn = [Path(folder, "00001.png").read_bytes() for folder in ("drawn", "tiled")]
    assert drawn[0] != drawn[1]


def test_a_stride_is_an_option_of_the_sampler(prior: str) -> None:
    words = "sample prior --size 24 -n 1 --sampler sliding --top-k 5 --out"
    assert run_command(f"{words} one") == 0
    told = json.loads(Path("one/samples.json").read_text())["sampler"]
    assert (told["tag"], told["top_k"], told["stride"]) == ("sliding", 5, 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("sample prior --size 24 --sampler sliding --stride 2", "stride is 2; give 1 to 1"),
        ("sample pixels --size 24", "size 24 is given, but pixels has a fixed size; leave it out"),
        ("sample prior --size 5000", "size 5000 is too large; give 4096 at most"),
        ("sample prior --size 0", "--size 0 is not a size"),
    ],
)
def test_what_does_not_fit_leaves_nothing(
    prior: str, words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(f"{words} --out none") == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1
    assert not Path("none").exists()
