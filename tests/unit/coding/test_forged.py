"""Forged files are refused with one line, quickly and in little memory."""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from smalti.coding import compress, decompress, limits
from smalti.coding.file import FORMAT, PREFIX, from_bytes, read_file, read_header
from smalti.core.errors import UserError
from tests.chain import Chain, draw_pixels
from tests.expect import expect_user_error

AB = ("a", "b")
MODEL = Chain((1, 3, 2), levels=16, classes=AB)
PIXELS = draw_pixels(MODEL, 3, torch.tensor([0, 1, 1]))
CJK, E_ACUTE = "\u56fe", "\u00e9"
NAMES = ("a.png", "b/c.png", "d.png")
DATA = compress(MODEL, PIXELS, file_names=NAMES, model_name="mine", batch_size=2)


def wrap_header(compressed: bytes, payload: bytes) -> bytes:
    """A file of this deflated header, its checksum right."""
    return (
        PREFIX.pack(b"smalti\0", FORMAT, len(compressed), zlib.crc32(compressed))
        + compressed
        + payload
    )


def read_content(data: bytes = DATA) -> dict[str, Any]:
    return json.loads(zlib.decompress(data[PREFIX.size :][: PREFIX.unpack_from(data)[2]]))


def forge(**changes: Any) -> bytes:
    header = {k: v for k, v in {**read_content(), **changes}.items() if v is not ...}
    return wrap_header(zlib.compress(json.dumps(header).encode()), from_bytes(DATA)[1])


def try_decompress(data: bytes) -> str:
    """ "same" pictures, or the line about what is wrong."""
    try:
        return "same" if torch.equal(decompress(MODEL, data), PIXELS) else "other pictures"
    except UserError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 800
        return str(error)


WRONG = [
    None, True, False, -1, 0, 1, 2, 1000, 2**31, 2**63, 2**64, -(2**70), 10**300, 1.5, math.nan,
    math.inf, "", "x", "\0", "\ud800", "\udc80", "x" * 100_000, [], {}, [1], [[1]], [None] * 3,
    [0, 1, 2], [2**70] * 3, [-1] * 3, ["a.png"] * 3, ["\ud800.png", "b.png", "c.png"],
    ["x" * 300 + ".png", "b.png", "c.png"], ["/".join("x" * 9999) + ".png", "b.png", "c.png"],
    ["é.png", "E\u0301.PNG.png", "a/../b.png"], [["a", "b"]], {"tag": "linear"}, {"tag": []}, ...,
]  # fmt: skip
"""Values for every field; ... leaves it out."""
HARMLESS = {
    "model_name", "vector_units", "threads", "labels", "text", "file_names", "payload_bytes",
}  # fmt: skip
"""Fields for which some other values still decode to the same pictures."""


@pytest.mark.parametrize("field", read_content())
def test_any_value_of_any_field_is_right_or_refused(field: str):
    said = [try_decompress(forge(**{field: value})) for value in WRONG]
    assert "other pictures" not in said
    if field not in HARMLESS:
        assert [v for v, text in zip(WRONG, said, strict=True) if text == "same"] in ([], [2])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 2**40, "labels": None, "file_names": None}, "a file holds at most"),
        ({"count": 2**15, "labels": [0] * 2**15, "file_names": None}, "pictures differ"),
        ({"batch_size": 2**40}, "batch_size is"),
        ({"shape": [2**20, 2**20, 2**20]}, "a file holds at most"),
        ({"payload_bytes": 2**40}, "bytes for 3 pictures"),
        ({"threads": 1000}, "threads is 1000; expected 1 to 256"),
        ({"threads": 0}, "threads is 0"),
        ({"labels": [0, 1, 2]}, "not in 0 to 1"),
        ({"labels": None}, "this model has 2 classes"),
        ({"model_name": "x\ud800"}, "cannot be encoded as UTF-8"),
        ({"vector_units": "x" * 10**4}, "is too long"),
        ({"environment": [["torch", "x" * 4000]]}, "but running with"),
        ({"more": 1}, "invalid header"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], words: str):
    assert words in try_decompress(forge(**changes))


def wrap_text(text: bytes) -> bytes:
    return wrap_header(zlib.compress(text, 1), from_bytes(DATA)[1])


