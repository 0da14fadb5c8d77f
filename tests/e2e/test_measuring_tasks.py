"""Tasks that measure, read and pack, called from Python, write the files of the command line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import smalti
from smalti.cli import VERBS
from smalti.convert import ArticleDDIM
from smalti.core.checkpoint import save
from smalti.core.protocols import Card
from smalti.tasks import find_listed
from smalti.vq import VQConfig
from tests import packages
from tests.command import expect_nothing_left, list_contents, read_files, run_command
from tests.expect import expect_user_error
from tests.tiny import pixelcnn_config, randomize_zeros, vqvae_config


@pytest.fixture
def coder(at_home: Path) -> Path:
    """A PixelCNN of the photos' size, packed."""
    torch.manual_seed(0)
    save(
        randomize_zeros(pixelcnn_config((3, 8, 8), levels=256).build()),
        at_home / "coder",
        Card(name="coder"),
    )
    smalti.data.pack("photos", "packed", size=8)
    return at_home


def test_compress_and_decompress(coder: Path):
    assert run_command("compress packed o.smalti --model coder --batch-size 5") == 0
    done = smalti.compress("packed", "mine.smalti", model="coder", batch_size=5)
    assert read_files("mine.smalti") == read_files("o.smalti") == {".": done.content}
    assert done.header.count == 12 and 0 < done.bits_per_dim < 24
    assert run_command("decompress o.smalti again") == 0
    back = smalti.decompress("o.smalti", "mine")
    assert read_files("mine") == read_files("again")
    assert {*back.names} == {*read_files("mine")}
    pictures = smalti.data.read("packed", size=8)
    assert torch.equal(smalti.decompress(done.content).pixels, pictures.pixels)
    pixels: Any = smalti.compress(pictures.pixels, model=smalti.load("coder"), batch_size=5)
    assert pixels.header.payload_bytes == done.header.payload_bytes
    with expect_nothing_left(coder) as cancel:
        smalti.compress("packed", "new.smalti", model="coder", on_progress=cancel)
    with expect_nothing_left(coder) as cancel:
        smalti.decompress("o.smalti", "new", on_progress=cancel)


@pytest.fixture
def codec(at_home: Path) -> Path:
    """A codec of the photos' channels, with a home."""
    torch.manual_seed(0)
    save(
        vqvae_config(VQConfig(8, 8), (3, 8, 8)).build().eval(),
        at_home / "codec",
        Card(name="codec"),
    )
    return at_home


def test_evaluate(trained: Path, codec: Path):
    (codec / "run").symlink_to(trained)
    words = "--metrics memorization,bits -n 4 --bootstraps 3"
    assert run_command(f"evaluate run {words} --steps 2") == 0
    how: dict[str, Any] = {"n": 4, "bootstraps": 3, "sampler": {"steps": 2}}
    report = smalti.evaluate("run", metrics=["memorization", "bits"], out="mine", **how)
    assert read_files("mine") == read_files("reports/run")
    assert report == smalti.evaluation.read_report("mine")
    with expect_nothing_left(codec) as cancel:
        smalti.evaluate("run", out="new", on_progress=cancel, **how)


def test_evaluate_a_codec(codec: Path):
    assert run_command("evaluate codec --data photos --split valid") == 0
    report = smalti.evaluate("codec", "photos", out="mine", split="valid")
    assert read_files("mine") == read_files("reports/codec")
    assert {"psnr", "perplexity"} < {row.name for row in report.rows}
    some = smalti.evaluate(smalti.load("codec"), "photos", ["likeness"], split="valid")
    assert some.rows == report.rows[:2]
    with expect_user_error("codec: no metric 'frechet'", "likeness, features, codebook"):
        smalti.evaluate("codec", "photos", ["frechet"])


