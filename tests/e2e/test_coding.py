"""compress, decompress and complete, typed as a user types them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from smalti.coding import read_header
from smalti.core.checkpoint import save
from smalti.core.protocols import Card
from smalti.data import pack
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import make_choices
from smalti.pixelcnn import GatedPixelCNNConfig, Levels, build_config
from tests.command import list_contents, read_pixels, run_command
from tests.tiny import randomize_zeros

CLASSES = ("cat", "dog", "3")
SMALL: dict[str, Any] = {"width": 6, "blocks": 1, "head_width": 6, "first_kernel_size": 3}


def gated(channels: int = 1, classes: tuple[str, ...] = (), levels: int = 256, seed: int = 0):
    torch.manual_seed(seed)
    network = GatedPixelCNNConfig(channels, **SMALL)
    codec = Levels(levels, (channels, 8, 6))
    return randomize_zeros(build_config(codec, network, conditions=make_choices(classes)).build())


def write_picture(path: str | Path, channels: int = 1, size: tuple[int, int] = (8, 6)) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([*str(path).encode()])
    levels = rng.integers(0, 256, (*size, channels), dtype=np.uint8)
    Image.fromarray(levels[..., 0] if channels == 1 else levels).save(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    save(gated(classes=CLASSES), home / "gray", Card(name="gray"))
    save(gated(3), home / "rgb", Card(name="rgb"))
    save(gated(levels=4), home / "four", Card(name="four"))
    return home


@pytest.fixture(autouse=True)
def at_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder with the models and a few pictures of their size."""
    for name in ("gray", "rgb", "four"):
        (tmp_path / name).symlink_to(home / name)
    monkeypatch.chdir(tmp_path)
    for name in ("cat/a.png", "cat/b.bmp", "dog/a.png", "dog/c.tiff", "dog/c.png"):
        write_picture(f"photos/{name}")
    return tmp_path


# ---- compress and decompress


def test_a_folder_comes_back_under_its_old_names(capsys: pytest.CaptureFixture[str]):
    assert run_command("compress photos o.smalti --model gray --batch-size 3") == 0
    output = capsys.readouterr().out
    header = read_header(Path("o.smalti").read_bytes())
    assert "5 pictures" in output
    assert f"{header.payload_bytes:,} of them pixel data" in output
    assert (header.labels, header.batch_size, header.model_name) == ((0, 0, 1, 1, 1), 3, "gray")
    assert run_command("decompress o.smalti again") == 0
    names = ["cat/a.png", "cat/b.png", "dog/a.png", "dog/c.png.png", "dog/c.tiff.png"]
    assert list_contents(Path("again")) == ["cat", *names[:2], "dog", *names[2:]]
    for old, new in (("cat/a.png", names[0]), ("cat/b.bmp", names[1]), ("dog/c.tiff", names[4])):
        assert np.array_equal(read_pixels(f"photos/{old}"), read_pixels(f"again/{new}"))


def test_an_archive_a_pack_and_one_picture_come_back():
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for path in sorted(Path("photos").rglob("*.*")):
            archive.write(path)
    pack("photos", "packed", size=(8, 6))
    for what in ("photos.zip", "packed", "photos/dog/a.png"):
        assert run_command(f"compress {what} o.smalti --model gray") == 0
        assert run_command(f"decompress o.smalti {what}.out") == 0
    same = read_pixels("photos/dog/a.png")
    assert np.array_equal(read_pixels("photos.zip.out/photos/dog/a.png"), same)
    assert np.array_equal(read_pixels("photos/dog/a.png.out/a.png"), same)
    assert next(p for p in list_contents(Path("packed.out")) if "/" in p).startswith("cat/0000")


def test_color_and_few_levels_come_back():
    write_picture("color/a.png", 3)
    write_picture("color/b.png", 1)  # gray among colored ones
    assert run_command("compress color o.smalti --model rgb") == 0
    assert run_command("decompress o.smalti again") == 0
    assert np.array_equal(read_pixels("color/a.png"), read_pixels("again/a.png"))
    assert np.array_equal(read_pixels("color/b.png"), read_pixels("again/b.png")[..., 1])
    levels = np.random.default_rng(0).integers(0, 4, (8, 6)).astype(np.uint8) * 85
    Image.fromarray(levels).save("four.png")
    assert run_command("compress four.png four.smalti --model four") == 0
    assert run_command("decompress four.smalti out") == 0
    assert np.array_equal(read_pixels("out/four.png"), levels)


