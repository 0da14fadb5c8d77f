"""How `smalti serve` keeps many clients: failures, memory, waiting times, fairness.

    python -m benchmarks.studio_clients --clients 100 --seconds 60

Each client keeps one stream of events open, asks for a picture, waits for it by its stream, fetches
the file, and asks again. Times are those of this machine, with the clients on it, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

START = "import sys; from smalti.cli import main; sys.exit(main())"
JOB = {
    "task": "draw_samples",
    "arguments": {"model": "ddpm-digits", "n": 1, "sampler": {"steps": 1}},
}
QUANTILES = (0.5, 0.9, 1.0)


@dataclass
class Client:
    """What one client met."""

    port: int
    cookie: str = ""
    waits: list[float] = field(default_factory=list)
    """Seconds from asking to the file."""
    answers: list[float] = field(default_factory=list)
    """Seconds until the server answered a request for a job."""
    failures: list[str] = field(default_factory=list)

    async def request(self, method: str, path: str, body: object = None) -> bytes:
        """One request on a connection of its own; returns the body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(self.format_head(method, path, body))
            await writer.drain()
            head, _, content = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        status = head.split(b" ", 2)[1:2]
        if status not in ([b"200"], [b"201"]):
            raise RuntimeError(f"{method} {path}: {head[:60]!r} {content[:100]!r}")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"set-cookie:"):
                self.cookie = line.split(b":", 1)[1].split(b";")[0].strip().decode()
        return content

    def format_head(self, method: str, path: str, body: object) -> bytes:
        """A request."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", "connection: close"]
        lines += [f"cookie: {self.cookie}"] if self.cookie else []
        lines += ["content-type: application/json", f"content-length: {len(content)}", "", ""]
        return "\r\n".join(lines).encode() + content

    async def work(self, until: float, seed: int) -> None:
        """Ask for pictures until it is time."""
        try:
            await self.request("GET", "/api/studio")
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(self.format_head("GET", "/api/events", None))
            while time.monotonic() < until:
                await self.draw(reader, seed)
            writer.close()
        except Exception as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    async def draw(self, reader: asyncio.StreamReader, seed: int) -> None:
        """One picture, from asking to its file."""
        arguments = {**JOB["arguments"], "seed": seed}  # type: ignore[dict-item]
        begun = time.monotonic()
        body = {"task": JOB["task"], "arguments": arguments}
        job = json.loads(await self.request("POST", "/api/jobs", body))
        self.answers.append(time.monotonic() - begun)
        while True:
            line = await asyncio.wait_for(reader.readline(), 300)
            if not line:
                raise RuntimeError("the stream of events ended")
            if line.startswith(b"data:") and job["id"].encode() in line:
                state = json.loads(line[5:])
                if state.get("state") == "done":
                    break
                if state.get("state") in ("failed", "cancelled"):
                    raise RuntimeError(state["error"])
        content = await self.request("GET", f"/api/jobs/{job['id']}/files/{seed:05d}.png")
        if not content.startswith(b"\x89PNG"):
            raise RuntimeError("the file is no PNG")
        self.waits.append(time.monotonic() - begun)


def read_memory(pid: int) -> float:
    """MB of memory of a process, without its children."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


async def watch_memory(pid: int, found: list[float]) -> None:
    """Note the memory every second."""
    while True:
        found.append(read_memory(pid))
        await asyncio.sleep(1)


async def run_clients(port: int, pid: int, count: int, seconds: float) -> None:
    """Run all clients, and print what they met."""
    clients = [Client(port) for _ in range(count)]
    memory: list[float] = []
    watching = asyncio.ensure_future(watch_memory(pid, memory))
    begun = time.monotonic()
    await asyncio.gather(*(one.work(begun + seconds, k) for k, one in enumerate(clients)))
    elapsed = time.monotonic() - begun
    watching.cancel()
    waits = sorted(wait for one in clients for wait in one.waits)
    answers = sorted(answer for one in clients for answer in one.answers)
    failures = [failure for one in clients for failure in one.failures]
    each = [len(one.waits) for one in clients]
    print(
        f"clients {count}, seconds {elapsed:.0f}, pictures {len(waits)}, failures {len(failures)}"
    )
    for name, values in (("from asking to the picture", waits), ("answer to a request", answers)):
        shown = ", ".join(f"{pick(values, q):.2f} s" for q in QUANTILES)
        print(f"{name}: median, 90 of 100, longest: {shown}")
    print(f"pictures of one client: {min(each)} to {max(each)}")
    print(f"memory of the server: {memory[0]:.0f} MB at first, {max(memory):.0f} MB at most")
    for failure in sorted({*failures})[:5]:
        print(failure)


def pick(values: list[float], quantile: float) -> float:
    """A quantile of sorted values."""
    return values[min(len(values) - 1, int(quantile * len(values)))] if values else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = ["serve", "--port", "0", "--folder", folder, "--models", "ddpm-digits"]
        command = [sys.executable, "-c", START, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline().split(":")[-1].strip(" /\n"))
                asyncio.run(warm_up(port))
                asyncio.run(run_clients(port, process.pid, options.clients, options.seconds))
            finally:
                process.terminate()


async def warm_up(port: int) -> None:
    """Let the worker load PyTorch and the model before the clock starts."""
    client = Client(port)
    await client.work(time.monotonic() + 0.1, 0)
    if client.failures:
        raise RuntimeError(client.failures[0])


if __name__ == "__main__":
    main()
