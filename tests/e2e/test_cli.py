"""The command line: what it writes, prints and refuses."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import smalti
from smalti.cli import VERBS, main
from smalti.cli.event_printer import EventPrinter
from smalti.convert import ArticleDDIM, ArticleDDPM
from smalti.core.checkpoint import save
from smalti.training import read_run
from smalti.training.events import Stepped
from tests.command import TINY_RUN, compute_max_difference, list_contents, read_pixels, run_command
from tests.tiny import diffusion_config, randomize_zeros

# ---- help


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]):
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert VERBS[verb][1] in out
    assert f"smalti {verb}" in out.split("Example", 1)[1]


def test_help_of_a_recipe_shows_its_own_defaults(capsys: pytest.CaptureFixture[str]):
    assert main(["train", "ddpm", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "--batch-size INT Pictures per optimizer step, or tokens of text. [32]" in out
    assert "--model.schedule cosine|linear|sigmoid" in out


def test_what_pictures_decide_is_no_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["train", "pixelcnnpp-emoji", "--help"]) == 0
    assert main(["train", "pixelcnn", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--model.conditions.text.buckets" in out
    assert not re.search(r"--model\.(codec\.shape|conditions\.class|network\.channels)", out)


def test_help_lists_the_verbs(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(verb in out and summary in out for verb, (_, summary) in VERBS.items())


# ---- list


def test_list_in_a_pipe_has_a_line_for_each_model_and_recipe(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    listing = smalti.list_models()
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [*(model.name for model in listing.models), *listing.recipes]


@pytest.mark.parametrize("width", [80, 120])
def test_list_fits_the_terminal_in_two_lines_each(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["list"]) == 0
    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= width
    listing = smalti.list_models()
    first = {line.split()[0]: i for i, line in enumerate(lines) if re.match(r"  \S", line)}
    assert {*(model.name for model in listing.models), *listing.recipes} <= set(first)
    wrapped = [
        all(line.startswith(" " * 20) for line in lines[i : i + 2]) for i in range(len(lines))
    ]
    assert not any(wrapped)  # the second of two such lines would be a third


def test_list_of_a_name_shows_its_card_and_its_commands(capsys: pytest.CaptureFixture[str]):
    assert main(["list", "letters"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    (model,) = [m for m in smalti.list_models().models if m.name == "letters"]
    assert model.card["data"] in out and f"{model.n_parameters / 1e6:.2f} M weights" in out
    assert "smalti sample letters -n 16" in out and "smalti train letters" in out
    assert main(["list", "leters"]) == 2
    assert "did you mean 'letters'?" in capsys.readouterr().err


def test_list_needs_no_torch():
    code = "import sys; from smalti.cli import main; main(['list']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_list_counts_the_weights(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("smalti.tasks._list.SHIPPED", home)
    assert main(["list", "named"]) == 0
    out = capsys.readouterr().out
    count = sum(p.numel() for p in smalti.load(home / "named").parameters())
    assert "Diffusion: DDPM" in out and f"{count / 1e6:.2f} M weights" in out


# ---- train


def test_train_ends_with_a_checkpoint_a_grid_and_the_next_command(
    at_home: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["train", "ddpm", "--data", "photos", *TINY_RUN, "--out", "my run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("done at step 3 after")
    summary = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:]}
    assert summary["checkpoint"] == "my run/step-3"
    assert read_pixels(summary["grid"]).shape == (
        466,
        466,
        3,
    )  # 8 x 8 tiles of 56, and lines between
    assert summary["next"] == "smalti sample 'my run' -n 64"
    assert smalti.load("my run").spec.classes == ("day", "night")


def test_training_options_change_what_they_name_and_nothing_else(trained: Path):
    job = read_run(trained)
    assert job.model.network.widths == (8,)
    assert job.model.network.attention == (True,)
    assert job.model.network.blocks == 2  # the recipe's
    assert (job.training.steps, job.training.batch_size, job.training.learning_rate) == (3, 4, 5e-3)
    assert job.about == {
        "recipe": "ddpm", "data": str((trained.parents[1] / "photos").resolve()), "size": 8,
    }  # fmt: skip


def test_a_config_of_another_type_can_be_chosen(at_home: Path):
    words = "--model.schedule sigmoid --model.schedule.tau 0.7 --model.prediction eps"
    words += " --model.sampler.spacing 900,500,10"
    assert main(["train", "ddpm", "--data", "photos", *TINY_RUN, *words.split(), "--out", "r"]) == 0
    config = read_run("r").model
    assert config.schedule == smalti.diffusion.Sigmoid(tau=0.7)
    assert config.prediction == "eps"
    assert config.sampler.spacing == (900, 500, 10)


def test_ctrl_c_saves_and_resume_continues_identically(
    at_home: Path,
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    original = EventPrinter.print_step

    def print_step(self: EventPrinter, event: Stepped) -> None:
        original(self, event)
        if event.step == 1:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(EventPrinter, "print_step", print_step)
        assert main(["train", "ddpm", "--data", "photos", *TINY_RUN]) == 130
    out = capsys.readouterr().out
    assert "stopped at step 1" in out
    assert out.splitlines()[-1].split(maxsplit=1)[1] == "smalti train --resume --out runs/ddpm"
    assert main(["train", "ddpm", "--resume"]) == 0
    streams = capsys.readouterr()
    assert "resuming from step 1" in streams.err and "done at step 3" in streams.out
    weights = smalti.load(trained).state_dict()
    resumed = smalti.load("runs/ddpm").state_dict()
    assert all(torch.equal(value, resumed[key]) for key, value in weights.items())


# ---- sample


def read_samples_record(out: str) -> dict:
    return json.loads(Path(out, "samples.json").read_text())


def test_sample_writes_pictures_by_seed_and_a_record(
    at_home: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["sample", "named", "-n", "3", "--seed", "7", "--gif"]) == 0
    assert re.fullmatch(
        r"3 pictures in \d+\.\d s: samples/named/grid\.png\n", capsys.readouterr().out
    )
    assert list_contents(Path("samples/named")) == [
        "00007.png", "00008.png", "00009.png", "denoising.gif", "grid.png", "samples.json",
    ]  # fmt: skip
    record = read_samples_record("samples/named")
    assert record["model"] == "named" and record["seeds"] == [7, 8, 9]
    assert record["classes"] is None and record["smalti"] == smalti.__version__
    assert record["sampler"]["tag"] == "ddim" and record["sampler"]["steps"] == 20
    with Image.open("samples/named/denoising.gif") as film:
        assert getattr(film, "n_frames", 1) == 21


def test_a_seed_is_a_picture_whatever_is_drawn_beside_it(at_home: Path):
    assert run_command("sample plain -n 5 --steps 3 --batch-size 2 --out a") == 0
    assert run_command("sample plain -n 1 --seed 4 --steps 3 --out b") == 0
    assert (
        compute_max_difference(read_pixels("a/00004.png"), read_pixels("b/00004.png")) <= 1
    )  # float error, rounded


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        ("--class dog", ["dog"] * 4),
        ("--class 0,1", ["cat", "dog", "cat", "dog"]),
        ("--class 3 --class 1", ["3", "dog", "3", "dog"]),  # a name goes before a number
        ("--class all", ["cat", "dog", "3", "cat"]),
    ],
)
def test_classes_by_name_and_number(at_home: Path, words: str, classes: list[str]):
    assert run_command(f"sample named -n 4 --steps 2 {words} --out s") == 0
    assert read_samples_record("s")["classes"] == classes


@pytest.mark.parametrize(
    ("number", "columns", "seeds"),
    [
        (8, 4, [1, 3, 5, 7, 0, 2, 4, 6]),  # a class a row; a square would have 3 columns
        (5, 3, [1, 3, 0, 2, 4]),  # classes are not as large as each other: nearly a square
    ],
)
def test_the_grid_is_in_the_order_of_the_classes(
    at_home: Path, number: int, columns: int, seeds: list[int]
):
    assert run_command(f"sample named -n {number} --steps 2 --class 1,0 --out s") == 0
    sheet = read_pixels("s/grid.png")
    scale, pad = 7, 2
    assert sheet.shape[1] == pad + columns * (8 * scale + pad)
    for place, seed in enumerate(seeds):
        y, x = (pad + k * (8 * scale + pad) for k in divmod(place, columns))
        tile = sheet[y : y + 8 * scale : scale, x : x + 8 * scale : scale]
        assert np.array_equal(tile, read_pixels(f"s/{seed:05d}.png"))


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("--steps 4 --eta 0.5 --spacing quadratic", {"steps": 4, "eta": 0.5}),
        ("--steps 3 --sigma-hat --guidance 2", {"sigma_hat": True, "guidance": 2.0}),
        ("--spacing 90 40 3", {"spacing": [90, 40, 3]}),
        ("--sampler ddpm --variance beta --no-clip", {"tag": "ddpm", "clip": False}),
    ],
)
def test_sampler_options_reach_the_sampler(at_home: Path, words: str, changed: dict):
    torch.manual_seed(0)
    cosine = smalti.diffusion.Cosine(T=100)
    save(randomize_zeros(diffusion_config(schedule=cosine).build()), "short")
    assert run_command(f"sample short -n 2 --out s {words}") == 0
    assert changed.items() <= read_samples_record("s")["sampler"].items()


def test_another_size(at_home: Path):
    assert run_command("sample plain -n 1 --steps 2 --size 5x12 --out s") == 0
    assert read_pixels("s/00000.png").shape == (5, 12, 3)


def test_our_own_output_is_replaced_and_nothing_of_it_stays(at_home: Path):
    assert run_command("sample plain -n 3 --steps 1 --out s --gif") == 0
    assert run_command("sample plain -n 1 --steps 1 --out s") == 0
    assert list_contents(Path("s")) == ["00000.png", "grid.png", "samples.json"]


# ---- interpolate


def test_interpolation_begins_with_the_seed_it_starts_from(at_home: Path):
    words = "interpolate named --from 3 --to 8 --frames 4 --class cat --steps 3 --gif --out walk"
    assert run_command(words) == 0
    assert list_contents(Path("walk")) == ["interpolation.gif", "interpolation.json", "strip.png"]
    assert run_command("sample named --seed 3 -n 1 --class cat --steps 3 --out s") == 0
    strip = read_pixels("walk/strip.png")
    assert compute_max_difference(strip[2:58:7, 2:58:7], read_pixels("s/00003.png")) <= 1
    assert strip.shape == (56 + 4, 4 * 58 + 2)
    assert json.loads(Path("walk/interpolation.json").read_text())["classes"] == ["cat"]


def test_without_a_class_the_walk_stays_in_the_class_of_its_first_seed(at_home: Path):
    assert run_command("interpolate named --from 3 --frames 2 --steps 3 --out walk") == 0
    assert run_command("sample named --seed 3 -n 1 --steps 3 --out s") == 0
    strip = read_pixels("walk/strip.png")
    assert compute_max_difference(strip[2:58:7, 2:58:7], read_pixels("s/00003.png")) <= 1


# ---- convert


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("dldemos-ddpm-unet", ArticleDDPM(20, (1, 9, 8), (4, 8), pe_dim=6)),
        (
            "dldemos-ddim-unet",
            ArticleDDIM(20, (3, 8, 8), (4, 6), pe_dim=6, with_attns=(False, True)),
        ),
    ],
)
def test_a_converted_model_samples(at_home: Path, kind: str, config: ArticleDDPM | ArticleDDIM):
    torch.manual_seed(0)
    torch.save(config.build().state_dict(), "net.pth")
    assert main(["convert", kind, "net.pth", "--out", "models/net"]) == 0
    assert list_contents(Path("models/net")) == ["config.json", "model.safetensors"]
    model = smalti.load("models/net")
    assert model.config.network == config
    words = "" if kind == "dldemos-ddpm-unet" else "--steps 5"
    assert run_command(f"sample models/net -n 2 --out s {words}") == 0
    assert read_pixels("s/00000.png").shape[:2] == config.img_shape[1:]


def test_a_config_file_goes_before_what_the_weights_tell(at_home: Path):
    config = ArticleDDIM(20, (3, 8, 8), (4, 6), pe_dim=6, with_attns=(False, False))
    torch.save(config.build().state_dict(), "net.pth")
    Path("net.json").write_text(json.dumps(asdict(config)))
    words = "convert dldemos-ddim-unet net.pth --config net.json --out m"
    assert run_command(words) == 0
    assert smalti.load("m").config.network == config
