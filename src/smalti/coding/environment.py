"""The environment that a walk's rounding depends on: versions, dtype, device, threads."""

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
"""Libraries whose releases may change the order of summation or the quantization."""
MAX_THREADS = 256
"""Number of threads of a walk, at most."""


def read_environment(model: nn.Module) -> dict[str, str]:
    """Versions of smalti and the libraries, and the dtype and device of the weights."""
    weight = next(model.parameters())
    return {
        "smalti": smalti.__version__,
        **{library: version(library) for library in LIBRARIES},
        "dtype": str(weight.dtype).removeprefix("torch."),
        "device": weight.device.type,
    }


def detect_vector_units() -> str:
    """The widest vector units that PyTorch uses on this processor, such as "AVX2"."""
    return torch.backends.cpu.get_cpu_capability()


def find_difference(recorded: dict[str, Any], current: dict[str, str]) -> str | None:
    """Describe the first difference between two environments; None if they are equal."""
    for name, value in current.items():
        if (was := recorded.get(name)) != value:
            return f"compressed with {name} {str(was)[:40]}, but running with {name} {value}"
    return None


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Use n PyTorch threads within the block, then restore the previous number."""
    if not 1 <= n <= MAX_THREADS:
        raise UserError(f"recorded number of threads is {n}; expected 1 to {MAX_THREADS}")
    before = torch.get_num_threads()
    if n > before:
        check_can_start(n)
    torch.set_num_threads(n)
    try:
        if torch.get_num_threads() != n:
            raise UserError(
                f"recorded number of threads is {n}, but PyTorch uses at most "
                f"{torch.get_num_threads()} here"
            )
        yield
    finally:
        torch.set_num_threads(before)


def check_can_start(n: int) -> None:
    """UserError if the system cannot start n threads, on which PyTorch's runtime would abort."""
    done = threading.Event()
    started = []
    try:
        for _ in range(n):
            started.append(threading.Thread(target=done.wait))
            started[-1].start()
    except (RuntimeError, MemoryError) as error:
        started.pop()
        raise UserError(
            f"recorded number of threads is {n}, but only {len(started)} can be started here"
        ) from error
    finally:
        done.set()
        for thread in started:
            thread.join()
