"""Numbers: what was measured of every model, and evaluations as jobs."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from smalti.core.checkpoint import SHIPPED_FOLDER
from smalti.tasks import list_models
from smalti.tasks.model_pictures import PICTURE, draw_model_picture, find_model_picture
from smalti.web.registry import find_pages
from tests.unit.web.studios import ask, open_studio, wait_until


def test_pictures_of_shipped_models_are_of_their_weights():
    """If not, `python scripts/draw_model_pictures.py` draws them."""
    drawing = {m.name for m in list_models().models if m.can_draw and m.family != "Translation"}
    have = {file.parent.name for file in SHIPPED_FOLDER.glob(f"*/{PICTURE}")}
    assert drawing <= have
    assert not [name for name in have if find_model_picture(name) is None]


def test_a_picture_of_other_weights_is_not_shown(tmp_path: Path):
    source = SHIPPED_FOLDER / "vqvae-digits"
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    assert find_model_picture(tmp_path) is None
    drawn = draw_model_picture(tmp_path)
    assert drawn is not None
    assert find_model_picture(tmp_path) == drawn
    other = source.parent / "ddpm-digits" / "model.safetensors"
    (tmp_path / "model.safetensors").write_bytes(other.read_bytes())
    assert find_model_picture(tmp_path) is None


def test_figures_are_those_of_the_card_that_were_measured(tmp_path: Path):
    with open_studio(tmp_path, pages=find_pages(), models=["vqvae-digits"]) as client:
        (model,) = client.get("/api/models").json()
        assert {*model["figures"]} == {"psnr", "codes_used"}
        assert model["metrics"] == ["likeness", "features", "codebook"]
        picture = client.get("/api/models/vqvae-digits/picture")
        assert Image.open(io.BytesIO(picture.content)).format == "PNG"
        assert client.get("/api/models/nothing/picture").status_code == 400


def test_a_model_is_evaluated(tmp_path: Path):
    with open_studio(tmp_path, pages=find_pages(), models=["vqvae-digits"]) as client:
        fields = {one["name"]: one for one in client.get("/api/forms/evaluate").json()["fields"]}
        assert (fields["n"]["default"], fields["n"]["high"]) == (1000, 1000)
        assert "data" not in fields
        asked = {"model": "vqvae-digits", "n": 40, "metrics": ["likeness"]}
        job = wait_until(client, ask(client, "evaluate", **asked), seconds=60)
        assert job["state"] == "done", job["error"]
        rows = {row["name"]: row for row in job["result"]["rows"]}
        assert 24 < float(rows["psnr"]["value"].split(" ")[0]) < 28
        assert {"report.json", "reconstructions.png"} <= {file["name"] for file in job["files"]}
        line = "smalti evaluate vqvae-digits --metrics likeness -n 40"
        assert job["lines"]["command"] == line
        wrong = {"task": "evaluate", "arguments": {"model": "vqvae-digits", "metrics": "bits"}}
        answer = client.post("/api/jobs", json=wrong)
        assert answer.status_code == 400 or wait_until(client, answer.json())["state"] == "failed"
