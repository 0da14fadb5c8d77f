"""Several processes at the same time on one GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MPS = "nvidia-cuda-mps-control"


@contextmanager
def share_gpu(enabled: bool, work: Path) -> Iterator[bool]:
    """NVIDIA's multi-process service, by which kernels of several processes run at the same time.

    It changes no setting of the GPU and ends with the round. If it does not start, the GPU is
    time-sliced. Yields whether it runs.
    """
    folders = {"PIPE": work / "mps", "LOG": work / "mps-log"}
    names = {f"CUDA_MPS_{name}_DIRECTORY": str(path) for name, path in folders.items()}
    if not enabled or not shutil.which(MPS):
        yield False
        return
    for path in folders.values():
        path.mkdir(parents=True, exist_ok=True)
    os.environ.update(names)
    try:
        started = subprocess.run([MPS, "-d"], timeout=10, check=False).returncode == 0
        if not (started and sees_gpu()):
            quit_service()
            for name in names:
                del os.environ[name]
            yield False
            return
        yield True
    finally:
        if os.environ.get("CUDA_MPS_PIPE_DIRECTORY"):
            quit_service()


def sees_gpu() -> bool:
    """Whether a new process can use the GPU."""
    code = "import torch; assert float(torch.ones(8, device='cuda').sum()) == 8"
    try:
        return subprocess.run([sys.executable, "-c", code], timeout=25, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def quit_service() -> None:
    subprocess.run([MPS], input=b"quit -t 2\n", timeout=20, check=False, capture_output=True)
