"""What a run was trained on and where: pictures that a resume must find again, and the machine."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Any

import torch

from smalti.core.errors import UserError
from smalti.data.pictures import Pictures

ROWS = 256  # pictures that the checksum looks at, however many there are


def facts_of(pictures: Pictures) -> dict[str, Any]:
    """Count, shape, classes, and checksums: of evenly spaced pictures and all labels, of captions.

    The one of captions is empty where there are none.
    """
    n = len(pictures)
    rows = torch.linspace(0, n - 1, min(n, ROWS), dtype=torch.float64).long()
    return {
        "pictures": n,
        "shape": list(pictures.shape),
        "classes": list(pictures.classes),
        "checksum": checksum(pictures.take(rows), pictures.labels),
        "captions": text_checksum(pictures.captions),
    }


def checksum(*tensors: torch.Tensor | None) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is not None:
            digest.update(tensor.numpy(force=True).tobytes())
    return digest.hexdigest()[:16]


def text_checksum(captions: tuple[str, ...]) -> str:
    if not captions:
        return ""
    return hashlib.sha256("\0".join(captions).encode()).hexdigest()[:16]


def check_same(began: dict[str, Any], **now: Pictures) -> None:
    """UserError unless the pictures are those that a run began with, as `facts_of` tells them."""
    if change := find_change(began, **now):
        raise UserError(f"{change}; put them back, or begin a new run with --start")


def find_change(began: dict[str, Any], **now: Pictures) -> str:
    """What changed in the pictures since a run began, or nothing."""
    for part, pictures in now.items():
        facts = facts_of(pictures)
        for what, was in began.get(part, {}).items():
            if facts.get(what) != was:
                return (
                    f"the {part} pictures changed since the run began: {what} {shown(was)} then, "
                    f"{shown(facts.get(what))} now"
                )
    return ""


def shown(value: Any) -> str:
    """In few words: a list of many classes by its length and its ends."""
    if not isinstance(value, list):
        return str(value)
    if len(value) > 6:
        return f"{len(value)} from {value[0]} to {value[-1]}"
    return " ".join(map(str, value)) or "none"


def machine() -> dict[str, Any]:
    """What trains here."""
    return {
        "processor": torch.cuda.get_device_name() if torch.cuda.is_available() else processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def processor() -> str:
    """Its name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
