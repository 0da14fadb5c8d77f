"""model.safetensors: truncated, wrong lengths, types, shapes and offsets, NaN."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import torch
from safetensors.torch import load, save

from tests.fuzz.cases import Case, copy_folder, make_cases, write_file
from tests.fuzz.checkpoints import SAMPLE, has_pictures
from tests.fuzz.defects import HUGE, VALUES, bytes_defects, dump_json, field_defects, replace_value
from tests.fuzz.kit import Kit

TYPES = ("F64", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E4M3", "C64", "no", "", 7, None)
SHAPES: tuple[Any, ...] = (
    [], [0], [-1], [1, 1], [HUGE], [2**32, 2**32], [2**63], "no", None, [None], [1.5], [[1]],
)  # fmt: skip
OFFSETS: tuple[Any, ...] = (
    [0, 0], [4, 0], [-4, 4], [0, HUGE], [HUGE, HUGE + 4], [0, 2**63], [2**64, 2**64 + 4], [0],
    [0, 4, 8], "no", None, [0.0, 4.0], [[0], [4]],
)  # fmt: skip


def cases(kit: Kit) -> Iterator[Case]:
    for name in ("diffusion", "pixelcnn"):
        data = kit.read(f"{name}/model.safetensors")
        rest = copy_folder(kit.root / name, "model", omit="model.safetensors")
        place, words = "model/model.safetensors", SAMPLE
        defects = [*bytes_defects(len(data), 24), *field_defects({"length": (0, 8)})]
        yield from make_cases(
            f"{name} weights", place, data, defects, words, rest, check=has_pictures
        )
        for title, content in [*heads(data), *values(data)]:
            title = f"{name} weights: {title}"
            yield Case(title, write_file(place, content, rest), words, has_pictures)


def heads(data: bytes) -> Iterator[tuple[str, bytes]]:
    size = struct.unpack("<Q", data[:8])[0]
    header, tensors = json.loads(data[8 : 8 + size]), data[8 + size :]
    first = next(name for name in header if name != "__metadata__")

    def join_header(value: Any) -> bytes:
        text = value if isinstance(value, bytes) else dump_json(value)
        return struct.pack("<Q", len(text)) + text + tensors

    for field, others in (("dtype", TYPES), ("shape", SHAPES), ("data_offsets", OFFSETS)):
        for other in others:
            yield f"{field} {other!r}", join_header(replace_value(header, (first, field), other))
        yield f"no {field}", join_header({**header, first: {k: v for k, v in header[first].items()
                                                      if k != field}})  # fmt: skip
    for title, value in VALUES.items():
        yield f"an entry is {title}", join_header({**header, first: value})
        yield f"the metadata is {title}", join_header({**header, "__metadata__": value})
    less = {name: value for name, value in header.items() if name != first}
    yield "an entry lost", join_header(less)
    yield "an entry more", join_header({**header, "more": header[first]})
    yield "an entry by another name", join_header({"a\nb": header[first], **less})
    yield "a list", join_header([header])
    yield "no header", join_header({})
    yield "an open brace", join_header(b"{")
    yield "deep lists", join_header(b"[" * 100_000)
    yield "no UTF-8", join_header(b'{"\xff": 1}')


def values(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield well-formed files with invalid weights."""
    tensors = load(data)
    name = next(n for n, w in tensors.items() if w.is_floating_point() and w.ndim > 1)
    for title, value in (("NaN", torch.nan), ("infinite", torch.inf), ("1e38", 1e38)):
        yield title, save({**tensors, name: torch.full_like(tensors[name], value)})
        yield f"all {title}", save({
            n: torch.full_like(w, value) if w.is_floating_point() else w
            for n, w in tensors.items()
        })  # fmt: skip
    yield "another shape", save({**tensors, name: tensors[name][:1].contiguous()})
    yield "integers", save({**tensors, name: tensors[name].long()})
    yield "float64", save({n: w.double() if w.is_floating_point() else w
                           for n, w in tensors.items()})  # fmt: skip
    yield "complex", save({**tensors, name: tensors[name].to(torch.complex64)})
    yield "none", save({})
