"""The verbs that take pictures, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

import smalti
from smalti.cli import main
from tests.command import compute_max_difference, list_contents, read_pixels, run_command

PICTURE = "photos/day/0.png"


def read_record(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text())


def write_hole(path: str, size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    """A mask of (H, W), white in rows a to b and columns c to d."""
    levels = np.zeros(size, dtype=np.uint8)
    a, b, c, d = box
    levels[a:b, c:d] = 255
    Image.fromarray(levels).save(path)


def small(path: str) -> np.ndarray:
    """A picture of the models' size, 8 x 8, in color."""
    levels = np.random.default_rng(5).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(levels).save(path)
    return levels.astype(int)


# ---- solvers


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("dpm-solver", {"tag": "dpm-solver", "order": 2, "steps": 20}),
        ("dpm-solver --steps 5 --order 1", {"steps": 5, "order": 1}),
        ("unipc --steps 4 --order 3 --variant bh1", {"tag": "unipc", "order": 3, "variant": "bh1"}),
        ("unipc --steps 4 --no-corrector", {"corrector": False, "lower_order_final": True}),
    ],
)
def test_solvers_are_samplers(at_home: Path, words: str, changed: dict[str, Any]):
    assert run_command(f"sample plain -n 2 --out s --sampler {words}") == 0
    assert changed.items() <= read_record("s/samples.json")["sampler"].items()


