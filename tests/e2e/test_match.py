"""`smalti match`, and `smalti inpaint` without a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from smalti.data.frames import natural_sort_key
from smalti.patchmatch import inpaint, match, reconstruct
from tests.command import list_contents, read_pixels, run_command

ARRAYS = ["distance.npy", "distance.png", "field.npy", "field.png"]
FILES = ["copied.png", *ARRAYS, "match.json", "voted.png"]


def scene(seed: int, H: int, W: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(H, W, 3))
    soft = ndimage.gaussian_filter(noise, (1.5, 1.5, 0))
    return ((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.png and b.png, a mask of b's right half, a clip of 4 frames as GIF and as folder."""
    monkeypatch.chdir(tmp_path)
    whole = scene(0, 40, 60)
    Image.fromarray(whole[:30, :40]).save("a.png")
    Image.fromarray(whole[4:, 9:]).save("b.png")
    mask = np.zeros((36, 51), np.uint8)
    mask[:, 25:] = 255
    Image.fromarray(mask).save("right.png")
    frames = [Image.fromarray(whole[k : k + 30, 2 * k : 2 * k + 40]) for k in range(4)]
    Path("clip").mkdir()
    for k, frame in zip((2, 9, 10, 11), frames, strict=True):
        frame.save(f"clip/frame{k}.png")
    frames[0].save("clip.gif", save_all=True, append_images=frames[1:])
    return tmp_path


def read_record(path: str) -> dict:
    return json.loads(Path(path).read_text())


