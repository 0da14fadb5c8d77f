"""How `smalti serve` and Gradio keep 100 clients at the same work, one after the other.

    python -m venv /tmp/gradio && /tmp/gradio/bin/pip install gradio
    python -m benchmarks.studio_gradio --python /tmp/gradio/bin/python

Text: each client asks once, and is told 100 words in 5 s by its stream of events; the time until
the last client has its last word (5 s would be perfect). Digits: each asks for a digit of one
step, waits for it, fetches it and asks again, for --seconds; one digit is drawn at a time. Clients
speak the protocol of each server's own page. Gradio's Python needs the version of this one, since
PyTorch and smalti are taken from here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks._gradio_server import TOKENS
from benchmarks.studio_clients import START, Client, pick, read_memory

SERVER = Path(__file__).with_name("_gradio_server.py")
PACKAGES = str(Path(torch.__file__).parents[1])
SOURCE = str(Path(__file__).parents[1] / "src")
TELL, DRAW = 0, 1


@dataclass
class Asker(Client):
    """A client of the studio."""

    events: int = 0
    """Events with a part of the text."""
    last: float = 0.0
    """When it had all."""

    async def listen(self, until: float, seed: int) -> None:
        """Ask for the text, and read it to its end."""
        await self.request("GET", "/api/studio")
        job = json.loads(await self.request("POST", "/api/jobs", {"task": "tell", "arguments": {}}))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.format_head("GET", f"/api/jobs/{job['id']}/events", None))
        text = ""
        while line := await asyncio.wait_for(reader.readline(), 300):
            if line.startswith(b"data:"):
                state = json.loads(line[5:])
                self.events += 1
                text = state.get("result", {}).get("text", text)
                if state.get("state") == "done":
                    break
        writer.close()
        self.last = time.monotonic()
        if len(text.split()) != TOKENS:
            raise RuntimeError(f"the text has {len(text.split())} words")


@dataclass
class GradioClient(Asker):
    """A client of Gradio's queue."""

    functions: Sequence[int] = (0, 1)

    async def follow(self, function: int, data: list[object], name: str) -> list[object]:
        """Join the queue, and read its stream to the end; returns the last output."""
        body = {"data": data, "fn_index": self.functions[function], "session_hash": name}
        begun = time.monotonic()
        await self.request("POST", "/gradio_api/queue/join?", body)
        self.answers.append(time.monotonic() - begun)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        path = f"/gradio_api/queue/data?session_hash={name}"
        writer.write(self.format_head("GET", path, None))
        while line := await asyncio.wait_for(reader.readline(), 300):
            if not line.startswith(b"data:"):
                continue
            message = json.loads(line[5:])
            self.events += message["msg"] == "process_generating"
            if message["msg"] == "process_completed":
                writer.close()
                if not message["success"]:
                    raise RuntimeError(str(message["output"]))
                return message["output"]["data"]
        raise RuntimeError("the stream of events ended")

    async def listen(self, until: float, seed: int) -> None:
        (text,) = await self.follow(TELL, [], f"text{seed}")
        self.last = time.monotonic()
        if len(str(text).split()) != TOKENS:
            raise RuntimeError(f"the text is {str(text)[:60]!r}")

    async def work(self, until: float, seed: int) -> None:
        try:
            while time.monotonic() < until:
                begun = time.monotonic()
                name = f"draw{seed}n{len(self.waits)}"
                (picture,) = await self.follow(DRAW, [seed], name)
                path = "/gradio_api/file=" + picture["path"]  # pyright: ignore
                content = await self.request("GET", path)
                if not content.startswith(b"\x89PNG"):
                    raise RuntimeError("the file is no PNG")
                self.waits.append(time.monotonic() - begun)
        except Exception as error:
            self.failures.append(f"{type(error).__name__}: {error}")


@contextmanager
def run_server(command: list[str], word: str) -> Iterator[tuple[list[int], int]]:
    """A server in a process: the numbers of the line that starts with `word`, and its id."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if line.startswith(word))
            words = line.replace(":", " ").replace("/", " ").split()
            yield [int(one) for one in words if one.isdigit()], process.pid
        finally:
            process.terminate()


def find_port() -> int:
    """A port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def measure_text(clients: Sequence[Asker]) -> str:
    """Seconds until all clients have the text."""

    async def listen(client: Asker, k: int) -> None:
        try:
            await client.listen(0, k)
        except Exception as error:
            client.failures.append(f"{type(error).__name__}: {error}")

    begun = time.monotonic()
    await asyncio.gather(*(listen(one, k) for k, one in enumerate(clients)))
    ended = sorted(one.last - begun for one in clients if one.last)
    failures = [failure for one in clients for failure in one.failures]
    events = sum(one.events for one in clients) / len(clients)
    shown = ", ".join(f"{pick(ended, q):.1f}" for q in (0.5, 1.0))
    return (
        f"{shown} s until the median, the last; {events:.0f} events each; failures {failures[:2]}"
    )


async def measure_digits(clients: Sequence[Client], seconds: float, pid: int) -> str:
    """Pictures, waiting times and memory."""
    begun, memory = time.monotonic(), read_memory(pid)
    await asyncio.gather(*(one.work(begun + seconds, k) for k, one in enumerate(clients)))
    elapsed = time.monotonic() - begun
    waits = sorted(wait for one in clients for wait in one.waits)
    each = [len(one.waits) for one in clients]
    failures = [failure for one in clients for failure in one.failures]
    shown = ", ".join(f"{pick(waits, q):.1f}" for q in (0.5, 0.9, 1.0))
    return (
        f"{len(waits)} in {elapsed:.0f} s ({len(waits) / elapsed:.2f} a second), {min(each)} to "
        f"{max(each)} a client; {shown} s; {memory:.0f}, {read_memory(pid):.0f} MB; "
        f"failures {len(failures)} {failures[:2]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", required=True, help="Python of an environment with Gradio")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    count, port = options.clients, find_port()
    gradio = [options.python, str(SERVER), "gradio", "--port", str(port), "--packages"]
    with run_server([sys.executable, "-m", "benchmarks._gradio_server", "text"], "port") as (
        found,
        _,
    ):
        clients = [Asker(found[-1]) for _ in range(count)]
        print("studio, text:", asyncio.run(measure_text(clients)), flush=True)
    with run_server([*gradio, PACKAGES, SOURCE], "functions") as (functions, pid):
        listening = [GradioClient(port, functions=functions) for _ in range(count)]
        print("gradio, text:", asyncio.run(measure_text(listening)), flush=True)
        asyncio.run(GradioClient(port, functions=functions).work(time.monotonic() + 0.1, 0))
        drawing = [GradioClient(port, functions=functions) for _ in range(count)]
        found = asyncio.run(measure_digits(drawing, options.seconds, pid))
        print("gradio, digits:", found, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        words = ["serve", "--port", "0", "--folder", folder, "--models", "ddpm-digits"]
        with run_server([sys.executable, "-c", START, *words], "The studio") as (found, pid):
            asyncio.run(Client(found[-1]).work(time.monotonic() + 0.1, 0))
            own = [Client(found[-1]) for _ in range(count)]
            print("studio, digits:", asyncio.run(measure_digits(own, options.seconds, pid)))


if __name__ == "__main__":
    main()
