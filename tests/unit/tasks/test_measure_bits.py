"""measure_bits: where the bits of a picture go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import smalti
from smalti.core.progress import Cancelled
from smalti.tasks import measure_bits
from tests.expect import expect_user_error

MODEL = "gated-pixelcnn-digits-8"


@pytest.fixture
def digit() -> np.ndarray:
    """A 1 with soft edges and a spot that no digit has."""
    levels = np.zeros((28, 28), np.uint8)
    levels[4:24, 13:16] = 255
    levels[4:24, 12] = 130
    levels[25, 2] = 255
    return levels


def test_bits_sum_to_the_payload_and_are_many_where_the_model_is_surprised(digit: np.ndarray):
    found = measure_bits(MODEL, digit, label="1")
    assert found.bits.shape == (1, 28, 28)
    assert found.n_bytes["smalti"] == pytest.approx(float(found.bits.sum()) / 8, abs=8)
    assert int(found.bits.argmax()) == 25 * 28 + 2
    assert found.n_bytes["pixels"] == 784
    assert found.n_bytes["smalti"] < found.n_bytes["webp"] < found.n_bytes["png"] < 784
    assert found.label == "1"


def test_a_file_of_another_size_is_fitted_and_its_files_are_written(
    digit: np.ndarray, tmp_path: Path
):
    Image.fromarray(digit).resize((90, 60)).save(tmp_path / "photo.png")
    found = measure_bits(MODEL, tmp_path / "photo.png", out=tmp_path / "out")
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["bits.json", "bits.png", "picture.png", "picture.smalti"]
    with (
        Image.open(tmp_path / "out/bits.png") as heat,
        Image.open(tmp_path / "out/picture.png") as p,
    ):
        assert heat.size == p.size == (28, 28)
        brightest = np.asarray(heat).astype(int).sum(-1).argmax()
        assert float(found.bits.flatten()[brightest]) >= found.brightest * 0.99
        assert np.array_equal(np.asarray(p), found.picture[0].numpy())
    restored = smalti.decompress(tmp_path / "out/picture.smalti", model=MODEL)
    assert np.array_equal(restored.pixels[0].numpy(), found.picture.numpy())


def test_wrong_arguments_get_a_line_and_cancel_leaves_nothing(digit: np.ndarray, tmp_path: Path):
    with expect_user_error("does not go through pictures"):
        measure_bits("ddpm-digits", digit)
    with expect_user_error("class 'x'"):
        measure_bits(MODEL, digit, label="x")

    def cancel(progress: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_bits(MODEL, digit, out=tmp_path / "out", on_progress=cancel)
    assert not [*tmp_path.iterdir()]
