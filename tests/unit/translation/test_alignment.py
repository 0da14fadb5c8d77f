"""Alignments, their picture and fonts; and translations symbol by symbol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import smalti
from smalti.translation import (
    Translator,
    align,
    draw_alignments,
    fonts,
    stream_translation,
    translate,
)
from smalti.translation.alignment import CELL
from smalti.translation.fonts import find_font, list_fonts
from smalti.translation.texts import translate_in_pieces
from smalti.translation.tokenizer import BOS
from smalti.translation.transformer import split_heads
from tests.expect import expect_user_error
from tests.toy_fonts import LATIN, write_font


@pytest.fixture(scope="module")
def shipped() -> Translator:
    return smalti.load("en-zh-help")


@torch.no_grad()
def test_weights_are_the_last_layers(shipped: Translator) -> None:
    found = align(shipped, "Save the file.", "保存文件。")
    assert found.source[-2:] == [".", "</s>"] and "".join(found.target) == "保存文件。</s>"
    network = shipped.network.eval()
    source = torch.tensor(shipped.source_tokenizer.encode(["Save the file."]))
    target = torch.tensor([[BOS, *shipped.target_tokenizer.encode(["保存文件。"])[0][:-1]]])
    memory, mask = network.encode(source)
    inputs: list[torch.Tensor] = []
    handle = network.decoder[-1].cross.q.register_forward_hook(lambda *a: inputs.append(a[2]))
    network.decode(target, memory, mask)
    handle.remove()
    keys, _ = network.decoder[-1].cross.project(memory)
    q = split_heads(inputs[0], network.config.heads)
    weights = (q @ keys.mT / keys.shape[-1] ** 0.5).softmax(-1).mean(1)[0]
    torch.testing.assert_close(found.weights, weights, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.weights.sum(1), torch.ones(len(found.target)))
    assert found.source[int(found.weights[found.target.index("保存")].argmax())] == "Save"


def test_the_picture_is_dark_where_weights_are_large(shipped: Translator, tmp_path: Path) -> None:
    one = align(shipped, "Save the file.", "保存文件。")
    font = write_font(
        tmp_path / "a.ttf", LATIN + "".join(sorted({*"".join(one.target)} - {*LATIN}))
    )
    picture = draw_alignments([one, one], font)
    rows, columns = one.weights.shape
    pixels = np.asarray(picture.convert("L"), float)
    height = picture.height // 2
    top = height - CELL * rows - 9 + CELL // 2
    left = picture.width - CELL * columns - 9 + CELL // 2
    for start in (top, top + height):
        cells = pixels[start : start + CELL * rows : CELL, left : left + CELL * columns : CELL]
        dark = torch.from_numpy(255 - cells).flatten()
        assert torch.corrcoef(torch.stack([dark, one.weights.flatten().double()]))[0, 1] > 0.999


def test_fonts_are_found_by_their_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "FOLDERS", [str(tmp_path)])
    write_font(tmp_path / "latin.ttf", LATIN)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    with expect_user_error("no installed font has the Chinese", "fonts-wqy-microhei"):
        find_font("a文")
    assert find_font("ab c").name == "latin.ttf"
    list_fonts.cache_clear()
    (tmp_path / "deep").mkdir()
    found = write_font(tmp_path / "deep" / "wqy-test.ttf", LATIN + "文件")
    assert find_font("a文 件") == found
    assert list_fonts((str(tmp_path),))[0] == found
    list_fonts.cache_clear()


def test_pieces_come_with_their_translations(shipped: Translator) -> None:
    text = "Save the file.\n&Open"
    assert translate_in_pieces(shipped, text) == [
        (piece, translate(shipped, [piece])[0]) for piece in ("Save the file.", "Open")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Save the file before you close the window.",
        "  &Open...\n%d\nCould not open <b>%s</b>: {0}\\n",
        "{0} of %(n)s $1 %% @a@ files {b}: <i>%1$s</i> &amp; %2$d",
        "42",
    ],
)
def test_the_last_state_is_the_translation(shipped: Translator, text: str) -> None:
    states = list(stream_translation(shipped, text))
    assert states[-1] == translate(shipped, [text])[0]
    lengths = list(map(len, states))
    assert len(states) == 1 or (len(states) > 4 and lengths[0] < lengths[-1])
    assert not shipped.training
