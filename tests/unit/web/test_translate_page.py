"""The page Translate: its task over HTTP, glossaries, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import smalti
from smalti.core.checkpoint import find_checkpoint
from smalti.core.progress import Cancelled, Progress
from smalti.tasks import explain_translation
from smalti.web.arguments import MAX_TERMS
from smalti.web.registry import find_pages
from tests.unit.web.studios import ask, open_studio, wait_until

SENTENCE = "Click OK to save the document."
TASK, MODEL = "explain_translation", "en-zh-help"


@contextmanager
def open_translator(folder: Path) -> Iterator[TestClient]:
    """A client of a studio that offers the translator."""
    with open_studio(folder, pages=find_pages()) as client:
        client.app.state.studio.models.add_folder(find_checkpoint(MODEL), MODEL)  # type: ignore[attr-defined]
        yield client


def test_it_tells_the_translation_as_it_grows_and_what_led_to_it():
    seen: list[Progress] = []
    found = explain_translation(SENTENCE, n_best=2, on_progress=seen.append)
    (translations,) = smalti.translate("en-zh-help", SENTENCE, n_best=2)
    assert found.translations == translations
    assert seen[-1].detail == translations[0].text
    assert any(event.detail != translations[0].text for event in seen[:-1])
    (alignment,) = found.alignments
    assert alignment.weights.shape == (len(alignment.target), len(alignment.source))
    assert found.notices == []


def test_it_tells_what_the_text_lost():
    assert "\u0de7" in explain_translation("Click \u0de7 to save.", n_best=1).notices[0]


def test_it_stops_between_two_symbols():
    def stop(event: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        explain_translation(SENTENCE, on_progress=stop)


def test_a_client_gets_a_translation_with_its_glossary(tmp_path: Path):
    glossary = {"document": "公文"}
    with open_translator(tmp_path) as client:
        asked = ask(client, TASK, source=SENTENCE, model=MODEL, n_best=1, glossary=glossary)
        job = wait_until(client, asked)
        assert "公文" in job["result"]["translations"][0]["text"]
        files = {file["name"] for file in job["files"]}
        assert files == {"translation.txt", "glossary.tsv"}
        assert "--glossary glossary.tsv" in job["lines"]["command"]


@pytest.mark.parametrize(
    "glossary", [{"document": 3}, {str(k): "x" for k in range(MAX_TERMS + 1)}, "/etc/passwd"]
)
def test_a_glossary_is_texts_by_text(tmp_path: Path, glossary: object):
    with open_translator(tmp_path) as client:
        given = {"source": SENTENCE, "model": MODEL, "glossary": glossary}
        answer = client.post("/api/jobs", json={"task": TASK, "arguments": given})
        assert answer.status_code == 400
        assert "glossary" in answer.json()["error"]
