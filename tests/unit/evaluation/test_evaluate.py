"""smalti.evaluate: samples, held-out pictures, and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.core.checkpoint import save
from smalti.core.protocols import Card, Score
from smalti.data import Pictures, Splits, digit_pictures
from smalti.diffusion import DDIM
from smalti.evaluation import Plan, evaluate_model
from smalti.evaluation.bits import compute_bits_per_dim
from smalti.evaluation.cost import count_forwards
from smalti.evaluation.sample_set import choose_balanced, choose_classes, draw_sample_set
from smalti.evaluation.sheets import order_by_distance
from smalti.features.classifier import ClassifierConfig
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, pixelcnn_config, randomize_zeros
from tests.toys import make_pictures

CLASSES = ("day", "night")
QUICK: dict[str, Any] = {"n": 12, "bootstraps": 3, "sampler": DDIM(steps=2)}


def labeled(n: int, seed: int) -> Pictures:
    gray = make_pictures(n, seed)
    return Pictures(gray.pixels, torch.arange(n) % 2, CLASSES, f"noise-{seed}")


SPLITS = Splits(labeled(40, 0), labeled(20, 1), labeled(14, 2))


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return randomize_zeros(diffusion_config(classes=CLASSES).build()).eval()


@pytest.fixture(scope="module")
def features_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = ClassifierConfig(channels=1, classes=2, widths=(4, 6)).build()
    folder = tmp_path_factory.mktemp("features") / "eyes"
    return save(network, folder, Card(facts={"classes": CLASSES}))


@pytest.fixture(scope="module")
def report(model: Any, features_path: Path) -> smalti.evaluation.Report:  # type: ignore[name-defined]
    return smalti.evaluate(model, SPLITS, features=features_path, name="mine", **QUICK)


def test_every_measure_has_its_rows(report: Any):
    assert [row.name for row in report.rows] == [
        "frechet", "kernel", "precision", "recall", "accuracy", "nearest", "copies", "copying z",
        "bits/dim", "seconds", "forwards", "parameters",
    ]  # fmt: skip
    assert all(row.value is not None for row in report.rows), report.rows
    for row in report.rows[:5]:
        assert row.error is not None and row.real is not None and row.matched is None


def test_the_protocol_says_how(report: Any):
    p = report.protocol
    assert (p.n, p.seed, p.split, p.held, p.reference) == (12, 0, "test", 12, 40)
    assert (p.data, p.features, p.shape, p.bootstraps) == ("noise-0", p.features, (1, 8, 8), 3)
    assert "class i mod 2" in p.classes
    assert report.sampler["tag"] == "ddim" and report.sampler["steps"] == 2
    assert report.made_with["smalti"] == smalti.__version__
    assert len(report.model_hash) == len(p.data_hash) == len(p.features_hash) == 64


def test_the_same_again_is_the_same(model: Any, features_path: Path, report: Any):
    again = smalti.evaluate(
        model, SPLITS, features=features_path, name="mine", batch_size=5, **QUICK
    )
    assert again.protocol == report.protocol
    for row, twin in zip(report.rows, again.rows, strict=True):
        if row.name != "seconds":
            assert twin.value == pytest.approx(row.value, rel=1e-3, abs=1e-5)


def test_samples_are_the_seeds_own_and_classes_take_turns(model: Any):
    drawn = draw_sample_set(
        model, 6, 3, choose_classes(6, 2, "turns", None), DDIM(steps=2), batch_size=4
    )
    wanted = smalti.sample(model, seeds=range(3, 9), cond=[0, 1, 0, 1, 0, 1], sampler=DDIM(steps=2))
    assert isinstance(wanted, torch.Tensor)
    torch.testing.assert_close(drawn.pictures, wanted, atol=1e-4, rtol=0)


def test_guidance_counts_twice(model: Any):
    assert draw_sample_set(model, 3, sampler=DDIM(steps=4)).forwards == 12
    assert draw_sample_set(model, 3, sampler=DDIM(steps=4, guidance=2.0)).forwards == 24
    assert not model.network._forward_pre_hooks


def test_a_walk_is_not_counted_in_forwards() -> None:
    assert draw_sample_set(pixelcnn_config((1, 4, 4)).build(), 2).forwards is None


def test_a_model_without_a_network_counts_none():
    with count_forwards(object()) as forwards:
        assert forwards is None


def test_classes_as_in_the_data_are_so_in_every_first_part():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)[torch.randperm(100)]
    asked = choose_classes(1000, 3, "data", labels)
    assert asked is not None
    for n in (50, 200, 1000):
        shares = torch.bincount(asked[:n], minlength=3) / n
        assert shares.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=2 / n**0.5 / 4)


def test_the_yardstick_is_balanced_as_the_samples_are():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 0, 1, 0])
    some = Pictures(make_pictures(9).pixels, labels, CLASSES, "x")
    rows = choose_balanced(some, 6)
    assert rows.tolist() == [0, 4, 1, 5, 2, 7]
    assert choose_balanced(some, 100).tolist()[6:] == [3, 6, 8]
    assert choose_balanced(some, 4, "data").tolist() == [0, 1, 2, 3]


def test_a_model_that_copies_is_found_out(model: Any, monkeypatch: pytest.MonkeyPatch):
    train = SPLITS.train.take_floats(slice(0, 12))
    monkeypatch.setattr(model, "render", lambda state: train[: len(state.x)])
    report = smalti.evaluate(model, SPLITS, ["memorization"], n=12, sampler=DDIM(steps=1))
    assert report["nearest"].value == 0
    assert report["copies"].value == 1
    z = report["copying z"].value
    assert z is not None and z < -3


def test_fewer_held_out_pictures_than_samples_are_matched(model: Any, features_path: Path):
    report = smalti.evaluate(model, SPLITS, features=features_path, **{**QUICK, "n": 30})
    assert report.protocol.held == 14
    assert report["frechet"].matched is not None and report["recall"].matched is not None
    assert any("only 14 pictures are held out" in note for note in report.notes)


def test_what_cannot_be_measured_is_left_out_with_the_reason(features_path: Path):
    torch.manual_seed(0)
    plain = randomize_zeros(diffusion_config().build())
    bare = Splits(make_pictures(40, 0), make_pictures(1, 1))
    report = smalti.evaluate(plain, bare, features=features_path, **QUICK)
    assert report["accuracy"].note == "left out: the model has no classes"
    assert "2 held-out pictures" in report["frechet"].note
    assert report["nearest"].value is not None
    assert report.protocol.split == "valid" and report.protocol.classes == "none"


def test_without_a_network_the_rest_is_measured(model: Any, monkeypatch: Any, tmp_path: Path):
    monkeypatch.setattr("smalti.features.registry.SHIPPED_FOLDER", tmp_path)
    report = smalti.evaluate(model, SPLITS, ["frechet", "cost"], **QUICK)
    assert "emoji-classifier is missing" in report["frechet"].note
    assert report["parameters"].value == sum(p.numel() for p in model.parameters())
    assert report.protocol.features == ""


def test_other_classes_are_not_recognized(model: Any, tmp_path: Path):
    network = ClassifierConfig(channels=1, classes=2, widths=(4,)).build()
    eyes = save(network, tmp_path / "eyes", Card(facts={"classes": ["cat", "dog"]}))
    report = smalti.evaluate(model, SPLITS, ["accuracy"], features=eyes, **QUICK)
    assert "do not know the model's classes" in report["accuracy"].note


class Certain:
    """Scores by a formula, so that the mean is known."""

    spec = diffusion_config().build().spec

    def parameters(self) -> Any:
        return iter([torch.zeros(1)])

    def score(self, batch: Any, rng: Any) -> Score:
        nats = torch.tensor([float(seed) for seed in rng.seeds]).double()
        dims = batch.require_pictures()[0].numel()
        return Score(nats, dims, "exact", terms={"half": nats / 2})


def test_bits_are_a_mean_over_pictures_with_its_error():
    found = compute_bits_per_dim(Certain(), make_pictures(10), seed=0, batch_size=3)
    bits = torch.arange(10).double() / (64 * torch.log(torch.tensor(2.0)).double())
    assert found.mean == pytest.approx(float(bits.mean()))
    assert found.error == pytest.approx(float(bits.std()) / 10**0.5)
    assert found.terms == {"half": pytest.approx(found.mean / 2)}
    assert (found.kind, found.n) == ("exact", 10)


def test_pictures_of_the_report_are_written(model: Any, tmp_path: Path):
    found = evaluate_model(model, SPLITS, ["memorization"], Plan(**QUICK))
    found.write_sheets(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["distances.png", "neighbors.png", "samples.png"]


def test_the_sheet_shows_the_nearest_of_each_class_first():
    distances = torch.tensor([5.0, 1.0, 2.0, 3.0, 9.0])
    assert order_by_distance(distances, None).tolist() == [1, 2, 3, 0, 4]
    assert order_by_distance(distances, torch.tensor([0, 1, 1, 1, 0])).tolist() == [1, 0, 2, 4, 3]


def test_digits_are_the_data_of_a_model_of_digits():
    model = diffusion_config(shape=(1, 28, 28)).build()
    report = smalti.evaluate(model, None, ["cost"], n=1, sampler=DDIM(steps=1), split="valid")
    assert (report.protocol.data, report.protocol.features) == ("digits/train", "digits")
    assert (report.protocol.reference, report.protocol.held) == (8500, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metrics": ["frehcet"]}, "no metric 'frehcet'; did you mean 'frechet'?"),
        ({"metrics": []}, "metrics is empty"),
        ({"n": 0}, "n is 0"),
        ({"bootstraps": 1}, "bootstraps is 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"split": "train"}, "no split 'train'"),
        ({"classes": "random"}, "classes are 'random'"),
        ({"features": "nothing"}, "no features 'nothing'"),
        ({"data": None}, "data are missing"),
        ({"data": Splits(digit_pictures("valid"), digit_pictures("valid"))}, "draws (1, 8, 8)"),
        ({"data": Splits(SPLITS.train, SPLITS.valid), "split": "test"}, "no test split"),
    ],
)
def test_what_does_not_fit_is_refused(model: Any, changes: dict[str, Any], words: str):
    arguments = {"data": SPLITS, "metrics": ["cost"], **QUICK, **changes}
    with expect_user_error(words):
        smalti.evaluate(model, **arguments)


def test_what_draws_no_pictures_is_refused(features_path: Path):
    with expect_user_error("Classifier does not draw pictures"):
        smalti.evaluate(features_path, SPLITS)
