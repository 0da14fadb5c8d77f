"""Zip archives: every header field, names, methods, bombs; caption files."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests import albums
from tests.fuzz.cases import Case, Make, link_file, make_cases, write_file
from tests.fuzz.defects import bytes_defects, field_defects
from tests.fuzz.kit import Kit

FILES = albums.make_two_classes(2)
WORDS = "pack a.zip --out p --size 8"
LOCAL = {
    "magic": (0, 4), "version": (4, 2), "flags": (6, 2), "method": (8, 2), "date": (12, 2),
    "checksum": (14, 4), "packed": (18, 4), "size": (22, 4), "name": (26, 2), "extra": (28, 2),
}  # fmt: skip
CENTRAL = {
    "magic": (0, 4), "version": (6, 2), "flags": (8, 2), "method": (10, 2), "checksum": (16, 4),
    "packed": (20, 4), "size": (24, 4), "name": (28, 2), "extra": (30, 2), "comment": (32, 2),
    "disk": (34, 2), "attributes": (38, 4), "offset": (42, 4),
}  # fmt: skip
END = {
    "magic": (0, 4), "disk": (4, 2), "entries here": (8, 2), "entries": (10, 2), "size": (12, 4),
    "offset": (16, 4), "comment": (20, 2),
}  # fmt: skip


def is_packed(workdir: Path) -> bool:
    return np.load(workdir / "p/pixels.npy").shape[1:] == (3, 8, 8)


def encode_zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as zipped:
        for name, content in files.items():
            zipped.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def cases(kit: Kit) -> Iterator[Case]:
    data = encode_zip(FILES)
    middle, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    defects = [*bytes_defects(len(data), 4)]
    for place, fields in ((0, LOCAL), (middle, CENTRAL), (end, END)):
        title = {0: "local", middle: "central", end: "end"}[place]
        moved = {f"{title} {name}": (place + at, width) for name, (at, width) in fields.items()}
        defects += field_defects(moved)
    yield from make_cases("zip", "a.zip", data, defects, WORDS, check=is_packed)
    for title, content in make_odd_zips().items():
        yield Case(f"zip: {title}", write_file("a.zip", content), WORDS, is_packed)
    yield from captions()


def make_odd_zips() -> dict[str, bytes]:
    picture = albums.encode_picture(albums.make_noise(1, 8, 8, 3)[0])
    data = encode_zip(FILES)
    others = {
        "nothing": encode_zip({}),
        "no picture": encode_zip({"a.txt": b"x"}),
        "up a folder": encode_zip({**FILES, "../../up.png": picture}),
        "an absolute name": encode_zip({**FILES, "/tmp/up.png": picture}),
        "a long name": encode_zip({**FILES, "x" * 60000 + ".png": picture}),
        "a name of slashes": encode_zip({**FILES, "////.png": picture}),
        "a name of dots": encode_zip({**FILES, "cats/..png": picture}),
        "a NUL in a name": encode_zip({**FILES, "cats/a_b.png": picture}).replace(b"a_b", b"a\0b"),
        "a name of no UTF-8": encode_zip({**FILES, "cats/é.png": picture}).replace(
            "é".encode(), b"\xff\xfe"
        ),
        "a newline in a name": encode_zip({**FILES, "cats/a\nb.png": picture[:50]}),
        "a surrogate in a name": encode_zip({**FILES, "cats/a?b.png": picture}),
        "a zip in a zip": encode_zip({"b.zip": data, "c.png": data}),
        "a bomb of a picture": encode_zip({**FILES, "cats/b.png": picture + bytes(450_000_000)}),
        "a bomb of a caption": encode_zip({**FILES, "cats/0.txt": b"x" * 390_000_000}),
        "an empty picture": encode_zip({**FILES, "cats/b.png": b""}),
        "an empty caption": encode_zip({**FILES, "cats/0.txt": b""}),
        "a caption of no UTF-8": encode_zip({**FILES, "cats/0.txt": b"\xff\xfe\0"}),
        "a caption of NULs": encode_zip({**FILES, "cats/0.txt": bytes(1000)}),
        "many classes": encode_zip({f"{k}/a.png": picture for k in range(300)}),
        "bytes before it": b"x" * 100 + data,
        "bytes behind it": data + b"x" * 100,
    }
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        whole = encode_zip(FILES, method)
        others[f"method {method}"] = whole
        for place in (40, 60, 80, 120):
            others[f"method {method}, byte {place}"] = whole[:place] + b"\xff" + whole[place + 1 :]
    for method in (1, 6, 9, 97, 99):
        others[f"method {method} of all"] = data.replace(
            b"\x08\0\0\0\x21\0", struct.pack("<H", method) + b"\0\0\x21\0"
        )
    twice = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(twice, "w") as zipped:
        warnings.simplefilter("ignore")  # duplicate names are the point
        for _ in range(2):
            zipped.writestr("cats/a.png", picture)
    others["one name twice"] = twice.getvalue()
    return others


def captions() -> Iterator[Case]:
    """Yield damaged caption files of a folder."""
    photos = [write_file(f"photos/{name}", content) for name, content in FILES.items()]

    def special(make: Make) -> Make:
        def both(workdir: Path) -> None:
            for photo in photos:
                photo(workdir)
            make(workdir)

        return both

    def sparse(workdir: Path) -> None:
        with (workdir / "photos/cats/0.txt").open("wb") as file:
            file.truncate(3 << 30)

    texts = {
        "empty": b"",
        "spaces": b" \n\t\n",
        "no UTF-8": b"\xff\xfe",
        "UTF-16": "a cat".encode("utf-16"),
        "a mark": b"\xef\xbb\xbfa cat",
        "NULs": bytes(100),
        "escapes": b"\x1b[2J\x1b]0;x\x07",
        "a long line": b"cat " * 1_000_000,
        "many lines": b"\n" * 1_000_000,
        "returns": b"a\rb\r\nc",
        "half a letter": "é".encode()[:1],
        "separators": "a\u2028b\x85c".encode(),
    }
    for title, text in texts.items():
        make = write_file("photos/cats/0.txt", text, *photos)
        for words in ("pack photos --out p --size 8", "data photos --size 8"):
            yield Case(f"caption: {title}, {words[:4]}", make, words)
    name = "photos/cats/0.txt"
    specials: dict[str, Make] = {
        "a FIFO": special(lambda where: os.mkfifo(where / name)),
        "a folder": special(lambda where: (where / name).mkdir()),
        "of 3 GB": special(sparse),
        "without end": special(link_file(name, Path("/dev/zero"))),
        "a broken link": special(link_file(name, Path("nowhere"))),
    }
    for title, make in specials.items():
        for words in ("pack photos --out p --size 8", "data photos --size 8"):
            yield Case(f"caption: {title}, {words[:4]}", make, words)
