"""Reports: JSON round trip, and comparison under one protocol."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smalti.evaluation.explain import (
    CODEC_EXPLAINERS,
    EXPLAINERS,
    explain_row,
    format_real,
    format_value,
)
from smalti.evaluation.measures import MEASURES
from smalti.evaluation.report import (
    Protocol,
    Report,
    Row,
    check_comparable,
    read_report,
    write_report,
)
from tests.expect import expect_user_error

PROTOCOL = Protocol(
    data="digits/train", data_hash="d" * 64, reference=8500, split="test", split_hash="t" * 64,
    held=1000, shape=(1, 28, 28), features="digits", features_hash="f" * 64, resize="as they are",
    n=1000, seed=0, classes="in turn", mirrored=False, bootstraps=100, bootstrap_seed=0,
    metrics={"frechet": 1, "cost": 1},
)  # fmt: skip
ROWS = (
    Row("frechet", 0.25, 0.01, 0.10, 0.02, better="lower"),
    Row("accuracy", None, note="left out: the model has no classes"),
)
REPORT = Report("mine", "m" * 64, PROTOCOL, ROWS, {"tag": "ddim"}, {"threads": 2}, ("a note",))


def test_comes_back_from_json_the_same(tmp_path: Path):
    assert Report.from_json(json.loads(json.dumps(REPORT.to_json()))) == REPORT
    write_report(REPORT, tmp_path / "report.json")
    assert read_report(tmp_path) == REPORT == read_report(tmp_path / "report.json")


def test_a_row_by_its_name():
    assert REPORT["frechet"].value == 0.25
    with expect_user_error("no row 'fid'", "frechet, accuracy"):
        REPORT["fid"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json", "is not JSON"),
        ("[]", "it is no report of `smalti evaluate`"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1}', "damaged or was edited"),
        ('{"format": 1, "protocol": {"shape": [1]}, "rows": []}', "damaged or was edited"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str, words: str):
    (tmp_path / "report.json").write_text(text)
    with expect_user_error("report.json", words):
        read_report(tmp_path)


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("row", {"error": "no"}, "a row's error is 'no'"),
        ("row", {"name": 3}, "a row's name is 3"),
        ("row", {"value": float("nan")}, "NaN is not a number"),
        ("protocol", {"n": None}, "protocol.n is None"),
        ("protocol", {"shape": [1, 2]}, "protocol.shape is [1, 2]"),
        ("protocol", {"metrics": {"frechet": "x"}}, "metrics.frechet is 'x'"),
        ("report", {"notes": [None]}, "notes is None"),
        ("report", {"rows": 7}, "7 is not a list"),
    ],
)
def test_a_field_that_cannot_be_is_named(tmp_path: Path, part: str, changes: dict, words: str):
    content = json.loads(json.dumps(REPORT.to_json()))
    inner = {"row": content["rows"][0], "protocol": content["protocol"], "report": content}[part]
    inner.update(changes)
    (tmp_path / "report.json").write_text(json.dumps(content))
    with expect_user_error("report.json", words):
        read_report(tmp_path)


def test_a_report_that_is_not_there_is_refused(tmp_path: Path):
    with expect_user_error("none.json", "cannot be read"):
        read_report(tmp_path / "none.json")


def change_report(**changes: object) -> Report:
    return replace(REPORT, model="other", protocol=replace(PROTOCOL, **changes))  # type: ignore[arg-type]


def test_models_samplers_and_seconds_may_differ():
    changed = replace(
        change_report(), model_hash="x", sampler={"tag": "ddpm"}, made_with={"threads": 1}
    )
    check_comparable([REPORT, changed, REPORT])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("n", 500, "n is 1000 for one and 500 for the other"),
        ("seed", 7, "seed is 0 for one and 7 for the other"),
        ("split", "valid", "split is test for one and valid for the other"),
        ("features_hash", "0" * 64, "features_hash is ffffffffffff for one and 000000000000"),
        ("classes", "none", "classes is in turn for one and none"),
        ("metrics", {"frechet": 2}, "metrics is {'frechet': 1} for one and {'frechet': 2}"),
    ],
)
def test_another_protocol_is_refused(field: str, value: object, words: str):
    with expect_user_error("mine and other cannot be compared:", words):
        check_comparable([REPORT, REPORT, change_report(**{field: value})])


def test_the_first_difference_is_named():
    with expect_user_error("split is test for one and valid"):
        check_comparable([REPORT, change_report(n=5, split="valid", bootstraps=3)])


def test_one_network_may_have_two_names():
    check_comparable([REPORT, change_report(features="models/eyes")])
    with expect_user_error("features is digits for one and models/eyes for the other"):
        check_comparable([REPORT, change_report(features="models/eyes", features_hash="e" * 64)])


def test_other_measures_do_not_matter():
    check_comparable([REPORT, change_report(metrics={"cost": 1, "bits": 3})])


def test_a_row_is_read_beside_the_real_pictures():
    row = ROWS[0]
    assert format_value(row) == "0.2500 ± 0.0100"
    assert format_real(row) == "0.1000 ± 0.0200"
    text = explain_row(row, REPORT)
    assert text == "0.2500; 1,000 real test pictures get 0.1000; lower is better"


def test_fewer_held_out_pictures_are_compared_with_as_many_samples():
    row = replace(ROWS[0], matched=0.5)
    assert format_value(row) == "0.2500 ± 0.0100 (0.5000)"
    assert explain_row(row, REPORT).startswith("0.5000; ")


def test_what_was_left_out_says_why():
    assert explain_row(ROWS[1], REPORT) == "left out: the model has no classes"
    assert format_value(ROWS[1]) == "-"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("nearest", 0.4, "a sign of copying"),
        ("nearest", 1.02, "as new as real pictures"),
        ("nearest", 2.5, "unlike them rather than copied"),
        ("copying z", -8.0, "significantly nearer to the training pictures"),
        ("copying z", 0.5, "as near to the training pictures as real ones"),
        ("copying z", 9.0, "farther from the training pictures"),
    ],
)
def test_copying_is_called_by_its_name(name: str, value: float, words: str):
    assert words in explain_row(Row(name, value), REPORT)


def test_every_row_has_its_words():
    drawn = {name for measure in MEASURES.values() for name in measure.row_names}
    assert drawn | CODEC_EXPLAINERS.keys() | {"nats/code"} == EXPLAINERS.keys()