def test_captions_are_kept(at_home: Path):
    """cat/a.txt describes cat/a.png; a model of captions compresses it under that."""
    captions = CaptionConfig(width=8, buckets=32)
    config = build_config(
        Levels(256, (1, 8, 6)), GatedPixelCNNConfig(**SMALL), conditions=(captions,)
    )
    save(randomize_zeros(config.build()), at_home / "captioned")
    texts = []
    for path in sorted(p for p in Path("photos").rglob("*.*")):
        texts.append(f"{path.parent.name} {len(texts)}")
        path.with_suffix(".txt").write_text(texts[-1])
    Path("photos/dog/c.png").unlink()  # two pictures of one caption file
    assert run_command("compress photos o.smalti --model captioned --batch-size 3") == 0
    header = read_header(Path("o.smalti").read_bytes())
    assert (header.text, header.labels) == ((*texts[:3], texts[4]), None)
    assert run_command("decompress o.smalti again") == 0
    assert np.array_equal(read_pixels("photos/dog/a.png"), read_pixels("again/dog/a.png"))


def test_one_class_for_all():
    assert run_command("compress photos o.smalti --model gray --class 3") == 0
    assert read_header(Path("o.smalti").read_bytes()).labels == (2,) * 5


def test_another_model_is_refused_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    assert run_command("compress photos o.smalti --model gray") == 0
    save(gated(classes=CLASSES, seed=1), tmp_path / "other", Card(name="other"))
    before = list_contents(tmp_path)
    capsys.readouterr()
    assert run_command("decompress o.smalti again --model other") == 2
    line = capsys.readouterr().err
    assert line.startswith("smalti: o.smalti: compressed by model ")
    assert line.count("\n") == 1
    (tmp_path / "gray").rename("moved")
    assert run_command("decompress o.smalti again") == 2
    assert "no model 'gray'" in (line := capsys.readouterr().err)
    assert "--model" in line
    (tmp_path / "moved").rename("gray")
    assert list_contents(tmp_path) == before
    assert run_command("decompress o.smalti again --model gray") == 0


def test_another_processor_is_told(capsys: pytest.CaptureFixture[str], monkeypatch):
    assert run_command("compress photos o.smalti --model gray") == 0
    monkeypatch.setattr("smalti.tasks._decompress.detect_vector_units", lambda: "VFX9")
    capsys.readouterr()
    assert run_command("decompress o.smalti again") == 0
    assert "this processor has VFX9" in capsys.readouterr().err


def mangled(data: bytes) -> bytes:
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[:-1], "o.smalti: truncated"),
        (mangled, "o.smalti: damaged"),
        (lambda data: b"x" + data, "o.smalti: not written by"),
        (lambda data: b"", "o.smalti: not written by"),
    ],
)
def test_a_spoilt_file_is_refused(spoil, said: str, capsys: pytest.CaptureFixture[str]):
    assert run_command("compress photos o.smalti --model gray") == 0
    Path("o.smalti").write_bytes(spoil(Path("o.smalti").read_bytes()))
    capsys.readouterr()
    assert run_command("decompress o.smalti deep/again") == 2
    assert capsys.readouterr().err.startswith(f"smalti: {said}")
    assert not Path("deep").exists()


def transparent() -> None:
    image = Image.new("LA", (6, 8), (3, 255))
    image.putpixel((1, 1), (3, 100))
    image.save("clear.png")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("compress photos o.smalti", "--model needs a value"),
        ("compress photos o.smalti --model ddpm-digits", "PixelCNN"),
        ("compress photos o.smalti --model gray --batch-size 0", "--batch-size is 0"),
        ("compress photos o.smalti --model gray --class cat,dog", "class 'cat,dog' is not one of"),
        ("compress photos o.smalti --model rgb --class cat", "has no classes"),
        ("compress photos photos --model gray", "photos is a folder"),
        ("compress photos photos/cat/a.png --model gray", "is not from `smalti compress`"),
        ("compress nowhere o.smalti --model gray", "nowhere does not exist"),
        ("compress wide.png o.smalti --model gray", "wide.png is 9 x 8 pixels"),
        ("compress clear.png o.smalti --model gray", "clear.png has transparent parts"),
        ("compress deep.png o.smalti --model gray", "deep.png is of mode I;16"),
        ("compress color.png o.smalti --model gray", "color.png holds pictures of shape (3,"),
        ("compress photos o.smalti --model four", "not one of this model's 4 levels"),
        ("decompress photos/cat/a.png again", "a.png: not written by"),
        ("decompress nowhere.smalti again", "nowhere.smalti"),
        ("decompress nowhere.smalti photos", "photos holds 'cat' already"),
        ("decompress nowhere.smalti photos/cat/a.png", "is a file"),
        ("complete gray", "PICTURES"),
        ("complete ddpm-digits photos/cat/a.png", "does not draw pixel by pixel"),
        ("complete gray photos/cat/a.png --keep-rows 8", "rows 8 leaves nothing to draw"),
        ("complete gray photos/cat/a.png --keep-rows 3 --mask photos/cat/a.png", "choose one"),
        ("complete gray photos/cat/a.png --class cow", "class 'cow' is not one of"),
        ("complete gray photos/cat/a.png --class none", "gray was not trained without a class"),
        ("complete gray photos/cat/a.png --temperature -1", "temperature is -1"),
        ("complete gray photos/cat/a.png -n 0", "-n is 0; give 1 or more"),
        ("complete gray nowhere.png", "nowhere.png does not exist"),
        ("sample gray --steps 3", "--steps is given, but --sampler is ancestral"),
        ("sample ddpm-digits --temperature 1", "--temperature is given, but --sampler is ddim"),
    ],
)
def test_what_is_refused(words: str, said: str, capsys: pytest.CaptureFixture[str]):
    transparent()
    write_picture("wide.png", size=(8, 9))
    write_picture("color.png", 3)
    Image.fromarray(np.zeros((8, 6), np.uint16)).save("deep.png")
    before = list_contents(Path())
    assert run_command(words) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("smalti: ")
    assert said in line
    assert list_contents(Path()) == before


