"""The values that command-line options take."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from PIL import Image

from smalti.cli.flags import parse_option
from smalti.cli.options import can_be, check_numbers
from smalti.core.config import TAGS, check_fields
from smalti.core.config_flags import list_flags
from smalti.core.errors import UserError
from smalti.core.ranges import Fraction
from smalti.diffusion import DDIM, UNetConfig
from tests.command import TINY_RUN, list_contents, read_pixels, run_command
from tests.expect import expect_user_error

ATTENTION = next(f for f in list_flags(UNetConfig()) if f.name == "attention")


@pytest.mark.parametrize(
    "words", [("no", "no", "yes"), ("false", "False", "true"), ("0,0,1",), ("n f Y",)]
)
def test_a_list_of_truths_takes_the_words_of_one(words: tuple[str, ...]):
    assert parse_option(words, ATTENTION) == (False, False, True)


@pytest.mark.parametrize("words", [("maybe",), ("no", "2"), ("no", "null")])
def test_other_words_are_no_truths(words: tuple[str, ...]):
    with expect_user_error("--attention is ", words[-1], "give yes or no for each level"):
        parse_option(words, ATTENTION)


LARGEST = 2**64 - 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sample plain -n 0", "-n is 0; give 1 or more, 1,000,000 at most"),
        ("sample plain -n 1000000000000", "-n is 1000000000000; give 1 or more"),
        ("sample plain --batch-size 0", "--batch-size is 0; give 1 or more"),
        ("sample plain --batch-size -3", "--batch-size is -3; give 1 or more"),
        ("sample plain --guidance nan", "--guidance is nan; give "),
        ("sample plain --guidance inf", "--guidance is inf; give "),
        ("sample plain --guidance 1e30", "--guidance is 1e+30; give -10000 or more, 10000 at most"),
        ("sample plain --eta nan", "--eta is nan; give 0 or more, 1 at most"),
        ("sample plain --temperature inf", "--temperature is inf; give 0 or more"),
        ("sample plain --strength nan", "--strength is nan; give more than 0, 1 at most"),
        ("sample plain --steps 1000000000000", "steps is 1000000000000; give 1 or more"),
        ("sample plain --spacing 99999999999999999999,0", "--spacing is 99999999999999999999"),
        (
            "sample plain --size 5000x5000",
            "size 5000 is too large; give 4096 at most",
        ),
        (f"sample plain --seed {LARGEST + 1}", "--seed is 18446744073709551616; give 0 or more, "),
        (f"sample plain -n 2 --seed {LARGEST}", "2 seeds from there exceed 2^64 - 1; give a"),
        (f"sample plain --seed {'9' * 5000}", "--seed"),
        ("evaluate plain --data photos --bootstraps 1", "--bootstraps is 1; give 2 or more"),
        ("evaluate plain --data photos -n 1000000000000", "-n is 1000000000000; give 1 or more"),
        ("compare plain plain --seed -1", "--seed is -1; give 0 or more"),
        ("interpolate plain --frames 1000000000", "--frames is 1000000000; give 2 or more"),
        (f"interpolate plain --from {LARGEST + 1}", "seed is 18446744073709551616; give 0 or more"),
        (f"interpolate plain --from {'9' * 5000}", "is not a seed; give 0 to 2^64 - 1"),
        ("interpolate plain --guidance nan", "--guidance is nan; give -10000 or more"),
        ("reconstruct plain photos/day/0.png --refine -1", "--refine is -1; give 0 or more"),
        ("match photos/day/0.png photos/day/2.png --threads 1000", "--threads is 1000; give 1 or"),
        ("bench patchmatch --threads 0", "--threads is 0; give 1 or more, 256 at most"),
        ("match photos/day/0.png photos/day/2.png --iterations 1000000000000", "--iterations is 1"),
        ("inpaint photos/day/0.png photos/day/2.png --seed -1", "--seed is -1; give 0 or more"),
        ("train ddpm --data photos --minutes nan", "--minutes is nan; give more than 0"),
        ("train ddpm --data photos --minutes inf", "--minutes is inf; give more than 0"),
        ("train ddpm --data photos --lr nan", "--lr is nan; give more than 0, less than 1"),
        ("train ddpm --data photos --batch-size 0", "--batch-size is 0; give 1 or more"),
        (
            f"train ddpm --data photos --seed {LARGEST + 1}",
            "--seed is 18446744073709551616; give 0",
        ),
        ("train ddpm --data photos --model.network.widths 0 8", "widths"),
        ("demo --minutes -1", "--minutes is -1.0; give more than 0"),
        ("data photos --epochs inf", "--epochs is inf; give more than 0"),
        ("pack photos p --valid nan", "--valid is nan; give 0 or more, 1 at most"),
        (f"pack photos p --seed {LARGEST + 1}", "--seed is 18446744073709551616; give 0 or more"),
        ("sample plain --seed 1.5", "--seed is '1.5'; give a whole number"),
        ("sample plain -n=2.7", "-n is '2.7'; give a whole number"),
        ("train ddpm --data photos --batch-size 2.5", "--batch-size is '2.5'; give a whole number"),
        ("sample plain --device nonsense", "--device nonsense: PyTorch finds no such device here"),
        ("sample plain --device meta", "--device meta: "),
        ("sample plain --device hpu", "--device hpu: "),
        ("sample plain --device cuda:99", "--device cuda:99: "),
    ],
)
def test_numbers_that_cannot_be(at_home: Path, capsys: Any, words: str, said: str):
    assert run_command(words) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and error.startswith("smalti: ")
    assert list_contents(at_home) == ["named", "photos", "plain"]


def test_every_number_of_every_verb_is_finite():
    """All verbs share the check, so options that are added later are checked, too."""
    for verb in ("sample", "inpaint", "evaluate", "interpolate", "complete"):
        command = importlib.import_module(f"smalti.cli.{verb}").app.default_command
        if choose := getattr(command, "choose", None):
            command, _ = choose(())
        for name, hint in get_type_hints(command, include_extras=True).items():
            if not can_be(hint, int, float):
                continue
            arguments = inspect.signature(command).bind_partial(**{name: float("nan")})
            with pytest.raises(UserError):
                check_numbers(command, arguments)


@dataclass(frozen=True)
@check_fields
class Straight(DDIM):
    """A sampler that a test adds."""

    push: Fraction = 0.5
    """How far each step goes."""


def test_a_sampler_that_a_model_lists_has_options(
    at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setitem(TAGS, "straight", f"{__name__}:Straight")
    monkeypatch.setattr("smalti.diffusion.model.SAMPLERS", (DDIM, Straight))
    assert run_command("sample plain --help") == 0
    help_text = " ".join(capsys.readouterr().out.split())
    assert "--sampler ddim|straight" in help_text
    assert "--push FLOAT How far each step goes. (straight) [0.5]" in help_text
    assert "--temperature FLOAT" not in help_text
    assert run_command("sample plain -n 1 --sampler straight --push 0.25 --steps 2 --out s") == 0
    used = json.loads(Path("s/samples.json").read_text())["sampler"]
    assert (used["tag"], used["push"], used["steps"]) == ("straight", 0.25, 2)
    assert run_command("sample plain --sampler straight --push 7") == 2
    assert "--push is 7.0; give 0 or more, 1 at most" in capsys.readouterr().err
    assert run_command("sample --help") == 0
    assert "--temperature FLOAT" in capsys.readouterr().out


@pytest.mark.parametrize("seed", [2**63, LARGEST])
def test_the_largest_seeds_work(at_home: Path, capsys: Any, seed: int):
    assert run_command(f"sample plain -n 1 --steps 2 --seed {seed} --out a") == 0
    assert list_contents(at_home / "a") == sorted([f"{seed}.png", "grid.png", "samples.json"])
    assert run_command(f"pack photos p --seed {seed} --valid 0.2") == 0
    photo = "photos/day/0.png"
    hole = np.zeros(read_pixels(photo).shape[:2], np.uint8)
    hole[2:5, 2:5] = 255
    Image.fromarray(hole).save("hole.png")
    assert run_command(f"inpaint {photo} hole.png --seed {seed} --patch 3 --out i") == 0
    assert (
        run_command(f"train ddpm --data photos --seed {seed} --out run {' '.join(TINY_RUN)}") == 0
    )
    assert run_command(f"evaluate run -n 1 --seed {seed} --metrics cost,bits --steps 1") == 0


def test_a_list_of_truths_builds_a_model(at_home: Path):
    """The example of docs/cli.md."""
    words = "train ddpm --data photos --steps 1 --batch-size 4 --size 16 --out run"
    words += " --model.network.widths 8 8 8 --model.network.attention no no yes"
    assert run_command(words) == 0
    network = json.loads(Path("run/run.json").read_text())["model"]["network"]
    assert network["attention"] == [False, False, True]
