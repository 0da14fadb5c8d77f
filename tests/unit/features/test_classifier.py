"""The classifier: network, training, and the shipped one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks._judge import (
    classify,
    compute_real_baseline,
    compute_training_moments,
    judge,
    load_classifier,
)
from smalti.core.checkpoint import load, save
from smalti.core.config import from_json, to_json
from smalti.core.errors import UserError
from smalti.core.protocols import Batch
from smalti.data import digits
from smalti.evaluation import frechet_distance
from smalti.features.classifier import Classifier, ClassifierConfig
from smalti.features.deform import WarpStrength, warp
from smalti.recipes import find_recipe

SMALL = ClassifierConfig(widths=(4, 8))


def make_small_classifier(config: ClassifierConfig = SMALL, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return config.build()


def test_config_comes_back_from_json() -> None:
    config = ClassifierConfig(channels=3, classes=7, widths=(8, 16), bend=0.0)
    assert from_json(to_json(config)) == config


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"widths": ()}, {"widths": (8, 0)}])
def test_impossible_shapes_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=f"classifier.{next(iter(wrong))} is"):
        ClassifierConfig(**wrong)


@pytest.mark.parametrize("size", [(28, 28), (1, 1), (5, 7), (40, 33)])
def test_any_size_goes(size: tuple[int, int]) -> None:
    model = make_small_classifier().eval()
    x = torch.rand(3, 1, *size)
    assert model(x).shape == (3, 10)
    assert model.features(x).shape == (3, 8)
    torch.testing.assert_close(model(x), model.head(model.features(x)))


def test_other_channels_are_refused() -> None:
    with pytest.raises(UserError, match=r"\(N, 1, H, W\)"):
        make_small_classifier()(torch.rand(2, 3, 28, 28))


def test_a_gradient_reaches_every_parameter() -> None:
    model = make_small_classifier().train()
    loss = model.loss(Batch(torch.rand(16, 1, 28, 28), torch.arange(16) % 10), 0)
    loss.total.backward()
    assert loss.total.isfinite()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert not any(term.requires_grad for term in loss.terms.values())


def test_classes_are_needed_to_train() -> None:
    with pytest.raises(UserError, match="no classes"):
        make_small_classifier().loss(Batch(torch.rand(2, 1, 28, 28)), 0)


def test_pictures_are_warped_in_training_only() -> None:
    model = make_small_classifier(ClassifierConfig(widths=(4, 8), dropout=0.0))
    batch = Batch(digits("valid")[0][:8], digits("valid")[1][:8])
    model.train()
    first, second = (float(model.loss(batch, 0).terms["nats"]) for _ in range(2))
    assert first != second
    model.eval()
    first, second = (float(model.loss(batch, 0).terms["nats"]) for _ in range(2))
    assert first == second


def test_one_batch_can_be_learnt() -> None:
    still = replace(SMALL, widths=(8, 16), dropout=0.0, degrees=0.0, shift=0.0, zoom=0.0, bend=0.0)
    model = make_small_classifier(still).train()
    pictures, labels = digits("valid")
    batch = Batch(pictures[:20], labels[:20])
    optimizer = torch.optim.AdamW(model.parameters(), 0.02)
    for step in range(40):
        optimizer.zero_grad()
        model.loss(batch, step).total.backward()
        optimizer.step()
    assert float(model.loss(batch, 40).terms["accuracy"]) == 1.0


def test_saved_and_loaded_the_same(tmp_path) -> None:
    model = make_small_classifier().train()
    model(torch.rand(8, 1, 28, 28))  # moves the running statistics
    x = torch.rand(4, 1, 28, 28)
    assert torch.equal(load(save(model, tmp_path / "c"))(x), model.eval()(x))


def test_no_strength_warps_nothing() -> None:
    x = torch.rand(3, 2, 9, 13)
    torch.testing.assert_close(warp(x, WarpStrength(0, 0, 0, 0)), x, atol=1e-4, rtol=0)


def test_every_picture_is_warped_its_own_way() -> None:
    torch.manual_seed(0)
    picture = digits("valid")[0][:1]
    warped = warp(picture.expand(6, -1, -1, -1), WarpStrength(10, 0.05, 0.1, 0.03))
    assert warped.min() >= 0 and warped.max() <= 1 + 1e-5
    assert len({tuple(w.flatten().tolist()) for w in warped}) == 6


@pytest.mark.parametrize(("row", "column"), [(0.0, 0.25), (-0.25, 0.0)])
def test_shift_is_a_part_of_the_side(row: float, column: float, monkeypatch) -> None:
    # draws at the end of their range, in the order turn, shear, wide, high, across, down
    ends = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.5 - 2 * column, 0.5 - 2 * row])
    monkeypatch.setattr(torch, "rand", lambda *size, device: ends[:, None])
    x = torch.zeros(1, 1, 8, 8)
    x[..., 4, 4] = 1.0
    moved = warp(x, WarpStrength(0, 0.25, 0, 0))  # 2 pixels of 8
    assert moved[0, 0, int(4 + 8 * row), int(4 + 8 * column)] == pytest.approx(1.0, abs=1e-4)


def test_the_recipe_makes_the_shipped_network() -> None:
    recipe = find_recipe("digits-classifier")
    splits = recipe.read(None, size=28)
    train, valid = splits.train, splits.valid
    assert (len(train), len(valid)) == (8500, 500)
    assert recipe.make_config(train) == load_classifier().config
    with pytest.raises(UserError, match="--data"):
        recipe.read("elsewhere", size=28)


def test_shipped_classifier_knows_the_digits() -> None:
    pictures, labels = digits("valid")
    recognized, features = classify(pictures)
    assert float((recognized == labels).double().mean()) >= 0.986
    assert 64 <= features.shape[1] <= 128 and features.min() >= 0
    assert not load_classifier().training


def test_judge_gives_real_digits_the_baseline() -> None:
    pictures, labels = digits("valid")
    judgment = judge(pictures, labels)
    assert judgment.n == 500 and judgment.accuracy >= 0.986
    assert judgment.frechet == pytest.approx(compute_real_baseline(500, "valid"), rel=1e-4)


def test_judge_sees_wrong_classes_and_poor_pictures() -> None:
    pictures, labels = digits("valid")
    good = judge(pictures, labels)
    assert judge(pictures, (labels + 1) % 10).accuracy <= 1 - good.accuracy
    torch.manual_seed(0)
    noisy = (pictures + 0.1 * torch.rand_like(pictures)).clamp(0, 1)
    assert judge(noisy, labels).frechet > 3 * good.frechet
    assert judge(pictures[labels != 8], labels[labels != 8]).frechet > 1.5 * good.frechet


def test_features_do_not_depend_on_the_batch() -> None:
    pictures = digits("valid")[0][:300]
    together, one_by_one = (
        classify(pictures)[1],
        torch.cat([classify(x)[1] for x in pictures.split(7)]),
    )
    torch.testing.assert_close(together, one_by_one, atol=1e-4, rtol=1e-4)
    assert frechet_distance(together, compute_training_moments()) == pytest.approx(
        frechet_distance(one_by_one, compute_training_moments()), rel=1e-4
    )


@pytest.mark.parametrize(
    ("pictures", "labels", "words"),
    [
        (torch.zeros(4, 3, 28, 28), torch.zeros(4), r"\(N, 1, 28, 28\)"),
        (torch.zeros(4, 1, 28, 28), torch.zeros(3), "one class per picture"),
        (torch.zeros(1, 1, 28, 28), torch.zeros(1), "too few"),
        (torch.full((2, 1, 28, 28), -1.0), torch.zeros(2), r"-1 to -1; give values in \[0, 1\]"),
        (torch.full((2, 1, 28, 28), float("nan")), torch.zeros(2), "nan"),
    ],
)
def test_judge_refuses_what_it_cannot_judge(pictures, labels, words: str) -> None:
    with pytest.raises(UserError, match=words):
        judge(pictures, labels)


@pytest.mark.parametrize(
    ("n", "split"), [(0, "test"), (15, "test"), (1010, "test"), (510, "valid")]
)
def test_baseline_refuses_unequal_classes(n: int, split) -> None:
    with pytest.raises(UserError, match=f"n is {n}"):
        compute_real_baseline(n, split)
