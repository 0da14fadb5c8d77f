"""Run one command in its own process, limiting time and memory and checking its output."""

from __future__ import annotations

import io
import os
import pickle
import re
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

SECONDS = 20
"""CPU time, because the machine may be busy."""
PATIENCE = 120
"""Seconds after which a process counts as waiting forever."""
BYTES = 2 << 30
SPARE = 2 << 30
"""Address space on top of BYTES: reserving untouched memory is allowed."""
NUMBERLESS = re.compile(r"\b(nan|inf)\b")
CANARY = "unpickled"
"""A file that the pickles of tests/fuzz create if they are executed."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    """0, 2, or an invalid exit code."""
    out: str
    err: str
    fault: str = ""
    """What is wrong; empty if nothing is."""


def run(words: Sequence[str], workdir: Path) -> Outcome:
    """Run `smalti WORDS` in the folder `workdir` and check the outcome.

    The process is a fork, so that nothing is loaded twice and it may crash: by SIGBUS, by too much
    memory, or by its time limit.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of pytest: none holds a lock
        child = os.fork()
    if not child:
        os.close(reader)
        _work(words, workdir, writer)
    os.close(writer)
    try:
        output = _read(reader, time.monotonic() + PATIENCE)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # it has sent everything
        _, status = os.waitpid(child, 0)
    if output is None:
        return Outcome(-1, "", "", f"waits for more than {PATIENCE} s")
    if not output:
        late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
        return Outcome(-1, "", "", f"takes more than {SECONDS} s" if late else "the process dies")
    outcome = Outcome(*pickle.loads(output))  # our own child's
    return Outcome(
        outcome.code, outcome.out, outcome.err, outcome.fault or _fault(outcome, workdir)
    )


def _read(reader: int, until: float) -> bytes | None:
    """Read until the other end closes; None if that takes too long."""
    output = b""
    while True:
        if not select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
            return None
        part = os.read(reader, 1 << 16)
        if not part:
            return output
        output += part


def _work(words: Sequence[str], workdir: Path, writer: int) -> None:
    """Run the command in the child process."""
    out, err, code, fault = io.StringIO(), io.StringIO(), -1, ""
    try:
        torch.set_num_threads(1)  # a fork has only this thread
        _limit()
        before = _peak()
        os.chdir(workdir)
        with redirect_stdout(out), redirect_stderr(err):
            from smalti.cli import main

            code = main(list(words))
        if (grown := _peak() - before) > BYTES:
            fault = f"takes {grown / 1e9:.1f} GB"
    except BaseException as error:
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "smalti" in f.filename]
        places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(ours[-4:]))
        fault = f"{type(error).__name__}: {str(error)[:200]} at {places}"
    finally:
        with suppress(BaseException):
            os.write(writer, b"")
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump((code, out.getvalue()[-20000:], err.getvalue()[-5000:], fault), pipe)
        os._exit(0)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = taken + BYTES + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _fault(outcome: Outcome, workdir: Path) -> str:
    if (workdir / CANARY).exists():
        return "a pickle was run"
    if outcome.code == 2:
        lines = outcome.err.strip().splitlines()
        last = lines[-1] if lines else ""
        if not last.startswith("smalti: "):
            return f"exit code 2 without its line: {outcome.err[-300:]!r}"
        if len([line for line in lines if line.startswith("smalti: ")]) != 1:
            return f"more than one line: {outcome.err[-300:]!r}"
        if len(last) > 1000:
            return f"a line of {len(last)} characters"
        return ""
    if outcome.code:
        return f"exit code {outcome.code}: {outcome.err[-300:]!r}"
    if found := NUMBERLESS.search(outcome.out):
        return f"{found[0]} in {outcome.out[-300:]!r}"
    return "Traceback in stderr" if "Traceback" in outcome.err else ""


if sys.platform != "linux":
    raise ImportError("the guard of tests/fuzz reads /proc; it runs on Linux")
