"""The log of a run: log.jsonl always, TensorBoard where it is installed."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class Log:
    """One JSON line per step in log.jsonl; the same numbers for TensorBoard in tensorboard/."""

    def __init__(self, out: Path, step: int):
        """Lines after `step`, left by a run that was stopped between two saves, are dropped."""
        self.path = out / "log.jsonl"
        if self.path.is_file():
            kept = [ln for ln in self.path.read_text().splitlines() if json.loads(ln)["step"] <= step]
            temporary = self.path.with_suffix(".tmp")
            temporary.write_text("".join(ln + "\n" for ln in kept))
            os.replace(temporary, self.path)
        self.file = self.path.open("a")
        self.board = None
        if find_spec("tensorboard"):
            from torch.utils.tensorboard.writer import SummaryWriter

            self.board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, **numbers: Any) -> None:
        self.file.write(json.dumps({"step": step, **numbers}) + "\n")
        if self.board and step % 10 == 0:
            for name, number in numbers.items():
                self.board.add_scalar(name, number, step)

    def flush(self) -> None:
        self.file.flush()
        if self.board:
            self.board.flush()

    def close(self) -> None:
        self.file.close()
        if self.board:
            self.board.close()
