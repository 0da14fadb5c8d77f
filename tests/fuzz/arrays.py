"""Arrays: .npy inside .npz and packs, IDX, and pack.json."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests import albums
from tests.fuzz.cases import Case, make_cases, write_file
from tests.fuzz.defects import bytes_defects, field_defects, json_defects
from tests.fuzz.kit import Kit

PIXELS = albums.make_noise(6, 8, 8, 3)
LABELS = np.array([0, 1, 0, 1, 2, 2])
PACKED = PIXELS.transpose(0, 3, 1, 2).copy()
DOCUMENT = {
    "format": 1,
    "name": "six",
    "classes": ["a", "b", "c"],
    "captions": list("uvwxyz"),
    "splits": {"train": [0, 4], "valid": [4, 6]},
    "size": [8, 8],
}
INTO = "--out p --size 8"


def has_size_8x8(workdir: Path) -> bool:
    return np.load(workdir / "p/pixels.npy").shape[2:] == (8, 8)


def cases(kit: Kit) -> Iterator[Case]:
    yield from npz()
    yield from packs()
    yield from idx()


def encode_npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


# ---- .npy

DESCRS = (
    "'|O'", "'|V8'", "'<f16'", "'>i2'", "'|S5'", "'<M8[s]'", "'<c8'", "'<U3'", "'no'", "''", "7",
    "None", "[('a', '<i4')]", "[('a', '|O')]", "('|u1', (2, 2))", "'|u0'", "'<u99'",
)  # fmt: skip
SHAPES = (
    "()", "(6,)", "(6, 8)", "(6, 8, 8)", "(0, 8, 8, 3)", "(6, 0, 8, 3)", "(-1, 8, 8, 3)", "None",
    "(6, 8, 8, -3)", "(10000000000000000000, 8, 8, 3)", "(4294967296, 4294967296, 1, 1)", "'six'",
    "(6.0, 8, 8, 3)", "(7, 8, 8, 3)", "(True, 8, 8, 3)", "(6, 8, 8, 3, 1)", "[6, 8, 8, 3]",
    "(1000000, 1000, 1000, 3)", f"({'1, ' * 70})",
)  # fmt: skip


def format_head(descr: str = "'|u1'", fortran: str = "False", shape: str = "(6, 8, 8, 3)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


def prepend_head(text: str, data: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    size = "<H" if version == (1, 0) else "<I"
    line = text.encode("latin1") + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack(size, len(line) % 2**16) + line + data


def make_heads(shape: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Make .npy files with wrong or impossible headers."""
    for descr in DESCRS:
        yield f"descr {descr}", prepend_head(format_head(descr, shape=shape), data)
    for other in SHAPES:
        yield f"shape {other[:40]}", prepend_head(format_head(shape=other), data)
    for fortran in ("True", "None", "'no'", "7"):
        yield (
            f"fortran_order {fortran}",
            prepend_head(format_head(fortran=fortran, shape=shape), data),
        )
    texts = {
        "no head": "",
        "a list": "[1]",
        "an open brace": "{",
        "a call": "__import__('os').system('touch unpickled')",
        "deep brackets": "(" * 9000,
        "deep lists": "[" * 9000 + "]" * 9000,
        "many digits": "9" * 9000,
        "a head of zeros": "\0" * 100,
        "one key more": format_head(shape=shape)[:-1] + "'more': 1}",
        "one key less": "{'descr': '|u1', 'shape': (6,)}",
        "a long head": format_head(shape=shape) + " " * 60000,
    }
    for title, text in texts.items():
        yield title, prepend_head(text, data)
    yield "version 3", prepend_head(format_head(shape=shape), data, (3, 0))
    yield "version 9", prepend_head(format_head(shape=shape), data, (9, 0))
    yield "a pickle", PICKLE


PICKLE = b"\x80\x02cposix\nsystem\nX\x0f\0\0\0touch unpickled\x85R."

# ---- .npz


