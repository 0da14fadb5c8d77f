"""Files that others pickled: their tensors come out, and nothing in them is run or believed."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smalti.core.pickles import MAX_PICKLE_BYTES
from smalti.core.weights import read_weights, strip_wrappers
from tests.expect import expect_user_error

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([1, 2])}


class FolderMaker:
    """Makes a folder when it is unpickled."""

    def __init__(self, made: Path):
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"mkdir {self.made}",)


def are_equal(tensors: dict[str, Tensor], expected: dict[str, Tensor] = WEIGHTS) -> bool:
    return tensors.keys() == expected.keys() and all(
        tensors[k].dtype == w.dtype and torch.equal(tensors[k], w) for k, w in expected.items()
    )


@pytest.fixture
def callback(monkeypatch: pytest.MonkeyPatch) -> type:
    """A class of a package that the reader's machine does not have."""
    module = types.ModuleType("some_framework")
    cls = type("ModelCheckpoint", (), {"__module__": "some_framework"})
    module.ModelCheckpoint = cls  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_framework", module)
    return cls


@pytest.mark.parametrize("zipped", [True, False])
def test_a_framework_s_checkpoint_gives_its_weights(
    callback: type, tmp_path: Path, zipped: bool
) -> None:
    made, path = tmp_path / "made", tmp_path / "last.ckpt"
    state = callback()
    state.best, state.path = torch.tensor(0.5), Path("x")
    content = {
        "epoch": 3,
        "callbacks": {callback: state, "shell": FolderMaker(made), "set": {1, 2}},
        "hyper_parameters": types.SimpleNamespace(rate=0.1),
        "state_dict": OrderedDict(WEIGHTS),
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    del sys.modules["some_framework"]
    found, config = read_weights(path)
    assert are_equal(found) and config is None
    assert not made.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_every_kind_come_back(tmp_path: Path, zipped: bool) -> None:
    base = torch.arange(12.0).view(3, 4)
    weights = {
        **{str(t): torch.ones(3).to(t) for t in (torch.float16, torch.bfloat16, torch.bool)},
        **{str(t): torch.ones(3).to(t) for t in (torch.uint8, torch.int32, torch.float64)},
        "turned": base.T,
        "part": base[1:, 2:],
        "parameter": nn.Parameter(base),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "tied": base,
    }
    torch.save(weights, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    assert are_equal(read_weights(tmp_path / "w.pt")[0], weights)


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module." * 2]
)
def test_the_names_of_wrappers_are_stripped(prefix: str, tmp_path: Path) -> None:
    wrapped = {prefix + name: w for name, w in WEIGHTS.items()}
    torch.save(wrapped, tmp_path / "w.pth")
    assert are_equal(read_weights(tmp_path / "w.pth")[0])


def test_wrappers_inside_and_their_counters_are_stripped() -> None:
    assert strip_wrappers({"net._orig_mod.a": 1, "net.b": 2}) == {"net.a": 1, "net.b": 2}
    assert strip_wrappers({"n_averaged": 0, "module.a": 1}) == {"a": 1}
    assert strip_wrappers({"module.a": 1, "b": 2}) == {"module.a": 1, "b": 2}
    assert strip_wrappers({"n_averaged": 0}) == {"n_averaged": 0}
    assert strip_wrappers({}) == {}


def write_forgery(path: Path, change: Callable[[bytes], bytes], **how: Any) -> None:
    """A file of `WEIGHTS` whose pickle is changed."""
    buffer = io.BytesIO()
    torch.save(WEIGHTS, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w", **how) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name.endswith("data.pkl") else content)


def encode_integer(n: int) -> bytes:
    return pickle.BININT1 + bytes([n])


FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    # the size (2, 3) becomes one that the six numbers do not have
    "larger": lambda p: p.replace(
        encode_integer(2) + encode_integer(3), encode_integer(2) + encode_integer(4)
    ),
    "huge": lambda p: p.replace(encode_integer(2) + encode_integer(3), b"J\xff\xff\xff\x7f" * 2),
    "negative": lambda p: p.replace(
        encode_integer(2) + encode_integer(3), b"J\xff\xff\xff\xff" * 2
    ),
    "expanded": lambda p: p.replace(
        encode_integer(2) + encode_integer(3) + b"\x86", b"J\xff\xff\xff\x7fK\x03\x86"
    ).replace(encode_integer(3) + encode_integer(1), encode_integer(0) + encode_integer(1)),
    "more numbers": lambda p: p.replace(b"cpu", b"cpu").replace(
        encode_integer(6) + b"t", encode_integer(9) + b"t"
    ),
    "cut": lambda p: p[: len(p) // 2],
    "nothing": lambda p: b"",
    "far memo": lambda p: p[:2] + b"Nr\xff\xff\xff\x7f0" + p[2:-1],  # and no end
    "not a pickle": lambda p: b"hello world",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_pickle_is_refused(name: str, tmp_path: Path) -> None:
    write_forgery(tmp_path / "w.pth", FORGERIES[name])
    with expect_user_error("w.pth", "not a readable weights file"):
        read_weights(tmp_path / "w.pth")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    write_forgery(tmp_path / "w.pth", lambda p: p, compression=zipfile.ZIP_DEFLATED)
    with expect_user_error("w.pth", "compressed"):
        read_weights(tmp_path / "w.pth")
    write_forgery(tmp_path / "w.pth", lambda p: p + bytes(MAX_PICKLE_BYTES))
    with expect_user_error("w.pth", "too large"):
        read_weights(tmp_path / "w.pth")


def test_deep_pickles_end(tmp_path: Path) -> None:
    write_forgery(tmp_path / "w.pth", lambda p: b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    with expect_user_error("w.pth", "holds no weights"):
        read_weights(tmp_path / "w.pth")
