"""Run a studio until it is interrupted."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from smalti.core.errors import UserError
from smalti.web.app import make_app
from smalti.web.security import LOOPBACK_NAMES, Access
from smalti.web.slow_heads import make_protocol
from smalti.web.studio import Studio

CONNECTIONS = 1024
"""Connections that are open at the same time, at most."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_access(host: str, token: str | None = None) -> Access:
    """Who may speak to a server that listens at `host`: beyond this machine, who has the token."""
    if is_loopback(host):
        return Access((*LOOPBACK_NAMES, host.lower()), token or "")
    names = (*LOOPBACK_NAMES, host.lower(), socket.gethostname().lower(), socket.getfqdn().lower())
    return Access(names, token or secrets.token_urlsafe(24))


def format_address(host: str, port: int, access: Access) -> str:
    """The address to open."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?token={access.token}" if access.token else "")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. UserError if the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot listen at {host}, port {port}: {reason}; give another") from error
    return listener


def run_server(
    studio: Studio,
    listener: socket.socket,
    access: Access,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve a studio at a socket until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        make_app(studio, access),
        http=make_protocol(studio.limits.head_seconds),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=2,
    )
    listener.listen(config.backlog)
    on_ready()
    uvicorn.Server(config).run(sockets=[listener])


def serve(
    folder: str | Path = "studio",
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    models: tuple[str, ...] = (),
    slots: int = 1,
    token: str | None = None,
    on_ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the studio's pages and HTTP interface until it is interrupted.

    folder: where jobs keep their results.
    models: names or folders; default are all shipped models.
    slots: jobs that run at the same time, each in a process.
    token: secret that clients need; one is made if `host` can be reached from elsewhere.
    on_ready: called with the address to open.
    Raises UserError for an address that is taken, and for a model that does not exist.
    """
    listener = listen(host, port)
    try:
        access = make_access(host, token)
        studio = Studio(folder, models=models, slots=slots, is_local=is_loopback(host))
        address = format_address(host, listener.getsockname()[1], access)
        warm_up = threading.Thread(target=studio.models.list_sound, daemon=True)

        def begin() -> None:
            on_ready(address)
            warm_up.start()  # the first page need not wait for it

        run_server(studio, listener, access, begin)
    finally:
        listener.close()
