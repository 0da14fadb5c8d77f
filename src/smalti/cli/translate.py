"""`smalti translate`: sentences, text files and catalogues of messages."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from smalti.cli.meter import Meter
from smalti.cli.options import read_device
from smalti.core.errors import UserError
from smalti.core.messages import count
from smalti.core.ranges import Range
from smalti.tasks import translate, translate_catalog, translate_file, translate_lines
from smalti.translation.files import decode_lines, open_bytes

EXAMPLES = """[bold]Examples[/bold]

  smalti translate "Click OK to save the document."
  smalti translate "Save the file first." --beam 8 --n-best 3
  smalti translate --file in.txt --out out.txt
  smalti translate --po zh_CN.po
  fortune | smalti translate"""

MODEL = "en-zh-help"

app = App(name="translate", help_epilogue=EXAMPLES)

Widths = Annotated[int, Range(1, 1_024)]
NAMED = Parameter(show_default=False)


@app.default
def translate_what_is_given(
    *text: str,
    model: str = MODEL,
    file: Annotated[Path | None, NAMED] = None,
    po: Annotated[Path | None, NAMED] = None,
    out: Annotated[Path | None, NAMED] = None,
    beam: Annotated[Widths | None, NAMED] = None,
    penalty: Annotated[Annotated[float, Range(-100, 100)] | None, NAMED] = None,
    n_best: Widths = 1,
    device: str = "auto",
) -> None:
    """Translate English into Chinese, offline.

    Without a text or a file, lines are read from standard input.

    Parameters
    ----------
    text
        Sentences or paragraphs, each in quotes.
    model
        A shipped model's name, or a checkpoint.
    file
        A text file in UTF-8; it is translated line by line.
    po
        A gettext catalogue: what is untranslated in it is filled and marked fuzzy.
    out
        Where to write the result; of --file the screen, of --po the same file unless told
        otherwise.
    beam
        Beginnings that are carried on at once; 1 is greedy, and fastest.
    penalty
        Exponent of the length that log-probabilities are divided by; larger ones favor longer
        translations.
    n_best
        How many translations to show of each text, with their scores.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    check_inputs(text, file, po, out, n_best)
    search = {"width": beam, "penalty": penalty, "device": read_device(device)}
    if text:
        show_translations(model, text, n_best, search)
    elif po or (file and out):
        write_file(model, file, po, out, search)
    elif file:
        with open_bytes(file) as lines:
            show_lines(model, decode_lines(lines, file), search)
    else:
        show_lines(model, decode_lines(sys.stdin.buffer, "standard input"), search)


def check_inputs(
    text: tuple[str, ...], file: Path | None, po: Path | None, out: Path | None, n_best: int
) -> None:
    named = [name for name, value in (("TEXT", text), ("--file", file), ("--po", po)) if value]
    if len(named) > 1:
        raise UserError(f"{' and '.join(named)} are given; give one of them")
    if not named and sys.stdin.isatty():
        raise UserError(
            "nothing to translate; give a sentence in quotes, --file, --po, or lines on "
            "standard input"
        )
    if out and not (file or po):
        raise UserError(f"--out {out} is given without --file or --po; leave it out")
    if n_best > 1 and not text:
        raise UserError(f"--n-best {n_best} is given without a text; give sentences in quotes")


def show_translations(model: str, text: tuple[str, ...], n: int, search: dict[str, Any]) -> None:
    for found in translate(model, text, n_best=n, **search):
        for one in found:
            print(f"{one.score:7.3f}  {one.text}" if n > 1 else one.text)


def show_lines(model: str, lines: Iterator[str], search: dict[str, Any]) -> None:
    counts: Counter[str] = Counter()
    for line in translate_lines(model, lines, counts, **search):
        sys.stdout.write(line if line.endswith("\n") else line + "\n")
        sys.stdout.flush()
    if not counts:
        raise UserError("standard input is empty; give a line or more")


def write_file(
    model: str, file: Path | None, po: Path | None, out: Path | None, search: dict[str, Any]
) -> None:
    begun = time.perf_counter()
    with Meter() as meter:
        if po:
            done = translate_catalog(model, po, out, **search, on_progress=meter)
        else:
            assert file and out
            done = translate_file(model, file, out, **search, on_progress=meter)
    seconds = time.perf_counter() - begun
    if po:
        told = f"{count(done.done, 'entry', 'entries')} filled and marked fuzzy"
        left = f", {done.left:,} left" if done.left else ""
    else:
        told = f"{count(done.done, 'line')} translated"
        left = f", {done.left:,} kept as they were" if done.left else ""
    print(f"{told}{left} in {seconds:.1f} s: {out or po}")
