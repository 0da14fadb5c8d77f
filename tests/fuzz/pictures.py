"""Pictures: every format's header byte by byte, EXIF, PNG chunks, and paths that are not files."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests import albums
from tests.fuzz.cases import Case, Make, link_file, make_cases, write_file
from tests.fuzz.defects import bytes_defects, field_defects
from tests.fuzz.kit import Kit

PIXELS = albums.make_noise(2, 12, 10, 3)
GOOD = albums.encode_picture(PIXELS[0])
PACK = "pack photos --out p --size 8"
DATA = "data photos --size 8"
KINDS = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "TIFF": "tif", "BMP": "bmp", "WEBP": "webp"}
HEADS = {"PNG": 64, "JPEG": 48, "GIF": 32, "TIFF": 16, "BMP": 54, "WEBP": 40}
"""Number of first bytes that are inverted one by one."""


def is_packed(workdir: Path) -> bool:
    """Whether there are two pictures of 8 x 8."""
    pixels = np.load(workdir / "p/pixels.npy")
    corner = np.asarray(Image.open(io.BytesIO(GOOD)).convert("RGB").getpixel((0, 0)))
    return pixels.shape[0] == 2 and pixels.shape[2:] == (8, 8) and bool(len(corner))


def cases(kit: Kit) -> Iterator[Case]:
    good = write_file("photos/a.png", GOOD)
    for kind, ending in KINDS.items():
        data = albums.encode_picture(PIXELS[1], kind)
        name = f"photos/b.{ending}"
        defects = [*bytes_defects(len(data), HEADS[kind]), *fields(kind, data)]
        yield from make_cases(kind, name, data, defects, PACK, good, check=is_packed)
    yield from chunks(good)
    yield from exif(good)
    yield from non_file_cases(good)
    yield from large(good)
    yield from by_other_verbs(kit)


def fields(kind: str, data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield defects of the width, height and length fields of each format."""
    if kind == "PNG":
        yield from field_defects({"width": (16, 4), "height": (20, 4), "length": (8, 4)}, "big")
        yield from field_defects({"depth": (24, 1), "color": (25, 1)}, "big")
        for name, place in {"width": 16, "height": 20}.items():
            yield (
                f"{name} of a bomb",
                lambda d, p=place: fix_checksum(d[:p] + b"\0\3\0\0" + d[p + 4 :]),
            )
    elif kind == "JPEG":
        start = data.index(b"\xff\xc0")
        places = {"length": (start + 2, 2), "height": (start + 5, 2), "width": (start + 7, 2)}
        yield from field_defects({**places, "components": (start + 9, 1)}, "big")
    elif kind == "GIF":
        yield from field_defects({"width": (6, 2), "height": (8, 2), "flags": (10, 1)})
    elif kind == "BMP":
        yield from field_defects({"offset": (10, 4), "head": (14, 4), "width": (18, 4)})
        yield from field_defects({"height": (22, 4), "bits": (28, 2), "packing": (30, 4)})
        yield from field_defects({"colors": (46, 4)})
    elif kind == "WEBP":
        yield from field_defects({"length": (4, 4), "chunk": (16, 4), "size": (26, 4)})
    elif kind == "TIFF":
        first = struct.unpack_from("<I", data, 4)[0]
        yield from field_defects({"directory": (4, 4), "entries": (first, 2)})
        for k in range(struct.unpack_from("<H", data, first)[0]):
            at = first + 2 + 12 * k
            tag = struct.unpack_from("<H", data, at)[0]
            yield from field_defects({f"tag {tag} value": (at + 8, 4)})
            yield from field_defects({f"tag {tag} count": (at + 4, 4)})


def fix_checksum(data: bytes) -> bytes:
    """Fix the checksum of a PNG's first chunk."""
    return data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]


# ---- PNG


def make_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def chunks(good: Make) -> Iterator[Case]:
    """Yield PNGs with chunks that are well-formed outside and damaged inside."""
    data, bomb = albums.encode_picture(PIXELS[1]), zlib.compress(bytes(300_000_000), 9)
    contents = {
        "text bomb": make_chunk(b"zTXt", b"a\0\0" + bomb),
        "international bomb": make_chunk(b"iTXt", b"a\0\1\0\0\0" + bomb),
        "profile bomb": make_chunk(b"iCCP", b"a\0\0" + bomb),
        "profile of noise": make_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(range(256)))),
        "profile not packed": make_chunk(b"iCCP", b"a\0\0no"),
        "empty profile": make_chunk(b"iCCP", b""),
        "empty gamma": make_chunk(b"gAMA", b""),
        "empty transparency": make_chunk(b"tRNS", b""),
        "wrong transparency": make_chunk(b"tRNS", bytes(5)),
        "empty palette": make_chunk(b"PLTE", b""),
        "empty size": make_chunk(b"pHYs", b""),
        "odd background": make_chunk(b"bKGD", b"\0"),
        "animation of 0 frames": make_chunk(b"acTL", bytes(8)),
        "animation of many frames": make_chunk(b"acTL", b"\xff" * 8),
        "frame outside": make_chunk(b"fcTL", b"\0" * 3 + b"\xff" * 23),
        "exif of noise": make_chunk(b"eXIf", bytes(range(64))),
        "exif of a tag": make_chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\x63\0\0"),
        "unknown critical": make_chunk(b"ABCD", b"x"),
        "second head": data[8:33],
        "end": make_chunk(b"IEND", b""),
        "length beyond": struct.pack(">I", 2**31 - 1) + b"tEXt",
    }
    for title, content in contents.items():
        file = data[:33] + content + data[33:]
        words = PACK
        yield Case(f"PNG with {title}", write_file("photos/b.png", file, good), words, is_packed)


