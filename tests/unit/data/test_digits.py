"""The shipped digits, and how Pictures splits and converts them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalti.core.errors import UserError
from smalti.data import Pictures, digit_pictures, digits

ROOT = Path(__file__).parents[3]
CONTENT = "ed6fbf6bcfb97ac9f96c6ce622d5e1374eb237a90681cb7b128a3cf79032ab97"
PER_CLASS = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]  # in the npm package


@pytest.fixture(scope="module")
def packer():
    spec = importlib.util.spec_from_file_location("pack_digits", ROOT / "scripts/pack_digits.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def splits() -> dict[str, Pictures]:
    return {name: digit_pictures(name) for name in ("train", "valid", "test")}


def test_content_is_the_packed_one(splits):
    content = hashlib.sha256()
    for pictures in splits.values():
        content.update(pictures.pixels.numpy().tobytes())
        content.update(pictures.labels.numpy().astype(np.uint8).tobytes())
    assert content.hexdigest() == CONTENT


def test_splits_have_their_sizes_and_balance(splits):
    counts = {name: torch.bincount(p.labels, minlength=10).tolist() for name, p in splits.items()}
    assert counts["valid"] == [50] * 10
    assert counts["test"] == [100] * 10
    assert counts["train"] == [n - 150 for n in PER_CLASS]
    assert sum(counts["train"]) == 8500


def test_no_picture_stands_in_the_set_twice(splits):
    rows = {p.tobytes() for pictures in splits.values() for p in pictures.pixels.numpy()}
    assert len(rows) == 10_000


def test_the_script_chooses_the_shipped_split(packer, splits):
    labels = np.repeat(np.arange(10), PER_CLASS)
    for name, rows in packer.split_rows(labels).items():
        assert np.array_equal(labels[rows], splits[name].labels.numpy()), name


def test_the_script_restores_every_byte_and_refuses_other_numbers(packer):
    every = np.arange(256)
    assert np.array_equal(packer.restore_bytes(np.round(every / 255, 3)), every)
    with pytest.raises(SystemExit, match="not a byte"):
        packer.restore_bytes(np.array([0.5, 0.001]))


def test_the_script_writes_the_same_file_twice(packer, tmp_path):
    numbers = {"data": np.round(np.arange(784) % 256 / 255, 3).tolist()}
    (tmp_path / "src/digits").mkdir(parents=True)
    (tmp_path / "src/digits/0.json").write_text(json.dumps(numbers))
    pixels = packer.restore_bytes(packer.read_class(tmp_path, 0))
    for name in ("a.npz", "b.npz"):
        packer.write_npz(tmp_path / name, {"pixels": pixels})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["pixels"], np.arange(784)[None] % 256)


def test_digits_are_floats_from_0_to_1(splits):
    pictures, labels = digits("valid")
    assert pictures.shape == (500, 1, 28, 28)
    assert pictures.dtype == torch.float32
    assert (pictures.min().item(), pictures.max().item()) == (0, 1)
    assert torch.equal((pictures * 255).round().byte(), splits["valid"].pixels)
    assert labels.dtype == torch.int64
    assert torch.equal(labels, splits["valid"].labels)


def test_another_split_is_refused():
    with pytest.raises(UserError, match="no split 'dev'; give 'train', 'valid' or 'test'"):
        digits("dev")  # pyright: ignore[reportArgumentType]


def make_numbered_pictures(n: int) -> Pictures:
    """n pictures of 2 x 3 pixels that carry their number, in three classes."""
    pixels = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 2, 3)
    return Pictures(pixels, torch.arange(n) % 3, ("a", "b", "c"), "numbers")


@given(n=st.integers(2, 200), part=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
def test_split_shares_nothing_and_loses_nothing(n, part, seed):
    if round(part * n) == n:
        part = 1 / n
    train, valid = make_numbered_pictures(n).split(part, seed)
    expected = max(1, round(part * n))
    assert (
        max(1, expected - 3) <= len(valid) <= expected
    )  # fewer where a class has no other picture
    if part < 0.5 and n >= 30:
        assert len(valid) == expected
    numbers = torch.cat([train.pixels, valid.pixels])[:, 0, 0, 0].long()
    assert sorted(numbers.tolist()) == list(range(n))
    assert train.labels is not None
    assert valid.labels is not None
    assert torch.equal(torch.cat([train.labels, valid.labels]), numbers % 3)


def test_split_is_fixed_by_its_seed():
    first, again, other = (
        make_numbered_pictures(50).split(10, seed)[1].pixels for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert make_numbered_pictures(8).split(3)[1].pixels[:, 0, 0, 0].tolist() == [0, 3, 7]


@pytest.mark.parametrize("valid", [0, 5, -1, 0.0, 1.0, float("nan"), 0.99, True])
def test_split_refuses_an_empty_part(valid):
    with pytest.raises(UserError, match=f"valid is {valid}"):
        make_numbered_pictures(5).split(valid)


def test_shape_and_floats():
    pictures = make_numbered_pictures(9)
    assert (len(pictures), pictures.shape) == (9, (1, 2, 3))
    for indices in (torch.tensor([3, 4]), [3, 4], slice(3, 5)):
        values = pictures.take_floats(indices)[:, 0, 1, 2]
        assert torch.equal(values, torch.tensor([3.0, 4.0]) / 255)


@pytest.mark.parametrize(
    ("pixels", "labels", "says"),
    [
        (torch.zeros(2, 1, 4, 4), None, "pixels are torch.float32"),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), None, "give uint8"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3).long(), "give int64 .2,."),
        (
            torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
            torch.tensor([0, 2]),
            "labels are from 0 to 2",
        ),
    ],
)
def test_pictures_that_do_not_fit_together_are_refused(pixels, labels, says):
    with pytest.raises(UserError, match=f"set: .*{says}"):
        Pictures(pixels, labels, ("a", "b"), "set")