def test_help_says_which_solver_has_an_option(capsys: pytest.CaptureFixture[str]):
    assert main(["sample", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "or with UniPC 3. (dpm-solver, unipc)" in shown
    assert "--sampler ddim|ddpm|dpm-solver|unipc" in shown


# ---- picture to picture


def test_samples_start_from_pictures_cycled(at_home: Path):
    original = small("a.png")
    words = f"sample plain -n 3 --picture a.png --picture {PICTURE} --steps 50 --out s"
    assert run_command(f"{words} --strength 0.02") == 0
    assert read_record("s/samples.json")["pictures"] == ["a.png", PICTURE]
    assert read_record("s/samples.json")["strength"] == 0.02
    near = [abs(read_pixels(f"s/{i:05d}.png") - original).mean() for i in range(3)]
    assert max(near[0], near[2]) < near[1]
    assert run_command(words) == 0
    assert read_record("s/samples.json")["strength"] == 0.6
    assert abs(read_pixels("s/00000.png") - original).mean() > near[0]


# ---- inpaint


def test_a_hole_is_filled_and_the_rest_stays(at_home: Path):
    original = small("a.png")
    write_hole("m.png", (8, 8), (2, 5, 1, 7))
    words = "inpaint a.png m.png --model plain -n 2 --seed 3 --steps 4"
    assert run_command(f"{words} --jump-length 2 --jump-n-sample 2") == 0
    out = "inpaintings/a"
    assert list_contents(Path(out)) == ["00003.png", "00004.png", "grid.png", "inpainting.json"]
    mask = read_pixels("m.png") > 0
    results = [read_pixels(f"{out}/{seed:05d}.png") for seed in (3, 4)]
    for result in results:
        assert np.array_equal(result[~mask], original[~mask])
    assert compute_max_difference(*results) > 10
    # 2 x 2 tiles of 56 pixels: picture, hole, and two results
    grid = read_pixels(f"{out}/grid.png")
    assert np.array_equal(grid[2:58:7, 2:58:7], original)
    assert (grid[2:58:7, 60:116:7][mask] == 128).all()
    record = read_record(f"{out}/inpainting.json")
    assert record["sampler"] == {
        "tag": "repaint", "steps": 4, "jump_length": 2, "jump_n_sample": 2, "spacing": "uniform",
        "clip": True, "guidance": 1.0,
    }  # fmt: skip
    assert (record["model"], record["seeds"], record["classes"]) == ("plain", [3, 4], None)


def test_mask_and_picture_are_cropped_alike(at_home: Path):
    """9 x 11 pixels to 8 x 8: the same columns are cut off both."""
    with Image.open(PICTURE) as image:
        H, W = image.height, image.width
    write_hole("m.png", (H, W), (0, H, W // 2, W))
    assert run_command(f"inpaint {PICTURE} m.png --model named -n 1 --class dog --steps 2") == 0
    grid = read_pixels("inpaintings/0/grid.png")
    gray = grid[2:58:7, 60:116:7] == 128
    assert gray[:, 5:].all()
    assert gray[:, :3].mean() < 0.1
    assert read_record("inpaintings/0/inpainting.json")["classes"] == ["dog"]


@pytest.mark.parametrize("way", ["", "--model plain --steps 2 -n 1"])
def test_transparency_outside_a_hole_stays(at_home: Path, way: str):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    Image.fromarray(pixels).save("a.png")
    write_hole("m.png", (8, 8), (2, 4, 2, 4))
    assert run_command(f"inpaint a.png m.png --out o {way} {'--patch 3' * (not way)}") == 0
    with Image.open("o/00000.png") as image:
        assert image.mode == "RGBA"
        filled = np.asarray(image)
    outside = np.ones((8, 8), bool)
    outside[2:4, 2:4] = False
    assert np.array_equal(filled[outside], pixels[outside])


def test_what_resizing_loses_is_reported(at_home: Path, capsys: pytest.CaptureFixture[str]):
    Image.new("RGBA", (16, 16), (9, 9, 9, 9)).save("a.png")
    write_hole("m.png", (16, 16), (0, 8, 0, 16))
    assert run_command("inpaint a.png m.png --model plain --steps 2 -n 1") == 0
    assert "a.png has transparency, its results of 8 x 8 have not" in capsys.readouterr().out


def test_arguments_in_the_wrong_order_are_refused(
    at_home: Path, capsys: pytest.CaptureFixture[str]
):
    small("a.png")
    write_hole("m.png", (8, 8), (2, 4, 2, 4))
    for way in ("", "--model plain"):
        assert run_command(f"inpaint m.png a.png {way}") == 2
        assert "a.png is not a mask" in (said := capsys.readouterr().err)
        assert "m.png looks like one: are the two swapped?" in said
    assert not Path("inpaintings").exists()


def test_a_mask_without_a_hole_is_refused(at_home: Path, capsys: pytest.CaptureFixture[str]):
    small("a.png")
    write_hole("m.png", (8, 8), (0, 0, 0, 0))
    assert run_command("inpaint a.png m.png --model plain") == 2
    assert "m.png has no white pixels" in capsys.readouterr().err
    assert not Path("inpaintings").exists()


# ---- reconstruct


def test_pictures_are_inverted_and_reconstructed(at_home: Path, capsys: pytest.CaptureFixture[str]):
    words = (
        f"reconstruct named {PICTURE} photos/night/1.png photos/day/2.png --steps 6 --batch-size 2"
    )
    assert run_command(f"{words} --class cat --refine 2") == 0
    out = Path("reconstructions/named")
    pictures = ["00000.png", "00001.png", "00002.png"]
    assert list_contents(out) == [
        *pictures,
        "grid.png",
        "latents.safetensors",
        "reconstruction.json",
    ]
    latents = load_file(out / "latents.safetensors")["latents"]
    assert latents.shape == (3, 1, 8, 8)
    record = read_record(f"{out}/reconstruction.json")
    assert [*record["psnr"]] == [PICTURE, "photos/night/1.png", "photos/day/2.png"]
    assert record["mean_psnr"] == pytest.approx(np.mean([*record["psnr"].values()]), abs=0.02)
    assert (record["classes"], record["refine"], record["sampler"]["steps"]) == (["cat"], 2, 6)
    sheet = read_pixels(out / "grid.png")
    assert sheet.shape == (3 * 58 + 2, 3 * 58 + 2)
    assert np.array_equal(sheet[2:58:7, 118:174:7], read_pixels(out / "00000.png"))
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].endswith(f"dB  {PICTURE}")
    assert "dB  on average" in shown[-1]


# ---- interpolate


def test_a_walk_between_pictures_begins_and_ends_with_their_reconstructions(at_home: Path):
    ends = f"--from {PICTURE} --to photos/night/1.png"
    assert (
        run_command(f"interpolate named {ends} --frames 3 --class cat,dog --steps 6 --out walk")
        == 0
    )
    assert run_command(f"reconstruct named {PICTURE} --class dog --steps 6 --out there") == 0
    strip = read_pixels("walk/strip.png")
    assert strip.shape == (2 * 58 + 2, 3 * 58 + 2)
    assert compute_max_difference(strip[60:116:7, 2:58:7], read_pixels("there/00000.png")) <= 1
    record = read_record("walk/interpolation.json")
    assert (record["from"], record["to"]) == (PICTURE, "photos/night/1.png")
    assert (record["sampler"]["clip"], record["sampler"]["guidance"]) == (False, 1.0)


def test_a_walk_from_a_seed_to_a_picture(at_home: Path):
    assert (
        run_command(f"interpolate named --from 3 --to {PICTURE} --frames 2 --steps 4 --out walk")
        == 0
    )
    assert read_record("walk/interpolation.json")["from"] == 3


def test_a_blend_goes_from_class_to_class(at_home: Path):
    """Its ends are those of the rows of either class, and what lies between is of neither."""
    words = "interpolate named --from 3 --to 8 --frames 3 --class cat,dog --steps 4"
    assert run_command(f"{words} --out rows") == 0
    assert run_command(f"{words} --blend --out blend") == 0
    rows, blend = read_pixels("rows/strip.png"), read_pixels("blend/strip.png")
    assert blend.shape == (58 + 2, 3 * 58 + 2)
    cat, dog = rows[2:58], rows[60:116]
    first, middle, last = (slice(2 + 58 * k, 58 * (k + 1)) for k in range(3))
    assert compute_max_difference(blend[2:58, first], cat[:, first]) <= 1
    assert compute_max_difference(blend[2:58, last], dog[:, last]) <= 1
    assert compute_max_difference(blend[2:58, middle], cat[:, middle]) > 1
    assert compute_max_difference(blend[2:58, middle], dog[:, middle]) > 1
    assert read_record("blend/interpolation.json")["blend"] is True
    with pytest.raises(smalti.UserError, match="give two classes"):
        smalti.interpolate("named", classes=["cat"], blend=True)
