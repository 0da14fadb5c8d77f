"""Run the numeric tests as on other processors: `make test-portable`.

With smaller vector units, one and two threads, and random rounding (`tests/rounding.py`). The quick
form runs some files in three modes, for `.ci/run`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2"}  # fmt: skip
PLAIN = {"ATEN_CPU_CAPABILITY": "default"}
ROUNDING = ["-p", "tests.rounding"]

Mode = tuple[dict[str, str], int, list[str]]
"""Environment variables, threads, more arguments of pytest."""

FULL: dict[str, Mode] = {
    f"{name}, {threads} thread{'s' * (threads > 1)}": (variables, threads, [])
    for name, variables in {"unchanged": {}, "plain": PLAIN, "AVX2": AVX2}.items()
    for threads in (1, 2)
}
FULL["random rounding"] = ({}, 1, ROUNDING)

QUICK: dict[str, Mode] = {
    "plain, 1 thread": (PLAIN, 1, []),
    "AVX2, 2 threads": (AVX2, 2, []),
    "random rounding": ({}, 1, ROUNDING),
}
QUICK_FILES = [
    "tests/golden",
    *(f"tests/unit/{room}/test_{name}.py" for room, names in {
        "autoregressive": "causality fused_ops logistic pixelcnn", "codecs": "processes quantizers",
        "coding": "coding", "core": "sampling", "diffusion": "samplers schedule",
        "evaluation": "neighbors", "layers": "layers",
    }.items() for name in names.split()),
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three modes, some files")
    known, words = parser.parse_known_args()
    tests = QUICK_FILES if known.quick else ["-m", "numeric"]
    modes = QUICK if known.quick else FULL
    failed = [name for name, mode in modes.items() if run(name, mode, [*tests, *words])]
    if failed:
        print(f"failed: {'; '.join(failed)}", file=sys.stderr)
    return bool(failed)


def run(name: str, mode: Mode, words: list[str]) -> int:
    """Run pytest in a mode, with 2 / threads processes."""
    variables, threads, more = mode
    begun = time.monotonic()
    print(f"\n-- {name}", flush=True)
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", str(max(1, 2 // threads))]
    code = subprocess.run(
        [*pytest, "--dist", "worksteal", *more, *words],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **variables, "OMP_NUM_THREADS": str(threads)},
        check=False,
    ).returncode
    print(f"-- {name}: {time.monotonic() - begun:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
