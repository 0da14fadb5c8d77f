"""Pictures of the Hugging Face hub, with a fake of its package."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType
from typing import Any

import pytest

from smalti.data import Pictures, read, read_splits
from tests import albums
from tests.expect import expect_user_error


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    """An open file that is left behind fails the test, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def list_labels(pictures: Pictures) -> list[int]:
    assert pictures.labels is not None
    return pictures.labels.tolist()


class FakeImage:
    def __init__(self, decode: bool = True):
        self.decode = decode


class FakeClassLabel:
    names = ("cat", "dog")


class FakeSet:
    def __init__(self, n: int, seed: int, features: dict[str, Any]):
        pixels = albums.make_noise(n, 8, 8, seed=seed)
        self.features = features
        self.columns: dict[str, list] = {
            "picture": [{"bytes": albums.encode_picture(one), "path": None} for one in pixels],
            "kind": [k % 2 for k in range(n)],
            "text": [f"no {k}" for k in range(n)],
        }

    def cast_column(self, name: str, feature: FakeImage) -> FakeSet:
        assert name == "picture" and not feature.decode
        return self

    def __len__(self) -> int:
        return len(self.columns["kind"])

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            return self.columns[key]
        return {name: column[key] for name, column in self.columns.items()}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package `datasets` whose sets can be put into its dictionary `sets`."""
    module: Any = ModuleType("datasets")
    module.Image, module.ClassLabel, module.sets = FakeImage, FakeClassLabel, {}

    def load_dataset(name: str, config: str | None) -> Any:
        if name == "offline":
            raise ConnectionError("Couldn't reach the hub\n(no network)")
        return module.sets[(name, config)]

    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


FEATURES = {"id": object(), "picture": FakeImage(), "kind": FakeClassLabel(), "text": object()}


def test_a_set_of_the_hub_comes_with_splits_classes_and_captions(hub: Any):
    hub.sets[("me/pets", None)] = {
        "test": FakeSet(2, 1, FEATURES), "train": FakeSet(5, 0, FEATURES),
        "validation": FakeSet(3, 2, FEATURES), "unsupervised": FakeSet(9, 3, FEATURES),
    }  # fmt: skip
    splits = read_splits("hf:me/pets", size=8)
    assert splits.test is not None
    assert [len(p) for p in (splits.train, splits.valid, splits.test)] == [5, 3, 2]
    assert splits.test.pixels.numpy()[:, 0].tolist() == albums.make_noise(2, 8, 8, seed=1).tolist()
    assert (list_labels(splits.train), splits.train.classes) == ([0, 1, 0, 1, 0], ("cat", "dog"))
    assert splits.valid.captions == ("no 0", "no 1", "no 2")
    assert splits.train.name == "pets/train"


def test_a_config_and_a_broken_picture_of_the_hub(hub: Any):
    pets = hub.sets[("pets", "small")] = FakeSet(4, 0, FEATURES)
    assert len(read("hf:pets:small")) == 4
    pets.columns["picture"][2]["bytes"] = b"x"
    with expect_user_error(
        "1 of 4 pictures cannot be used: hf:pets:small train 2 is not a readable picture"
    ):
        read("hf:pets:small")


def test_what_the_hub_cannot_give(hub: Any, monkeypatch: pytest.MonkeyPatch):
    with expect_user_error("hf:offline cannot be loaded: Couldn't reach the hub (no network)"):
        read("hf:offline")
    with expect_user_error("hf: names no dataset"):
        read("hf:")
    hub.sets[("words", None)] = FakeSet(2, 0, {"text": object()})
    with expect_user_error("hf:words has no picture column; its columns are text"):
        read("hf:words")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with expect_user_error("hf:words needs the package datasets", "pip install 'smalti[hub]'"):
        read("hf:words")
