"""Crops of textures, and the recipes that train on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from smalti.data.pictures import Pictures
from smalti.recipes import find_recipe
from smalti.recipes.crops import CropReader, cut_crops, cut_quarters, drop_classes
from smalti.recipes.textures import PACK
from tests.expect import expect_user_error

CLASSES = ("brick", "carpet", "gravel")


def make_pictures() -> Pictures:
    """Three pictures of 16 x 16 whose bytes tell picture, row and column."""
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    planes = [torch.stack([torch.full((16, 16), k), rows, columns]) for k in range(3)]
    return Pictures(torch.stack(planes).byte(), torch.tensor([0, 1, 2]), CLASSES, "toy")


def test_crops_are_parts_of_their_pictures() -> None:
    crops = cut_crops(make_pictures(), (8, 8), [40] * 3, seed=0)
    assert crops.labels is not None and crops.labels.tolist() == [0] * 40 + [1] * 40 + [2] * 40
    assert len(crops.pixels.flatten(1).unique(dim=0)) > 100
    for k, crop in enumerate(crops.pixels.int()):
        assert set(crop[0].flatten().tolist()) == {k // 40}
        for side in (crop[1], crop[2]):  # neighbors stay neighbors, whichever way it is turned
            steps = sorted(abs(int(side.diff(dim=d).float().mean())) for d in (0, 1))
            assert steps == [0, 1]


def test_only_isotropic_materials_are_turned() -> None:
    crops = cut_crops(make_pictures(), (8, 8), [40] * 3, seed=0).pixels.int()
    is_upright = [bool((crop[1].diff(dim=0) == 1).all()) for crop in crops]
    assert all(is_upright[:40])
    assert 0 < sum(is_upright[80:]) < 40
    crops = cut_crops(make_pictures(), (8, 8), [40] * 3, seed=0, turns=False).pixels.int()
    assert all(bool((crop[1].diff(dim=0) == 1).all()) for crop in crops)


def test_rare_classes_may_have_as_many_crops() -> None:
    pictures = make_pictures().select(torch.tensor([0, 0, 0, 2, 1, 1]), "part")
    assert CropReader(PACK, crops=4).count_crops(pictures) == [4] * 6
    counts = CropReader(PACK, crops=4, balances=True).count_crops(pictures)
    assert counts == [4, 4, 4, 12, 6, 6]
    labels = cut_crops(pictures, (8, 8), counts, seed=0).labels
    assert labels is not None and torch.bincount(labels).tolist() == [12, 12, 12]


def test_crops_depend_on_the_seed_alone() -> None:
    first, again, other = (
        cut_crops(make_pictures(), (8, 8), [9] * 3, seed=s).pixels for s in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_held_out_pictures_are_cut_into_quarters() -> None:
    quarters = cut_quarters(make_pictures(), (8, 8))
    corners = [(int(q[0, 0, 0]), int(q[1, 0, 0]), int(q[2, 0, 0])) for q in quarters.pixels]
    expected = [(k, i, j) for k in range(3) for i in (0, 8) for j in (0, 8)]
    assert sorted(corners) == expected and quarters.labels is not None
    assert [corner[0] for corner in corners] == quarters.labels.tolist()


def test_classes_are_dropped_with_their_pictures() -> None:
    kept = drop_classes(make_pictures(), ("carpet",))
    assert kept.classes == ("brick", "gravel") and kept.labels is not None
    assert kept.labels.tolist() == [0, 1]
    assert kept.pixels[:, 0, 0, 0].tolist() == [0, 2]


def test_own_pictures_are_read_twice_as_large(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for material in ("carpet", "gravel"):  # no class of one's own pictures is dropped
        for k in range(10):
            path = tmp_path / material / f"{k}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    splits = CropReader(PACK, crops=3)(str(tmp_path), size=16)
    assert splits.train.classes == ("carpet", "gravel")
    assert splits.train.shape == splits.valid.shape == (3, 16, 16)
    assert (len(splits.train), len(splits.valid)) == (3 * 19, 4)


def test_the_pack_has_crops_of_one_size() -> None:
    with expect_user_error("textures-free-128 gives crops of 64x64, but 28x28 is requested"):
        CropReader(PACK, crops=3)(None, size=28)


def test_the_codec_has_a_code_for_each_4_pixels() -> None:
    recipe = find_recipe("textures-codec")
    pictures = Pictures(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), None, (), "none")
    assert recipe.make_config(pictures).network.downsampling_factor == 4
