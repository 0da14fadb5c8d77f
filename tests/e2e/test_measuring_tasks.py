"""Tasks that measure, read and pack, called from Python: the command line's bytes, or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import smalti
from smalti.convert import ArticleDDIM
from smalti.core.checkpoint import save
from smalti.core.protocols import Card
from smalti.vq import VQConfig
from tests import packages
from tests.command import contents, nothing_left, read_all, typed
from tests.expect import refusal
from tests.tiny import awake, pixelcnn, vqvae


@pytest.fixture
def coder(at_home: Path) -> Path:
    """A PixelCNN of the photos' size, packed."""
    torch.manual_seed(0)
    save(awake(pixelcnn((3, 8, 8), levels=256).build()), at_home / "coder", Card(name="coder"))
    smalti.data.pack("photos", "packed", size=8)
    return at_home


def test_compress_and_decompress(coder: Path):
    assert typed("compress packed o.smalti --model coder --batch 5") == 0
    done = smalti.compress("packed", "mine.smalti", model="coder", batch=5)
    assert read_all("mine.smalti") == read_all("o.smalti") == {".": done.content}
    assert done.header.count == 12 and 0 < done.bits_per_dim < 24
    assert typed("decompress o.smalti again") == 0
    back = smalti.decompress("o.smalti", "mine")
    assert read_all("mine") == read_all("again")
    assert {*back.names} == {*read_all("mine")}
    pictures = smalti.data.read("packed", size=8)
    assert torch.equal(smalti.decompress(done.content).pixels, pictures.pixels)
    pixels: Any = smalti.compress(pictures.pixels, model=smalti.load("coder"), batch=5)
    assert pixels.header.payload == done.header.payload
    with nothing_left(coder) as cancel:
        smalti.compress("packed", "new.smalti", model="coder", on_progress=cancel)
    with nothing_left(coder) as cancel:
        smalti.decompress("o.smalti", "new", on_progress=cancel)


@pytest.fixture
def codec(at_home: Path) -> Path:
    """A codec of the photos' channels, with a home."""
    torch.manual_seed(0)
    save(vqvae(VQConfig(8, 8), (3, 8, 8)).build().eval(), at_home / "codec", Card(name="codec"))
    return at_home


def test_evaluate(trained: Path, codec: Path):
    (codec / "run").symlink_to(trained)
    words = "--metrics memorisation,bits -n 4 --bootstraps 3"
    assert typed(f"evaluate run {words} --steps 2") == 0
    how: dict[str, Any] = {"n": 4, "bootstraps": 3, "sampler": {"steps": 2}}
    report = smalti.evaluate("run", metrics=["memorisation", "bits"], out="mine", **how)
    assert read_all("mine") == read_all("reports/run")
    assert report == smalti.evaluation.read_report("mine")
    with nothing_left(codec) as cancel:
        smalti.evaluate("run", out="new", on_progress=cancel, **how)


def test_evaluate_a_codec(codec: Path):
    assert typed("evaluate codec --data photos --split valid") == 0
    report = smalti.evaluate("codec", "photos", out="mine", split="valid")
    assert read_all("mine") == read_all("reports/codec")
    assert {"psnr", "perplexity"} < {row.name for row in report.rows}
    some = smalti.evaluate(smalti.load("codec"), "photos", ["likeness"], split="valid")
    assert some.rows == report.rows[:2]
    with refusal("codec: no metric 'frechet'", "likeness, features, codebook"):
        smalti.evaluate("codec", "photos", ["frechet"])


