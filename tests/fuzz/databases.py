"""An LMDB: every word of its meta pages and of the next page, truncated at pages and between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import albums
from tests.fuzz.cases import Case, make_cases
from tests.fuzz.defects import bytes_defects, field_defects
from tests.fuzz.kit import Kit

PAGE = 4096


def is_packed(workdir: Path) -> bool:
    return np.load(workdir / "p/pixels.npy").shape[1:] == (3, 8, 8)


def write_database(at: Path) -> bytes:
    lmdb: Any = pytest.importorskip("lmdb")
    options = {"map_size": 1 << 20, "lock": False}
    with lmdb.open(str(at), **options) as environment, environment.begin(write=True) as transaction:
        for name, content in albums.make_two_classes(3, side=24).items():
            transaction.put(name.encode(), content)
    return (at / "data.mdb").read_bytes()


def cases(kit: Kit) -> Iterator[Case]:
    data = write_database(kit.root / "lmdb")
    words = "pack db --out p --size 8"
    fields = {f"page {p}, word {w}": (p * PAGE + 8 * w, 8) for p in (0, 1) for w in range(19)}
    tree = {f"page {p}, head {w}": (p * PAGE + 4 * w, 4)
            for p in range(2, len(data) // PAGE) for w in range(6)}  # fmt: skip
    lengths = (100, 152, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE, len(data) - PAGE, len(data) - 1)
    cuts = [(f"cut at {n}", lambda d, n=n: d[:n]) for n in lengths]
    blank = [(f"page {p} blank", lambda d, p=p: d[: p * PAGE] + bytes(PAGE) + d[(p + 1) * PAGE :])
             for p in range(len(data) // PAGE)]  # fmt: skip
    noise = [(f"page {p} of noise", lambda d, p=p: d[: p * PAGE] + b"\xa5" * PAGE
              + d[(p + 1) * PAGE :]) for p in range(len(data) // PAGE)]  # fmt: skip
    defects = [*bytes_defects(len(data), 0), *field_defects(fields), *field_defects(tree)]
    defects += [*cuts, *blank, *noise]
    yield from make_cases("LMDB", "db/data.mdb", data, defects, words, check=is_packed)
