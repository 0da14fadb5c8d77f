"""Turn Ctrl-C and other signals into a flag, so that the current step is finished and saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

HANGUP = getattr(signal, "SIGHUP", None)  # not on Windows
SIGNALS = [number for number in (signal.SIGINT, signal.SIGTERM, HANGUP) if number is not None]


class Interrupt:
    """Context manager that records SIGINT, SIGTERM and SIGHUP.

    A second SIGINT raises KeyboardInterrupt. A hangup stays ignored if it was, as under nohup.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        """The first signal received."""
        self.previous_handlers: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        return self.signal_number is not None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if number == HANGUP and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                self.previous_handlers[number] = signal.signal(number, self.handle_signal)
        return self

    def handle_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = self.signal_number or number

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous_handlers.items():
            signal.signal(number, handler)


@contextmanager
def leave_signals_to_children() -> Iterator[None]:
    """Ignore Ctrl-C and hangups in this process while entered.

    Its child processes receive them too; they save and exit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    if HANGUP is not None and signal.getsignal(HANGUP) != signal.SIG_IGN:
        before[HANGUP] = signal.signal(HANGUP, lambda *_: None)  # children would inherit SIG_IGN
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
