"""Kinds of output have their measures; a new kind is one entry."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.core.protocols import Spec
from smalti.data import Splits
from smalti.evaluation import KINDS
from smalti.evaluation.kinds import EvaluationKind, find_kind, find_output
from smalti.evaluation.measures import Measure
from smalti.evaluation.report import Protocol, Row
from tests.expect import expect_user_error
from tests.toys import make_pictures


class Poet(torch.nn.Module):
    """Writes as many lines as it is asked for."""

    spec, config = Spec("indices"), None


@dataclass(frozen=True)
class Poems:
    """What the poet wrote."""

    lines: list[str]
    batch_size: int = 1
    sampler: None = None

    def describe_protocol(self) -> dict[str, Any]:
        words = {field.name: "" for field in fields(Protocol) if field.name != "metrics"}
        counts = ("n", "seed", "held", "reference", "bootstraps", "bootstrap_seed")
        return {**words, **dict.fromkeys(counts, 2), "shape": None, "mirrored": False}

    def collect_statistics(self, metrics: object) -> dict[str, Any]:
        return {}

    def notes(self) -> tuple[str, ...]:
        return ("in verse",)


LENGTH = Measure(lambda case: [Row("length", sum(map(len, case.lines)) / 2)], ("length",))
TEXT = EvaluationKind(
    {"length": LENGTH},
    lambda *_: Poems(["ab", "abcd"]),
    {"poems.txt": lambda case, path: path.write_text("\n".join(case.lines))},
)
SPLITS = Splits(make_pictures(4, 0), make_pictures(2, 1))


def test_a_new_kind_is_an_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with expect_user_error("a Poet does not draw pictures"):
        smalti.evaluate(Poet(), SPLITS)
    monkeypatch.setitem(KINDS, "indices", TEXT)
    report = smalti.evaluate(Poet(), SPLITS)
    assert report.rows == (Row("length", 3.0),)
    assert report.protocol.metrics == {"length": 1} and report.notes == ("in verse",)
    assert find_output(report.protocol.metrics) == "indices"
    found = smalti.evaluation.evaluate_model(Poet(), SPLITS)
    found.write_sheets(tmp_path)
    assert (tmp_path / "poems.txt").read_text() == "ab\nabcd"
    with expect_user_error("no metric 'bits'", "length"):
        smalti.evaluate(Poet(), SPLITS, ["bits"])


def test_every_kind_names_the_rows_that_it_gives():
    for output, kind in KINDS.items():
        names = [name for measure in kind.measures.values() for name in measure.row_names]
        assert len(names) == len({*names}) > 3
        assert len(kind.sheets) >= (1 if output == "latents" else 2)  # latents have no codebook
    assert find_kind(smalti.load("vqvae-digits")) is KINDS["codes"]
    assert find_kind(smalti.load("ddpm-digits")) is KINDS["picture"]
