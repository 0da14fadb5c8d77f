"""Datasets of one, two and three pictures give a value or a reason, never NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.core.checkpoint import save
from smalti.core.protocols import Card
from smalti.data import Pictures, Splits
from smalti.diffusion import DDIM
from smalti.evaluation.bootstrap import bootstrap_error, compute_spread, draw_resamples
from smalti.evaluation.codec import build_likeness_row
from smalti.evaluation.kernel import bootstrap_kernel
from smalti.evaluation.memorization import compute_median_ratio
from smalti.features.classifier import ClassifierConfig
from smalti.vq import VQConfig
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, pixelcnn_config, randomize_zeros, vqvae_config
from tests.toys import make_pictures

CLASSES = ("day", "night")
ABSURD = 1e6


@pytest.fixture(scope="module")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = ClassifierConfig(channels=1, classes=2, widths=(4, 6)).build()
    folder = tmp_path_factory.mktemp("features") / "eyes"
    return save(network, folder, Card(facts={"classes": CLASSES}))


def make_labeled_pictures(n: int, seed: int, kind: str) -> Pictures:
    gray = make_pictures(n, seed).pixels
    pixels = torch.full_like(gray, 200) if kind == "constant" else gray
    labels = torch.zeros(n).long() if kind == "one class" else torch.arange(n) % 2
    return Pictures(pixels, labels, CLASSES, kind)


def check_rows(report: Any) -> None:
    for row in report.rows:
        numbers = [row.value, row.error, row.real, row.real_error, row.matched]
        known = [x for x in numbers if x is not None]
        assert all(math.isfinite(x) and abs(x) < ABSURD for x in known), row
        assert row.value is not None or row.note, row
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize("kind", ["noise", "constant", "one class"])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("held", [1, 2, 3])
def test_every_measure(n: int, held: int, kind: str, classifier_folder: Path) -> None:
    torch.manual_seed(0)
    model = randomize_zeros(diffusion_config(classes=CLASSES).build()).eval()
    data = Splits(make_labeled_pictures(4, 0, kind), make_labeled_pictures(held, 1, kind))
    how: dict[str, Any] = {
        "n": n,
        "bootstraps": 40,
        "sampler": DDIM(steps=1),
        "features": classifier_folder,
    }
    check_rows(smalti.evaluate(model, data, **how))


def test_one_training_picture_and_a_model_of_another_kind(classifier_folder: Path) -> None:
    model = pixelcnn_config().build().eval()
    data = Splits(make_labeled_pictures(1, 0, "noise"), make_labeled_pictures(2, 1, "noise"))
    check_rows(smalti.evaluate(model, data, n=2, features=classifier_folder, bootstraps=3))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_codecs(n: int, classifier_folder: Path) -> None:
    torch.manual_seed(0)
    codec = vqvae_config(VQConfig(8, 8)).build().eval()
    for kind in ("noise", "constant"):
        data = Splits(make_labeled_pictures(4, 0, kind), make_labeled_pictures(n, 1, kind))
        found = smalti.evaluate(codec, data, features=classifier_folder)
        check_rows(found)
        assert (found["perplexity"].value or 0) >= 1


def test_pictures_that_come_back_exactly_have_no_psnr() -> None:
    assert "exact" in build_likeness_row("psnr", torch.tensor([torch.inf, torch.inf]), "dB").note
    row = build_likeness_row("psnr", torch.tensor([torch.inf, 20.0, 30.0]), "dB")
    assert row.value == 25 and row.note == "without 1 picture reconstructed exactly"


def test_nothing_held_out_is_refused(classifier_folder: Path) -> None:
    none = make_labeled_pictures(0, 1, "noise")
    with expect_user_error("contains no held-out pictures"):
        smalti.evaluate(
            diffusion_config().build(),
            Splits(make_labeled_pictures(4, 0, "noise"), none),
            features=classifier_folder,
        )


def test_a_class_that_is_only_held_out_is_named(classifier_folder: Path) -> None:
    model = diffusion_config(classes=CLASSES).build().eval()
    data = Splits(make_labeled_pictures(4, 0, "one class"), make_labeled_pictures(4, 1, "noise"))
    report = smalti.evaluate(
        model, data, ["cost"], n=2, sampler=DDIM(steps=1), features=classifier_folder
    )
    assert any("no training pictures of class night" in note for note in report.notes)


def test_two_rows_have_no_error_and_three_have_one() -> None:
    def mean(x: torch.Tensor) -> float:
        return float(x.mean())

    x = torch.tensor([0.0, 3.0, 6.0])
    assert math.isnan(bootstrap_error(mean, (x[:2], draw_resamples(2))))
    # the mean of 3 drawn of {0, 3, 6} has the standard deviation sqrt(6 / 3); 2,000 draws tell
    # it within 5%
    assert bootstrap_error(mean, (x, draw_resamples(3, 2000))) == pytest.approx(
        math.sqrt(2), rel=0.05
    )
    assert math.isnan(compute_spread([])) and math.isnan(compute_spread([1.0, math.nan]))


def test_draws_of_one_row_alone_are_left_out() -> None:
    a, b = torch.randn(2, 4), torch.randn(5, 4)
    draws = [torch.tensor(rows) for rows in ([0, 0], [1, 1], [0, 1])]
    found = bootstrap_kernel(a, b, draws)
    assert len(found) == 1 and math.isfinite(found[0])


def test_copies_among_the_held_out_leave_no_ratio() -> None:
    with expect_user_error("held-out pictures or more are also training pictures"):
        compute_median_ratio(torch.tensor([1.0]), torch.tensor([0.0, 0.0, 2.0]))
    assert compute_median_ratio(torch.tensor([3.0]), torch.tensor([0.0, 2.0, 2.0])) == 1.5
