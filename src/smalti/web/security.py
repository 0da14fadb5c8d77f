"""Who may speak to the server, and how much: Host, Origin, token, bodies, slow clients, headers."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smalti.web.limits import Limits

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SAME_SITE = ("same-origin", "none")
TOKEN_COOKIE = "smalti_token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Access:
    """Who may speak to a server."""

    hosts: tuple[str, ...] = LOOPBACK_NAMES
    """Names in the Host header; IP addresses are accepted beside them if there is a token."""
    token: str = ""
    """The secret that every request needs; empty on a server for this machine alone."""

    def accepts_host(self, host: str) -> bool:
        """Whether a Host header names this server: else another site's name leads here."""
        name = split_host(host)
        if name in self.hosts:
            return True
        return bool(self.token) and is_address(name)

    def accepts_origin(self, headers: Headers) -> bool:
        """Whether a request that changes something comes from the server's own pages, or a script.

        Browsers send Origin with every such request; scripts do not.
        """
        if headers.get("sec-fetch-site", "none") not in SAME_SITE:
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc == headers.get("host")

    def accepts_token(self, headers: Headers, query_token: str) -> bool:
        """Whether a request has the token: in a header, the cookie, or the first address."""
        if not self.token:
            return True
        cookies = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except Exception:
            cookies = SimpleCookie()
        morsel = cookies.get(TOKEN_COOKIE)
        offered = [
            headers.get("authorization", "").removeprefix("Bearer "),
            morsel.value if morsel else "",
            query_token,
        ]
        secret = self.token.encode()
        return any(hmac.compare_digest(one.encode("utf-8", "replace"), secret) for one in offered)


def split_host(host: str) -> str:
    """The name in a Host header, without the port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_address(name: str) -> bool:
    """Whether it is an IP address, which no name server can redirect."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class TooLarge(Exception):
    """A body is larger than its limit."""


class Guard:
    """ASGI middleware: refuses requests that `Access` and `Limits` do not allow."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        limits: Limits,
        choose_body_limit: Callable[[str], int],
    ):
        self.app, self.access, self.limits = app, access, limits
        self.choose_body_limit = choose_body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        send = self.limit_send(send)
        if refusal := self.find_refusal(scope, headers):
            return await send_refusal(send, *refusal)
        limit = self.choose_body_limit(scope["path"])
        started = False

        async def send_once(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, self.limit_receive(receive, limit), send_once)
        except TooLarge:
            if not started:
                await send_refusal(send, 413, f"the body is larger than {limit:,} bytes; send less")
        except TimeoutError:
            if not started:
                await send_refusal(send, 408, "the body did not arrive in time; send it again")

    def find_refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Why a request is refused; None if it is not."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.access.accepts_host(hosts[0]):
            return 421, "the Host header does not name this server; open the address it printed"
        if scope["method"] not in SAFE_METHODS and not self.access.accepts_origin(headers):
            return 403, "the request comes from another site; open the address the server printed"
        query_token = ""
        if scope["path"] == "/" and self.access.token:
            query_token = dict(
                part.partition("=")[::2]
                for part in scope["query_string"].decode("latin-1").split("&")
            ).get("token", "")
        if not self.access.accepts_token(headers, query_token):
            return 401, "the token is missing or wrong; open the address that the server printed"
        length = headers.get("content-length", "0")
        limit = self.choose_body_limit(scope["path"])
        if not length.isdigit() or int(length) > limit:
            return 413, f"the body is larger than {limit:,} bytes; send less"
        return None

    def limit_receive(self, receive: Receive, limit: int) -> Receive:
        """Count a body's bytes, and wait for each part only so long."""
        total, is_complete = 0, False
        deadline = asyncio.get_running_loop().time() + self.limits.request_seconds

        async def receive_part() -> Message:
            nonlocal total, is_complete
            if is_complete:  # from here on it only tells of a disconnect
                return await receive()
            rest = deadline - asyncio.get_running_loop().time()
            message = await asyncio.wait_for(receive(), min(rest, self.limits.body_seconds))
            total += len(message.get("body", b""))
            if total > limit:
                raise TooLarge
            is_complete = not message.get("more_body", False)
            return message

        return receive_part

    def limit_send(self, send: Send) -> Send:
        """Add the headers, and give up a client that reads nothing."""

        async def send_part(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await asyncio.wait_for(send(message), self.limits.send_seconds)

        return send_part


async def send_refusal(send: Send, status: int, line: str) -> None:
    """Answer with one line as JSON, and close the connection."""
    body = json.dumps({"error": line}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