BOMBS: dict[str, Callable[[], bytes]] = {
    "long": lambda: wrap_text(b" " * (limits.MAX_HEADER_BYTES + 1)),
    "deep": lambda: wrap_text(b"[" * 200_000),
    "wide": lambda: wrap_text(b'{"labels":[' + b"[]," * 10**5 + b"[]]}"),
    "a large number": lambda: wrap_text(b'{"count":' + b"9" * 10**5 + b"}"),
    "null": lambda: wrap_text(b"null"),
    "no text": lambda: wrap_text(b"\xff\xfe"),
    "not deflated": lambda: wrap_header(b"no zlib", b""),
    "nothing": lambda: wrap_header(b"", b""),
    "a length of 4 GB": lambda: (
        PREFIX.pack(b"smalti\0", FORMAT, 2**32 - 1, 0) + DATA[PREFIX.size :]
    ),
    "cut": lambda: forge()[:-1],
    "more": lambda: forge() + b"\0",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_headers_that_are_none(kind: str, tmp_path: Path):
    data = BOMBS[kind]()
    assert try_decompress(data) != "same"
    (tmp_path / "file").write_bytes(data)
    with expect_user_error(""):
        from_bytes(read_file(tmp_path / "file"))


def test_bits_that_end_inside_a_word():
    payload = from_bytes(DATA)[1][:-1]
    header = {**read_content(), "payload_bytes": len(payload), "checksum": zlib.crc32(payload)}
    data = wrap_header(zlib.compress(json.dumps(header).encode()), payload)
    assert "inside a word" in try_decompress(data)


def test_bits_of_nothing_end_soon():
    """A forged count must not make the walk continue after the last bit."""
    header = {
        **read_content(),
        "count": 10**5,
        "labels": [0] * 10**5,
        "file_names": None,
        "batch_size": 64,
    }
    header |= {"payload_bytes": 0, "checksum": 0}
    before = len(MODEL.batches)
    assert "pictures differ" in try_decompress(
        wrap_header(zlib.compress(json.dumps(header).encode()), b"")
    )
    assert len(MODEL.batches) < before + 3


def test_no_more_of_a_file_is_read_than_it_says(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    os.truncate(path, 10**13)  # a hole of 10 TB
    with expect_user_error("damaged: 10000000000000 bytes"):
        read_file(path)
    path.write_bytes(b"\0" * 99)
    os.truncate(path, 10**13)
    with expect_user_error("not written by"):
        read_file(path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with expect_user_error("not a file"):
            read_file(path)


# ---- nothing is written that cannot be read


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"file_names": [CJK * 85 + ".png", "a.png", "b.png"]},
            "too long",
        ),
        ({"file_names": ["/".join(["x" * 200] * 11) + ".png", "a.png", "b.png"]}, "too long"),
        (
            {"file_names": [E_ACUTE + ".png", "e\u0301.png", "b.png"]},
            "same file name",
        ),
        ({"file_names": ["A.png", "a.png", "b.png"]}, "same file name"),
        ({"file_names": ["a.png", "a.png/b.png", "c.png"]}, "same file name"),
        ({"file_names": ["\ud800.png", "a.png", "b.png"]}, "not a safe file name"),
        ({"file_names": ["a\0.png", "b.png", "c.png"]}, "not a safe file name"),
        ({"model_name": "\udc80"}, "cannot be encoded as UTF-8"),
        ({"model_name": "x" * 5000}, "is too long"),
        ({"batch_size": 2**20}, "batch_size is"),
    ],
)
def test_what_would_not_be_read_again_is_refused_before_the_work(arguments: dict, words: str):
    before = len(MODEL.batches)
    with expect_user_error(words):
        compress(MODEL, PIXELS, **arguments)
    assert len(MODEL.batches) == before


def test_a_header_that_is_too_long_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_HEADER_BYTES", 1000)
    before = len(MODEL.batches)
    with expect_user_error("names and captions of 3 pictures take", "compress them into several"):
        compress(MODEL, PIXELS, file_names=["x" * 250 + f"{k}.png" for k in range(3)], batch_size=2)
    assert len(MODEL.batches) == before


def test_more_threads_than_are_read_are_not_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("smalti.coding._compress.MAX_THREADS", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert read_header(compress(MODEL, PIXELS)).threads == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