def encode_npz(**members: bytes | np.ndarray) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in members.items():
            content = value if isinstance(value, bytes) else encode_npy(value)
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npz() -> Iterator[Case]:
    words = f"pack six.npz {INTO}"
    whole = encode_npz(images=PIXELS, labels=LABELS)
    yield from make_cases(
        "npz", "six.npz", whole, bytes_defects(len(whole), 32), words, check=has_size_8x8
    )
    images = encode_npy(PIXELS)
    for title, content in make_heads("(6, 8, 8, 3)", PIXELS.tobytes()):
        data = encode_npz(images=content, labels=LABELS)
        yield Case(f"npz images: {title}", write_file("six.npz", data), words, has_size_8x8)
        data = encode_npz(images=PIXELS, labels=content)
        yield Case(f"npz labels: {title}", write_file("six.npz", data), words, has_size_8x8)
    for title, change in bytes_defects(len(images), 16):
        data = encode_npz(images=change(images), labels=LABELS)
        yield Case(f"npz images: {title}", write_file("six.npz", data), words, has_size_8x8)
    floats = PIXELS / 255
    odd = {
        "NaN": {"images": np.where(PIXELS > 250, np.nan, floats)},
        "infinite": {"images": np.where(PIXELS > 250, np.inf, floats)},
        "negative": {"images": floats - 0.5},
        "of 1e300": {"images": floats * 1e300},
        "half floats": {"images": floats.astype("float16")},
        "complex": {"images": floats + 1j},
        "of 64 bits": {"images": PIXELS.astype("int64")},
        "dates": {"images": PIXELS.astype("<M8[s]")},
        "words": {"images": PIXELS.astype("U3")},
        "none": {"images": PIXELS[:0]},
        "of no width": {"images": PIXELS[:, :, :0]},
        "one dot": {"images": PIXELS[:, :1, :1]},
        "of two channels": {"images": PIXELS[..., :2]},
        "flat": {"images": PIXELS.ravel()},
        "a number": {"images": np.array(3)},
        "labels NaN": {"labels": np.where(LABELS > 1, np.nan, LABELS)},
        "labels negative": {"labels": LABELS - 1},
        "labels huge": {"labels": LABELS + 2**62},
        "labels unsigned": {"labels": LABELS.astype("u8") + np.uint64(2**63)},
        "labels too few": {"labels": LABELS[:3]},
        "labels flat": {"labels": np.array(1)},
        "labels one-hot": {"labels": np.eye(6)},
        "labels bytes": {"labels": LABELS.astype("S1")},
        "labels of surrogates": {"labels": np.array(["\ud800"] * 6)},
        "classes NaN": {"classes": np.array([np.nan] * 3)},
        "classes nested": {"classes": np.zeros((3, 3))},
        "classes a number": {"classes": np.array(3)},
        "classes with slashes": {"classes": np.array(["../a", "/", "\0"])},
        "splits of two sizes": {"train_images": PIXELS, "test_images": PIXELS[:, :4]},
        "a test alone": {"test_images": PIXELS},
    }
    for title, members in odd.items():
        both = {"images": PIXELS, "labels": LABELS, **members}
        if "train_images" in members or "test_images" in members:
            both = members
        make = write_file("six.npz", encode_npz(**both))
        yield Case(f"npz: {title}", make, words)
        yield Case(f"npz: {title}, data", make, "data six.npz --size 8")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "images.npy", prepend_head(format_head(shape="(3000000, 1024, 1, 1)"), bytes(3 << 28))
        )
    yield Case("npz: a bomb", write_file("six.npz", bomb.getvalue()), words)


# ---- packs


def packs() -> Iterator[Case]:
    words = f"pack six {INTO}"
    document, pixels, labels = json.dumps(DOCUMENT), encode_npy(PACKED), encode_npy(LABELS)
    files = {"pack.json": document.encode(), "pixels.npy": pixels, "labels.npy": labels}

    def case(title: str, name: str, content: bytes, good: bool = False) -> Case:
        others = [write_file(f"six/{n}", data) for n, data in files.items() if n != name]
        make = write_file(f"six/{name}", content, *others)
        return Case(f"pack {name}: {title}", make, words, has_size_8x8, good)

    yield case("good", "pack.json", files["pack.json"], good=True)
    for title, content in json_defects(DOCUMENT):
        yield case(title, "pack.json", content)
    for name, array in (("pixels.npy", PACKED), ("labels.npy", LABELS)):
        shape = str(array.shape)
        for title, content in make_heads(shape, array.tobytes()):
            yield case(title, name, content)
        for title, change in bytes_defects(len(files[name]), 12):
            yield case(title, name, change(files[name]))
    splits = {
        "that overlap": {"train": [0, 5], "valid": [4, 6]},
        "with a gap": {"train": [0, 3], "valid": [4, 6]},
        "backwards": {"train": [4, 6], "valid": [0, 4]},
        "with a step": {"train": [0, 4, 2], "valid": [4, 6]},
        "with a step of 0": {"train": [0, 4, 0], "valid": [4, 6]},
        "of halves": {"train": [0.0, 4.0], "valid": [4.0, 6.0]},
        "beyond": {"train": [0, 4], "valid": [4, 99]},
        "unknown": {"train": [0, 4], "other": [4, 6]},
        "of nothing": {"train": [0, 0], "valid": [0, 6]},
        "of three numbers": {"train": [0, 1, 2, 3]},
    }
    for title, value in splits.items():
        content = json.dumps({**DOCUMENT, "splits": value}).encode()
        yield case(f"splits {title}", "pack.json", content)


# ---- IDX


def idx() -> Iterator[Case]:
    images = bytes([0, 0, 8, 3]) + struct.pack(">III", 6, 8, 8) + PIXELS[..., 0].tobytes()
    labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 6) + LABELS.astype(np.uint8).tobytes()
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    words = f"pack {names[0]} {INTO}"
    sides = {"count": (4, 4), "height": (8, 4), "width": (12, 4)}
    defects = [*bytes_defects(len(images), 16), *field_defects(sides, "big")]
    label_file = write_file(names[1], labels)
    yield from make_cases("IDX", names[0], images, defects, words, label_file, check=has_size_8x8)
    defects = [*bytes_defects(len(labels), 8), *field_defects({"count": (4, 4)}, "big")]
    for title, change in defects:
        make = write_file(names[1], change(labels), write_file(names[0], images))
        yield Case(f"IDX labels: {title}", make, words, has_size_8x8)
    packed = gzip.compress(images)
    words = f"pack {names[0]}.gz {INTO}"
    defects = list(bytes_defects(len(packed), 18))
    yield from make_cases(
        "IDX.gz", f"{names[0]}.gz", packed, defects, words, label_file, check=has_size_8x8
    )
    bomb = gzip.compress(images[:4] + b"\xff\xff\xff\xff" * 3 + bytes(1 << 28))
    yield Case("IDX.gz: a bomb", write_file(f"{names[0]}.gz", bomb), words)
    both = write_file("m/" + names[0], images, write_file("m/" + names[1], labels))
    for title, change in list(bytes_defects(len(images), 16))[::3]:
        make = write_file("m/t10k-images-idx3-ubyte", change(images), both)
        yield Case(f"IDX test: {title}", make, "data m --size 8")
