"""compress and decompress: pictures to one file's bytes and back, without a loss."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from smalti.coding.classes import likeliest, mapped
from smalti.coding.file import Header, as_json, check_texts, from_bytes, to_bytes
from smalti.coding.levels import as_pixels, levels_of, pixels_of
from smalti.coding.limits import check_labels, check_size
from smalti.coding.names import check_writable
from smalti.coding.stream import Astray, Decoder, Encoder
from smalti.coding.surroundings import (
    MOST_THREADS,
    difference,
    surroundings,
    threads,
    vector_units,
)
from smalti.core.errors import UserError
from smalti.core.fingerprint import model_hash
from smalti.core.given import Given
from smalti.core.model import Model, open_model
from smalti.core.progress import OnProgress, Progress, ignore
from smalti.core.protocols import Lossless, Specified
from smalti.core.states import Canvas
from smalti.core.tensors import to_tensor
from smalti.data.pictures import Pictures

BATCH = 64
ANYWAY = "decompress with what is recorded, or try anyway: the checksum tells whether it went well"


def compress(
    model: object,
    pictures: Tensor | Pictures,
    labels: Tensor | Sequence[int] | None = None,
    *,
    text: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    name: str = "",
    batch: int = BATCH,
    on_progress: OnProgress = ignore,
) -> bytes:
    """A file's bytes that `decompress` turns into the same pictures, by the same model.

    model: with a likelihood that is exact and a `walk`, such as a PixelCNN; or its name or folder.
    pictures: (N, C, H, W) of the model's shape, uint8 or floats in [0, 1] of 8-bit values; or
    `Pictures`, with their classes and captions where these are the model's.
    labels: (N,) classes; where there are none, each picture's likeliest, by `model.score`.
    names: of the pictures' files, ending in .png; name: what to call the model in the file.
    Raises UserError for what the model cannot hold exactly.
    """
    loaded = open_model(model, "walk")
    data = as_pictures(pictures)
    check_shape(data, loaded)
    check_size(len(data), data.shape, batch)
    check_writable(names or ())
    if names and len(names) != len(data):
        raise UserError(f"{len(names)} names are given for {len(data)} pictures; give one each")
    labels = chosen_labels(loaded, data, labels)
    text = chosen_text(loaded, data, text)
    header = Header(
        model=model_hash(loaded),
        name=name,
        count=len(data),
        shape=data.shape,
        batch=batch,
        threads=min(torch.get_num_threads(), MOST_THREADS),
        units=vector_units(),
        surroundings=tuple(surroundings(loaded).items()),
        pictures="",
        payload=0,
        checksum=0,
        labels=(0,) * len(data) if loaded.spec.classes else None,  # not yet known
        text=tuple(text) if text else None,
        names=tuple(names) if names else None,
    )
    check_texts(header)
    as_json(header)  # what does not fit is refused before the work
    with threads(header.threads):
        payload, digest, y = encoded(loaded, data, labels, text, batch, on_progress)
    found = {"payload": len(payload), "checksum": zlib.crc32(payload), "pictures": digest}
    return to_bytes(replace(header, **found, labels=tuple(y) or None), payload)


def encoded(
    model: Lossless,
    data: Pictures,
    labels: Tensor | None,
    text: list[str] | None,
    batch: int,
    on_progress: OnProgress,
) -> tuple[bytes, str, list[int]]:
    """The payload, the pixels' SHA-256, and the class of each picture, where there are classes."""
    digest: Any = hashlib.sha256()
    encoder, found = Encoder(), []
    for rows in parts(len(data), batch):
        pixels = data.take(rows).contiguous()
        levels = levels_of(pixels, model.codec)
        digest.update(pixels.numpy())
        y = None if labels is None else labels[rows]
        if y is None and model.spec.classes:
            on_progress(Progress("compressing", rows.start, len(data), "choosing classes"))
            y = likeliest(model, pixels)
        found += [] if y is None else y.tolist()
        walk = encoder.walk(model, levels, Given(labels=y, text=text and text[rows]))
        follow(walk, "compressing", rows, len(data), on_progress)
    return encoder.payload(), digest.hexdigest(), found