# ---- EXIF


def exif(good: Make) -> Iterator[Case]:
    """Yield valid pictures with a damaged EXIF block."""
    block = Image.Exif()
    block[0x0112] = 6
    block[0x010E] = "a picture"
    block[0x8769] = {0x9286: b"comment", 0xA002: 10}
    raw = block.tobytes()
    start = len(b"Exif\0\0")
    defects = [
        *bytes_defects(len(raw), 40),
        *field_defects({"order": (start, 2), "magic": (start + 2, 2), "first": (start + 4, 4)}),
        *field_defects({"entries": (start + 8, 2), "tag": (start + 10, 2)}),
        *field_defects({"type": (start + 12, 2), "count": (start + 14, 4)}),
        *field_defects({"value": (start + 18, 4)}),
    ]
    for kind, ending in (("JPEG", "jpg"), ("WEBP", "webp"), ("PNG", "png")):
        for title, change in defects if kind == "JPEG" else defects[::6]:
            file = io.BytesIO()
            Image.fromarray(PIXELS[1]).save(file, kind, exif=change(raw))
            make = write_file(f"photos/b.{ending}", file.getvalue(), good)
            yield Case(f"EXIF in {kind}: {title}", make, PACK, is_packed)


# ---- not a file, or too large


def non_file_cases(good: Make) -> Iterator[Case]:
    def fifo(workdir: Path) -> None:
        os.mkfifo(workdir / "photos/b.png")

    def loop(workdir: Path) -> None:
        (workdir / "photos/b.png").symlink_to("b.png")

    def around(workdir: Path) -> None:
        (workdir / "photos/b").symlink_to("..")

    def folder(workdir: Path) -> None:
        (workdir / "photos/b.png").mkdir()

    def odd(workdir: Path) -> None:
        (workdir / "photos" / os.fsdecode(b"b\xff\n.png")).write_bytes(GOOD[:40])

    makes = {
        "a FIFO": fifo,
        "a loop of links": loop,
        "a link to its parent": around,
        "a folder": folder,
        "a name of no UTF-8": odd,
        "zeros without end": link_file("photos/b.png", Path("/dev/zero")),
        "noise without end": link_file("photos/b.jpg", Path("/dev/urandom")),
        "a terminal": link_file("photos/b.gif", Path("/dev/tty")),
        "nothing": link_file("photos/b.png", Path("/dev/null")),
        "a link to nothing": link_file("photos/b.png", Path("nowhere")),
        "a process's memory": link_file("photos/b.png", Path("/proc/self/mem")),
    }
    for title, make in makes.items():
        for words in (PACK, DATA):
            yield Case(f"{title}, {words.partition(' ')[0]}", make_all(good, make), words)
    for title in ("a FIFO", "zeros without end"):
        make, name = makes[title], "photos/b.png"
        for words in (f"match {name} photos/a.png --out m", f"data {name}"):
            yield Case(f"{title}, {words.partition(' ')[0]} it", make_all(good, make), words)


def make_all(*makes: Make) -> Make:
    def make(workdir: Path) -> None:
        for each in makes:
            each(workdir)

    return make


def large(good: Make) -> Iterator[Case]:
    """Yield pictures as large as a camera's, and larger."""

    def plane(name: str, mode: str, side: int, **options: Any) -> Make:
        def make(workdir: Path) -> None:
            Image.new(mode, (side, side)).save(workdir / "photos" / name, **options)

        return make_all(good, make)

    makes = {
        "88 megapixels, PNG": plane("b.png", "RGB", 9400, compress_level=1),
        "88 megapixels, JPEG": plane("b.jpg", "RGB", 9400),
        "88 megapixels, GIF": plane("b.gif", "L", 9400),
        "88 megapixels, TIFF": plane("b.tif", "RGB", 9400, compression="packbits"),
        "88 megapixels with alpha": plane("b.png", "RGBA", 9400, compress_level=1),
        "88 megapixels of 16 bits": plane("b.png", "I;16", 9400, compress_level=1),
        "200 megapixels": plane("b.png", "1", 14200),
    }
    for title, make in makes.items():
        yield Case(title, make, PACK, is_packed)


# ---- other verbs


def by_other_verbs(kit: Kit) -> Iterator[Case]:
    """Yield cases of the verbs that open a picture themselves."""
    verbs = (
        "match b.png a.png --out x",
        "match a.png b.png --out x",
        "inpaint a.png b.png --out x",
        "inpaint b.png a.png --out x",
        f"reconstruct {kit.root}/vqvae b.png --out x",
        f"complete {kit.root}/pixelcnn b.png --out x",
        f"compress b.png x.smalti --model {kit.root}/pixelcnn",
        f"interpolate {kit.root}/diffusion --from b.png --to 1 --steps 2 --frames 2 --out x.gif",
        f"sample {kit.root}/diffusion --picture b.png --steps 2 -n 1 --out x",
        "data b.png",
    )
    data, also = albums.encode_picture(PIXELS[1]), write_file("a.png", GOOD)
    defects = [*bytes_defects(len(data), 40, 8), *list(fields("PNG", data))[::6]]
    for words in verbs:
        for title, change in defects:
            make = write_file("b.png", change(data), also)
            yield Case(f"{words.partition(' --')[0]}: {title}", make, words)
