"""What a message shows of long values, counts and unknown names."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import smalti
from smalti.cli import main
from smalti.core.errors import UserError
from smalti.core.messages import MAX_MESSAGE, format_count, suggest_name
from tests.expect import expect_user_error

LONG = 100_000


def test_a_long_word_keeps_its_ends():
    said = str(UserError(f"--class {'a' * LONG}z is none; give one"))
    assert said == f"--class {'a' * 60}...{'a' * 19}z is none; give one"


def test_a_long_message_keeps_what_was_wrong_and_what_to_do():
    said = str(UserError("--text " + "red " * LONG + "is given; leave it out"))
    assert said.startswith("--text red red") and said.endswith("is given; leave it out")
    assert len(said) <= MAX_MESSAGE


def test_a_path_stays_whole():
    path = "/".join(["folder"] * 25)
    assert path in str(UserError(f"{path} does not exist"))


def test_errors_come_whole_out_of_another_process():
    error = UserError("x" * LONG)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "0 pictures"), (1, "1 picture"), (1200, "1,200 pictures"), (0.5, "0.5 pictures")],
)
def test_counts(n: float, said: str):
    assert format_count(n, "picture") == said


def test_counts_of_words_with_a_plural_of_their_own():
    assert [format_count(n, "copy", "copies") for n in (1, 2)] == ["1 copy", "2 copies"]


def test_unknown_names():
    assert suggest_name("ddmp", ["ddpm", "unipc"]) == "did you mean 'ddpm'?"
    assert suggest_name("else", ["ddpm", "unipc"]) == "there are ddpm, unipc"
    assert suggest_name("a" * LONG, []) == "there are none"


def test_a_misspelled_model_gets_a_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "faces").mkdir(parents=True)
    with expect_user_error("no model 'ddpm-digit'", "did you mean 'ddpm-digits'?"):
        smalti.load("ddpm-digit")
    with expect_user_error("no model 'runs/fcaes'", "did you mean 'runs/faces'?"):
        smalti.load("runs/fcaes")
    with expect_user_error("no model 'zzz'", "shipped are autoencoder-digits, "):
        smalti.load("zzz")


def test_misspelled_data_gets_a_suggestion(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    with expect_user_error("fotos does not exist; did you mean", "photos'?"):
        smalti.data.read(tmp_path / "fotos")
    with expect_user_error("emoji-23 does not exist; did you mean 'emoji-32'?"):
        smalti.data.read("emoji-23")


@pytest.mark.parametrize(
    "words",
    [
        ["{}"],
        ["list", "{}"],
        ["sample", "{}"],
        ["sample", "--{}"],
        ["sample", "ddpm-digits", "--guidance", "x{}"],
        ["sample", "ddpm-digits", "--sampler", "{}"],
        ["sample", "ddpm-digits", "--size", "9{}"],
        ["sample", "ddpm-digits", "--class", "{}"],
        ["train", "{}"],
    ],
)
@pytest.mark.parametrize("digit", ["a", "9"])
def test_every_message_is_short(
    words: list[str], digit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main([word.format(digit * 5000) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and len(said) <= MAX_MESSAGE + len("smalti: \n")
    assert not list(tmp_path.iterdir())
