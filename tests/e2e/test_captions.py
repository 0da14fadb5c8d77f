"""Text-conditional models on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smalti.cli import main
from smalti.training import read_run
from tests import albums
from tests.command import list_contents, read_pixels, run_command

RUN = ["--steps", "3", "--batch-size", "4", "--size", "8", "--precision", "32", "--save-every", "2",
       "--model.network.filters", "4", "--model.conditions.text.buckets", "32"]  # fmt: skip


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures with captions, and a run on them."""
    home = tmp_path_factory.mktemp("pets")
    files = albums.make_two_classes(6)
    texts = {f"{name[:-4]}.txt": name.split("/")[0].encode() for name in files}
    albums.write_folder(home / "pets", files | texts)
    albums.write_folder(home / "unnamed", files)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main(["train", "pixelcnnpp-emoji", "--data", "pets", *RUN]) == 0
    return home


@pytest.fixture
def here(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("pets", "unnamed", "runs"):
        (tmp_path / name).symlink_to(pets / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_training_reads_the_captions_beside_the_pictures(pets: Path):
    run = read_run(pets / "runs/pixelcnnpp-emoji")
    (captions,) = run.model.conditions
    assert captions.name == "text" and captions.buckets == 32
    assert run.data["train"]["captions"] != run.data["valid"]["captions"] != ""
    assert read_pixels(pets / "runs/pixelcnnpp-emoji/grids/step-3.png").max() > 0


def test_pictures_without_captions_are_refused(here: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "pixelcnnpp-emoji", "--data", "unnamed", "--out", "no", *RUN]) == 2
    assert "unnamed has no captions" in capsys.readouterr().err
    assert list_contents(here) == ["pets", "runs", "unnamed"]


def test_sample_draws_what_the_text_says(here: Path):
    draw = ["sample", "runs/pixelcnnpp-emoji"]
    assert main([*draw, "-n", "3", "--text", "red heart", "--text", "dog", "--out", "two"]) == 0
    assert main([*draw, "--text", "dog", "--seed", "1", "-n", "1", "--out", "one"]) == 0
    record = json.loads((here / "two/samples.json").read_text())
    assert record["text"] == ["red heart", "dog", "red heart"]
    assert (read_pixels("two/00001.png") == read_pixels("one/00001.png")).all()
    assert list_contents(here / "two") == [
        *(f"0000{k}.png" for k in range(3)),
        "grid.png",
        "samples.json",
    ]


def test_text_is_refused_where_nothing_reads_it(here: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["sample", "ddpm-digits", "--text", "red heart", "--out", "no"]) == 2
    assert "text 'red heart' is given, but ddpm-digits takes no captions" in capsys.readouterr().err
    assert not (here / "no").exists()


def test_evaluate_uses_the_held_out_captions(here: Path):
    assert run_command("evaluate runs/pixelcnnpp-emoji -n 4 --metrics bits --out report") == 0
    report = json.loads((here / "report/report.json").read_text())
    assert "captions of the held-out pictures" in report["protocol"]["classes"]
    (row,) = report["rows"]
    assert row["name"] == "bits/dim" and "exact" in json.dumps(row)


def test_complete_uses_the_text(here: Path):
    words = ["complete", "runs/pixelcnnpp-emoji", "pets/cats/0.png", "-n", "2", "--text", "cat"]
    assert main([*words, "--out", "done"]) == 0
    assert json.loads((here / "done/completions.json").read_text())["text"] == ["cat", "cat"]
