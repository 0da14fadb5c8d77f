"""Pages, forms, words and the interface's document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smalti.tasks._list import FAMILIES
from smalti.web.models import OfferedModel
from smalti.web.registry import find_pages
from smalti.web.strings import FOLDER, list_languages, read_strings
from tests.unit.web.studios import open_studio

STATIC = FOLDER.parent
SPARE = (
    *("field.", "help.", "choice.", "class.", "sampler.", "activity.", "unit.", "figure."),
    "family.",
)
"""Words that the server gives in English; a table may translate them."""


def test_every_page_has_its_module_and_words():
    orders = [page.order for page in find_pages()]
    assert len({*orders}) == len(orders)
    for page in find_pages():
        assert (STATIC / "pages" / f"{page.name}.js").is_file()
        for language in list_languages():
            assert read_strings(language)[f"{page.name}.title"]
            assert read_strings(language)[f"{page.name}.about"]
        for task in page.tasks:
            parameters = task.list_parameters()
            assert {*task.uploads} <= {*parameters}


@pytest.mark.parametrize("language", [one for one in list_languages() if one != "en"])
def test_languages_have_the_same_words(language: str):
    english, other = read_strings("en"), read_strings(language)
    assert {k for k in english if not k.startswith(SPARE)} == {
        k for k in other if not k.startswith(SPARE)
    }
    for key in english.keys() & other.keys():
        names = {part.split("}")[0] for part in english[key].split("{")[1:]}
        assert names == {part.split("}")[0] for part in other[key].split("{")[1:]}, key


@pytest.mark.parametrize("language", [one for one in list_languages() if one != "en"])
def test_families_have_words(language: str):
    words = read_strings(language)
    assert {k for k in words if k.startswith("family.")} == {f"family.{one}" for one in FAMILIES}


def test_pages_load_nothing_from_elsewhere():
    for file in STATIC.rglob("*"):
        if file.suffix in (".js", ".css", ".html"):
            text = file.read_text(encoding="utf-8")
            assert "//cdn" not in text
            assert "https://" not in text, file
            assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), file


def test_a_form_has_what_the_model_takes_with_its_defaults(tmp_path: Path):
    with open_studio(tmp_path, pages=find_pages()) as client:
        form = client.get("/api/forms/draw_samples?model=ddpm-digits").json()
        fields = {field["name"]: field for field in form["fields"]}
        assert fields["classes"]["choices"] == [*"0123456789"]
        assert fields["size"]["default"] == [28, 28]
        first = fields["sampler"]["variants"][0]
        options = {field["name"]: field for field in first["fields"]}
        assert first["tag"] == "ddim"
        assert (options["steps"]["default"], options["guidance"]["default"]) == (20, 1.1)
        others = {one["tag"]: one for one in fields["sampler"]["variants"]}
        unipc = {field["name"]: field["default"] for field in others["unipc"]["fields"]}
        assert (unipc["steps"], unipc["guidance"]) == (20, 1.1)  # those that it would run with
        assert [tag for tag, one in others.items() if one["explicit"]] == ["consistency"]
        assert "repaint" not in others
        assert "text" not in fields
        assert client.get("/api/forms/draw_samples?model=/etc").status_code == 400


def test_the_interface_is_described(tmp_path: Path):
    with open_studio(tmp_path, pages=find_pages()) as client:
        document = client.get("/openapi.json").json()
        schemas = document["components"]["schemas"]
        arguments = schemas["draw_samples.arguments"]
        assert arguments["properties"]["n"]["maximum"] == 64
        assert arguments["required"] == ["model"]
        assert "out" not in arguments["properties"]
        text = json.dumps(document)
        for name in [part.split('"')[0] for part in text.split("#/components/schemas/")[1:]]:
            assert name in schemas
        paths = {route.path for route in client.app.routes if route.path.startswith("/api/")}  # type: ignore[attr-defined]
        documented = {*document["paths"], "/api/uploads/{id}", "/api/jobs/{id}/files.zip"}
        assert {path.replace(":path", "") for path in paths} == documented


def test_a_model_that_cannot_be_built_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with open_studio(tmp_path, pages=find_pages()) as client:
        offered = client.app.state.studio.models.offered  # type: ignore[attr-defined]
        offered["broken"] = OfferedModel("broken", str(tmp_path / "gone"))
        assert [model["name"] for model in client.get("/api/models").json()] == ["ddpm-digits"]
        fields = client.get("/api/forms/draw_samples?model=ddpm-digits").json()["fields"]
        assert fields[0]["choices"] == ["ddpm-digits"]
        assert caplog.text.count("broken is left out") == 1
