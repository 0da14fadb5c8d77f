"""translate: translate sentences, text files and gettext catalogs."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from smalti import translation
from smalti.core.errors import Notice, UserError, shorten
from smalti.core.model import open_model
from smalti.core.pictures import save_png
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.ranges import Range
from smalti.translation import Beam, Translation, Translator
from smalti.translation.alignment import Alignment, align, draw_alignments
from smalti.translation.glossary import GlossarySource
from smalti.translation.texts import default_beam, translate_in_pieces

BeamSize = Annotated[int, Range(1, 1_024)]
LengthPenalty = Annotated[float, Range(-100, 100)]


@dataclass(frozen=True)
class TranslatedFile:
    """Counts of what was translated in a file."""

    translated: int
    """Lines of a text, or entries of a catalog; those are marked fuzzy."""
    untranslated: int
    """Unchanged ones: empty, in another language, or without words."""


@dataclass(frozen=True, eq=False)
class ExplainedTranslation:
    """A translation, what else was likely, and which words led to which."""

    translations: list[Translation]
    """Best first."""
    alignments: list[Alignment]
    """Cross-attention of each sentence or part that was translated by itself."""
    notices: list[str]
    """What the text lost: unknown characters, sentences translated in parts."""
    glossary: Mapping[str, str]
    """Terms and the translations that they get."""


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


def explain_translation(
    source: str,
    model: object = "en-zh-help",
    *,
    n_best: BeamSize = 3,
    beam_size: BeamSize | None = None,
    length_penalty: LengthPenalty | None = None,
    glossary: Mapping[str, str] | None = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
) -> ExplainedTranslation:
    """Translate a text, with other translations and the words that led to each symbol.

    source: A sentence, or paragraphs.
    n_best: Maximum number of translations.
    beam_size: Beam size (default: the model's). With 1, the search is greedy.
    length_penalty: Length penalty; higher favors longer output (default: the model's).
    glossary: Terms and the translations that they get.
    on_progress: Its `detail` is the translation so far.
    """
    translator, beam = open_translator(model, beam_size, length_penalty, device, n_best)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Notice)
        for beginning in translation.stream_translation(translator, source, beam, glossary):
            on_progress(Progress("translating", 0, 1, beginning))
        (found,) = translation.find_translations(
            translator, [source], n_best, beam, glossary=glossary
        )
        pieces = translate_in_pieces(translator, source, beam, glossary)
    notices = [str(one.message) for one in caught if isinstance(one.message, Notice)]
    alignments = [align(translator, *pair) for pair in pieces]
    on_progress(Progress("translating", 1, 1, found[0].text))
    return ExplainedTranslation(found, alignments, list(dict.fromkeys(notices)), glossary or {})


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
