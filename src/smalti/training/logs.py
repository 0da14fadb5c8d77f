"""The log of a run: log.jsonl always, TensorBoard where it is installed."""

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
    """One JSON line per step in log.jsonl; the same numbers for TensorBoard in tensorboard/."""

    def __init__(self, out: Path, step: int):
        """Lines after `step`, left by a run that was stopped between two saves, are dropped."""
        self.path, self.summary_writer = out / "log.jsonl", None
        self.warnings: list[str] = []
        """What the user should know of the log as it was."""
        self.open(step)

    def open(self, step: int) -> None:
        if self.path.is_file():
            kept, skipped = list(read_lines_until(step, self.path)), read_log(self.path)[1]
            if skipped:
                lines = format_count(skipped, "line")
                self.warnings = [f"{self.path} had {lines} that cannot be read, left out now"]
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
        """Lines after `step` are dropped, and a line says why."""
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
    """The log's lines up to `step`, without those that cannot be read."""
    for text in path.read_text(errors="replace").splitlines():
        if (line := read_line(text)) is not None and line["step"] <= step:
            yield text


def read_line(text: str) -> dict[str, Any] | None:
    """One line of the log. None when it tells of no step, as one that a kill has cut short."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    step = line.get("step") if isinstance(line, dict) else None
    return line if type(step) is int and 0 <= step < LARGEST_STEP else None


def read_log(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Lines that can be read, and how many others there are; none where there is no log."""
    texts = path.read_text(errors="replace").splitlines() if path.is_file() else []
    lines = [line for text in texts if (line := read_line(text)) is not None]
    return lines, len(texts) - len(lines)
