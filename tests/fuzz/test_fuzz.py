"""Malformed inputs: each gives a result, or one error line and exit code 2.

`make test` runs some of every format, `make soak` runs all of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fuzz import (
    arrays,
    checkpoints,
    coded,
    databases,
    foreign,
    pictures,
    runs,
    weights,
    zips,
)
from tests.fuzz.cases import Case, pick_evenly
from tests.fuzz.guard import run
from tests.fuzz.kit import Kit, make_kit

FORMATS: dict[str, tuple[Callable[[Kit], Iterator[Case]], int]] = {
    "pictures": (pictures.cases, 40),
    "zips": (zips.cases, 20),
    "arrays": (arrays.cases, 30),
    "databases": (databases.cases, 10),
    "checkpoints": (checkpoints.cases, 40),
    "weights": (weights.cases, 15),
    "runs": (runs.cases, 20),
    "coded": (coded.cases, 15),
    "foreign": (foreign.cases, 20),
}
"""Inputs by format, and how many of them `make test` runs."""
SOAK = bool(os.environ.get("SMALTI_SOAK"))
SEED = int(os.environ.get("SMALTI_SOAK_SEED", "0"))


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return make_kit(tmp_path_factory.mktemp("kit"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_nothing_worse_than_a_line(name: str, kit: Kit, tmp_path: Path) -> None:
    cases, few = FORMATS[name]
    chosen = list(cases(kit)) if SOAK else pick_evenly(list(cases(kit)), few, SEED)
    faults = [f"{case.name}: {fault}" for case in chosen if (fault := find_fault(case, tmp_path))]
    assert not faults, f"{len(faults)} of {len(chosen)}\n" + "\n".join(faults)


@pytest.mark.slow
def test_there_are_enough(kit: Kit) -> None:
    names = [[case.name for case in cases(kit)] for cases, _ in FORMATS.values()]
    assert all(len(set(some)) == len(some) for some in names)
    assert sum(map(len, names)) >= 1500
    assert sum(few for _, few in FORMATS.values()) >= 200


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
