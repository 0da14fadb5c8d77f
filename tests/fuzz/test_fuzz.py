"""Malformed inputs: each gives a result, or one error line and exit code 2.

`make test` runs some of every format, `make soak` runs all of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smalti.tasks import _forecast
from tests.fuzz import (
    arrays,
    checkpoints,
    coded,
    corpora,
    databases,
    foreign,
    pictures,
    runs,
    translations,
    weights,
    zips,
)
from tests.fuzz.cases import Case, pick_evenly
from tests.fuzz.guard import run
from tests.fuzz.kit import Kit, make_kit

FORMATS: dict[str, tuple[Callable[[Kit], Iterator[Case]], int, int]] = {
    "pictures": (pictures.cases, 35, 1000),
    "zips": (zips.cases, 15, 200),
    "arrays": (arrays.cases, 25, 700),
    "databases": (databases.cases, 10, 350),
    "checkpoints": (checkpoints.cases, 30, 2000),
    "weights": (weights.cases, 10, 250),
    "runs": (runs.cases, 15, 1400),
    "coded": (coded.cases, 15, 700),
    "foreign": (foreign.cases, 15, 700),
    "corpora": (corpora.cases, 20, 3000),
    "translations": (translations.cases, 10, 400),
}
"""Inputs by format, how many of them `make test` runs, and how many there are at least."""
SOAK = bool(os.environ.get("SMALTI_SOAK"))
SEED = int(os.environ.get("SMALTI_SOAK_SEED", "0"))


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_forecast, "TIMING_SECONDS", 0.0)  # of training, timed by `smalti data`
        patch.setattr(_forecast, "MAX_TIMED_PIXELS", 4 * 8 * 8)
        yield make_kit(tmp_path_factory.mktemp("kit"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_nothing_worse_than_a_line(name: str, kit: Kit, tmp_path: Path) -> None:
    make_cases, few, least = FORMATS[name]
    cases = list(make_cases(kit))
    assert len({case.name for case in cases}) == len(cases) >= least
    chosen = cases if SOAK else pick_evenly(cases, few, SEED)
    faults = [f"{case.name}: {fault}" for case in chosen if (fault := find_fault(case, tmp_path))]
    assert not faults, f"{len(faults)} of {len(chosen)}\n" + "\n".join(faults)


def test_make_test_runs_two_hundred() -> None:
    assert sum(few for _, few, _ in FORMATS.values()) >= 200


def find_fault(case: Case, tmp: Path) -> str:
    """Find what is wrong with the command's outcome; empty if nothing is."""
    workdir = tmp / "here"
    workdir.mkdir()
    try:
        case.make(workdir)
        outcome = run(case.command.split(), workdir)
        if outcome.fault:
            return outcome.fault
        if outcome.code and case.good:
            return f"a good input is refused: {outcome.err}"
        return "" if outcome.code or case.check(workdir) else "the result is wrong"
    finally:
        shutil.rmtree(workdir)
