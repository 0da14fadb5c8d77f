"""JSON and YAML of any kind end in a value or a line, soon; so does a config of any size."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

import smalti
from smalti.core.checkpoint import SHIPPED_FOLDER
from smalti.core.documents import MAX_DEPTH, parse_json, read_json_object, read_yaml_object
from tests.expect import expect_user_error


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000],
)
def test_json_of_any_depth_is_a_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text(text)
    with expect_user_error("deep.json", "nested"):
        read_json_object(tmp_path / "deep.json")


def test_what_we_write_is_not_too_deep() -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(text[1:-1], "here") == json.loads(text[1:-1])
    with expect_user_error("here", str(MAX_DEPTH)):
        parse_json("[" + text + "]", "here")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "[1, NaN]"])
def test_what_is_no_number_is_no_json(word: str) -> None:
    with expect_user_error("here is not JSON", "is not a number"):
        parse_json(word, "here")


def test_an_alias_bomb_is_a_line(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 60))]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    begun = time.process_time()
    with expect_user_error("bomb.yaml", "alias"):
        read_yaml_object(tmp_path / "bomb.yaml")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("text", ["- " * 20_000 + "x", "a: " + "[" * 20_000, "a: {" * 20_000])
def test_yaml_of_any_depth_is_a_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "deep.yaml").write_text(text)
    with expect_user_error("deep.yaml"):
        read_yaml_object(tmp_path / "deep.yaml")


def test_a_config_that_asks_for_terabytes_takes_no_memory(tmp_path: Path) -> None:
    """Its weights are compared with the file's header first."""
    content = json.loads((SHIPPED_FOLDER / "gated-pixelcnn-digits/config.json").read_text())
    content["model"]["network"].update(width=65_536, head=65_536, blocks=200)
    (tmp_path / "config.json").write_text(json.dumps(content))
    weights = (SHIPPED_FOLDER / "gated-pixelcnn-digits/model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    with expect_user_error(str(tmp_path)):
        smalti.load(tmp_path)


def test_a_norm_of_single_numbers_is_refused() -> None:
    """A group norm over one number knows no deviation."""
    network = smalti.diffusion.UNetConfig(widths=(8, 8, 8), attention=(False,) * 3, stem=2)
    with expect_user_error("8x8", "widths"):
        smalti.diffusion.DiffusionConfig(shape=(1, 8, 8), network=network)
    smalti.diffusion.DiffusionConfig(shape=(1, 9, 8), network=network)
    smalti.diffusion.DiffusionConfig(shape=(1, 8, 8), network=replace(network, groups=4))
