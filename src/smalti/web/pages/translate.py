"""Translate: a text, its other translations, and the words that led to each symbol."""

from __future__ import annotations

from pathlib import Path

from smalti.core.files import write_text
from smalti.tasks import ExplainedTranslation
from smalti.web.registry import Page, Summary, WebTask

DIGITS = 3
"""Decimal digits of a weight."""


def summarize_translation(found: ExplainedTranslation, folder: Path) -> Summary:
    """Translations with scores, and the attention of each sentence; writes translation.txt."""
    write_text(folder / "translation.txt", found.translations[0].text + "\n")
    if found.glossary:
        lines = [f"{term}\t{translation}\n" for term, translation in found.glossary.items()]
        write_text(folder / "glossary.tsv", "".join(lines))
    return {
        "translations": [one._asdict() for one in found.translations],
        "alignments": [
            {
                "source": one.source,
                "target": one.target,
                "weights": [[round(w, DIGITS) for w in row] for row in one.weights.tolist()],
            }
            for one in found.alignments
        ],
        "notices": found.notices,
    }


PAGE = Page(
    "translate",
    50,
    (
        WebTask(
            "smalti.tasks:explain_translation",
            f"{__name__}:summarize_translation",
            verb="translate",
            ability="translate",
        ),
    ),
)
