"""Repair, Codec, Match and Any size over HTTP, as their pages use them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from smalti.web.registry import find_pages
from tests.unit.web.studios import ask, open_studio, wait_until

MODELS = ("ddpm-digits", "gated-pixelcnn-digits-8", "vqvae-digits")


@pytest.fixture
def client(tmp_path: Path):
    with open_studio(tmp_path, pages=find_pages(), models=MODELS) as client:
        yield client


def upload(client: TestClient, levels: np.ndarray) -> dict[str, str]:
    """Upload a picture."""
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    answer = client.post("/api/uploads?name=a.png", content=file.getvalue())
    assert answer.status_code == 201, answer.text
    return {"upload": answer.json()["upload"]}


def run(client: TestClient, task: str, **arguments: Any) -> dict[str, Any]:
    """Run a job to its end."""
    job = wait_until(client, ask(client, task, **arguments), seconds=120)
    assert job["state"] == "done", job["error"]
    return job


def read_picture(client: TestClient, job: dict[str, Any], name: str) -> np.ndarray:
    """A picture of a result."""
    content = client.get(f"/api/jobs/{job['id']}/files/{name}").content
    return np.asarray(Image.open(io.BytesIO(content)))


def make_noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def make_hole(H: int, W: int) -> np.ndarray:
    hole = np.zeros((H, W), np.uint8)
    hole[H // 3 : H // 2, W // 3 : W // 2] = 255
    return hole


def test_a_hole_is_filled_with_patches(client: TestClient):
    levels, hole = make_noise(24, 30, 3), make_hole(24, 30)
    pictures = {"picture": upload(client, levels), "mask": upload(client, hole)}
    job = run(client, "inpaint", **pictures, n=2, patch=5)
    assert job["lines"]["command"] == "smalti inpaint a.png a.png -n 2 --patch 5"
    assert [one["seed"] for one in job["result"]["pictures"]] == [0, 1]
    record = client.get(f"/api/jobs/{job['id']}/files/inpainting.json").text
    assert "a.png" in record
    assert "uploads" not in record  # files are called what their owner calls them
    assert job["result"]["filled_pixels"] == (hole > 0).sum()
    assert np.array_equal(read_picture(client, job, job["result"]["before"]), levels)
    filled = read_picture(client, job, job["result"]["pictures"][1]["file"])
    assert np.array_equal(filled[hole == 0], levels[hole == 0])
    assert not np.array_equal(filled, levels)


@pytest.mark.parametrize(
    ("task", "model", "name", "more"),
    [
        ("inpaint", "ddpm-digits", "picture", {"sampler": {"steps": 3, "jump_n_sample": 1}}),
        ("complete", "gated-pixelcnn-digits-8", "pictures", {}),
    ],
)
def test_a_hole_is_filled_by_a_model(client: TestClient, task, model, name, more):
    levels, hole = make_noise(28, 28), make_hole(28, 28)
    models = {one["name"]: one for one in client.get("/api/models").json()}
    assert models[model]["fills_holes"] == (task == "inpaint")
    pictures = {name: upload(client, levels), "mask": upload(client, hole)}
    job = run(client, task, model=model, n=1, **pictures, **more)
    filled = read_picture(client, job, job["result"]["pictures"][0]["file"])
    if task == "inpaint":
        assert np.array_equal(read_picture(client, job, job["result"]["before"]), levels)
        assert np.array_equal(filled[hole == 0], levels[hole == 0])
    assert filled.shape == (28, 28)


def test_a_mask_of_another_size_gets_a_line(client: TestClient):
    pictures = {"picture": upload(client, make_noise(24, 30, 3))}
    pictures["mask"] = upload(client, make_hole(30, 24))
    job = wait_until(client, ask(client, "inpaint", **pictures))
    assert job["state"] == "failed"
    assert "a.png" in job["error"]
    assert "uploads" not in job["error"]  # it is called what its owner calls it
    assert "\n" not in job["error"]


def test_codes_are_read_swapped_and_decoded(client: TestClient):
    pictures = [upload(client, make_noise(28, 28)), upload(client, make_noise(28, 28))]
    job = run(client, "encode_pictures", model="vqvae-digits", pictures=pictures)
    first = job["result"]["pictures"][0]
    codes = client.get(f"/api/jobs/{job['id']}/files/{first['codes']}").json()
    size = job["result"]["size"]
    same = run(client, "decode_codes", model="vqvae-digits", codes=codes, size=size)
    rebuilt = read_picture(client, job, first["reconstruction"])
    assert np.array_equal(read_picture(client, same, "picture.png"), rebuilt)
    codes[0][0] = (codes[0][0] + 1) % job["result"]["codebook_size"]
    other = run(client, "decode_codes", model="vqvae-digits", codes=codes, size=size)
    assert not np.array_equal(read_picture(client, other, "picture.png"), rebuilt)
    assert "codes" in json.dumps(client.get("/openapi.json").json())


def test_a_codebook_is_a_sheet_of_tiles(client: TestClient):
    job = run(client, "draw_codebook", model="vqvae-digits")
    result = job["result"]
    assert result["count"] == result["codebook_size"]
    rows = -(-result["count"] // result["columns"])
    sheet = read_picture(client, job, "codebook.png")
    assert sheet.shape == (rows * result["tile"], result["columns"] * result["tile"])
    colors = client.get(f"/api/jobs/{job['id']}/files/colors.json").json()
    assert len(colors) == result["count"]


def test_quick_tasks_do_not_wait_behind_others(client: TestClient):
    studio = client.app.state.studio  # type: ignore[attr-defined]
    studio.queue.idle.clear()  # every slot is busy
    waiting = ask(client, "draw_samples", model="ddpm-digits", n=1)
    run(client, "decode_codes", model="vqvae-digits", codes=[[0, 1], [2, 3]])
    assert client.get(f"/api/jobs/{waiting['id']}").json()["state"] == "waiting"
    assert client.delete(f"/api/jobs/{waiting['id']}").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("codes", "words"),
    [([[0] * 300], "more than 256"), ("0", "codes is"), ([[0], [True]], "codes is")],
)
def test_codes_that_are_too_many_or_none_are_refused(client: TestClient, codes, words: str):
    body = {"task": "decode_codes", "arguments": {"model": "vqvae-digits", "codes": codes}}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_two_pictures_are_matched(client: TestClient):
    levels = make_noise(20, 22, 3)
    moved = np.roll(levels, 4, axis=1)
    job = run(client, "match", a=upload(client, levels), b=upload(client, moved))
    assert job["lines"]["command"] == "smalti match a.png a.png"
    assert job["result"]["metrics"]["mean_distance"] >= 0
    names = {file["name"] for file in job["files"]}
    assert {"field.npy", "field.png", "distance.npy", "distance.png", "voted.png", "b.png"} <= names
    assert np.array_equal(read_picture(client, job, "a.png"), levels)
    content = client.get(f"/api/jobs/{job['id']}/files/field.npy").content
    field = np.load(io.BytesIO(content))
    assert (field.shape, field.dtype) == ((20, 22, 2), np.int32)  # what the page reads


def test_a_clip_is_matched_frame_by_frame(client: TestClient):
    levels = [np.roll(make_noise(16, 18, 3), k, 0) for k in range(3)]
    job = run(client, "match", a=[upload(client, one) for one in levels])
    assert len(job["result"]["frames"]) == 3
    for k, one in enumerate(levels):
        assert np.array_equal(read_picture(client, job, f"{k:05d}-a.png"), one)
    assert np.array_equal(read_picture(client, job, "b.png"), levels[0])
    assert {"00002-field.npy", "field.gif"} <= {file["name"] for file in job["files"]}
