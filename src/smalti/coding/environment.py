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
"""Whose releases may sum in another order, or quantize otherwise."""
MAX_THREADS = 256
"""Threads of one walk; more are not used when pictures are compressed."""


def read_environment(model: nn.Module) -> dict[str, str]:
    """smalti's and the libraries' versions, and the type and device of the weights."""
    weight = next(model.parameters())
    return {
        "smalti": smalti.__version__,
        **{library: version(library) for library in LIBRARIES},
        "dtype": str(weight.dtype).removeprefix("torch."),
        "device": weight.device.type,
    }


def detect_vector_units() -> str:
    """The widest vectors that PyTorch uses on this processor, such as "AVX2"."""
    return torch.backends.cpu.get_cpu_capability()


def find_difference(recorded: dict[str, Any], current: dict[str, str]) -> str | None:
    """The first thing that is not as it was, in words; None when all is."""
    for name, value in current.items():
        if (was := recorded.get(name)) != value:
            return f"{name} {str(was)[:40]} is recorded, and here is {name} {value}"
    return None


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """n threads of PyTorch within, and as many as before afterwards."""
    if not 1 <= n <= MAX_THREADS:
        raise UserError(f"{n} threads are recorded; there can be 1 to {MAX_THREADS}")
    before = torch.get_num_threads()
    if n > before:
        check_can_start(n)
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


def check_can_start(n: int) -> None:
    """UserError where the system gives a process no n threads: PyTorch's runtime would end it."""
    done = threading.Event()
    started = []
    try:
        for _ in range(n):
            started.append(threading.Thread(target=done.wait))
            started[-1].start()
    except (RuntimeError, MemoryError) as error:
        started.pop()
        raise UserError(
            f"{n} threads are recorded, and {len(started)} are to be had here"
        ) from error
    finally:
        done.set()
        for thread in started:
            thread.join()
