"""The log of a run: log.jsonl, and TensorBoard if it is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from smalti.core.files import write_text
from smalti.core.messages import format_count

LARGEST_STEP = 10**12


class Log:
    """Writes a JSON line per step to log.jsonl, and the same numbers to tensorboard/."""

    def __init__(self, out: Path, step: int):
        """Open the log; drop lines after `step`, left by a run that stopped between two saves."""
        self.path, self.summary_writer = out / "log.jsonl", None
        self.warnings: list[str] = []
        """Messages for the user about an existing log."""
        self.open(step)

    def open(self, step: int) -> None:
        if self.path.is_file():
            kept, skipped = list(read_lines_until(step, self.path)), read_log(self.path)[1]
            if skipped:
                lines = format_count(skipped, "line")
                self.warnings = [f"{self.path} had {lines} that cannot be read; they were removed"]
            write_text(self.path, "".join(ln + "\n" for ln in kept))
        self.file = self.path.open("a", buffering=1)  # whole lines: it can be read meanwhile
        if find_spec("tensorboard"):
            from torch.utils.tensorboard.writer import SummaryWriter

            folder = self.path.parent / "tensorboard"
            self.summary_writer = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, step: int, **numbers: object) -> None:
        self.file.write(json.dumps({"step": step, **numbers}) + "\n")
        if self.summary_writer and (step % 10 == 0 or "valid" in numbers):
            for name, number in numbers.items():
                self.summary_writer.add_scalar(name, number, step)

    def roll_back(self, step: int, **facts: object) -> None:
        """Drop lines after `step`, and write a line with the reason."""
        self.close()
        self.open(step)
        self.file.write(json.dumps({"step": step, **facts}) + "\n")

    def flush(self) -> None:
        self.file.flush()
        if self.summary_writer:
            self.summary_writer.flush()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        if self.summary_writer:
            self.summary_writer.close()


def read_lines_until(step: int, path: Path) -> Iterator[str]:
    """Yield the log's lines up to `step`, without unreadable ones."""
    for text in path.read_text(errors="replace").splitlines():
        if (line := read_line(text)) is not None and line["step"] <= step:
            yield text


def read_line(text: str) -> dict[str, Any] | None:
    """Parse a line of the log; None if it is invalid, such as one that a kill cut short."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    step = line.get("step") if isinstance(line, dict) else None
    return line if type(step) is int and 0 <= step < LARGEST_STEP else None


def read_log(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Read the valid lines, and count the others; no lines if there is no log."""
    texts = path.read_text(errors="replace").splitlines() if path.is_file() else []
    lines = [line for text in texts if (line := read_line(text)) is not None]
    return lines, len(texts) - len(lines)
