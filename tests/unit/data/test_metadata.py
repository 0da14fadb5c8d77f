"""Captions and attributes in metadata.csv, of folders and archives."""

from __future__ import annotations

from pathlib import Path

import pytest

import smalti
from smalti.data import read, read_splits
from tests.albums import make_two_classes, write_folder, write_zip
from tests.expect import expect_user_error

TABLE = b"""file_name,text,style
cats/0.png,"a cat, asleep",ink
cats/1.png,a cat,oil
dogs/2.png,,ink
"""


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_columns_are_captions_and_attributes(write: object, tmp_path: Path) -> None:
    files = {**make_two_classes(), "metadata.csv": TABLE, "cats/1.txt": b"from a file"}
    path = write(tmp_path / "all.zip", files)  # type: ignore[operator]
    pictures = read(path, size=8)
    assert pictures.captions == ("a cat, asleep", "from a file", "", "", "", "")
    style = pictures.attributes["style"]
    assert style.values == ("", "ink", "oil")
    assert style.list_words() == ["ink", "oil", "", "", "", "ink"]
    smalti.pack(path, tmp_path / "pack", size=8)
    packed = read(tmp_path / "pack", size=8)
    assert sorted(packed.attributes["style"].list_words()) == ["", "", "", "ink", "ink", "oil"]


def test_each_split_may_have_a_table(tmp_path: Path) -> None:
    one = make_two_classes()
    files = {f"{split}/{name}": data for split in ("train", "test") for name, data in one.items()}
    tables = {f"{s}/metadata.csv": TABLE.replace(b"oil", s.encode()) for s in ("train", "test")}
    splits = read_splits(write_folder(tmp_path / "all", {**files, **tables}), size=8)
    assert splits.test is not None
    assert splits.test.attributes["style"].list_words()[1] == "test"
    assert splits.test.attributes["style"].values == ("", "ink", "test", "train")


def test_a_table_of_something_else_is_ignored(tmp_path: Path) -> None:
    files = {**make_two_classes(), "metadata.csv": b"id,price\n1,2\n"}
    pictures = read(write_folder(tmp_path / "all", files), size=8)
    assert not pictures.attributes and not pictures.captions


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (TABLE + b"cats/9.png,x,ink\n",
         "all/metadata.csv names cats/9.png, which is no picture there (1 such rows)"),
        (b"file_name,style\ncats/0.png,\xff\n", "all/metadata.csv is not UTF-8 text"),
        (b"file_name,class\ncats/0.png,x\n", "all/metadata.csv has a column class"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_a_line(table: bytes, error: str, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "all", {**make_two_classes(), "metadata.csv": table})
    with expect_user_error(error):
        read(path, size=8)
