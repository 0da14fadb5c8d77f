"""Read tensors from PyTorch's pickles without running code.

A pickle is a program: it names functions and calls them. This reader allows a closed list of
names, those of tensors; every other name becomes an inert stub, which accepts anything and does
nothing. It reads files of `torch.save`: zip archives since PyTorch 1.6, and the older layout.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

MAX_PICKLE_BYTES = 2**24
"""Maximum bytes of the pickle itself, without the tensors' numbers."""
MAX_INDEX = 2**40
MAGIC = 0x1950A86A20F9469CFC6C
"""The first value in files of the older layout."""
DTYPES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}  # fmt: skip


class DamagedFileError(ValueError):
    """The file was not written by `torch.save`, or is damaged."""


class InertStub:
    """Replaces whatever a pickle names except tensors: accepts anything and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> InertStub:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> InertStub:
        return self

    append = extend = add = update = __setstate__


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage in the file, by key and type; its numbers are read on demand."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor whose numbers are not read yet."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def rebuild_tensor(
    storage: object, offset: int, size: Iterable[int], stride: Iterable[int], *_: object
) -> StoredTensor | InertStub:
    """Replaces `torch._utils._rebuild_tensor_v2`."""
    known = isinstance(storage, Storage)
    return StoredTensor(storage, offset, tuple(size), tuple(stride)) if known else InertStub()


def rebuild_parameter(tensor: object, *_: object) -> object:
    """Replaces `torch._utils._rebuild_parameter`."""
    return tensor


def rebuild_from_type(
    rebuild: Callable[..., object], _: object, arguments: Iterable[object], *__: object
) -> object:
    """Replaces `torch._tensor._rebuild_from_type_v2`; `rebuild` is allowed or inert."""
    return rebuild(*arguments)


ALLOWED_NAMES: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): rebuild_parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): rebuild_from_type,
    ("collections", "OrderedDict"): OrderedDict,
    **{("torch", name): dtype for name, dtype in DTYPES.items()},
    **{("torch.storage", name): dtype for name, dtype in DTYPES.items()},
}
"""All names that a pickle may use."""


class TensorUnpickler(pickle._Unpickler):  # in Python: its memo is not preallocated
    """Reads one pickle, with the closed list of names."""

    dispatch = {  # noqa: RUF012
        code: load
        for code, load in pickle._Unpickler.dispatch.items()  # type: ignore[attr-defined]
        if code not in (pickle.BYTEARRAY8[0], pickle.NEXT_BUFFER[0], pickle.READONLY_BUFFER[0])
    }

    def __init__(self, file: Any):
        super().__init__(file, encoding="utf-8")
        self.unknown_names: set[str] = set()
        self.item_sizes: dict[str, int] = {}
        """Bytes of one number in each storage."""

    def find_class(self, module: str, name: str) -> Any:
        found = ALLOWED_NAMES.get((module, name))
        if found is None:
            self.unknown_names.add(f"{module}.{name}")
            return InertStub
        return found

    def persistent_load(self, pid: Any) -> Storage | InertStub:
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(view):
            return InertStub()
        self.item_sizes[str(key)] = dtype.itemsize
        return Storage(str(key), dtype, int(count))


@dataclass(frozen=True)
class PickleContents:
    """The contents of a file; its tensors are not read yet."""

    value: Any
    """Mappings, lists and plain values; `StoredTensor` for tensors, `InertStub` for the unknown."""
    unknown_names: frozenset[str]
    """Names in the file that are not allowed; they were not looked up."""
    read_bytes: Callable[[str, int], bytes]
    """(key of a storage, bytes) -> its numbers."""

    def read_tensor(self, stored: StoredTensor) -> Tensor:
        """Read a tensor. DamagedFileError if it is not inside its storage."""
        s, size, stride = stored.storage, stored.size, stored.stride
        numbers = (stored.offset, s.count, *size, *stride)
        if len(size) != len(stride) or not all(0 <= n < MAX_INDEX for n in numbers):
            raise DamagedFileError("it has a tensor of an impossible size")
        last = stored.offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if math.prod(size) > s.count or (math.prod(size) and last >= s.count):
            raise DamagedFileError("it has a tensor that is larger than its numbers")
        data = self.read_bytes(s.key, s.count * s.dtype.itemsize)
        flat = torch.frombuffer(bytearray(data), dtype=s.dtype) if data else torch.empty(0)
        return flat.to(s.dtype).as_strided(size, stride, stored.offset).clone()


def read_tensors(
    contents: PickleContents, tensors: dict[str, StoredTensor], max_bytes: int
) -> dict[str, Tensor]:
    """Read tensors by name; equal ones are read once. DamagedFileError beyond `max_bytes` bytes."""
    distinct = set(tensors.values())
    if sum(math.prod(t.size) * t.storage.dtype.itemsize for t in distinct) > max_bytes:
        raise DamagedFileError("its tensors are larger than the file")
    read = {tensor: contents.read_tensor(tensor) for tensor in distinct}
    return {name: read[tensor] for name, tensor in tensors.items()}


def open_pickle(path: Path) -> PickleContents:
    """Open a file that `torch.save` wrote. DamagedFileError, or nearly any other error, if it did
    not.
    """
    return read_zip(path) if zipfile.is_zipfile(path) else read_legacy_file(path)


def read_zip(path: Path) -> PickleContents:
    """Read a zip archive: one folder with data.pkl, and one uncompressed file per storage."""
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise DamagedFileError("it has no data.pkl")
        root = pickles[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in entries and read_entry(archive, entries[order], 8) != b"little":
            raise DamagedFileError("its byte order is not little-endian")
        reader = TensorUnpickler(
            io.BytesIO(read_entry(archive, entries[pickles[0]], MAX_PICKLE_BYTES))
        )
        value = reader.load()

    def read(key: str, count: int) -> bytes:
        info = entries.get(f"{root}data/{key}")
        if info is None or info.file_size != count:
            raise DamagedFileError("it lacks numbers of a tensor")
        with zipfile.ZipFile(path) as archive:
            return read_entry(archive, info, count)

    return PickleContents(value, frozenset(reader.unknown_names), read)


def read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Read a file of the archive. DamagedFileError if it is compressed or too large."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > max_bytes:
        raise DamagedFileError(f"its {info.filename.rpartition('/')[2]} is compressed or too large")
    return archive.read(info)


def read_legacy_file(path: Path) -> PickleContents:
    """Read five pickles, then each storage after its length. A single pickle has no tensors."""
    size, offsets = path.stat().st_size, dict[str, int]()
    with path.open("rb") as file:
        begin = TensorUnpickler(LimitedReader(file))
        value = begin.load()
        if value != MAGIC:
            return PickleContents(value, frozenset(begin.unknown_names), lambda key, count: b"")
        for _ in range(2):  # version, machine
            TensorUnpickler(LimitedReader(file)).load()
        reader = TensorUnpickler(LimitedReader(file))
        value = reader.load()
        for key in TensorUnpickler(LimitedReader(file)).load():
            (count,) = struct.unpack("<q", file.read(8))
            offsets[str(key)] = file.tell()
            file.seek(min(max(count, 0) * reader.item_sizes.get(str(key), 1), size), io.SEEK_CUR)

    def read(key: str, count: int) -> bytes:
        if key not in offsets or offsets[key] + count > size:
            raise DamagedFileError("it lacks numbers of a tensor")
        with path.open("rb") as file:
            file.seek(offsets[key])
            return file.read(count)

    return PickleContents(value, frozenset(reader.unknown_names), read)


class LimitedReader:
    """A file that is read up to the maximum size of a pickle."""

    def __init__(self, file: BinaryIO):
        self.file, self.bytes_left = file, MAX_PICKLE_BYTES

    def read(self, count: int) -> bytes:
        return self.count_bytes(self.file.read(min(count, self.bytes_left)))

    def readline(self) -> bytes:
        return self.count_bytes(self.file.readline(self.bytes_left))

    def count_bytes(self, data: bytes) -> bytes:
        self.bytes_left -= len(data)
        if not self.bytes_left:
            raise DamagedFileError("its pickle is too large")
        return data