def test_compare(at_home: Path):
    words = "--data photos --metrics memorization -n 4 --bootstraps 3"
    assert run_command(f"compare plain plain {words} --out both") == 0
    how: dict[str, Any] = {"n": 4, "bootstraps": 3}
    found = smalti.compare(["plain"] * 2, "photos", ["memorization"], out="mine", **how)
    assert read_files("mine") == read_files("both")
    assert found.headings == ["plain", "plain (2)"]
    assert [f"{name}.json" for name in found.headings] == list_contents(Path("mine"))[::-1]
    again = smalti.compare([found.reports[0], "mine/plain.json"])
    assert again.reports == found.reports
    with expect_nothing_left(at_home) as cancel:
        smalti.compare(["plain"] * 2, "photos", out="new", on_progress=cancel, **how)


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every step take the same time, so that two forecasts are equal."""
    monkeypatch.setattr("smalti.tasks._forecast.probe_step_time", lambda *_: Probe(seconds=0.01))


class Probe(NamedTuple):
    """What `probe_step_time` measures of a step."""

    seconds: float


@pytest.mark.usefixtures("still_clock")
def test_audit(at_home: Path):
    assert run_command("data photos --size 8 --epochs 3") == 0
    found = smalti.audit("photos", out="mine", size=8, epochs=3)
    assert read_files("mine") == read_files("looks/photos")
    assert found.files == (Path("mine/report.json"), Path("mine/contact.png"))
    assert smalti.audit("photos", size=8).files == ()
    report = json.loads(Path("mine/report.json").read_text())
    report_json = json.loads(json.dumps(found.to_json()))
    assert {"files": [], "smalti": "", **report_json}.keys() == report.keys()
    with expect_nothing_left(at_home) as cancel:
        smalti.audit("photos", out="new", size=8, on_progress=cancel)


def test_pack(at_home: Path):
    assert run_command("pack photos packs/photos --size 8 --crop 8 --test 0.2 --seed 3") == 0
    packed = smalti.pack("photos", "mine/photos", size=(8, 8), crop=(8, 8), test=0.2, seed=3)
    assert read_files("mine") == read_files("packs")
    assert packed.shape == (12, 3, 8, 8)
    assert smalti.pack("packs/photos", "again").shape == (12, 3, 8, 8)  # in the pack's size
    with expect_nothing_left(at_home) as cancel:
        smalti.pack("photos", "new", size=8, on_progress=cancel)
    with expect_user_error("crop and --stretch"):
        smalti.pack("photos", "new", crop=(8, 8), stretch=True)


def test_fetch(at_home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any):
    shop = tmp_path_factory.mktemp("shop")
    archive = packages.write_tar(shop / "emoji.tgz", packages.make_package())
    packages.fake_npm(shop / "bin", monkeypatch, archive)
    with expect_nothing_left(at_home) as cancel:
        smalti.fetch("emoji", out="mine", on_progress=cancel)
    assert run_command("fetch emoji --out here") == 0
    found = smalti.fetch("emoji", out="mine")
    assert read_files("mine") == read_files("here")
    assert [pack.path for pack in found] == [Path("mine/emoji-32"), Path("mine/emoji-64")]


def test_report(trained: Path, at_home: Path):
    assert run_command(f"report {trained} --out notes") == 0
    done = smalti.report(trained, out="mine")
    assert read_files("mine") == read_files("notes")
    assert done.summary.step == 3 and smalti.report(trained).files == ()
    with expect_nothing_left(at_home) as cancel:
        smalti.report(trained, out="new", on_progress=cancel)


def test_list_models():
    for model in smalti.list_models().models:
        assert model.summary and model.card["data"] and model.n_bytes > model.n_parameters / 2
        tokens = shlex.split(model.command)[1:]
        assert VERBS[tokens[0]] and model.name.removesuffix("-classifier") in tokens
        assert find_listed(model.name)[0] == model
    with expect_user_error("did you mean 'ddpm-digits'"):
        find_listed("ddpm-digts")


def test_convert_checkpoint(at_home: Path):
    torch.manual_seed(0)
    network = ArticleDDIM(20, (3, 8, 8), (4, 6), pe_dim=6, with_attns=(False, True))
    torch.save(network.build().state_dict(), "net.pth")
    assert run_command("convert dldemos-ddim-unet net.pth --out net") == 0
    done = smalti.convert_checkpoint("dldemos-ddim-unet", "net.pth", out="mine/net")
    assert read_files("mine/net") == read_files("net")
    assert done.skipped_weights == () and done.model.config == smalti.load("net").config
    with expect_nothing_left(at_home) as cancel:
        smalti.convert_checkpoint("dldemos_ddim_unet", "net.pth", out="new", on_progress=cancel)


def test_bench_patchmatch(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 9, 8, 3), dtype=np.uint8)
    for name, picture in zip("ab", pictures, strict=True):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    how: dict[str, Any] = {"iterations": 1, "quick": True, "exact": True, "threads": 1}
    done = smalti.bench_patchmatch(*pictures, **how)
    words = f"{tmp_path}/a.png {tmp_path}/b.png --iterations 1 --quick --exact --threads 1"
    assert run_command(f"bench patchmatch {words}") == 0
    out = capsys.readouterr().out
    for step in done.timings:
        assert step.name in out and f"{step.mean_distance:.2f}" in out
    with expect_nothing_left(tmp_path) as cancel:
        smalti.bench_patchmatch(**how, on_progress=cancel)
