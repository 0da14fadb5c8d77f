"""Clients that send or read slowly are given up."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from smalti.web.limits import Limits
from smalti.web.security import Access, Guard
from smalti.web.slow_heads import make_protocol


async def echo(scope, receive, send):
    """Read the body, and answer with its length."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]}
    await send(head)
    await send({"type": "http.response.body", "body": body[:1]})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    limits = Limits(body_seconds=0.3, head_seconds=0.3)
    app = Guard(echo, Access(), limits, lambda path: 1000)
    config = uvicorn.Config(
        app, http=make_protocol(0.3), ws="none", lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def talk(port: int, *parts: bytes) -> bytes:
    """Send parts, and return all that comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(0.05)
        received = b""
        while more := client.recv(4096):
            received += more
        return received


HEAD = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"


def test_a_request_in_time_is_answered(port: int):
    assert talk(port, HEAD, b"ab").endswith(b"\r\n\r\n2")


def test_a_head_that_does_not_arrive_closes_the_connection(port: int):
    assert talk(port) == b""
    assert talk(port, HEAD[:20], HEAD[20:40]) == b""


def test_a_body_that_does_not_arrive_is_refused(port: int):
    assert talk(port, HEAD, b"a").startswith(b"HTTP/1.1 408")
