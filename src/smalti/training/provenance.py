"""What a run was trained on and where: data that a resume must find again, and the machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from smalti.core.errors import UserError
from smalti.core.protocols import Dataset, Described


def facts_of(data: Dataset) -> dict[str, Any]:
    """How many items there are, what else the data say of themselves, and their fingerprint."""
    told = data.facts() if isinstance(data, Described) else {}
    return {f"{data.item}s": len(data), **told, "checksum": data.fingerprint()}


def check_same(began: dict[str, Any], **now: Dataset) -> None:
    """UserError unless the data are those that a run began with, as `facts_of` tells them."""
    if change := find_change(began, **now):
        raise UserError(f"{change}; put them back, or begin a new run with --start")


def find_change(began: dict[str, Any], **now: Dataset) -> str:
    """What changed in the data since a run began, or nothing."""
    for part, data in now.items():
        facts = facts_of(data)
        for what, was in began.get(part, {}).items():
            if facts.get(what) != was:
                return (
                    f"the {part} {data.item}s changed since the run began: "
                    f"{what} {shown(was)} then, {shown(facts.get(what))} now"
                )
    return ""


def shown(value: object) -> str:
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
