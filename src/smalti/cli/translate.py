"""`smalti translate`: sentences, text files and catalogues of messages."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

import smalti
from smalti.cli.draw import chosen_device
from smalti.cli.meter import ProgressMeter
from smalti.core.errors import UserError
from smalti.core.messages import count
from smalti.core.progress import name_progress
from smalti.core.ranges import Range
from smalti.translation import (
    Beam,
    Translator,
    find_translations,
    translate_catalog,
    translate_file,
    translate_lines,
)
from smalti.translation.files import decode_lines, open_bytes
from smalti.translation.texts import default_beam, find_fault

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
    translator = load_translator(model, device)
    search = choose_beam(translator, beam, penalty, n_best)
    if text:
        show_translations(translator, text, search, n_best)
    elif po:
        fill_catalog(translator, po, out, search)
    elif file and out:
        write_file(translator, file, out, search)
    elif file:
        with open_bytes(file) as lines:
            show_lines(translator, decode_lines(lines, file), search)
    else:
        show_lines(translator, decode_lines(sys.stdin.buffer, "standard input"), search)


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


def load_translator(name: str, device: str) -> Translator:
    model = smalti.load(name, device=chosen_device(device))
    if not isinstance(model, Translator):
        raise UserError(f"{name} translates nothing; `smalti list` shows which models do")
    return model


def choose_beam(model: Translator, width: int | None, penalty: float | None, n_best: int) -> Beam:
    """The model's own search with what the options change."""
    own = default_beam(model)
    if width is not None and width < n_best:
        raise UserError(f"--n-best {n_best} wants a beam as wide; give --beam {n_best} or more")
    return replace(
        own,
        width=max(own.width, n_best) if width is None else width,
        penalty=own.penalty if penalty is None else penalty,
    )


def show_translations(model: Translator, text: tuple[str, ...], beam: Beam, n: int) -> None:
    for sentence in text:
        if fault := find_fault(model, sentence):
            raise UserError(f"the text is {fault}")
    for found in find_translations(model, text, n, beam):
        for one in found:
            print(f"{one.score:7.3f}  {one.text}" if n > 1 else one.text)


def show_lines(model: Translator, lines, beam: Beam) -> None:
    counts: Counter[str] = Counter()
    for line in translate_lines(model, lines, beam, counts):
        sys.stdout.write(line if line.endswith("\n") else line + "\n")
        sys.stdout.flush()
    if not counts:
        raise UserError("standard input is empty; give a line or more")


def write_file(model: Translator, file: Path, out: Path, beam: Beam) -> None:
    begun = time.perf_counter()
    with ProgressMeter() as meter:
        counts = translate_file(model, file, out, beam, name_progress("translating", meter))
    seconds = time.perf_counter() - begun
    kept = f", {counts['kept']:,} kept as they were" if counts["kept"] else ""
    print(f"{count(counts['translated'], 'line')} translated{kept} in {seconds:.1f} s: {out}")


def fill_catalog(model: Translator, po: Path, out: Path | None, beam: Beam) -> None:
    begun = time.perf_counter()
    with ProgressMeter() as meter:
        counts = translate_catalog(model, po, out, beam, name_progress("translating", meter))
    seconds = time.perf_counter() - begun
    left = f", {counts['left']:,} left" if counts["left"] else ""
    entries = count(counts["filled"], "entry", "entries")
    print(f"{entries} filled and marked fuzzy{left} in {seconds:.1f} s: {out or po}")
