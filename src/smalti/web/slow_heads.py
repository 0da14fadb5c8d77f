"""Connections whose requests arrive too slowly are closed: uvicorn itself waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientProtocol(H11Protocol):
    """HTTP whose request heads must arrive within `head_seconds`."""

    head_seconds = 10.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.timer: asyncio.TimerHandle | None = None
        self.wait_for_head()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:  # a head is complete
            self.stop_waiting()
        elif (self.cycle is None or self.cycle.response_complete) and self.timer is None:
            self.wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_waiting()
        super().connection_lost(exc)

    def wait_for_head(self) -> None:
        self.timer = self.loop.call_later(self.head_seconds, self.close_connection)

    def stop_waiting(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def close_connection(self) -> None:
        """Close, unless a response is under way."""
        self.timer = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


def make_protocol(head_seconds: float) -> type[ImpatientProtocol]:
    """The protocol with another time."""
    return type("Protocol", (ImpatientProtocol,), {"head_seconds": head_seconds})
