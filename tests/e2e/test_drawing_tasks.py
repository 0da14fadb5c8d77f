"""Tasks that draw and edit, called from Python, write the files of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import smalti
from smalti.autoregressive import PictureCondition, build_config
from smalti.core.checkpoint import save
from smalti.core.protocols import Card
from smalti.data.single_picture import to_image
from smalti.diffusion import DDIM, RePaint
from smalti.layers.condition_encoder import Choice
from smalti.pixelcnn import GatedPixelCNNConfig, Levels
from smalti.vq import VQConfig
from tests.command import expect_nothing_left, list_contents, read_files, run_command
from tests.expect import expect_user_error
from tests.tiny import pixelcnn_config, prior_config, randomize_zeros, vqvae_config

PICTURE, OTHER = "photos/day/0.png", "photos/night/1.png"


@pytest.fixture
def workspace(at_home: Path) -> Path:
    """Adds `gray`, a PixelCNN of two classes, `codec`, and a mask of PICTURE."""
    torch.manual_seed(0)
    save(
        randomize_zeros(pixelcnn_config(classes=("a", "b")).build()),
        at_home / "gray",
        Card(name="gray"),
    )
    save(vqvae_config(VQConfig(8, 8)).build(), at_home / "codec", Card(name="codec"))
    with Image.open(PICTURE) as image:
        hole = np.zeros((image.height, image.width), np.uint8)
    hole[3:6, 2:7] = 255
    Image.fromarray(hole).save("hole.png")
    return at_home


def check_same_as_verb(words: str, task: Any, *args: Any, **options: Any) -> Any:
    """The result of a task; its files must equal those of the verb."""
    assert run_command(f"{words} --out cli") == 0
    result = task(*args, **options, out="python")
    files = read_files("python")
    assert files == read_files("cli") and len(files) > 1
    before = list_contents(Path())
    task(*args, **options)  # without `out` nothing is written
    assert list_contents(Path()) == before
    with expect_nothing_left(Path()) as cancel:
        task(*args, **options, out="never/there", on_progress=cancel)
    return result


def read_record(name: str) -> dict[str, Any]:
    return json.loads(Path("python", name).read_text())


def test_draw_samples(workspace: Path):
    words = "sample named -n 5 --class dog,0 --steps 3 --gif --batch-size 2 --seed 4"
    sampler = {"steps": 3}
    drawn = check_same_as_verb(
        words, smalti.draw_samples, "named", 5, seed=4, classes=["dog", 0], sampler=sampler,
        gif=True, batch_size=2,
    )  # fmt: skip
    assert drawn.pictures.shape == (5, 1, 8, 8) and drawn.classes == 2 * ["dog", "cat"] + ["dog"]
    assert drawn.sampler == DDIM(steps=3) and len(drawn.frames) == 4
    assert torch.equal(drawn.frames[-1], drawn.pictures)
    plain = smalti.sample("named", seeds=drawn.seeds, cond=[1, 0, 1, 0, 1], sampler=DDIM(steps=3))
    torch.testing.assert_close(drawn.pictures, plain, atol=1e-5, rtol=0)
    model = smalti.load("named")
    again = smalti.draw_samples(
        model, 5, seed=4, classes=("dog", "cat"), batch_size=2, sampler=DDIM(steps=3)
    )
    assert torch.equal(again.pictures, drawn.pictures)
    with expect_user_error("class 'cow' is not one of named's classes"):
        smalti.draw_samples("named", classes="cow")
    with expect_user_error("n is 0"):
        smalti.draw_samples("named", 0)


def test_conditions_beside_the_class(workspace: Path):
    choices = (Choice(("a", "b")), Choice(("flat", "round"), "style"))
    network = GatedPixelCNNConfig(
        channels=1, width=12, blocks=1, head_width=12, first_kernel_size=3
    )
    torch.manual_seed(0)
    save(
        randomize_zeros(build_config(Levels(8, (1, 8, 8)), network, conditions=choices).build()),
        "styled",
    )
    style = ["flat", "round", "flat"]
    words = "sample styled -n 3 --class b --condition style=flat --condition style=round"
    task: Any = smalti.draw_samples
    drawn = check_same_as_verb(
        words, task, "styled", 3, classes="b", conditions={"style": style[:2]}
    )
    assert read_record("samples.json")["conditions"] == {"style": style}
    inputs = smalti.SamplingInputs(conditions={"class": ["b"] * 3, "style": style})
    plain: Any = smalti.sample("styled", seeds=range(3), inputs=inputs)
    assert torch.equal(drawn.pictures, plain)
    for made in (Path("cli"), Path("python")):
        made.rename(f"{made}-samples")
    words = f"complete styled {PICTURE} -n 2 --condition style=flat"
    check_same_as_verb(words, smalti.complete, "styled", PICTURE, n=2, conditions={"style": "flat"})
    with expect_user_error("style is given, but this model"):
        smalti.draw_samples("named", 1, conditions={"style": "flat"})
    with expect_user_error("style 'bold' is not one of this model's: flat, round"):
        smalti.draw_samples("styled", 1, conditions={"style": "bold"})
    assert run_command("sample styled --condition flat") == 2


def test_draw_samples_from_pictures(workspace: Path):
    words = f"sample plain -n 3 --picture {PICTURE} --strength 0.3 --steps 4 --sampler ddpm"
    words = words.replace(" --steps 4", " --stride 100")
    sampler = {"sampler": "ddpm", "stride": 100}
    drawn = check_same_as_verb(
        words, smalti.draw_samples, "plain", 3, pictures=PICTURE, strength=0.3, sampler=sampler
    )
    assert read_record("samples.json")["pictures"] == [PICTURE]
    with Image.open(PICTURE) as image:
        for source in (image, np.asarray(image), [np.asarray(image) / 255]):
            same = smalti.draw_samples("plain", 3, pictures=source, strength=0.3, sampler=sampler)
            assert torch.equal(same.pictures, drawn.pictures)


def test_complete_with_a_prior(workspace: Path):
    torch.manual_seed(0)
    model = randomize_zeros(prior_config(classes=("a", "b")).build())
    save(model, workspace / "prior", Card(name="prior"))
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save("gray.png")
    words = "complete prior gray.png -n 3 --keep-rows 5 --temperature 0.8 --top-k 9 --top-p 0.9"
    done = check_same_as_verb(
        words, smalti.complete, "prior", "gray.png", n=3, keep_rows=5, temperature=0.8, top_k=9,
        top_p=0.9,
    )  # fmt: skip
    kept = np.asarray(Image.open("gray.png"))[:5]
    for seed in range(3):
        assert np.array_equal(np.asarray(Image.open(f"cli/00000-{seed:05d}.png"))[:5], kept)
    assert len({picture.numpy().tobytes() for picture in done.pictures[0]}) > 1
    sampler = json.loads(Path("cli/completions.json").read_text())["sampler"]
    assert (sampler["temperature"], sampler["top_k"], sampler["top_p"]) == (0.8, 9, 0.9)
    with expect_user_error("prior cannot inpaint", "`smalti complete prior PICTURE --mask MASK`"):
        smalti.inpaint(PICTURE, "hole.png", "prior")


def test_a_pixelcnn_beside_another_picture(workspace: Path):
    network = GatedPixelCNNConfig(width=12, blocks=1, head_width=12, first_kernel_size=3)
    small = PictureCondition(Levels(4, (1, 4, 4)))
    config = build_config(Levels(8, (1, 8, 8)), network, conditions=(small,), condition_dropout=0.1)
    torch.manual_seed(0)
    model = randomize_zeros(config.build())
    assert model.maps is not None
    with torch.no_grad():
        for weight in model.maps.parameters():  # so that it matters without training
            weight.mul_(4)
    save(model, "beside")
    words = f"sample beside -n 2 --picture {PICTURE} --guidance 2"
    drawn = check_same_as_verb(
        words, smalti.draw_samples, "beside", 2, pictures=PICTURE, sampler={"guidance": 2.0}
    )
    assert not torch.equal(drawn.pictures, smalti.draw_samples("beside", 2).pictures)
    for made in (Path("cli"), Path("python")):
        made.rename(f"{made}-samples")
    words = f"complete beside {PICTURE} {OTHER} -n 2 --picture {OTHER} --guidance 3"
    done = check_same_as_verb(
        words, smalti.complete, "beside", [PICTURE, OTHER], n=2, picture=OTHER, guidance=3.0
    )
    record = read_record("completions.json")
    assert record["condition"] == [OTHER] and record["sampler"]["guidance"] == 3.0
    for changes in ({"guidance": 3.0}, {"picture": OTHER}, {"picture": PICTURE, "guidance": 3.0}):
        other = smalti.complete("beside", [PICTURE, OTHER], n=2, **changes)  # pyright: ignore
        assert not torch.equal(other.pictures, done.pictures)
    with expect_user_error("guidance is 2", "was not trained without class"):
        smalti.complete("gray", PICTURE, guidance=2.0)
    with expect_user_error("picture is given, but this model"):
        smalti.complete("gray", PICTURE, picture=OTHER)


def test_complete(workspace: Path):
    words = f"complete gray {PICTURE} {OTHER} -n 3 --keep-rows 2 --temperature 0.8 --batch-size 4"
    done = check_same_as_verb(
        words, smalti.complete, "gray", [PICTURE, OTHER], n=3, keep_rows=2, temperature=0.8,
        batch_size=4,
    )  # fmt: skip
    assert done.pictures.shape == (2, 3, 1, 8, 8) and done.hole[2:].all()
    assert np.shape(done.classes) == (2, 3)
    kept = done.originals[:, None, :, :2].expand(-1, 3, -1, -1, -1)  # in 8 levels
    torch.testing.assert_close(done.pictures[..., :2, :], kept, atol=0.5 / 7 + 1e-6, rtol=0)
    same = smalti.complete("gray", done.originals, n=3, keep_rows=2, temperature=0.8, batch_size=4)
    assert torch.equal(same.pictures, done.pictures)
    words = f"complete gray {PICTURE} --mask hole.png --class b"
    check_same_as_verb(words, smalti.complete, "gray", PICTURE, mask="hole.png", classes="b")
    with expect_user_error("named does not draw pixel by pixel"):
        smalti.complete("named", PICTURE)


def test_interpolate(workspace: Path):
    words = "interpolate named --from 3 --to 8 --frames 4 --class cat,dog --steps 3 --gif"
    walk = check_same_as_verb(
        words, smalti.interpolate, "named", 3, 8, frames=4, classes=["cat", "dog"], steps=3,
        gif=True,
    )  # fmt: skip
    assert walk.pictures.shape == (2, 4, 1, 8, 8) and walk.classes == ["cat", "dog"]
    ends = check_same_as_verb(
        f"interpolate named --from {PICTURE} --to 5 --frames 3 --steps 4", smalti.interpolate,
        "named", PICTURE, 5, frames=3, steps=4,
    )  # fmt: skip
    assert ends.sampler.guidance == 0


def test_inpaint_by_patches(workspace: Path):
    filled = check_same_as_verb(
        f"inpaint {PICTURE} hole.png --patch 3 -n 2 --seed 5", smalti.inpaint, PICTURE, "hole.png",
        n=2, patch=3, seed=5,
    )  # fmt: skip
    with Image.open(PICTURE) as image, Image.open("hole.png") as mask:
        picture, hole = np.asarray(image), np.asarray(mask) > 0
    assert np.array_equal(filled.hole, hole)
    assert np.array_equal(np.asarray(filled.pictures[1])[~hole], picture[~hole])
    same = smalti.inpaint(picture, hole, patch=3, seed=6)
    assert np.array_equal(np.asarray(same.pictures[0]), np.asarray(filled.pictures[1]))
    with expect_user_error("steps is given, but no model"):
        smalti.inpaint(PICTURE, "hole.png", sampler={"steps": 3})


def test_inpaint_by_a_model(workspace: Path):
    filled = check_same_as_verb(
        f"inpaint {PICTURE} hole.png --model named -n 2 --class dog --steps 3 --jump-length 2",
        smalti.inpaint, PICTURE, "hole.png", "named", n=2, classes="dog",
        sampler={"steps": 3, "jump_length": 2},
    )  # fmt: skip
    assert len(filled.pictures) == 2 and filled.hole.shape == (8, 8)
    same = smalti.inpaint(
        PICTURE, "hole.png", smalti.load("named"), n=2, classes=1, sampler=RePaint(3, 2)
    )
    assert np.array_equal(np.asarray(same.pictures[1]), np.asarray(filled.pictures[1]))


def test_reconstruct_by_noise(workspace: Path):
    found = check_same_as_verb(
        f"reconstruct named {PICTURE} {OTHER} --steps 4 --class cat --batch-size 1",
        smalti.reconstruct, "named", [PICTURE, OTHER], steps=4, classes="cat", batch_size=1,
    )  # fmt: skip
    assert found.files == [PICTURE, OTHER] and found.latents.shape == (2, 1, 8, 8)
    assert read_record("reconstruction.json")["mean_psnr"] == found.mean_psnr


def test_reconstruct_by_a_codec(workspace: Path):
    found = check_same_as_verb(
        "reconstruct codec photos --batch-size 5", smalti.reconstruct, "codec", "photos",
        batch_size=5,
    )  # fmt: skip
    assert len(found.files) == 12 and 0 < found.codes_used <= found.codebook_size == 8
    kept = smalti.reconstruct("codec", "photos", batch_size=5)
    assert len(kept.pictures) == 12 and kept.psnr == found.psnr
    words = "reconstruct codec photos --keep-size --tile-size 4"
    check_same_as_verb(words, smalti.reconstruct, "codec", "photos", keep_size=True, tile_size=4)
    with expect_user_error("size and keep_size are both given"):
        smalti.reconstruct("codec", PICTURE, size=8, keep_size=True)


def test_match(workspace: Path):
    words = f"match {PICTURE} {OTHER} --seed 2 --threads 1 --both-ways"
    found = check_same_as_verb(
        words, smalti.match, PICTURE, OTHER, seed=2, threads=1, both_ways=True
    )
    assert found.metrics.consistent is not None and len(found.matches) == 1
    with Image.open(PICTURE) as a, Image.open(OTHER) as b:
        same = smalti.match(np.asarray(a), b, seed=2, threads=1)
    assert np.array_equal(same.matches[0].field, found.matches[0].field)
    with expect_user_error("a is one picture; give B"):
        smalti.match(np.zeros((9, 9, 3)))


def test_match_of_a_video(workspace: Path):
    frames = [Image.new("RGB", (12, 10), (40 * k, 9, 9)) for k in range(3)]
    frames[0].save("clip.gif", save_all=True, append_images=frames[1:])
    words = "match clip.gif --cold-start --threads 1"
    found = check_same_as_verb(words, smalti.match, "clip.gif", cold_start=True, threads=1)
    assert len(found.frame_metrics) == 3 and found.frame_metrics[0].psnr_copied is None
    assert len(smalti.match(frames).matches) == 3


def test_translate(workspace: Path, capsys: pytest.CaptureFixture[str]):
    texts = ["Save the file.", "Click OK."]
    assert run_command("translate Save") == 0
    capsys.readouterr()
    Path("in.txt").write_text("\n".join(texts))
    assert run_command("translate --file in.txt --out cli.txt --beam-size 2") == 0
    translated = smalti.tasks.translate_file("en-zh-help", "in.txt", "python.txt", beam_size=2)
    assert read_files("cli.txt") == read_files("python.txt") and translated.translated == 2
    found = smalti.translate("en-zh-help", texts, beam_size=2)
    assert [one[0].text for one in found] == Path("cli.txt").read_text().splitlines()
    with expect_nothing_left(workspace) as cancel:
        smalti.tasks.translate_file("en-zh-help", "in.txt", "new.txt", on_progress=cancel)


def test_what_is_no_picture(workspace: Path):
    with expect_user_error("shape (2, 3, 4, 5)"):
        to_image(np.zeros((2, 3, 4, 5)))
    with expect_user_error("dtype int64"):
        to_image(np.zeros((4, 5), int))
    with expect_user_error("values from 0 to 3"):
        to_image(torch.full((3, 4, 5), 3.0) * torch.eye(4, 5))
    with expect_user_error("no pictures are given"):
        smalti.complete("gray", [])
