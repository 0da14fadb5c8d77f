"""`smalti translate`: sentences, text files and catalogs of messages."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.live import Live
from rich.text import Text

from smalti.cli.display import make_console
from smalti.cli.options import parse_device
from smalti.cli.progress_bar import ProgressBar
from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.core.model import open_model
from smalti.core.ranges import Range
from smalti.tasks import (
    draw_attention,
    stream_translation,
    translate,
    translate_catalog,
    translate_file,
    translate_lines,
)
from smalti.translation.files import decode_lines, open_bytes

EXAMPLES = """[bold]Examples[/bold]

  smalti translate "Click OK to save the document."
  smalti translate --file in.txt --out out.txt --beam-size 8"""

MODEL = "en-zh-help"

app = App(name="translate", help_epilogue=EXAMPLES)

BeamSize = Annotated[int, Range(1, 1_024)]
NO_DEFAULT = Parameter(show_default=False)


@app.default
def translate_inputs(
    *text: str,
    model: str = MODEL,
    file: Annotated[Path | None, NO_DEFAULT] = None,
    po: Annotated[Path | None, NO_DEFAULT] = None,
    out: Annotated[Path | None, NO_DEFAULT] = None,
    beam_size: Annotated[BeamSize | None, NO_DEFAULT] = None,
    length_penalty: Annotated[Annotated[float, Range(-100, 100)] | None, NO_DEFAULT] = None,
    n_best: BeamSize = 1,
    glossary: Annotated[Path | None, NO_DEFAULT] = None,
    attention: Annotated[Path | None, NO_DEFAULT] = None,
    device: str = "auto",
) -> None:
    """Translate English into Chinese.

    Without a text or a file, lines are read from standard input.

    Parameters
    ----------
    text
        Sentences or paragraphs, each in quotes.
    model
        Shipped model, run or checkpoint.
    file
        UTF-8 text file to translate line by line.
    po
        gettext catalog; fills missing entries, marked fuzzy.
    out
        Output file (default: the screen; --po: in place).
    beam_size
        Beam size; 1 is greedy (default: the model's).
    length_penalty
        Length penalty; higher favors longer output.
    n_best
        Translations to show for each text, with scores.
    glossary
        File of terms: English, a tab, Chinese on each line.
    attention
        PNG to draw: which words lead to which.
    device
        cpu, cuda, cuda:1, mps, or auto.
    """
    check_inputs(text, file, po, out, n_best)
    if attention and len(text) != 1:
        raise UserError(f"--attention {attention} is given with {len(text)} texts; give one")
    search = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "glossary": glossary,
        "device": parse_device(device),
    }
    if text:
        if attention:
            draw_attention(model, text[0], attention, **search)
        print_translations(model, text, n_best, search)
    elif po or (file and out):
        write_translation(model, file, po, out, search)
    elif file:
        with open_bytes(file) as lines:
            print_translated_lines(model, decode_lines(lines, file), search)
    else:
        print_translated_lines(model, decode_lines(sys.stdin.buffer, "standard input"), search)


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


def print_translations(model: str, text: tuple[str, ...], n: int, search: dict[str, Any]) -> None:
    if n == 1 and sys.stdout.isatty():
        loaded = open_model(model, "translate", search["device"])
        for one in text:
            print(show_growing(stream_translation(loaded, one, **search)))
        return
    for translations in translate(model, text, n_best=n, **search):
        for one in translations:
            print(f"{one.score:7.3f}  {one.text}" if n > 1 else one.text)


def show_growing(states: Iterator[str]) -> str:
    """Show the states of a translation on the terminal, one in place of the other; the last."""
    state = ""
    with Live(console=make_console(), transient=True, auto_refresh=False) as live:
        for state in states:
            live.update(Text(state), refresh=True)
    return state


def print_translated_lines(model: str, lines: Iterator[str], search: dict[str, Any]) -> None:
    counts: Counter[str] = Counter()
    for line in translate_lines(model, lines, counts, **search):
        sys.stdout.write(line if line.endswith("\n") else line + "\n")
        sys.stdout.flush()
    if not counts:
        raise UserError("standard input is empty; give a line or more")


def write_translation(
    model: str, file: Path | None, po: Path | None, out: Path | None, search: dict[str, Any]
) -> None:
    begun = time.perf_counter()
    with ProgressBar() as meter:
        if po:
            translated = translate_catalog(model, po, out, **search, on_progress=meter)
        else:
            assert file and out
            translated = translate_file(model, file, out, **search, on_progress=meter)
    seconds = time.perf_counter() - begun
    if po:
        summary = (
            f"{format_count(translated.translated, 'entry', 'entries')} filled and marked fuzzy"
        )
        left = f", {translated.untranslated:,} left" if translated.untranslated else ""
    else:
        summary = f"{format_count(translated.translated, 'line')} translated"
        left = f", {translated.untranslated:,} kept as they were" if translated.untranslated else ""
    print(f"{summary}{left} in {seconds:.1f} s: {out or po}")