def test_match_writes_what_the_library_finds(workshop: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command("match a.png b.png --out X --seed 3 --threads 1") == 0
    assert list_contents(Path("X")) == FILES
    a, b = (read_pixels(f"{n}.png").astype(np.uint8) for n in "ab")
    found = match(a, b, seed=3, threads=1)
    assert np.array_equal(np.load("X/field.npy"), found.field)
    assert np.array_equal(np.load("X/distance.npy"), found.distance)
    assert np.array_equal(read_pixels("X/copied.png"), reconstruct(b, found))
    assert np.array_equal(read_pixels("X/voted.png"), reconstruct(b, found, 3))
    facts = read_record("X/match.json")
    assert facts["mean_distance"] == pytest.approx(found.distance.mean(), abs=1e-3)
    assert facts["psnr_voted"] > facts["psnr_copied"] > 20
    assert (facts["a"], facts["b"], facts["patch"], facts["iterations"]) == ("a.png", "b.png", 3, 5)
    shown = capsys.readouterr().out
    assert f"{facts['psnr_copied']:.1f} dB copied" in shown and shown.endswith(" s: X\n")


def test_the_accurate_method_comes_nearer(workshop: Path):
    for method in ("classic", "accurate"):
        assert run_command(f"match a.png b.png --method {method} --out {method}") == 0
    classic, accurate = (read_record(f"{m}/match.json") for m in ("classic", "accurate"))
    assert accurate["method"] == "accurate"
    assert accurate["mean_distance"] < classic["mean_distance"]


def test_nothing_is_taken_from_where_the_mask_is_white(workshop: Path):
    assert run_command("match a.png b.png --mask right.png --out X") == 0
    assert np.load("X/field.npy")[..., 1].max() < 25


def test_matches_that_lead_back_are_shown(workshop: Path):
    assert run_command("match a.png b.png --patch 5 --both-ways") == 0
    assert list_contents(Path("matches/a")) == sorted([*FILES, "consistent.png"])
    holds = read_pixels("matches/a/consistent.png") > 0
    assert read_record("matches/a/match.json")["consistent"] == pytest.approx(
        holds.mean(), abs=1e-3
    )
    assert holds[8:28, 13:38].mean() > 0.5 > holds[:3].mean()


@pytest.mark.parametrize("clip", ["clip.gif", "clip"])
def test_a_video_is_matched_against_its_first_frame(workshop: Path, clip: str):
    assert run_command(f"match {clip} --out X") == 0
    each = [f"{k:05d}-{f}" for k in range(4) for f in ("distance.npy", "field.npy", "voted.png")]
    films = ["distance.gif", "field.gif", "match.json", "voted.gif"]
    assert list_contents(Path("X")) == sorted([*each, *films])
    facts = read_record("X/match.json")
    assert (len(facts["frames"]), facts["iterations"], facts["cold"]) == (4, 2, False)
    assert facts["frames"][0] == {"mean_distance": 0, "psnr_copied": None, "psnr_voted": None}
    with Image.open("X/voted.gif") as film:
        assert getattr(film, "n_frames") == 4  # noqa: B009
    if clip == "clip":  # frames 2, 9, 10, 11: the last has moved by 3 rows and 6 columns
        moved = (
            np.load("X/00003-field.npy")[5:20, 5:25]
            - np.moveaxis(np.indices((30, 40)), 0, -1)[5:20, 5:25]
        )
        assert (moved == [3, 6]).all(-1).mean() > 0.8


def test_a_video_may_be_matched_against_a_picture_and_begin_cold(workshop: Path):
    assert run_command("match clip b.png --cold-start --iterations 1 --out cold") == 0
    assert run_command("match clip b.png --iterations 1 --out warm") == 0
    cold, warm = (read_record(f"{n}/match.json") for n in ("cold", "warm"))
    assert warm["mean_distance"] < cold["mean_distance"]


def test_frames_are_in_the_order_of_their_numbers():
    names = [Path(f"f/{n}.png") for n in ("a10", "a9", "b1")]
    assert [p.stem for p in sorted(names, key=natural_sort_key)] == ["a9", "a10", "b1"]


def test_inpaint_without_a_model_fills_at_full_size(workshop: Path):
    b, hole = read_pixels("b.png").astype(np.uint8), np.zeros((36, 51), bool)
    hole[10:20, 20:34] = True
    Image.fromarray(hole.astype(np.uint8) * 255).save("hole.png")
    assert run_command("inpaint b.png hole.png --out X -n 2 --seed 5") == 0
    assert list_contents(Path("X")) == ["00005.png", "00006.png", "grid.png", "inpainting.json"]
    for seed in (5, 6):
        assert np.array_equal(read_pixels(f"X/{seed:05d}.png"), inpaint(b, hole, seed=seed))
    facts = read_record("X/inpainting.json")
    assert (facts["method"], facts["patch"], facts["seeds"]) == ("patchmatch", 7, [5, 6])
    assert run_command("inpaint b.png hole.png --patch 5") == 0
    assert np.array_equal(read_pixels("inpaintings/b/00000.png"), inpaint(b, hole, 5))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("match a.png", "a.png is one picture; give B"),
        ("match a.png nowhere.png", "nowhere.png does not exist"),
        ("match nowhere.gif", "nowhere.gif does not exist"),
        ("match a.png b.png --patch 4", "patch is 4, which has no center"),
        ("match a.png b.png --patch 31", "patch is 31, but a has only 30 x 40"),
        ("match a.png b.png --mask a.png", "give a mask of the picture's size"),
        ("match a.png b.png --method best", "method"),
        ("match a.png b.png --iterations -1", "iterations is -1"),
        ("match a.png b.png --cold-start", "cold_start is given, but A is not a video"),
        ("match clip.gif --both-ways", "both_ways is given, but A is a video"),
        ("match a.png b.png --out clip", "clip holds 'frame10.png', which is not ours"),
        ("bench patchmatch a.png", "a.png is one picture; give two"),
        ("bench patchmatch --patch 2", "patch is 2"),
        ("bench patchmatch --iterations 0", "iterations is 0"),
        ("bench ddpm", 'unknown command "ddpm". Available commands: patchmatch'),
        ("inpaint a.png right.png", "right.png is 36 x 51 pixels and a.png 30 x 40"),
        ("inpaint b.png right.png --patch 0", "patch is 0"),
        ("inpaint b.png right.png --class 3", "classes is given, but no model"),
        ("inpaint b.png right.png --steps 3", "steps is given, but no model"),
        ("inpaint b.png right.png -n 0", "-n is 0; give 1 or more"),
    ],
)
def test_refused_in_one_line_with_nothing_left(
    workshop: Path, capsys: pytest.CaptureFixture[str], words: str, said: str
):
    before = list_contents(workshop)
    assert run_command(words) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert list_contents(workshop) == before


def test_bench_times_all_variants(capsys: pytest.CaptureFixture[str]):
    assert run_command("bench patchmatch --quick --threads 2 --iterations 1") == 0
    shown = capsys.readouterr().out
    variants = ["plain Python*", "NumPy*", "Numba ", "Numba, stopping early", "tuned, 1 thread"]
    assert all(word in shown for word in [*variants, "tuned, 2 threads", "accurate, 2 threads"])
    assert "60 x 80 pixels" in shown and "timed on 144 of the 4,800 pixels" in shown


def test_bench_takes_two_pictures(workshop: Path, capsys: pytest.CaptureFixture[str]):
    assert (
        run_command("bench patchmatch a.png b.png --iterations 1 --whole --exact --threads 1") == 0
    )
    shown = capsys.readouterr().out
    assert "30 x 40 in 36 x 51 pixels" in shown and "exact, 1 thread" in shown and "*" not in shown
