"""Reading weights, inferring configs, and their errors."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from smalti.convert import (
    ArticleDDIM,
    ArticleDDPM,
    from_reference,
    infer_config,
    read_config,
    read_weights,
)
from smalti.core.errors import UserError

DDPM = ArticleDDPM(n_steps=5, img_shape=(1, 7, 6), channels=(4, 8), pe_dim=6)
DDIM = ArticleDDIM(
    n_steps=5, img_shape=(2, 7, 6), channels=(4, 6), pe_dim=6, with_attns=(False, True)
)
KINDS = {"dldemos_ddpm_unet": DDPM, "dldemos_ddim_unet": DDIM}


def expect_refusal(*words: str) -> Any:
    """Expect a UserError of one line that has all these words, in this order."""
    return pytest.raises(UserError, match=r"\A[^\n]*" + "[^\n]*".join(words) + r"[^\n]*\Z")


def make_small(kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    torch.manual_seed(0)
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(KINDS[kind]).items()}
    return config, KINDS[kind].build().state_dict()


# ---- from_reference


@pytest.mark.parametrize("kind", KINDS)
def test_from_reference_copies_the_weights(kind: str) -> None:
    config, weights = make_small(kind)
    network = from_reference(kind, config, weights)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    for value in weights.values():
        value.add_(1)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_unknown_kind_lists_the_known() -> None:
    with expect_refusal("'nothing'", "dldemos_ddpm_unet", "dldemos_ddim_unet"):
        from_reference("nothing", {}, {})
    with expect_refusal("'nothing'", "dldemos_ddpm_unet"):
        infer_config("nothing", {})


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_unknown_weights_are_named(kind: str) -> None:
    config, weights = make_small(kind)
    del weights["conv_out.bias"]
    for i in range(9):
        weights[f"extra.{i}"] = torch.zeros(1)
    with expect_refusal(kind, "1 missing", "conv_out.bias", "9 unknown", "extra.0", "extra.2, ..."):
        from_reference(kind, config, weights)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_shape_is_named(kind: str) -> None:
    config, weights = make_small(kind)
    c = config["img_shape"][0]
    weights["conv_out.bias"] = torch.zeros(9)
    with expect_refusal(kind, "'conv_out.bias'", r"\(9,\)", rf"\({c},\)"):
        from_reference(kind, config, weights)


@pytest.mark.parametrize("kind", KINDS)
def test_a_config_with_a_field_missing_or_unknown(kind: str) -> None:
    config, weights = make_small(kind)
    with expect_refusal(kind, "unknown", "n_steps"):
        from_reference(kind, {**config, "depth": 3}, weights)
    del config["pe_dim"]
    with expect_refusal(kind, "no pe_dim"):
        from_reference(kind, config, weights)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("dldemos_ddpm_unet", "n_steps", 0),
        ("dldemos_ddpm_unet", "img_shape", [1, 28]),
        ("dldemos_ddpm_unet", "img_shape", [1, 1, 28]),
        ("dldemos_ddpm_unet", "channels", "wide"),
        ("dldemos_ddpm_unet", "channels", [4, 9]),
        ("dldemos_ddpm_unet", "pe_dim", 5),
        ("dldemos_ddpm_unet", "residual", "yes"),
        ("dldemos_ddpm_unet", "classes", -1),
        ("dldemos_ddim_unet", "channels", []),
        ("dldemos_ddim_unet", "with_attns", [True]),
        ("dldemos_ddim_unet", "with_attns", 1),
        ("dldemos_ddim_unet", "norm_type", "bn"),
        ("dldemos_ddim_unet", "norm_type", "gn"),  # 4 channels make no 32 groups
    ],
)
def test_an_impossible_config_names_its_field(kind: str, field: str, value: object) -> None:
    config, _ = make_small(kind)
    offender = "channels" if value == "gn" else field
    with expect_refusal(kind, offender):
        read_config(kind, {**config, field: value})


# ---- the networks


@torch.no_grad()
@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_sides_that_halve_unevenly(config: ArticleDDPM | ArticleDDIM) -> None:
    x = torch.randn(2, *config.img_shape)  # height odd, width even: the reference fails here
    assert config.build()(x, torch.tensor([0, 4])).shape == x.shape


@torch.no_grad()
@pytest.mark.parametrize("article", [ArticleDDPM, ArticleDDIM])
def test_classes_reach_the_output(article: type[ArticleDDPM] | type[ArticleDDIM]) -> None:
    network = article(n_steps=5, img_shape=(1, 8, 8), classes=3).build()
    x, t = torch.randn(1, 1, 8, 8).repeat(4, 1, 1, 1), torch.full((4,), 2)
    eps = network(x, t, torch.arange(4))
    assert len({tuple(row.flatten().tolist()) for row in eps}) == 4
    torch.testing.assert_close(network(x, t)[0], eps[3])  # None is "no class", the last


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_y_without_classes_is_refused(config: ArticleDDPM | ArticleDDIM) -> None:
    with expect_refusal("y was given"):
        config.build()(torch.randn(1, *config.img_shape), torch.zeros(1).long(), torch.zeros(1))


def test_one_bool_stands_for_all_levels() -> None:
    config, _ = make_small("dldemos_ddim_unet")
    read = read_config("dldemos_ddim_unet", {**config, "with_attns": True})
    assert isinstance(read, ArticleDDIM)
    assert read.with_attns == (True, True)


# ---- infer_config


def check_inference(kind: str, config: ArticleDDPM | ArticleDDIM) -> None:
    with torch.device("meta"):  # shapes are all that counts
        weights = config.build().state_dict()
    found = infer_config(kind, weights, config.img_shape[1:])
    assert read_config(kind, found) == config


SHAPES = st.tuples(st.integers(1, 4), st.integers(8, 40), st.integers(8, 40))
STEPS, WIDTHS, CLASSES = (
    st.integers(1, 99),
    st.integers(1, 9).map(lambda n: 2 * n),
    st.integers(0, 3),
)


@settings(deadline=None, max_examples=30)
@given(STEPS, SHAPES, st.integers(1, 9), st.integers(2, 4), WIDTHS, st.booleans(), CLASSES)
def test_ddpm_config_comes_back(
    n_steps: int,
    shape: tuple[int, int, int],
    c: int,
    levels: int,
    pe_dim: int,
    residual: bool,
    classes: int,
) -> None:
    channels = tuple(c << i for i in range(levels))
    config = ArticleDDPM(n_steps, shape, channels, pe_dim, residual, classes=classes)
    check_inference("dldemos_ddpm_unet", config)


@settings(deadline=None, max_examples=30)
@given(STEPS, SHAPES, st.data(), WIDTHS, st.sampled_from(["gn", "ln"]), CLASSES)
def test_ddim_config_comes_back(
    n_steps: int,
    shape: tuple[int, int, int],
    data: st.DataObject,
    pe_dim: int,
    norm: Any,
    classes: int,
) -> None:
    width = st.sampled_from([32, 64, 96]) if norm == "gn" else st.integers(1, 9)
    channels = tuple(data.draw(st.lists(width, min_size=1, max_size=4)))
    attns = tuple(data.draw(st.booleans()) for _ in channels)
    config = ArticleDDIM(n_steps, shape, channels, pe_dim, attns, norm, classes=classes)
    check_inference("dldemos_ddim_unet", config)


@pytest.mark.parametrize(("levels", "side"), [(4, 64), (5, 128), (6, 256)])
def test_group_norm_takes_the_articles_size(levels: int, side: int) -> None:
    config = ArticleDDIM(5, (3, 256, 256), (32,) * levels, 8, (False,) * levels, "gn")
    weights = config.build().state_dict()
    assert infer_config("dldemos-ddim-unet", weights)["img_shape"] == [3, side, side]
    assert infer_config("dldemos-ddim-unet", weights, 48)["img_shape"] == [3, 48, 48]


@pytest.mark.parametrize("kind", KINDS)
def test_inferring_says_what_is_wrong(kind: str) -> None:
    _, weights = make_small(kind)
    with expect_refusal(kind, r"size \(9, 9\)", r"\(7, 6\)"):
        infer_config(kind, weights, 9)
    with expect_refusal(kind, "'conv_out.weight'", r"\(2,\)"):
        infer_config(kind, {**weights, "conv_out.weight": torch.zeros(2)})
    with expect_refusal(kind, "no 'conv_out.weight'"):
        infer_config(kind, {"fc.weight": torch.zeros(2, 2)})


# ---- read_weights


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".PTH"])
def test_a_saved_state_dict_becomes_a_network(kind: str, suffix: str, tmp_path: Path) -> None:
    _, weights = make_small(kind)
    torch.save(weights, tmp_path / f"net{suffix}")
    read, config = read_weights(tmp_path / f"net{suffix}")
    assert config is None
    network = from_reference(kind, infer_config(kind, read), read)
    assert all(torch.equal(weights[key], value) for key, value in network.state_dict().items())


NESTS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "state_dict": lambda w: {"state_dict": w, "epoch": 3, "optimizer": {"lr": 0.1}},
    "model": lambda w: {"model": w, "loss": torch.zeros(1)},
    "net in model": lambda w: {"model": {"net": w}},
    "module.": lambda w: {"net": {f"module.{key}": value for key, value in w.items()}},
}


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
def test_nests_are_unwrapped(nest: Callable[[dict[str, Tensor]], object], tmp_path: Path) -> None:
    weights = {"a.weight": torch.ones(2), "b": torch.zeros(3)}
    torch.save(nest(weights), tmp_path / "net.pth")
    assert read_weights(tmp_path / "net.pth")[0].keys() == weights.keys()


def test_a_nest_that_holds_itself_ends(tmp_path: Path) -> None:
    ring: dict[str, object] = {"w": torch.ones(1)}
    ring["model"] = ring
    torch.save(ring, tmp_path / "net.pth")
    assert list(read_weights(tmp_path / "net.pth")[0]) == ["w"]


def test_safetensors_with_and_without_prefix_and_config(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"weights/a": torch.ones(1), "x": torch.ones(1)}, path, {"config": '{"n": 1}'})
    weights, config = read_weights(path)
    assert (list(weights), config) == (["a"], {"n": 1})
    for text in ("no JSON", "[1]"):
        save_file({"module.a": torch.ones(1)}, path, {"config": text})
        weights, config = read_weights(str(path))
        assert (list(weights), config) == (["a"], None)


class Trap:
    """Makes the directory `caught` when it is unpickled."""

    def __init__(self, caught: Path) -> None:
        self.caught = caught

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.caught),)


def _zipped(trap: Trap, path: Path) -> None:
    torch.save({"a": torch.ones(1), "trap": trap}, path)


def _legacy(trap: Trap, path: Path) -> None:
    torch.save(trap, path, _use_new_zipfile_serialization=False)


def _plain(protocol: int) -> Callable[[Trap, Path], None]:
    def write(trap: Trap, path: Path) -> None:
        path.write_bytes(pickle.dumps(trap, protocol))

    return write


@pytest.mark.parametrize("write", [_zipped, _legacy, _plain(0), _plain(2), _plain(5)])
def test_pickled_code_is_never_run(write: Callable[[Trap, Path], None], tmp_path: Path) -> None:
    caught, path = tmp_path / "caught", tmp_path / "trap.pth"
    write(Trap(caught), path)
    if write is _zipped:  # the other tensor is read
        assert read_weights(path)[0] == {"a": torch.ones(1)}
    else:
        with expect_refusal("trap.pth", "pickled code", "never run"):
            read_weights(path)
    assert not caught.exists()
    with path.open("rb") as file:  # the trap is a live one
        if write is _zipped or write is _legacy:
            torch.load(file, weights_only=False)
        else:
            pickle.load(file)
    assert caught.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(DDPM.build(), tmp_path / "whole.pth")
    with expect_refusal("whole.pth", "pickled code", "state_dict"):
        read_weights(tmp_path / "whole.pth")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.pth", b"<!DOCTYPE html><p>not found"),
        ("note.pt", b"hello world"),
        ("empty.ckpt", b""),
        ("cut.pth", b"PK\x03\x04" + bytes(100)),
        ("note.safetensors", b"hello world, hello world"),
        ("empty.safetensors", b""),
        ("picture.png", b"\x89PNG"),
    ],
)
def test_what_holds_no_weights_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with expect_refusal(name, "not a"):
        read_weights(tmp_path / name)


def test_missing_folder_and_weightless_files_are_named(tmp_path: Path) -> None:
    with expect_refusal("gone.pth", "no such file"):
        read_weights(tmp_path / "gone.pth")
    with expect_refusal("no such file"):
        read_weights(tmp_path)
    for content in ({}, 3, [torch.ones(1)], {"epoch": 3}):
        torch.save(content, tmp_path / "none.pth")
        with expect_refusal("none.pth", "holds no weights"):
            read_weights(tmp_path / "none.pth")
