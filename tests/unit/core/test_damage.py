"""Sets of pictures that are damaged, that lie, or that would fill the memory: one line each."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch

from smalti.core.errors import UserError
from smalti.data import decode_all, npz, pack, read, read_splits
from tests import albums
from tests.expect import expect_user_error

PIXELS = albums.make_noise(6, 8, 8, 3)

# ---- every reader, with bytes changed and ends cut off


def write_database(path: Path) -> bytes:
    entries = albums.make_two_classes(8, side=24) | {f"k{k}": b"x" * 100 for k in range(99)}
    environment = lmdb.open(str(path), map_size=1 << 20)
    with environment.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key.encode(), value)
    environment.close()
    return (path / "data.mdb").read_bytes()


def write_archive(path: Path) -> bytes:
    files = albums.make_two_classes() | {"cats/0.txt": b"a cat"}
    return albums.write_zip(path, files).read_bytes()


def write_arrays(path: Path) -> bytes:
    np.savez_compressed(path.with_suffix(".npz"), x=PIXELS, y=np.arange(6))
    return path.with_suffix(".npz").read_bytes()


def write_mnist(path: Path) -> bytes:
    return (albums.write_mnist(path) / "train-images-idx3-ubyte").read_bytes()


def write_packed_mnist(path: Path) -> bytes:
    return (albums.write_mnist(path, packed=True) / "train-images-idx3-ubyte.gz").read_bytes()


KINDS = {
    "a.zip": write_archive,
    "a.npz": write_arrays,
    "train-images-idx3-ubyte": write_mnist,
    "train-images-idx3-ubyte.gz": write_packed_mnist,
    "a.lmdb": write_database,
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_any_damage_is_a_line_or_harmless(tmp_path: Path, name: str):
    whole = KINDS[name](tmp_path / "made")
    rng = np.random.default_rng(0)
    (tmp_path / "damaged").mkdir()
    place, lines = tmp_path / "damaged" / name, 0
    for k in range(40):
        content = bytearray(whole)
        if k % 4 == 0:
            content = content[: rng.integers(len(content))]
        for _ in range(k % 7):
            span = min(len(content), 300) if k % 2 else len(content)
            content[rng.integers(max(1, span)) - len(content)] ^= 1 << int(rng.integers(8))
        place.write_bytes(content)
        try:
            read_splits(place, size=8)
        except UserError as error:
            assert "\n" not in str(error)
            lines += 1
    assert lines >= 8


# ---- LMDB


def test_a_database_cut_at_any_page_is_said(tmp_path: Path):
    """The library would end the process: it maps the file and believes its first page."""
    whole = write_database(tmp_path / "db")
    (tmp_path / "db/data.mdb").write_bytes(whole)
    assert len(read(tmp_path / "db", size=8)) == 16
    place = tmp_path / "cut.lmdb"
    for pages in range(2, len(whole) // 4096):
        place.write_bytes(whole[: 4096 * pages])
        with expect_user_error("cut.lmdb is not a readable LMDB (it is truncated: "):
            read(place)


def test_a_tree_that_leads_in_a_circle_is_said(tmp_path: Path):
    whole = bytearray(write_database(tmp_path / "db"))
    roots = [struct.unpack_from("<Q", whole, at + 128)[0] for at in (0, 4096)]
    root = min(roots)  # an empty tree's is the largest number
    node = struct.unpack_from("<H", whole, root * 4096 + 16)[0]
    assert whole[root * 4096 + 10] & 1  # a branch
    struct.pack_into("<HH", whole, root * 4096 + node, root & 0xFFFF, root >> 16)
    (tmp_path / "a.lmdb").write_bytes(whole)
    with expect_user_error("its tree has a cycle or an invalid page"):
        read(tmp_path / "a.lmdb")


# ---- IDX


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (2**31, 8, 8), (10_000, 28, 28)])
def test_idx_files_that_promise_more_than_they_hold(tmp_path: Path, end: str, shape: Any):
    path = albums.write_idx(
        tmp_path / f"train-images-idx3-ubyte{end}", np.zeros((2, 8, 8), np.uint8)
    )
    content = bytearray(path.read_bytes()) if not end else bytearray(16)
    content[:16] = bytes([0, 0, 8, 3]) + np.array(shape, ">u4").tobytes()
    if end:
        import gzip

        content = bytearray(gzip.compress(bytes(content)))
    path.write_bytes(content)
    with expect_user_error("is truncated: its header says", str(shape[0])):
        read(path)


def test_pictures_without_pixels_are_refused(tmp_path: Path):
    path = albums.write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((3, 0, 0), np.uint8))
    with expect_user_error("holds pictures of 0 x 0 pixels; give at least 4 x 4"):
        read(path)


# ---- npz


def make_header(shape: str, descr: str = "'|u1'", fortran: bool = False) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    "member",
    [
        make_header("(1000000000000, 8, 8)") + bytes(99),
        make_header("(4611686018427387904, 8, 8)"),
        make_header("(-1, 8, 8)") + bytes(64),
        make_header("(1, 8, 8)", "'|O'") + bytes(64),
        make_header("(1, 8, 8)", "'nonsense'") + bytes(64),
        make_header("((((" * 20) + bytes(64),
        b"\x93NUMPY\x09\x00" + bytes(99),
        b"no array",
        b"",
    ],
)
def test_arrays_whose_heads_lie(tmp_path: Path, member: bytes):
    albums.write_zip(tmp_path / "a.npz", {"x.npy": member})
    with expect_user_error("a.npz cannot be read"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("flaw", ["encrypted", "method", "checksum"])
@pytest.mark.parametrize("name", ["a.npz", "a.zip"])
def test_members_that_cannot_be_unpacked(tmp_path: Path, flaw: str, name: str):
    member = io.BytesIO()
    np.save(member, PIXELS)
    files = (
        {"x.npy": member.getvalue()}
        if name == "a.npz"
        else {"a.png": albums.encode_picture(PIXELS[0])}
    )
    path = albums.write_zip(tmp_path / name, files)
    content = bytearray(path.read_bytes())
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    for start, at in ((local, 6), (central, 8)):
        if flaw == "encrypted":
            content[start + at] |= 1
        elif flaw == "method":
            content[start + at + 2] = 97
        else:
            content[start + at + 8] ^= 255
    path.write_bytes(content)
    with expect_user_error("a.npz cannot be read" if name == "a.npz" else "a.png "):
        read(path)


def test_order_and_endianness_of_arrays_do_not_matter(tmp_path: Path):
    floats = (PIXELS.astype(">f4") / np.float32(255)).astype(">f4")
    np.savez(tmp_path / "a.npz", x=np.asfortranarray(floats), y=np.arange(6, dtype=">i8"))
    pictures = read(tmp_path / "a.npz", size=None)
    assert torch.equal(pictures.pixels, torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy()))
    assert pictures.labels is not None
    assert pictures.labels.tolist() == [*range(6)]


def test_an_array_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 32, 32), np.uint8))
    monkeypatch.setattr(npz, "MAX_UNPACKED_BYTES", 1 << 19)
    with expect_user_error("a.npz: x.npy unpacks from 0.0 MB to 0.0 GB; save it with np.savez"):
        read(tmp_path / "a.npz")


def test_more_pictures_than_there_is_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = albums.write_folder(tmp_path / "set", albums.make_two_classes())
    monkeypatch.setattr(decode_all.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 4}.get)
    assert len(read(path, size=16)) == 6
    with expect_user_error("6 pictures of 64 x 64 take 0.0 GB", "give a smaller size"):
        read(path, size=64)


# ---- packs


LIES: list[tuple[dict[str, Any], str]] = [
    ({"classes": 5}, "its classes are not a list of strings"),
    ({"classes": [1, 2]}, "its classes are not a list of strings"),
    ({"classes": ["cats"]}, "it has labels from 0 to 1 for 1 classes"),
    ({"captions": "x"}, "its captions are not a list of strings"),
    ({"captions": ["x"]}, "it has 1 captions for 6 pictures"),
    ({"splits": []}, "its splits are not row ranges"),
    ({"splits": {"train": [0, 10**30]}}, "its splits do not cover its 6 pictures"),
    ({"splits": {"train": [0, 2, 3], "valid": [2, 6]}}, "its splits are not row ranges"),
    ({"splits": {"train": [0.5, 6]}}, "its splits are not row ranges"),
    ({"splits": {"train": [-6, 6]}}, "its splits do not cover its 6 pictures"),
    ({"splits": {"train": [0, 5]}}, "its splits do not cover its 6 pictures"),
    ({"format": 99}, "has format 99; this smalti reads 1"),
]


@pytest.mark.parametrize(("lie", "said"), LIES)
def test_a_pack_whose_json_lies(tmp_path: Path, lie: dict[str, Any], said: str):
    pack(albums.write_folder(tmp_path / "set", albums.make_two_classes()), tmp_path / "p", size=8)
    content = json.loads((tmp_path / "p/pack.json").read_text())
    (tmp_path / "p/pack.json").write_text(json.dumps(content | lie))
    with expect_user_error(said):
        read(tmp_path / "p", size=8)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pack.json", b"[" * 100_000),
        ("pack.json", b'{"format": 1' + b"0" * 5000 + b"}"),
        ("pack.json", b"\xff\xfe"),
        ("pixels.npy", make_header("(9000000000000000000, 3, 8, 8)")),
        ("pixels.npy", make_header("(6, 3, 8, 8)", "'<f4'") + bytes(6 * 3 * 64 * 4)),
        ("pixels.npy", make_header("(6, 3, 0, 8)")),
        ("pixels.npy", make_header("(6, 3, 8, 8)", "'|O'") + bytes(9999)),
        ("pixels.npy", make_header("(7, 3, 8, 8)") + bytes(6 * 3 * 64)),
        ("labels.npy", make_header("(6,)", "'<f8'") + bytes(48)),
        ("labels.npy", make_header("(1000000000000,)", "'<i8'") + bytes(48)),
    ],
)
def test_a_pack_with_a_file_that_lies(tmp_path: Path, name: str, content: bytes):
    pack(albums.write_folder(tmp_path / "set", albums.make_two_classes()), tmp_path / "p", size=8)
    (tmp_path / "p" / name).write_bytes(content)
    with expect_user_error(f"{name} "):
        read(tmp_path / "p", size=8)