def decompress(
    model: object, data: bytes, *, anyway: bool = False, on_progress: OnProgress = ignore
) -> Tensor:
    """The pictures of `compress`, uint8 (N, C, H, W), their checksum compared.

    Walks in the recorded batches, with the recorded number of threads.
    anyway: try although versions or the device are others than recorded.
    Raises UserError when the bytes are cut or damaged, the model is another one, versions, type or
    device differ, or the outcome is not what was compressed.
    """
    loaded = open_model(model, "walk")
    header, payload = from_bytes(data)
    check_same(header, loaded, anyway)
    check_labels(header.labels, len(loaded.spec.classes))
    with threads(header.threads):
        try:
            pixels = decoded(loaded, header, payload, on_progress)
        except Astray as error:
            raise UserError(lost(header)) from error
    if hashlib.sha256(pixels.numpy().data).hexdigest() != header.pictures:
        raise UserError(lost(header))
    return pixels


def decoded(model: Lossless, header: Header, payload: bytes, on_progress: OnProgress) -> Tensor:
    """uint8 (N, C, H, W), right or wrong."""
    decoder, pictures = Decoder(payload), []
    labels = None if header.labels is None else torch.tensor(header.labels)
    text = None if header.text is None else list(header.text)
    for rows in parts(header.count, header.batch):
        y, n = None if labels is None else labels[rows], rows.stop - rows.start
        walk = decoder.walk(model, n, Given(labels=y, text=text and text[rows]))
        levels = follow(walk, "decompressing", rows, header.count, on_progress)
        pictures.append(as_pixels(levels, model.codec))
    return torch.cat(pictures)


def follow(
    walk: Iterator[Canvas], what: str, rows: slice, total: int, on_progress: OnProgress
) -> Tensor:
    """The canvas at the end of some pictures' walk, (n, C, H, W) on the CPU."""
    symbols = torch.empty(0)
    for state in walk:
        where = f"{state.unit} {state.step}/{state.steps}"
        on_progress(Progress(what, rows.start, total, where))
        symbols = state.symbols
    on_progress(Progress(what, rows.stop, total))
    return symbols.cpu()


def parts(n: int, batch: int) -> Iterator[slice]:
    for first in range(0, n, batch):
        yield slice(first, min(first + batch, n))


def as_pictures(pictures: Tensor | Pictures) -> Pictures:
    data = pictures
    if not isinstance(data, Pictures):
        data = Pictures(pixels_of(data), None, (), "pictures")
    if not len(data):
        raise UserError("no pictures are given; give at least one")
    return data


def check_shape(data: Pictures, model: Specified) -> None:
    if data.shape != (wanted := (model.spec.channels, *(model.spec.size or ()))):
        raise UserError(
            f"pictures have shape {data.shape}, and this model's have {wanted}; nothing is resized "
            "here, for that would lose something"
        )


def chosen_labels(
    model: Specified, data: Pictures, labels: Tensor | Sequence[int] | None
) -> Tensor | None:
    """(N,) classes that are given or the data's own; None where there are none."""
    if labels is not None and not model.spec.classes:
        raise UserError("classes are given, but this model has none; leave them out")
    if labels is None:
        if data.labels is None or not model.spec.classes:
            return None
        return mapped(data.labels, data.classes, model.spec.classes)
    labels = to_tensor(labels, "labels").cpu()
    if labels.shape != (len(data),):
        raise UserError(f"{tuple(labels.shape)} classes are given for {len(data)} pictures")
    return labels


def chosen_text(model: Specified, data: Pictures, text: Sequence[str] | None) -> list[str] | None:
    if "text" not in model.spec.given:
        if text is not None:
            raise UserError("text is given, but this model takes none; leave it out")
        return None
    chosen = list(data.captions if text is None else text)
    if chosen and len(chosen) != len(data):
        raise UserError(f"{len(chosen)} captions are given for {len(data)} pictures")
    return chosen or None


def check_same(header: Header, model: Model, anyway: bool) -> None:
    """UserError naming the first thing that is not as it was when the file was written."""
    if header.shape != (shape := (model.spec.channels, *(model.spec.size or ()))):
        raise UserError(f"pictures of {header.shape} are recorded, and this model's are {shape}")
    other = difference(dict(header.surroundings), surroundings(model))
    if other and not anyway:
        raise UserError(f"{other}, and rounding may differ; {ANYWAY}")
    if header.model != (here := model_hash(model)):
        raise UserError(
            f"model {header.model[:12]} ({header.name or 'without a name'}) is recorded, and this "
            f"one is {here[:12]}; give the one it was compressed by"
        )


def lost(header: Header) -> str:
    """Why the outcome may be wrong, though neither bits nor model are."""
    units = vector_units()
    if header.units != units:
        return (
            f"other pictures come out than went in: {header.units} is recorded, and this "
            f"processor has {units}, which rounds otherwise; decompress on such a machine"
        )
    return (
        "other pictures come out than went in, for this machine rounds otherwise than that which "
        "compressed them; decompress there"
    )
