"""Ctrl-C as a flag, so that a step is finished and saved before the run ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """While entered, SIGINT and SIGTERM set `asked`; a second SIGINT breaks at once."""

    def __init__(self) -> None:
        self.asked = False
        self.before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self.ask)
        return self

    def ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
