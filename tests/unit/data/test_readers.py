"""Every dataset format, and its error messages."""

from __future__ import annotations

import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from smalti.data import Pictures, read, read_splits
from smalti.data.arrays import to_uint8
from smalti.data.zip_archive import MAX_UNPACKED_BYTES
from tests import albums
from tests.expect import expect_user_error


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    """An open file that is left behind fails the test, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def list_labels(pictures: Pictures) -> list[int]:
    assert pictures.labels is not None
    return pictures.labels.tolist()


# ---- folders and archives


def test_an_archive_reads_as_the_folder_it_holds(tmp_path: Path):
    files = albums.make_two_classes() | {
        "notes.txt": b"x",
        ".hidden.png": b"x",
        "__MACOSX/a.png": b"x",
    }
    folder = read(albums.write_folder(tmp_path / "set", albums.make_two_classes()), size=None)
    for name, prefix in (("flat.zip", ""), ("deep.zip", "photos/")):
        zipped = {prefix + key: content for key, content in files.items()}
        pictures = read(albums.write_zip(tmp_path / name, zipped), size=None)
        assert torch.equal(pictures.pixels, folder.pixels)
        assert (list_labels(pictures), pictures.classes) == (list_labels(folder), ("cats", "dogs"))
        assert pictures.name == name.removesuffix(".zip")


def test_a_picture_without_an_ending_is_found_in_an_archive(tmp_path: Path):
    files = {"one": albums.encode_picture(albums.make_noise(8, 8)), "README": b"no picture"}
    assert len(read(albums.write_zip(tmp_path / "a.zip", files))) == 1


def test_broken_pictures_are_named_and_counted(tmp_path: Path):
    files = albums.make_two_classes() | {"cats/bad.png": b"x", "dogs/z.png": b"y"}
    path = albums.write_zip(tmp_path / "a.zip", files)
    with expect_user_error(
        "2 of 8 pictures cannot be used, the first: ",
        "a.zip/cats/bad.png is not a readable picture",
    ):
        read(path)
    with expect_user_error("2 of 8 pictures cannot be used, the first: ", "set/cats/bad.png"):
        read(albums.write_folder(tmp_path / "set", files))
    with pytest.warns(UserWarning, match="skipped: 2 of 8"):
        pictures = read(path, size=None, skip_bad=True)
    assert list_labels(pictures) == [0, 0, 0, 1, 1, 1]
    good = read(albums.write_zip(path, albums.make_two_classes()), size=None)
    assert torch.equal(pictures.pixels, good.pixels)


def test_nothing_but_broken_pictures_is_refused_also_when_they_may_be_skipped(tmp_path: Path):
    path = albums.write_zip(tmp_path / "a.zip", {"x.png": b"x"})
    with expect_user_error("1 of 1 picture cannot be used", "a.zip/x.png"):
        read(path, skip_bad=True)


def test_a_damaged_member_is_named(tmp_path: Path):
    content = albums.encode_picture(albums.make_noise(16, 16))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as zipped:  # stored, so that its bytes can be found
        zipped.writestr("x.png", content)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(content[40:60], bytes(20), 1))
    with expect_user_error("a.zip/x.png cannot be read", "CRC"):
        read(path)


def test_an_encrypted_member_is_named(tmp_path: Path):
    path = albums.write_zip(
        tmp_path / "a.zip", {"x.png": albums.encode_picture(albums.make_noise(8, 8))}
    )
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the member's own head, and in the list at the end
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with expect_user_error("a.zip/x.png is encrypted; unpack"):
        read(path)


def test_a_bomb_in_an_archive_is_not_unpacked(tmp_path: Path):
    path = albums.write_zip(tmp_path / "a.zip", {"x.png": b"x"})
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 24  # the size that it promises
    content[place : place + 4] = struct.pack("<I", MAX_UNPACKED_BYTES + 10**6)
    path.write_bytes(content)
    with expect_user_error("a.zip/x.png unpacks to 401 MB"):
        read(path)


def test_archives_that_hold_nothing(tmp_path: Path):
    with expect_user_error("a.zip holds no pictures (skipped: TXT 1)"):
        read(albums.write_zip(tmp_path / "a.zip", {"b.txt": b"x"}))
    (tmp_path / "cut.zip").write_bytes(
        albums.write_zip(tmp_path / "a.zip", {"b.png": b"x"}).read_bytes()[:40]
    )
    with expect_user_error("cut.zip is not a readable zip archive"):
        read(tmp_path / "cut.zip")


# ---- arrays


@pytest.mark.parametrize("layout", ["NHW", "NHWC", "NCHW"])
@pytest.mark.parametrize("kind", ["bytes", "floats"])
def test_arrays_of_every_layout(tmp_path: Path, layout: str, kind: str):
    pixels = albums.make_noise(5, 8, 6) if layout == "NHW" else albums.make_noise(5, 8, 6, 3)
    expected = pixels[:, None] if layout == "NHW" else pixels.transpose(0, 3, 1, 2)
    array = expected if layout == "NCHW" else pixels
    if kind == "floats":
        array = array.astype(np.float32) / 255
    np.savez(tmp_path / "set.npz", images=array, labels=np.array([7, 3, 7, 3, 9]))
    pictures = read(tmp_path / "set.npz", size=None)
    assert np.array_equal(pictures.pixels.numpy(), expected)
    assert (list_labels(pictures), pictures.classes) == ([1, 0, 1, 0, 2], ("3", "7", "9"))
    assert pictures.name == "set"
    assert read(tmp_path / "set.npz", size=16, color="gray").shape == (1, 16, 16)
    assert read(tmp_path / "set.npz", labels=False).labels is None


@given(st.integers(0, 255))
def test_a_float_level_is_the_byte_it_came_from(level: int):
    array = np.full((1, 4, 4), level / 255, np.float32)
    assert (to_uint8("x", array) == level).all()


def test_transparent_arrays_show_the_background(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 4, 4, 4), np.uint8))
    assert (read(tmp_path / "a.npz", size=None, background="white").pixels == 255).all()


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test", "x_valid", "y_valid"),
        ("train_images", "train_labels", "test_images", "test_labels", "val_images", "val_labels"),
    ],
)
def test_splits_by_name(tmp_path: Path, names: tuple[str, ...]):
    arrays: dict[str, Any] = {}
    for k in range(3):
        n = 5 - k
        arrays[names[2 * k]] = albums.make_noise(n, 8, 8, seed=k)
        arrays[names[2 * k + 1]] = np.full((n, 1), k)  # columns of labels, too
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    splits = read_splits(tmp_path / "a.npz", size=8)
    assert splits.test is not None
    assert [len(p) for p in (splits.train, splits.valid, splits.test)] == [5, 3, 4]
    assert (list_labels(splits.valid), list_labels(splits.test)) == ([2] * 3, [1] * 4)
    assert np.array_equal(splits.test.pixels[:, 0].numpy(), arrays[names[2]])
    assert len(read(tmp_path / "a.npz", size=8)) == 12


def test_names_of_classes_come_with_the_arrays(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=albums.make_noise(2, 8, 8), y=[2, 0], classes=["a", "b", "c"])
    assert read(tmp_path / "a.npz").classes == ("a", "b", "c")
    np.savez(tmp_path / "b.npz", x=albums.make_noise(2, 8, 8), y=["dog", "cat"])
    assert (list_labels(read(tmp_path / "b.npz")), read(tmp_path / "b.npz").classes) == (
        [1, 0],
        ("cat", "dog"),
    )


PIXELS = albums.make_noise(3, 8, 8)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"weights": PIXELS}, "a.npz holds weights; name the pictures images"),
        ({"x": PIXELS[0]}, "a.npz: x has the shape (8, 8); give (N, H, W)"),
        ({"x": albums.make_noise(3, 8, 8, 7)}, "x has the shape (3, 8, 8, 7)"),
        ({"x": PIXELS.astype(np.float32)}, "give floats from 0 to 1, or uint8"),
        ({"x": np.full((2, 8, 8), np.nan)}, "x has values from nan to nan"),
        ({"x": PIXELS.astype(np.int64)}, "x holds int64; give uint8"),
        ({"x": PIXELS, "y": [1, 2]}, "y has the shape (2,) for 3 pictures"),
        ({"x": PIXELS, "y": [0.5, 1, 2]}, "labels are float64; give integers or names"),
        ({"x": PIXELS[:0]}, "a holds no pictures"),
        ({"x_test": PIXELS}, "no pictures to train on"),
        ({"x_train": PIXELS, "x_test": PIXELS, "y_test": [1, 2, 3]}, "no labels for train"),
        ({"x_train": PIXELS, "x_test": albums.make_noise(3, 9, 9)}, "give all splits one shape"),
        ({"x": np.array([None, None])}, "a.npz cannot be read", ),
    ],
)  # fmt: skip
def test_arrays_that_are_no_pictures(tmp_path: Path, arrays: dict[str, Any], said: str):
    np.savez(tmp_path / "a.npz", **arrays)
    with expect_user_error(said):
        read(tmp_path / "a.npz")


def test_an_npz_that_names_a_class_twice(tmp_path: Path):
    pixels, labels = np.zeros((4, 8, 8), np.uint8), np.arange(4) % 2
    np.savez(tmp_path / "x.npz", images=pixels, labels=labels, classes=np.full(2, np.nan))
    with expect_user_error("x.npz", "'nan' twice"):
        read(tmp_path / "x.npz", size=8)


def test_a_damaged_npz(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=PIXELS)
    for content in (b"", b"text", (tmp_path / "a.npz").read_bytes()[:200]):
        (tmp_path / "a.npz").write_bytes(content)
        with expect_user_error("a.npz cannot be read"):
            read(tmp_path / "a.npz")


# ---- MNIST's format


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_mnist_has_its_own_splits(tmp_path: Path, packed: bool):
    splits = read_splits(albums.write_mnist(tmp_path / "mnist", 40, 3, packed), size=8)
    assert splits.test is not None
    assert [len(p) for p in (splits.train, splits.valid, splits.test)] == [38, 2, 3]
    assert splits.test.pixels.numpy()[:, 0].tolist() == albums.make_noise(3, 8, 8, seed=1).tolist()
    assert (list_labels(splits.test), splits.test.classes) == ([0, 1, 2], ("0", "1", "2"))


@pytest.mark.parametrize("packed", [False, True])
def test_one_file_finds_its_labels(tmp_path: Path, packed: bool):
    folder = albums.write_mnist(tmp_path, packed=packed)
    end = ".gz" if packed else ""
    pictures = read(folder / f"t10k-images-idx3-ubyte{end}", size=8)
    assert (len(pictures), list_labels(pictures)) == (3, [0, 1, 2])
    (folder / f"t10k-labels-idx1-ubyte{end}").unlink()
    assert read(folder / f"t10k-images-idx3-ubyte{end}", size=8).labels is None


def test_idx_files_that_are_damaged(tmp_path: Path):
    folder = albums.write_mnist(tmp_path)
    images, marks = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with expect_user_error("train-images-idx3-ubyte is truncated: its header says 6 x 8 x 8"):
        read(folder)
    images.write_bytes(whole)
    albums.write_idx(marks, np.zeros(5, np.uint8))
    with expect_user_error("train-labels-idx1-ubyte holds 5 labels for 6 pictures"):
        read(images)
    marks.write_bytes(whole)
    with expect_user_error("train-labels-idx1-ubyte is not an IDX file of uint8 labels"):
        read(images)
    images.with_name(images.name + ".gz").write_bytes(b"\x1f\x8bnothing")
    with expect_user_error("train-images-idx3-ubyte.gz cannot be read"):
        read(images.with_name(images.name + ".gz"))


# ---- LMDB


def database(path: Path, entries: dict[str, bytes], **options: Any) -> Path:
    import lmdb

    environment = lmdb.open(str(path), map_size=1 << 22, **options)
    with environment.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key.encode(), value)
    environment.close()
    return path


def test_a_database_reads_as_a_folder_by_its_keys(tmp_path: Path):
    files = albums.make_two_classes()
    extra = {"num-samples": b"6", "label-01": b"cat", "cats/notes.txt": b"x"}
    folder = read(albums.write_folder(tmp_path / "set", files), size=None)
    keys = {name.removesuffix(".png"): content for name, content in files.items()}
    for place, options in (("db", {}), ("one.lmdb", {"subdir": False})):
        pictures = read(database(tmp_path / place, keys | extra, **options), size=None)
        assert torch.equal(pictures.pixels, folder.pixels)
        assert (list_labels(pictures), pictures.classes) == (list_labels(folder), folder.classes)
    assert len(read(tmp_path / "db")) == 6  # it can be opened again


def test_databases_that_are_damaged_or_empty(tmp_path: Path):
    with expect_user_error("db holds no pictures"):
        read(database(tmp_path / "db", {"n": b"3"}))
    with expect_user_error("1 of 2 pictures cannot be used", "two/b.png"):
        good = albums.encode_picture(albums.make_noise(8, 8))
        read(database(tmp_path / "two", {"a.png": good, "b.png": good[:50]}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/data.mdb").write_bytes(b"no database" * 1000)
    with expect_user_error("broken is not a readable LMDB"):
        read(tmp_path / "broken")


# ---- what is none of these


def test_a_path_that_is_nothing(tmp_path: Path):
    with expect_user_error("nowhere does not exist"):
        read(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("text that is longer than any magic number")
    with expect_user_error("a.txt is not a supported dataset; give a folder, a .zip"):
        read(tmp_path / "a.txt")
    Image.new("L", (8, 8)).save(tmp_path / "one.png")
    with expect_user_error("one.png is not a supported dataset"):
        read(tmp_path / "one.png")


def test_one_picture_cannot_be_split(tmp_path: Path):
    Image.new("L", (8, 8)).save(tmp_path / "one.png")
    with expect_user_error("holds 1 picture; training needs at least 2"):
        read_splits(tmp_path)


def test_data_without_splits_are_split_as_pictures_split(tmp_path: Path):
    path = albums.write_folder(tmp_path / "set", albums.make_two_classes(20))
    splits, pictures = read_splits(path, size=8), read(path, size=8)
    train, valid = pictures.split(2, seed=0)
    assert torch.equal(splits.valid.pixels, valid.pixels)
    assert torch.equal(splits.train.pixels, train.pixels)
    assert splits.test is None