# ---- complete, and sample row by row


def test_rows_are_kept_and_the_rest_is_drawn():
    words = (
        "complete gray photos/cat/a.png photos/dog/a.png --keep-rows 3 -n 2 --seed 5 --class dog,3"
    )
    assert run_command(words) == 0
    out = Path("completions/gray")
    files = [f"{i:05d}-{seed:05d}.png" for i in (0, 1) for seed in (5, 6)]
    assert list_contents(out) == [*files, "completions.json", "grid.png"]
    for i, name in enumerate(("cat", "dog")):
        a, b = (read_pixels(out / f"{i:05d}-{seed:05d}.png") for seed in (5, 6))
        original = read_pixels(f"photos/{name}/a.png")
        assert np.array_equal(a[:3], original[:3])
        assert np.array_equal(b[:3], original[:3])
        assert not np.array_equal(a[3:], b[3:])
        assert not np.array_equal(a[3:], original[3:])
    told = json.loads((out / "completions.json").read_text())
    assert (told["seeds"], told["rows"], told["mask"]) == ([5, 6], 3, None)
    assert told["classes"] == [["dog", "3"], ["dog", "3"]]
    sheet = read_pixels(out / "grid.png")  # 4 columns of 42 pixels, 7 to each of the picture's
    assert sheet.shape == (2 * 58 + 2, 4 * 44 + 2)
    assert np.array_equal(sheet[2:58:7, 2:44:7], read_pixels("photos/cat/a.png"))
    assert (sheet[2:58:7, 46:88:7][3:] == 128).all()


def test_a_completion_depends_on_its_picture_and_seed_alone():
    assert (
        run_command("complete gray photos/cat/a.png photos/dog/a.png -n 2 --out two --batch-size 3")
        == 0
    )
    assert run_command("complete gray photos/dog/a.png -n 1 --seed 1 --out one") == 0
    assert np.array_equal(read_pixels("two/00001-00001.png"), read_pixels("one/00000-00001.png"))


def test_a_hole_is_painted():
    mask = np.zeros((8, 6), np.uint8)
    mask[2:4, 1:3] = 255
    Image.fromarray(mask).save("hole.png")
    assert run_command("complete rgb photos/cat/a.png --mask hole.png -n 1 --temperature 0.5") == 0
    before, after = read_pixels("photos/cat/a.png"), read_pixels("completions/rgb/00000-00000.png")
    assert np.array_equal(after[mask == 0], np.repeat(before[mask == 0][:, None], 3, 1))
    assert not np.array_equal(after[mask > 0][:, 0], before[mask > 0])
    told = json.loads(Path("completions/rgb/completions.json").read_text())
    assert (told["mask"], told["classes"]) == ("hole.png", None)
    expected = {"temperature": 0.5, "top_k": 0, "top_p": 1.0, "guidance": 1.0}
    assert told["sampler"] == {"tag": "ancestral", **expected}


def test_samples_appear_row_by_row():
    assert run_command("sample gray -n 3 --gif --temperature 0.7 --batch-size 2") == 0
    with Image.open("samples/gray/rows.gif") as film:
        assert getattr(film, "n_frames", 1) == 8
        film.seek(0)
        first = np.asarray(film.convert("L"), dtype=int)
        film.seek(7)
        last = np.asarray(film.convert("L"), dtype=int)
    assert (first[2 + 7 : 58 : 7, 2:44:7] == 0).all()
    assert abs(last - read_pixels("samples/gray/grid.png")).max() <= 8  # a GIF has a palette
    told = json.loads(Path("samples/gray/samples.json").read_text())
    expected = {"temperature": 0.7, "top_k": 0, "top_p": 1.0, "guidance": 1.0}
    assert told["sampler"] == {"tag": "ancestral", **expected}
