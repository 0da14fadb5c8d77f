"""compress and decompress: pictures to the bytes of one file and back, losslessly."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.coding.default_labels import find_likeliest_classes, map_labels
from smalti.coding.environment import (
    MAX_THREADS,
    detect_vector_units,
    find_difference,
    read_environment,
    use_threads,
)
from smalti.coding.file import Header, check_texts, encode_header, from_bytes, to_bytes
from smalti.coding.file_names import check_writable
from smalti.coding.limits import check_labels, check_size
from smalti.coding.pixels import levels_to_pixels, pixels_to_levels, to_pixels
from smalti.coding.range_coder import Decoder, Encoder, StreamMismatch
from smalti.core.canvas import Canvas
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_model
from smalti.core.model import Model, open_model
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.protocols import HasSpec, LosslessModel
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.tensors import to_tensor
from smalti.data.pictures import Pictures

BATCH_SIZE = 64
FORCE_ADVICE = "use the recorded version and device, or try --force: a checksum verifies the result"


def compress(
    model: object,
    pictures: Tensor | Pictures,
    labels: Tensor | Sequence[int] | None = None,
    *,
    text: Sequence[str] | None = None,
    file_names: Sequence[str] | None = None,
    model_name: str = "",
    batch_size: int = BATCH_SIZE,
    on_progress: OnProgress = ignore_event,
    on_bits: Callable[[Tensor], None] = ignore_event,
) -> bytes:
    """Compress pictures losslessly; `decompress` with the same model restores them.

    model: a model with an exact likelihood and a `walk`, such as a PixelCNN; or its name or folder.
    pictures: (N, C, H, W) of the model's shape, uint8 or floats in [0, 1] that are multiples of
    1/255; or `Pictures`, whose classes and captions are used if the model has them.
    labels: (N,) classes.  Default: each picture's likeliest class, by `model.score`.
    text: N captions.  file_names: N file names ending in .png.  model_name: recorded in the file.
    on_bits: called after each batch with the bits of its levels, (n, C, H, W) float64.
    Returns the bytes of a file. Raises UserError for pictures that cannot be encoded exactly.
    """
    loaded = open_model(model, "walk")
    data = to_pictures(pictures)
    check_shape(data, loaded)
    check_size(len(data), data.shape, batch_size)
    check_writable(file_names or ())
    if file_names and len(file_names) != len(data):
        raise UserError(
            f"file_names has {len(file_names)} names for {len(data)} pictures; give one per picture"
        )
    labels = select_labels(loaded, data, labels)
    text = select_captions(loaded, data, text)
    header = Header(
        model_hash=hash_model(loaded),
        model_name=model_name,
        count=len(data),
        shape=data.shape,
        batch_size=batch_size,
        threads=min(torch.get_num_threads(), MAX_THREADS),
        vector_units=detect_vector_units(),
        environment=tuple(read_environment(loaded).items()),
        pixels_hash="",
        payload_bytes=0,
        checksum=0,
        labels=(0,) * len(data) if loaded.spec.classes else None,  # placeholders of the right size
        text=tuple(text) if text else None,
        file_names=tuple(file_names) if file_names else None,
    )
    check_texts(header)
    encode_header(header)  # fail before the work if it is too large
    with use_threads(header.threads):
        payload, digest, y = encode_pictures(
            loaded, data, labels, text, batch_size, on_progress, on_bits
        )
    measured = {
        "payload_bytes": len(payload),
        "checksum": zlib.crc32(payload),
        "pixels_hash": digest,
    }
    return to_bytes(replace(header, **measured, labels=tuple(y) or None), payload)


def encode_pictures(
    model: LosslessModel,
    data: Pictures,
    labels: Tensor | None,
    text: list[str] | None,
    batch_size: int,
    on_progress: OnProgress,
    on_bits: Callable[[Tensor], None],
) -> tuple[bytes, str, list[int]]:
    """The payload, the SHA-256 of the pixels, and the labels of the pictures, if any."""
    digest: Any = hashlib.sha256()
    encoder, used_labels = Encoder(), []
    for rows in split_batches(len(data), batch_size):
        pixels = data.take(rows).contiguous()
        levels = pixels_to_levels(pixels, model.codec)
        digest.update(pixels.numpy())
        y = None if labels is None else labels[rows]
        if y is None and model.spec.classes:
            on_progress(Progress("compressing", rows.start, len(data), "choosing classes"))
            y = find_likeliest_classes(model, pixels)
        used_labels += [] if y is None else y.tolist()
        walk = encoder.walk(model, levels, SamplingInputs(labels=y, text=text and text[rows]))
        run_walk(walk, "compressing", rows, len(data), on_progress)
        on_bits(arrange_bits(model, levels, np.stack(encoder.bits, axis=1)))
    return encoder.to_bytes(), digest.hexdigest(), used_labels


def arrange_bits(model: LosslessModel, levels: Tensor, bits: np.ndarray) -> Tensor:
    """Arrange the bits (n, T) of a walk's positions as the levels (n, C, H, W) are."""
    places = torch.arange(levels[0].numel()).view(1, *levels.shape[1:])
    order = model.to_sequence(places)[0]  # the place of each position
    arranged = torch.empty(bits.shape, dtype=torch.float64)
    arranged[:, order] = torch.from_numpy(bits)
    return arranged.view(levels.shape)


