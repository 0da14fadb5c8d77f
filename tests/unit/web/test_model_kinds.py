"""Draw with kinds of models that no page knows: latents, attributes, captions, pictures."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from smalti.autoregressive import (
    CaptionTokens,
    Choice,
    FrozenCodec,
    Levels,
    PictureCondition,
    build_config,
)
from smalti.core.checkpoint import save
from smalti.layers.caption import CaptionConfig
from smalti.web.registry import find_pages
from smalti.web.strings import FOLDER
from tests.tiny import GPT, diffusion_config, latent_config, randomize_zeros
from tests.unit.web.studios import ask, open_studio, wait_until

DIGITS = FrozenCodec("vqvae-digits", shape=(1, 8, 8))
CLASS, STYLE = Choice(("cat", "dog")), Choice(("flat", "round"), "style")
ATTRIBUTES = {"classes": ["cat"], "conditions": {"style": ["round"]}}
PICTURE = PictureCondition(Levels(4, (1, 2, 2)))
KINDS: dict[str, tuple[Callable[[], nn.Module], dict, set[str]]] = {
    "latents": (
        lambda: latent_config(classes=("cat", "dog"), codec="autoencoder-digits").build(),
        {"classes": ["dog"]},
        {"classes"},
    ),
    "attributes of diffusion": (
        lambda: diffusion_config(conditions=(CLASS, STYLE, CaptionConfig(width=4))).build(),
        {**ATTRIBUTES, "text": ["a red cat"]},
        {"classes", "conditions.style", "text"},
    ),
    "attributes of a GPT": (
        lambda: build_config(DIGITS, GPT, conditions=(CLASS, STYLE, CaptionTokens())).build(),
        {**ATTRIBUTES, "text": ["a red cat"]},
        {"classes", "conditions.style", "text"},
    ),
    "pictures": (
        lambda: build_config(DIGITS, GPT, conditions=(PICTURE,)).build(),
        {"pictures": ["upload"]},
        {"pictures"},
    ),
}


def read_makers() -> set[str]:
    """The kinds of fields that the pages have a control for."""
    text = (FOLDER.parent / "components" / "form.js").read_text()
    table = re.search(r"const MAKERS = \{(.*?)\};", text, re.S)
    assert table is not None
    return {*re.findall(r"(\w+):", table[1])}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_this_kind_has_its_controls_and_draws(tmp_path: Path, kind: str):
    build, values, names = KINDS[kind]
    save(randomize_zeros(build()), tmp_path / "model")
    with open_studio(
        tmp_path / "studio", pages=find_pages(), models=[str(tmp_path / "model")]
    ) as client:
        (model,) = client.get("/api/models").json()
        assert "draw pictures" in model["abilities"]
        form = client.get("/api/forms/draw_samples?model=model").json()
        fields = {one["name"]: one for one in form["fields"]}
        assert names <= {*fields}
        assert {one["kind"] for one in fields.values()} - {"model"} <= read_makers()
        steps = {"sampler": {"steps": 2}} if model["family"] == "diffusion" else {}
        if "pictures" in values:
            file = io.BytesIO()
            Image.fromarray(np.full((8, 8), 200, np.uint8)).save(file, "PNG")
            sent = client.post("/api/uploads?name=edges.png", content=file.getvalue()).json()
            values = {"pictures": [{"upload": sent["upload"]}]}
        asked = ask(client, "draw_samples", model="model", n=2, **values, **steps)
        job = wait_until(client, asked, seconds=60)
        assert job["state"] == "done", job["error"]
        assert len(job["result"]["pictures"]) == 2
        if "conditions" in values:
            assert "--condition style=round" in job["lines"]["command"]
        assert str(tmp_path / "studio") not in json.dumps(job)
