"""Conditions of priors from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import read_pixels, run_command


def test_guidance_is_an_option_of_priors(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = "sample vqvae-digits-gpt -n 3 --class 3,5,8 --out"
    for name, guidance in (("none", ""), ("one", " --guidance 1"), ("more", " --guidance 20")):
        assert run_command(f"{command} {tmp_path / name}{guidance}") == 0
    none, one, more = (read_pixels(tmp_path / n / "grid.png") for n in ("none", "one", "more"))
    assert (none == one).all() and (none != more).any()
    record = json.loads((tmp_path / "more" / "samples.json").read_text())
    assert record["sampler"]["guidance"] == 20
    capsys.readouterr()
    assert run_command(f"sample gated-pixelcnn-digits -n 1 --guidance 2 --out {tmp_path / 'x'}") == 2
    error = capsys.readouterr().err.strip()
    assert error == (
        "smalti: guidance is 2, but this model was not trained without class; set guidance to 1"
    )