def decompress(
    model: object, data: bytes, *, force: bool = False, on_progress: OnProgress = ignore_event
) -> Tensor:
    """Decompress to pictures, uint8 (N, C, H, W), and verify their checksum.

    Uses the recorded batch size and number of threads.
    force: ignore differences of versions, dtype or device.
    Raises UserError for truncated or damaged bytes, another model, other versions, dtype or device,
    or a checksum mismatch.
    """
    loaded = open_model(model, "walk")
    header, payload = from_bytes(data)
    check_recorded(header, loaded, force)
    check_labels(header.labels, len(loaded.spec.classes))
    with use_threads(header.threads):
        try:
            pixels = decode_pictures(loaded, header, payload, on_progress)
        except StreamMismatch as error:
            raise UserError(explain_mismatch(header)) from error
    if hashlib.sha256(pixels.numpy().data).hexdigest() != header.pixels_hash:
        raise UserError(explain_mismatch(header))
    return pixels


def decode_pictures(
    model: LosslessModel, header: Header, payload: bytes, on_progress: OnProgress
) -> Tensor:
    """Decode to uint8 (N, C, H, W), without verification."""
    decoder, pictures = Decoder(payload), []
    labels = None if header.labels is None else torch.tensor(header.labels)
    text = None if header.text is None else list(header.text)
    for rows in split_batches(header.count, header.batch_size):
        y, n = None if labels is None else labels[rows], rows.stop - rows.start
        walk = decoder.walk(model, n, SamplingInputs(labels=y, text=text and text[rows]))
        levels = run_walk(walk, "decompressing", rows, header.count, on_progress)
        pictures.append(levels_to_pixels(levels, model.codec))
    return torch.cat(pictures)


def run_walk(
    walk: Iterator[Canvas], stage: str, rows: slice, total: int, on_progress: OnProgress
) -> Tensor:
    """Run a walk; returns its final symbols, (n, C, H, W) on the CPU."""
    symbols = torch.empty(0)
    for state in walk:
        where = f"{state.unit} {state.step}/{state.steps}"
        on_progress(Progress(stage, rows.start, total, where))
        symbols = state.symbols
    on_progress(Progress(stage, rows.stop, total))
    return symbols.cpu()


def split_batches(n: int, batch_size: int) -> Iterator[slice]:
    for first in range(0, n, batch_size):
        yield slice(first, min(first + batch_size, n))


def to_pictures(pictures: Tensor | Pictures) -> Pictures:
    data = pictures
    if not isinstance(data, Pictures):
        data = Pictures(to_pixels(data), None, (), "pictures")
    if not len(data):
        raise UserError("no pictures are given; give one or more")
    return data


def check_shape(data: Pictures, model: HasSpec) -> None:
    if data.shape != (expected := (model.spec.channels, *(model.spec.size or ()))):
        raise UserError(
            f"pictures have shape {data.shape}, but this model takes {expected}; they are not "
            "resized, because that is lossy"
        )


def select_labels(
    model: HasSpec, data: Pictures, labels: Tensor | Sequence[int] | None
) -> Tensor | None:
    """The given labels (N,), or else those of the data; None if there are none."""
    if labels is not None and not model.spec.classes:
        raise UserError("labels are given, but this model has no classes; omit them")
    if labels is None:
        if data.labels is None or not model.spec.classes:
            return None
        return map_labels(data.labels, data.classes, model.spec.classes)
    labels = to_tensor(labels, "labels").cpu()
    if labels.shape != (len(data),):
        raise UserError(
            f"labels has shape {tuple(labels.shape)}; give {(len(data),)}, one per picture"
        )
    return labels


def select_captions(model: HasSpec, data: Pictures, text: Sequence[str] | None) -> list[str] | None:
    if "text" not in model.spec.accepted_inputs:
        if text is not None:
            raise UserError("text is given, but this model takes no captions; omit it")
        return None
    captions = list(data.captions if text is None else text)
    if captions and len(captions) != len(data):
        raise UserError(
            f"{len(captions)} captions are given for {len(data)} pictures; give one each"
        )
    return captions or None


def check_recorded(header: Header, model: Model, force: bool) -> None:
    """UserError for the first difference from the time of compression."""
    if header.shape != (shape := (model.spec.channels, *(model.spec.size or ()))):
        raise UserError(
            f"compressed pictures have shape {header.shape}, but this model takes {shape}"
        )
    other = find_difference(dict(header.environment), read_environment(model))
    if other and not force:
        raise UserError(f"{other}; rounding may differ: {FORCE_ADVICE}")
    if header.model_hash != (model_digest := hash_model(model)):
        raise UserError(
            f"compressed by model {header.model_hash[:12]} ({header.model_name or 'unnamed'}), but "
            f"this model is {model_digest[:12]}; give the original model"
        )


def explain_mismatch(header: Header) -> str:
    """Explain a checksum mismatch when the bits and the model are right."""
    units = detect_vector_units()
    if header.vector_units != units:
        return (
            "decompressed pictures differ from the originals: compressed with "
            f"{header.vector_units}, but this processor has {units}, which rounds differently; "
            "use a similar machine"
        )
    return (
        "decompressed pictures differ from the originals: this machine rounds differently; "
        "decompress on the machine that compressed them"
    )
