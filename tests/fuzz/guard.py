"""One command in a process of its own, with its time, its memory and its manners watched."""

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
"""Of the processor's time, for the machine may be busy with something else."""
PATIENCE = 120
"""Seconds after which a process waits for what never comes."""
BYTES = 2 << 30
SPARE = 2 << 30
"""Address space on top of BYTES: what is reserved and never touched is no fault."""
NUMBERLESS = re.compile(r"\b(nan|inf)\b")
CANARY = "unpickled"
"""A file that the pickles of tests/fuzz make when somebody runs them."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    """0, 2, or something that must not be."""
    out: str
    err: str
    fault: str = ""
    """What is wrong with it, whatever was asked; empty when nothing is."""


def run(words: Sequence[str], workdir: Path) -> Outcome:
    """`smalti WORDS` in the folder `where`, and what is wrong with how it went.

    The process is a fork, so that nothing is loaded twice and that it may die: of SIGBUS, of too
    much memory, of a limit on its time.
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
        told = _read(reader, time.monotonic() + PATIENCE)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # it has told all that it has to tell
        _, status = os.waitpid(child, 0)
    if told is None:
        return Outcome(-1, "", "", f"waits for more than {PATIENCE} s")
    if not told:
        late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
        return Outcome(-1, "", "", f"takes more than {SECONDS} s" if late else "the process dies")
    outcome = Outcome(*pickle.loads(told))  # our own child's
    return Outcome(
        outcome.code, outcome.out, outcome.err, outcome.fault or _fault(outcome, workdir)
    )


def _read(reader: int, until: float) -> bytes | None:
    """All that is written before the other end closes; None when that takes too long."""
    told = b""
    while True:
        if not select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
            return None
        part = os.read(reader, 1 << 16)
        if not part:
            return told
        told += part


def _work(words: Sequence[str], workdir: Path, writer: int) -> None:
    """The child's life."""
    out, err, code, fault = io.StringIO(), io.StringIO(), -1, ""
    try:
        torch.set_num_threads(1)  # a fork has no threads but this one
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
