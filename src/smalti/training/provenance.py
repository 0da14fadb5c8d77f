"""Provenance of a run: its data, which a resume checks, and the machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from smalti.core.errors import UserError
from smalti.core.protocols import Dataset, HasFacts


def describe_data(data: Dataset) -> dict[str, Any]:
    """Describe a dataset: number of items, its own facts, and a checksum."""
    facts = data.collect_facts() if isinstance(data, HasFacts) else {}
    return {f"{data.item_name}s": len(data), **facts, "checksum": data.compute_fingerprint()}


def check_data_unchanged(recorded: dict[str, Any], **datasets: Dataset) -> None:
    """Raise UserError if the data differ from `recorded`, made by `describe_data`."""
    if change := find_change(recorded, **datasets):
        raise UserError(f"{change}; restore them, or start a new run with --start")


def find_change(recorded: dict[str, Any], **datasets: Dataset) -> str:
    """Describe what changed in the data since the run began; empty if nothing."""
    for part, data in datasets.items():
        facts = describe_data(data)
        for what, was in recorded.get(part, {}).items():
            if facts.get(what) != was:
                return (
                    f"the {part} {data.item_name}s changed since the run began: "
                    f"{what} {format_value(was)} then, {format_value(facts.get(what))} now"
                )
    return ""


def format_value(value: object) -> str:
    """Format a value briefly; a long list by its length and both ends."""
    if not isinstance(value, list):
        return str(value)
    if len(value) > 6:
        return f"{len(value)} from {value[0]} to {value[-1]}"
    return " ".join(map(str, value)) or "none"


def describe_machine() -> dict[str, Any]:
    """Describe this machine."""
    return {
        "processor": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else read_processor_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def read_processor_name() -> str:
    """Name of the processor, as far as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
