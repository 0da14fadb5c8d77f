"""Packs: writing, reading, and errors of damaged ones."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti.data import Pictures, pack, packing, read, read_size, read_splits
from smalti.training.step import make_flipped_batch
from tests import albums
from tests.command import list_contents
from tests.expect import expect_user_error


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """20 cats and 20 dogs of 8 x 8."""
    return albums.write_folder(tmp_path / "album", albums.make_two_classes(20))


def test_a_pack_holds_what_was_packed(album: Path, tmp_path: Path):
    made = pack(album, tmp_path / "p", size=8, valid=0.1, test=0.2, seed=3)
    assert made.shape == (40, 3, 8, 8)
    pictures, first = read(tmp_path / "p", size=8), read(album, size=8)
    order = np.argsort(np.random.Philox(3).random_raw(40), kind="stable")
    rows = np.concatenate([np.sort(order[12:]), np.sort(order[:4]), np.sort(order[4:12])])
    assert torch.equal(pictures.pixels, first.pixels[rows])
    assert pictures.labels is not None and first.labels is not None
    assert torch.equal(pictures.labels, first.labels[rows])
    assert (pictures.classes, pictures.name) == (("cats", "dogs"), "album")
    splits = read_splits(tmp_path / "p", size=8)
    assert splits.test is not None
    assert [len(p) for p in (splits.train, splits.valid, splits.test)] == [28, 4, 8]
    assert torch.equal(splits.valid.pixels, first.pixels[rows[28:32]])
    assert list_contents(tmp_path / "p") == ["labels.npy", "pack.json", "pixels.npy"]


def test_a_pack_holds_out_what_reading_would(album: Path, tmp_path: Path):
    pack(album, tmp_path / "p", size=8)
    packed, direct = read_splits(tmp_path / "p", size=8).valid, read_splits(album, size=8).valid
    assert sorted(map(bytes, packed.pixels.numpy())) == sorted(map(bytes, direct.pixels.numpy()))


def test_the_same_pack_twice_is_the_same_bytes(album: Path, tmp_path: Path):
    for name in ("a", "b"):
        pack(album, tmp_path / name, size=8, test=0.1)
    for name in list_contents(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@settings(max_examples=10)
@given(st.lists(st.booleans(), min_size=2, max_size=9), st.sampled_from(["keep", "gray", "rgb"]))
def test_a_pile_on_disk_is_the_pile_in_memory(colored: list[bool], color: Any):
    with pytest.MonkeyPatch.context() as patch, TemporaryFolder() as folder:
        patch.setattr(packing, "BLOCK_BYTES", 100)  # a picture at a time, when gray becomes RGB
        files = {
            f"{k}.png": albums.encode_picture(
                albums.make_noise(1, 5, 4, *((3,) if c else ()), seed=k)[0]
            )
            for k, c in enumerate(colored)
        }
        albums.write_folder(folder / "set", files)
        pack(folder / "set", folder / "p", size=None, color=color, valid=0)
        packed, direct = (read(folder / n, size=None, color=color) for n in ("p", "set"))
        assert torch.equal(packed.pixels, direct.pixels)
        assert packed.shape[0] == (3 if color == "rgb" or (color == "keep" and any(colored)) else 1)


class TemporaryFolder:
    """A fresh folder, for hypothesis runs a test many times."""

    def __enter__(self) -> Path:
        import tempfile

        self.folder = tempfile.mkdtemp()
        return Path(self.folder)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder)


def test_the_splits_and_captions_of_the_data_are_kept(tmp_path: Path):
    np.savez(
        tmp_path / "a.npz",
        x_train=albums.make_noise(6, 8, 8),
        x_test=albums.make_noise(2, 8, 8, seed=1),
    )
    made = pack(tmp_path / "a.npz", tmp_path / "p", size=8, valid=0.5, test=0.5)
    assert made.splits == {"train": range(3), "valid": range(3, 6), "test": range(6, 8)}
    test = read_splits(tmp_path / "p", size=8).test
    assert test is not None
    assert np.array_equal(test.pixels[:, 0].numpy(), albums.make_noise(2, 8, 8, seed=1))


def test_a_pack_is_packed_again_in_another_size(album: Path, tmp_path: Path):
    pack(album, tmp_path / "p", size=8, test=0.1)
    made = pack(tmp_path / "p", tmp_path / "q", size=4)
    assert made.shape == (40, 3, 4, 4)
    assert made.splits == {"train": range(34), "valid": range(34, 36), "test": range(36, 40)}


def test_a_pack_in_another_size_than_it_was_made_is_refused(album: Path, tmp_path: Path):
    pack(album, tmp_path / "p", size=8)
    for reader in (read, read_splits):
        with expect_user_error(
            "p is packed at 8 x 8 pixels, but 32 x 32 is requested; give --size 8"
        ):
            reader(tmp_path / "p", size=32)
    assert read(tmp_path / "p", size=None).shape == (3, 8, 8)
    assert read(tmp_path / "p", size=8, color="gray").shape == (1, 8, 8)
    assert (read_size(tmp_path / "p"), read_size(album)) == ((8, 8), None)


def test_broken_pictures_stop_a_pack_or_are_left_out(album: Path, tmp_path: Path):
    for name in ("cats/a.png", "dogs/zz.png"):
        (album / name).write_bytes(b"x")
    with expect_user_error(
        "2 of 42 pictures cannot be used, the first: ", "a.png is not a readable picture"
    ):
        pack(album, tmp_path / "new/p", size=8)
    assert list_contents(tmp_path) == contents_without(tmp_path, "new")
    made = pack(album, tmp_path / "p", size=8, skip_bad=True)
    assert [str(b).split(" is ")[0] for b in made.bad] == [
        str(album / name) for name in ("cats/a.png", "dogs/zz.png")
    ]
    splits = read_splits(tmp_path / "p", size=8)
    assert len(splits.train) + len(splits.valid) == made.shape[0] == 40
    assert len(read(tmp_path / "p", size=8, labels=True)) == 40


def contents_without(folder: Path, name: str) -> list[str]:
    return [path for path in list_contents(folder) if not path.startswith(name)]


def test_an_old_pack_is_replaced_and_other_folders_are_not(album: Path, tmp_path: Path):
    pack(album, tmp_path / "p", size=8)
    pack(album, tmp_path / "p", size=4)
    assert read(tmp_path / "p", size=4).shape == (3, 4, 4)
    with expect_user_error("album holds 'cats', which is not ours"):
        pack(tmp_path / "p", album)
    with expect_user_error("p is the input pack; choose another folder"):
        pack(tmp_path / "p", tmp_path / "q" / ".." / "p", size=2)
    assert read(tmp_path / "p", size=4).shape == (3, 4, 4)


@pytest.mark.parametrize("options", [{"valid": 1.0}, {"test": -0.1}, {"valid": 0.5, "test": 0.5}])
def test_parts_that_leave_nothing(album: Path, tmp_path: Path, options: dict[str, float]):
    with expect_user_error(""):
        pack(album, tmp_path / "p", **options)  # pyright: ignore
    assert not (tmp_path / "p").exists()


# ---- damage


def truncate(path: Path) -> None:
    (path / "pixels.npy").write_bytes((path / "pixels.npy").read_bytes()[:-1])


def rewrite(**changes: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = json.loads((path / "pack.json").read_text()) | changes
        (path / "pack.json").write_text(json.dumps(content))

    return change


def write_array(name: str, value: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.save(path / name, value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, "pixels.npy is damaged (mmap length is greater than file size)"),
        (lambda p: (p / "pixels.npy").unlink(), "pixels.npy is damaged (No such file"),
        (lambda p: (p / "pixels.npy").write_bytes(b""), "pixels.npy is damaged"),
        (lambda p: (p / "pixels.npy").write_bytes(pickle.dumps([1])), "pixels.npy is damaged"),
        (write_array("pixels.npy", np.zeros((40, 3, 8, 8))), "it holds float64 (40, 3, 8, 8)"),
        (
            write_array("pixels.npy", np.zeros((40, 2, 8, 8), np.uint8)),
            "it holds uint8 (40, 2, 8, 8)",
        ),
        (write_array("pixels.npy", np.zeros((39, 3, 8, 8), np.uint8)), "labels.npy is damaged"),
        (lambda p: (p / "labels.npy").unlink(), "labels.npy is damaged (No such file"),
        (write_array("labels.npy", np.zeros(39, np.int64)), "it holds int64 (39,) for 40 pictures"),
        (write_array("labels.npy", np.zeros(40)), "it holds float64 (40,)"),
        (write_array("labels.npy", np.full(40, 2)), "it has labels from 2 to 2 for 2 classes"),
        (rewrite(format=2), "pack.json has format 2; this smalti reads 1"),
        (rewrite(captions=["one"]), "it has 1 captions for 40 pictures"),
        (rewrite(splits={"train": [0, 39]}), "its splits do not cover its 40 pictures"),
        (rewrite(splits={"train": [0, 30], "valid": [20, 40]}), "do not cover"),
        (rewrite(splits={"test": [0, 40]}), "do not cover"),
        (rewrite(splits={"train": "all"}), "its splits are not row ranges"),
        (lambda p: (p / "pack.json").write_text("{"), "pack.json is damaged"),
        (lambda p: (p / "pack.json").write_text("[]"), "pack.json has format None"),
    ],
)
def test_a_damaged_pack_says_what_is_wrong(
    album: Path, tmp_path: Path, damage: Callable[[Path], None], said: str
):
    pack(album, tmp_path / "p", size=8)
    damage(tmp_path / "p")
    with expect_user_error(said):
        read(tmp_path / "p", size=8)


# ---- reading lazily


@pytest.fixture
def huge_pack(tmp_path: Path) -> Path:
    """A pack of a hole: 40,000 pictures of 64 x 64 RGB, 490 MB that take no room on the disk."""
    (tmp_path / "big").mkdir()
    np.lib.format.open_memmap(
        tmp_path / "big/pixels.npy", "w+", dtype=np.uint8, shape=(40_000, 3, 64, 64)
    )
    content = {"format": 1, "name": "big", "captions": [], "splits": {}}
    (tmp_path / "big/pack.json").write_text(json.dumps(content))
    return tmp_path / "big"


def test_a_pack_is_indexed_without_being_read(huge_pack: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = resident()
        splits = read_splits(huge_pack, size=64)
        first = splits.train.plan_batches(seed=0, batch_size=8).select_indices(0)
        batch = make_flipped_batch(splits.train, first, torch.device("cpu"))
        assert batch.require_pictures().shape == (8, 3, 64, 64)
    assert len(splits.train) == 38_000
    assert splits.train.stored_pixels.data_ptr() == splits.valid.stored_pixels.data_ptr()
    assert resident() - before < 150e6  # of 490 MB


def resident() -> int:
    """Bytes of this process that are in memory."""
    line = Path("/proc/self/statm")
    return int(line.read_text().split()[1]) * 4096 if line.is_file() else 0


def test_a_part_of_a_part_is_what_it_would_be_in_memory(album: Path, tmp_path: Path):
    pack(album, tmp_path / "p", size=8, valid=0)
    lazy = read(tmp_path / "p", size=8)
    eager = Pictures(lazy.pixels.clone(), lazy.labels, lazy.classes, lazy.name)
    for one in (lazy, eager):
        assert one.split(0.5, seed=1)[0].stored_pixels.data_ptr() == one.stored_pixels.data_ptr()
    a, b = (
        p.split(0.5, seed=1)[0].split(3, seed=2)[1].select(slice(1, 3), "x") for p in (lazy, eager)
    )
    twice = eager.pixels[eager.split(0.5, seed=1)[0].rows][:]
    order = torch.from_numpy(np.argsort(np.random.Philox(2).random_raw(20), kind="stable"))
    expected = twice[order[:3]][1:3]
    for part in (a, b):
        assert torch.equal(part.pixels, expected)
        assert torch.equal(part.take(torch.tensor([1])), expected[1:])
        assert torch.equal(part.take_floats(slice(None)), expected.float() / 255)
    assert a.name == "album/train/valid/x"


def test_captions_follow_their_pictures():
    pixels = torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 1, 4, 4)
    pictures = Pictures(pixels, None, (), "five", tuple("abcde"))
    for part in pictures.split(2, seed=1):
        assert part.captions == tuple("abcde"[k] for k in part.pixels[:, 0, 0, 0].tolist())
    with expect_user_error("five: 1 captions for 5 pictures"):
        Pictures(pixels, None, (), "five", ("a",))


def test_a_pack_is_never_changed_by_writing_to_its_pictures(album: Path, tmp_path: Path):
    pack(album, tmp_path / "p", size=8)
    before = (tmp_path / "p/pixels.npy").read_bytes()
    read(tmp_path / "p", size=8).pixels[:] = 0
    assert (tmp_path / "p/pixels.npy").read_bytes() == before
