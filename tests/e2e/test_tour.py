"""`smalti demo`: the tour, its page, and the commands on it."""

from __future__ import annotations

import html
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cyclopts import CycloptsError

import smalti
from smalti.cli import main
from smalti.core.errors import UserError
from smalti.recipes import find_recipe
from smalti.recipes.recipe import Recipe
from smalti.tasks import demo_stops
from smalti.tasks.demo_stops import STOPS
from tests.command import expect_nothing_left, list_contents, parse_command, read_files
from tests.tiny import unet_config

CHEAP = ("A broken mosaic", "Pictures as few numbers", "English to Chinese")


@pytest.fixture
def tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tour of three stops and a tiny training, in a fresh folder."""
    monkeypatch.chdir(tmp_path)
    choose_stops(monkeypatch, *CHEAP, STOPS[-1].title)
    tiny = make_tiny_recipe()
    monkeypatch.setattr("smalti.tasks.demo_stops.find_recipe", lambda name: tiny)


def choose_stops(monkeypatch: pytest.MonkeyPatch, *titles: str) -> None:
    stops = tuple(stop for stop in STOPS if stop.title in titles)
    assert len(stops) == len(titles)
    monkeypatch.setattr("smalti.tasks._demo.STOPS", stops)


def make_tiny_recipe() -> Recipe:
    recipe = find_recipe("ddpm-digits")
    training = replace(recipe.training, steps=None, batch_size=4, precision="32")
    return replace(
        recipe,
        make_config=lambda x: replace(
            recipe.make_config(x), network=unet_config(condition_width=11)
        ),
        training=training,
    )


def test_the_page_is_self_contained_and_says_what_to_type_next(
    tour: None, capsys: pytest.CaptureFixture[str]
):
    assert main(["demo", "--quick", "--out", "g"]) == 0
    out, text = capsys.readouterr().out, Path("g/index.html").read_text()
    assert text.count('src="data:image/') == 5 and not re.search(r'(src|href)="(?!data:|#)', text)
    assert "先保存文件" in text and 'href="#patchmatch"' in text
    commands = re.findall(r"smalti .*", out)
    assert len(commands) == 5
    assert "smalti inpaint g/pictures/broken.png g/pictures/hole.png" in commands
    shown = [re.sub("<.*?>", "", code) for code in re.findall("<code>(.*)</code>", text)]
    assert len(shown) == 4 + 5
    for command in [*commands, *map(html.unescape, shown)]:
        parse_command(command)
    assert "g/index.html" in out
    assert smalti.load("g/run").spec.classes == tuple("0123456789")


def test_a_command_on_the_page_makes_its_picture(tour: None):
    gallery = smalti.make_gallery("g", quick=True)
    folders = {"inpaint": ("g/repair", 2), "reconstruct": ("g/codec", 6)}
    for verb, (folder, n) in folders.items():
        (command,) = [e.command for e in gallery.exhibits if e.command.startswith(f"smalti {verb}")]
        assert main([*command.split()[1:], "--out", verb]) == 0
        theirs, ours = read_files(folder), read_files(verb)
        pictures = [name for name in ours if name.endswith(".png")]
        assert len(pictures) >= n and all(theirs[name] == ours[name] for name in pictures)


def test_a_stop_without_its_extra_is_a_line(
    tour: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    choose_stops(monkeypatch, "English to Chinese")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    assert main(["demo", "--quick"]) == 0
    line = "Left out: translation needs the package sentencepiece; run `pip install"
    assert line in capsys.readouterr().out and line in Path("gallery/index.html").read_text()
    assert list_contents(Path("gallery/pictures"))[0] == "broken.png"


def test_a_tour_that_is_stopped_leaves_nothing(tour: None):
    with expect_nothing_left(Path()) as cancel:
        smalti.make_gallery("new", quick=True, on_progress=cancel)
    Path("mine").mkdir()
    Path("mine/a.txt").touch()
    with pytest.raises(UserError, match="mine"):
        smalti.make_gallery("mine", quick=True)


def test_stages_are_told_with_their_seconds(tour: None, monkeypatch: pytest.MonkeyPatch):
    choose_stops(monkeypatch, "A broken mosaic")
    stages: list[tuple[str, float | None, str]] = []
    gallery = smalti.make_gallery("g", quick=True, on_stage=lambda *at: stages.append(at))
    name = "PatchMatch: A broken mosaic"
    assert stages == [(name, None, ""), (name, gallery.exhibits[0].seconds, "")]


@pytest.mark.parametrize("quick", [True, False])
def test_every_command_of_the_tour_parses(
    quick: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without the work of its task; the tour of CI does that."""
    (tmp_path / "pictures" / "digits").mkdir(parents=True)
    (tmp_path / "digits.smalti").touch()
    result = SimpleNamespace(mean_psnr=30.0, metrics=SimpleNamespace(psnr_voted=30.0))
    for task in ("draw_samples", "interpolate", "complete", "reconstruct", "inpaint", "match"):
        monkeypatch.setattr(demo_stops, task, lambda *some, **options: result)
    monkeypatch.setattr(demo_stops, "compress", lambda *some, **options: None)
    tour = demo_stops.Tour(tmp_path, "gallery", quick, 0.5, lambda event: None)
    commands = {stop.show(tour).command for stop in STOPS[:-1]}  # the training is tested above
    assert len(commands) == len(STOPS) - 1
    for command in commands:
        parse_command(command)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("smalti smaple ddpm-digits", "no verb 'smaple'"),
        ("smalti sample ddpm-digits --clas 7", "--clas"),
        ("smalti sample ddpm-digits -n x", "n"),
        ("smalti train ddpm --minuts 3", "--minuts"),
    ],
)
def test_a_wrong_command_would_not_parse(line: str, message: str):
    with pytest.raises((UserError, CycloptsError), match=message):
        parse_command(line)
