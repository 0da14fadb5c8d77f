"""What the last bits of a walk's numbers depend on, beside the model and the pictures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

import smalti
from smalti.core.errors import UserError

LIBRARIES = ("torch", "numpy", "numba", "llvmlite", "constriction")
"""Whose releases may sum in another order, or quantise otherwise."""
MOST_THREADS = 256
"""Threads of one walk; more are not used when pictures are compressed."""


def surroundings(model: nn.Module) -> dict[str, str]:
    """smalti's and the libraries' versions, and the type and device of the weights."""
    weight = next(model.parameters())
    return {
        "smalti": smalti.__version__,
        **{library: version(library) for library in LIBRARIES},
        "dtype": str(weight.dtype).removeprefix("torch."),
        "device": weight.device.type,
    }


def vector_units() -> str:
    """The widest vectors that PyTorch uses on this processor, such as "AVX2"."""
    return torch.backends.cpu.get_cpu_capability()


def difference(recorded: dict[str, Any], here: dict[str, str]) -> str | None:
    """The first thing that is not as it was, in words; None when all is."""
    for name, value in here.items():
        if (was := recorded.get(name)) != value:
            return f"{name} {str(was)[:40]} is recorded, and here is {name} {value}"
    return None


@contextmanager
def threads(n: int) -> Iterator[None]:
    """n threads of PyTorch within, and as many as before afterwards."""
    if not 1 <= n <= MOST_THREADS:
        raise UserError(f"{n} threads are recorded; there can be 1 to {MOST_THREADS}")
    before = torch.get_num_threads()
    if n > before:
        check_room(n)
    torch.set_num_threads(n)
    try:
        if torch.get_num_threads() != n:
            raise UserError(
                f"{n} threads are recorded, and PyTorch takes no more than "
                f"{torch.get_num_threads()} here"
            )
        yield
    finally:
        torch.set_num_threads(before)


def check_room(n: int) -> None:
    """UserError where the system gives a process no n threads: PyTorch's runtime would end it."""
    done = threading.Event()
    begun = []
    try:
        for _ in range(n):
            begun.append(threading.Thread(target=done.wait))
            begun[-1].start()
    except (RuntimeError, MemoryError) as error:
        begun.pop()
        raise UserError(f"{n} threads are recorded, and {len(begun)} are to be had here") from error
    finally:
        done.set()
        for thread in begun:
            thread.join()
