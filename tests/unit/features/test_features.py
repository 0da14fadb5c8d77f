"""Feature networks by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks._judge import classify
from smalti.core.checkpoint import SHIPPED_FOLDER, load, save
from smalti.core.protocols import Card
from smalti.data import digit_pictures
from smalti.features import choose_features_name, find_features
from smalti.features.classifier import ClassifierConfig
from tests.expect import expect_user_error
from tests.tiny import diffusion_config

DIGITS = tuple("0123456789")


@pytest.fixture
def classifier_folder(tmp_path: Path) -> Path:
    """A tiny color classifier that knows its classes and its size."""
    torch.manual_seed(0)
    model = ClassifierConfig(channels=3, classes=2, widths=(4, 6)).build()
    return save(model, tmp_path / "eyes", Card(facts={"classes": ["day", "night"], "size": 16}))


def test_digits_are_seen_as_the_judge_sees_them():
    pictures = digit_pictures("valid").select(slice(20), "few")
    network = find_features("digits")
    found = network(pictures.pixels)
    recognized, features = classify(pictures.take_floats(slice(None)))
    assert found.shape == (20, 64) == (20, network.dims)
    torch.testing.assert_close(found, features)
    assert torch.equal(network.classify(found), recognized)
    assert network.classes == DIGITS


def test_bytes_and_floats_look_the_same(classifier_folder: Path):
    network = find_features(classifier_folder)
    pixels = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(network(pixels), network(pixels.float() / 255))


def test_batches_change_nothing(classifier_folder: Path, monkeypatch: pytest.MonkeyPatch):
    network, pictures = find_features(classifier_folder), torch.rand(7, 3, 16, 16)
    whole = network(pictures)
    monkeypatch.setattr("smalti.features.registry.BATCH_SIZE", 2)
    torch.testing.assert_close(network(pictures), whole)
    assert network(pictures[:0]).shape == (0, 6)


def test_pictures_are_brought_to_the_network_s_size_and_channels(classifier_folder: Path):
    network = find_features(classifier_folder)
    assert network.preprocess(torch.rand(2, 3, 40, 20)).shape == (2, 3, 16, 16)
    gray = torch.rand(2, 1, 16, 16)
    assert torch.equal(network.preprocess(gray), gray.expand(-1, 3, -1, -1))
    assert network.describe_preprocessing((1, 40, 20)) == "gray as RGB, 40x20 to 16x16, bilinear"
    assert network.describe_preprocessing((3, 16, 16)) == "as they are"


def test_colors_are_seen_gray_by_digits_when_they_are_asked_for():
    network = find_features("digits")
    red = torch.zeros(1, 3, 28, 28)
    red[:, 0] = 1
    torch.testing.assert_close(network.preprocess(red), torch.full((1, 1, 28, 28), 0.299))
    assert network.describe_preprocessing((3, 32, 32)) == "gray, 32x32 to 28x28, bilinear"


def test_auto_takes_digits_for_digits_alone():
    assert choose_features_name((1, 28, 28), DIGITS) == "digits"
    assert choose_features_name((1, 28, 28), ("shirt", "shoe")) == "emoji"
    assert choose_features_name((3, 28, 28), DIGITS) == "emoji"


def test_the_hash_is_of_weights_and_config(classifier_folder: Path, tmp_path: Path):
    first = find_features(classifier_folder)
    assert len(first.hash) == 64 and first.hash == find_features(classifier_folder).hash
    model = load(classifier_folder)
    with torch.no_grad():
        model.head.bias[0] += 1
    assert find_features(save(model, tmp_path / "other")).hash != first.hash


def test_a_card_without_classes_tells_none_apart(tmp_path: Path):
    model = ClassifierConfig(channels=1, classes=2, widths=(4,)).build()
    network = find_features(save(model, tmp_path / "eyes"))
    features = network(torch.rand(2, 1, 9, 9))
    with expect_user_error("have no classes"):
        network.classify(features)


def test_what_has_no_features_is_refused(tmp_path: Path):
    folder = save(diffusion_config().build(), tmp_path / "ddpm")
    with expect_user_error("ddpm", "has no features(x)"):
        find_features(folder)


def test_an_unknown_name_is_refused():
    with expect_user_error("no features 'eyse'", "digits, emoji, inception", "folder"):
        find_features("eyse")


def test_emoji_that_do_not_ship_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("smalti.features.registry.SHIPPED_FOLDER", tmp_path)
    with expect_user_error("emoji", "are not included", "emoji-classifier is missing"):
        find_features("emoji")
    assert tmp_path != SHIPPED_FOLDER


def test_inception_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("smalti.features.inception.find_spec", lambda name: None)
    with expect_user_error("torch-fidelity", "smalti[inception]"):
        find_features("inception")
    monkeypatch.setattr("smalti.features.inception.find_spec", lambda name: object())
    monkeypatch.delenv("SMALTI_INCEPTION", raising=False)
    with expect_user_error("weights-inception", "$SMALTI_INCEPTION"):
        find_features("inception")
    monkeypatch.setenv("SMALTI_INCEPTION", str(tmp_path / "none.pth"))
    with expect_user_error("none.pth", "no such file"):
        find_features("inception")
    (tmp_path / "none.pth").write_bytes(b"not weights")
    with expect_user_error("none.pth", "no weights that can be read"):
        find_features("inception")


def test_inception_sees_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    seen: list[torch.Tensor] = []

    class Extractor(nn.Module):
        def __init__(self, name: str, features: list[str], **where: str):
            super().__init__()
            assert features == ["2048"]
            (path,) = where.values()
            assert torch.load(path, weights_only=True) == {"w": torch.zeros(1)}

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            seen.append(x)
            return (x.float().mean((2, 3)).repeat(1, 683)[:, :2048],)

    class Module:
        FeatureExtractorInceptionV3 = Extractor

    torch.save({"module._orig_mod.w": torch.zeros(1)}, tmp_path / "w.pth")
    monkeypatch.setenv("SMALTI_INCEPTION", str(tmp_path / "w.pth"))
    monkeypatch.setattr("smalti.features.inception.find_spec", lambda name: object())
    monkeypatch.setattr("smalti.features.inception.import_module", lambda name: Module)
    network = find_features("inception")
    pixels = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    assert network(pixels).shape == (3, 2048)
    assert torch.equal(seen[0], pixels.expand(-1, 3, -1, -1))
