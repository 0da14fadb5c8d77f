"""Description of the machine, and timing."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

UNITS = ("amx_bf16", "amx_tile", "avx512_bf16", "avx512_f", "avx2")


def read_processor_name() -> str:
    """Name of the processor, as far as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def list_vector_units() -> list[str]:
    """List the vector and matrix units that PyTorch detects."""
    known = torch.cpu.get_capabilities()
    return [unit for unit in UNITS if known.get(unit)]


def measure_gflops(dtype: torch.dtype, n: int = 1536, seconds: float = 1.0) -> float:
    """GFLOP/s of an (n, n) by (n, n) matrix product, the best within about `seconds`."""
    a, b = torch.randn(2, n, n).to(dtype).unbind()
    torch.mm(a, b)
    taken = time_calls(lambda: torch.mm(a, b), seconds)
    return 2 * n**3 / min(taken) / 1e9


def describe_machine() -> dict[str, object]:
    """Describe the machine, for every result."""
    return {
        "processor": read_processor_name(),
        "units": list_vector_units(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "gflops_float32": round(measure_gflops(torch.float32), 1),
        "gflops_bf16": round(measure_gflops(torch.bfloat16), 1),
    }


def format_machine(machine: dict) -> str:
    return (
        f"{machine['processor']}, {machine['threads']} threads, units "
        f"{' '.join(machine['units']) or 'none'}, torch {machine['torch']}; matrix product "
        f"{machine['gflops_float32']:g} GFLOP/s in float32, {machine['gflops_bf16']:g} in bf16"
    )


def time_call(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def time_calls(work: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each call, for about `seconds` and at least three calls."""
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < seconds:
        taken.append(time_call(work))
    return taken


def time_interleaved(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, interleaved so that changes of load affect all alike."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            taken[name].append(time_call(work))
    return {name: median(times) for name, times in taken.items()}