def test_compare(at_home: Path):
    words = "--data photos --metrics memorisation -n 4 --bootstraps 3"
    assert typed(f"compare plain plain {words} --out both") == 0
    how: dict[str, Any] = {"n": 4, "bootstraps": 3}
    found = smalti.compare(["plain"] * 2, "photos", ["memorisation"], out="mine", **how)
    assert read_all("mine") == read_all("both")
    assert found.headings == ["plain", "plain (2)"]
    assert [f"{name}.json" for name in found.headings] == contents(Path("mine"))[::-1]
    again = smalti.compare([found.reports[0], "mine/plain.json"])
    assert again.reports == found.reports
    with nothing_left(at_home) as cancel:
        smalti.compare(["plain"] * 2, "photos", out="new", on_progress=cancel, **how)


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is as fast at every measurement, so that two forecasts are the same."""
    monkeypatch.setattr("smalti.tasks._forecast.probe", lambda *_: Probe(seconds=0.01))


class Probe(NamedTuple):
    """What `probe` measures of a step."""

    seconds: float


@pytest.mark.usefixtures("still_clock")
def test_audit(at_home: Path):
    assert typed("data photos --size 8 --epochs 3") == 0
    found = smalti.audit("photos", out="mine", size=8, epochs=3)
    assert read_all("mine") == read_all("looks/photos")
    assert found.files == (Path("mine/report.json"), Path("mine/contact.png"))
    assert smalti.audit("photos", size=8).files == ()
    report = json.loads(Path("mine/report.json").read_text())
    told = json.loads(json.dumps(found.to_json()))
    assert {"files": [], "smalti": "", **told}.keys() == report.keys()
    with nothing_left(at_home) as cancel:
        smalti.audit("photos", out="new", size=8, on_progress=cancel)


def test_pack(at_home: Path):
    assert typed("pack photos packs/photos --size 8 --crop 8 --test 0.2 --seed 3") == 0
    packed = smalti.pack("photos", "mine/photos", size=(8, 8), crop=(8, 8), test=0.2, seed=3)
    assert read_all("mine") == read_all("packs")
    assert packed.shape == (12, 3, 8, 8)
    assert smalti.pack("packs/photos", "again").shape == (12, 3, 8, 8)  # in its own size
    with nothing_left(at_home) as cancel:
        smalti.pack("photos", "new", size=8, on_progress=cancel)
    with refusal("crop and --squeeze"):
        smalti.pack("photos", "new", crop=(8, 8), squeeze=True)


def test_fetch(at_home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any):
    shop = tmp_path_factory.mktemp("shop")
    archive = packages.packed(shop / "emoji.tgz", packages.package())
    packages.npm(shop / "bin", monkeypatch, archive)
    with nothing_left(at_home) as cancel:
        smalti.fetch("emoji", out="mine", on_progress=cancel)
    assert typed("fetch emoji --out here") == 0
    found = smalti.fetch("emoji", out="mine")
    assert read_all("mine") == read_all("here")
    assert [pack.path for pack in found] == [Path("mine/emoji-32"), Path("mine/emoji-64")]


def test_report(trained: Path, at_home: Path):
    assert typed(f"report {trained} --out notes") == 0
    done = smalti.report(trained, out="mine")
    assert read_all("mine") == read_all("notes")
    assert done.summary.step == 3 and smalti.report(trained).files == ()
    with nothing_left(at_home) as cancel:
        smalti.report(trained, out="new", on_progress=cancel)


def test_list_models(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "250")
    assert typed("list") == 0
    out, listing = capsys.readouterr().out, smalti.list_models()
    for model in listing.models:
        assert f"{model.name} " in out and f"{model.parameters / 1e6:.2f} M" in out
        assert str(model.card["data"])[:30] in out
    assert all(f"{name} " in out and e.length in out for name, e in listing.recipes.items())


def test_convert_checkpoint(at_home: Path):
    torch.manual_seed(0)
    network = ArticleDDIM(20, (3, 8, 8), (4, 6), pe_dim=6, with_attns=(False, True))
    torch.save(network.build().state_dict(), "net.pth")
    assert typed("convert dldemos-ddim-unet net.pth --out net") == 0
    done = smalti.convert_checkpoint("dldemos-ddim-unet", "net.pth", out="mine/net")
    assert read_all("mine/net") == read_all("net")
    assert done.left_out == () and done.model.config == smalti.load("net").config
    with nothing_left(at_home) as cancel:
        smalti.convert_checkpoint("dldemos_ddim_unet", "net.pth", out="new", on_progress=cancel)


def test_bench_patchmatch(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 9, 8, 3), dtype=np.uint8)
    for name, picture in zip("ab", pictures, strict=True):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    how: dict[str, Any] = {"iterations": 1, "quick": True, "exact": True, "threads": 1}
    done = smalti.bench_patchmatch(*pictures, **how)
    words = f"{tmp_path}/a.png {tmp_path}/b.png --iterations 1 --quick --exact --threads 1"
    assert typed(f"bench patchmatch {words}") == 0
    out = capsys.readouterr().out
    for step in done.steps:
        assert step.name in out and f"{step.distance:.2f}" in out
    with nothing_left(tmp_path) as cancel:
        smalti.bench_patchmatch(**how, on_progress=cancel)
