"""translate: translate sentences, text files and gettext catalogs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smalti import translation
from smalti.core.errors import UserError, shorten
from smalti.core.model import open_model
from smalti.core.pictures import save_png
from smalti.core.progress import OnProgress, ignore_event
from smalti.translation import Beam, Translation, Translator
from smalti.translation.alignment import align, draw_alignments
from smalti.translation.glossary import GlossarySource
from smalti.translation.texts import default_beam, translate_in_pieces


@dataclass(frozen=True)
class TranslatedFile:
    """Counts of what was translated in a file."""

    translated: int
    """Lines of a text, or entries of a catalog; those are marked fuzzy."""
    untranslated: int
    """Unchanged ones: empty, in another language, or without words."""


def translate(
    model: object,
    texts: Sequence[str] | str,
    *,
    n_best: int = 1,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    glossary: GlossarySource = None,
    device: str = "auto",
) -> list[list[Translation]]:
    """Translate texts; returns up to `n_best` translations of each, best first.

    beam_size: Beam size (default: the model's). With 1, the search is greedy.
    length_penalty: Length-penalty exponent (default: the model's). Scores are
    log-probabilities divided by the length to this power.
    glossary: Terms and the translations that they get. A mapping, or a file with a tab between the
    two on each line.
    """
    translator, beam = open_translator(model, beam_size, length_penalty, device, n_best)
    return translation.find_translations(
        translator,
        [texts] if isinstance(texts, str) else texts,
        n_best,
        beam,
        glossary=glossary,
    )


def stream_translation(
    model: object,
    text: str,
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    glossary: GlossarySource = None,
    device: str = "auto",
) -> Iterator[str]:
    """Translate a text symbol by symbol: yields the likeliest so far, and at last the result."""
    translator, beam = open_translator(model, beam_size, length_penalty, device)
    return translation.stream_translation(translator, text, beam, glossary)


def draw_attention(
    model: object,
    text: str,
    out: str | Path,
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    glossary: GlossarySource = None,
    device: str = "auto",
) -> Path:
    """Draw which words the model looks at for each symbol of a translation, as a PNG.

    UserError if no installed font has the characters.
    """
    translator, beam = open_translator(model, beam_size, length_penalty, device)
    pieces = translate_in_pieces(translator, text, beam, glossary)
    if not pieces:
        raise UserError(f"{shorten(text)} has no words to draw; give a sentence")
    return save_png(draw_alignments([align(translator, *pair) for pair in pieces]), out)


def translate_lines(
    model: object,
    lines: Iterable[str],
    counts: Counter[str] | None = None,
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    glossary: GlossarySource = None,
    device: str = "auto",
) -> Iterator[str]:
    """Translate lines one by one; adds to `counts["translated"]` and `counts["kept"]`."""
    translator, beam = open_translator(model, beam_size, length_penalty, device)
    return translation.translate_lines(translator, lines, beam, counts, glossary=glossary)


def translate_file(
    model: object,
    path: str | Path,
    out: str | Path,
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    glossary: GlossarySource = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
) -> TranslatedFile:
    """Translate a text file line by line into the file `out`."""
    translator, beam = open_translator(model, beam_size, length_penalty, device)
    counts = translation.translate_file(translator, path, out, beam, on_progress, glossary)
    return TranslatedFile(counts["translated"], counts["kept"])


def translate_catalog(
    model: object,
    path: str | Path,
    out: str | Path | None = None,
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    glossary: GlossarySource = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
) -> TranslatedFile:
    """Translate the untranslated entries of a gettext catalog, in place or into `out`."""
    translator, beam = open_translator(model, beam_size, length_penalty, device)
    counts = translation.translate_catalog(translator, path, out, beam, on_progress, glossary)
    return TranslatedFile(counts["filled"], counts["left"])


def open_translator(
    model: object, beam_size: int | None, length_penalty: float | None, device: str, n_best: int = 1
) -> tuple[Translator, Beam]:
    """A translator, and its beam search with the given options."""
    translator = open_model(model, "translate", device)
    default = default_beam(translator)
    if beam_size is not None and beam_size < n_best:
        raise UserError(f"n_best {n_best} needs a beam_size of {n_best} or more, not {beam_size}")
    beam = replace(
        default,
        width=max(default.width, n_best) if beam_size is None else beam_size,
        length_penalty=default.length_penalty if length_penalty is None else length_penalty,
    )
    return translator, beam
