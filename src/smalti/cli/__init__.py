"""The command line, `smalti VERB ...`. Verbs load on use, so that help imports no torch."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from smalti.cli.streams import flush_streams, open_closed_streams

if TYPE_CHECKING:
    from cyclopts import App

# verb -> (where its app is, what it does)
VERBS = {
    "list": ("smalti.cli.listing:app", "List the shipped models and the training recipes."),
    "data": (
        "smalti.cli.data:app",
        "Inspect pictures or sentence pairs before training.",
    ),
    "pack": ("smalti.cli.pack:app", "Decode pictures once into a fast dataset file."),
    "fetch": ("smalti.cli.fetch:app", "Download a public dataset, and pack it."),
    "train": ("smalti.cli.train:app", "Train a model with a recipe, or resume a run."),
    "distill": ("smalti.cli.distill:app", "Tune a diffusion model to draw in one to four steps."),
    "report": ("smalti.cli.report:app", "Write a report of a training run: curves and a verdict."),
    "sample": ("smalti.cli.sample:app", "Generate pictures with a model."),
    "inpaint": ("smalti.cli.inpaint:app", "Fill a masked region of a picture."),
    "match": ("smalti.cli.match:app", "Match patches of one picture to another (PatchMatch)."),
    "reconstruct": (
        "smalti.cli.reconstruct:app",
        "Encode and decode pictures with a codec or diffusion model.",
    ),
    "interpolate": ("smalti.cli.interpolate:app", "Interpolate between two samples or pictures."),
    "complete": (
        "smalti.cli.complete:app",
        "Complete partly masked pictures with a PixelCNN or a GPT.",
    ),
    "compress": (
        "smalti.cli.compress:app",
        "Compress pictures losslessly with an autoregressive model.",
    ),
    "mix": ("smalti.cli.mix:app", "Mix a PixelCNN with counts, for fewer bits."),
    "decompress": ("smalti.cli.decompress:app", "Decompress a file written by smalti compress."),
    "translate": ("smalti.cli.translate:app", "Translate English into Chinese."),
    "evaluate": ("smalti.cli.evaluate:app", "Measure a model's quality on held-out data."),
    "compare": ("smalti.cli.compare:app", "Evaluate several models under one protocol."),
    "export": ("smalti.cli.export:app", "Write a model as one folder, to move or share."),
    "convert": ("smalti.cli.convert:app", "Convert a published checkpoint into a smalti model."),
    "bench": ("smalti.cli.bench:app", "Time an algorithm on this machine."),
    "serve": ("smalti.cli.serve:app", "Open the studio: a web page for every model."),
    "demo": ("smalti.cli.demo:app", "Make a web page with examples of everything."),
}

# Threads of PyTorch that wait for each other spin, by default for so long that on a machine that is
# busy with something else they mostly hinder each other: 64 digits then took 70 s instead of 6.
SPIN_COUNT = "1000"

HELP = """Generative models of pictures and text: train on your own data, sample fast.

`smalti VERB --help` lists a verb's options; defaults are in brackets."""

EXAMPLES = """[bold]Examples[/bold]

  smalti sample ddpm-digits -n 64 --gif         sample 64 digits, film the noise
  smalti train ddpm --data photos --minutes 30  train on your own pictures
  smalti sample runs/ddpm -n 16                 sample from the trained model"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for a user's error, 128 + N for signal N."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    open_closed_streams()
    escape_unencodable()
    try:
        return run_command(tokens)
    finally:
        flush_streams()


def run_command(tokens: list[str]) -> int:
    try:
        if tokens:
            check_verb(tokens[0])
        with print_notices():
            code = call_app(build_app(), tokens)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return print_message("interrupted", code=130)
    except BrokenPipeError:  # `smalti list | head`
        return 0
    except SystemExit as error:  # Rich's own end of a broken pipe
        if isinstance(error.__context__, BrokenPipeError):
            return 0
        raise
    except Exception as error:
        from smalti.cli.errors import format_error

        if (line := format_error(error)) is None:
            raise
        return print_message(line)
    return code if isinstance(code, int) else 0


def escape_unencodable() -> None:
    """Spell out what a terminal's encoding lacks: names of files may hold any bytes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where a test or a caller listens
            stream.reconfigure(errors="backslashreplace")


def build_app() -> App:
    from cyclopts import App

    import smalti
    from smalti.cli.help_layout import ARGUMENTS, OPTIONS, OneLineFormatter

    app = App(
        name="smalti",
        help=HELP,
        help_epilogue=EXAMPLES,
        help_format="rich",
        help_formatter=OneLineFormatter(),
        group_arguments=ARGUMENTS,
        group_parameters=OPTIONS,
        version=smalti.__version__,
    )
    app["--help"].group = app["--version"].group = "Options"
    for order, (verb, (location, summary)) in enumerate(VERBS.items()):
        app.command(location, name=verb, help=summary, sort_key=order)
    return app


def call_app(app: App, tokens: list[str]) -> Any:
    """Run a command and let its errors through to `main`; returns what it returns."""
    from smalti.cli.options import check_numbers

    app.suppress_keyboard_interrupt = False
    command, bound, _ = app.parse_args(tokens, print_error=False, exit_on_error=False)
    check_numbers(command, bound, tokens)
    return command(*bound.args, **bound.kwargs)


def check_verb(verb: str) -> None:
    """Cyclopts would import every verb, torch and all, to suggest one."""
    from smalti.core.errors import UserError
    from smalti.core.messages import suggest_name

    known = [*VERBS, "--help", "-h", "--version"]
    if verb in known:
        return
    kind = "option" if verb.startswith("-") else "verb"
    raise UserError(f"no {kind} {verb!r}; {suggest_name(verb, known, cutoff=0.5)}")


@contextmanager
def print_notices() -> Iterator[None]:
    """While entered, each Notice is a line on stderr, once; so is what smalti logs."""
    from smalti.core.errors import Notice

    printed: set[str] = set()

    def print_notice(
        message: Warning | str, category: type[Warning], *where: Any, **more: Any
    ) -> None:
        if not issubclass(category, Notice):
            return before(message, category, *where, **more)
        if str(message) not in printed:
            print_message(str(message))
        printed.add(str(message))

    with warnings.catch_warnings():
        before = warnings.showwarning
        warnings.showwarning = print_notice
        warnings.simplefilter("always", Notice)
        with print_log():
            yield


@contextmanager
def print_log() -> Iterator[None]:
    """While entered, what smalti logs is a line on stderr: on a first use, that it compiles."""
    log, lines = logging.getLogger("smalti"), StderrHandler()
    level = log.level
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(lines)
        log.setLevel(level)


class StderrHandler(logging.Handler):
    """Shows a record of the log as a line on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        print_message(record.getMessage())


def print_message(line: str, code: int = 2) -> int:
    with suppress(OSError):  # nobody reads it
        print(f"smalti: {line}", file=sys.stderr)
    return code
