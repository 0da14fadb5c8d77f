"""Pictures as codes, codes as pictures, and codebooks as tiles."""

from __future__ import annotations

import pytest
import torch

from smalti.core.errors import UserError
from smalti.core.model import open_model
from smalti.tasks import decode_codes, draw_codebook, encode_pictures


@pytest.fixture(scope="module")
def codec():
    return open_model("vqvae-digits")


def test_codes_decode_to_the_reconstruction(codec):
    encoded = encode_pictures(codec, torch.rand(2, 1, 28, 28))
    h, w = codec.compute_code_shape((28, 28))
    assert encoded.codes.shape == (2, h, w)
    assert (encoded.codebook_size, encoded.code_side) == (codec.vocab_size, 28 // h)
    decoded = decode_codes(codec, encoded.codes, size=28)
    assert torch.equal(decoded.pictures, encoded.reconstructions)
    rows = tuple(tuple(row) for row in encoded.codes[1].tolist())
    alone = decode_codes(codec, rows, size=28).pictures[0]
    torch.testing.assert_close(alone, encoded.reconstructions[1], rtol=0, atol=1e-5)


def test_a_picture_of_another_size_has_more_codes(codec):
    encoded = encode_pictures(codec, torch.rand(1, 1, 28, 28), size=(30, 44))
    assert encoded.codes.shape == (1, *codec.compute_code_shape((30, 44)))
    assert encoded.reconstructions.shape == encoded.pictures.shape == (1, 1, 30, 44)


def test_a_codebook_is_drawn_code_by_code(codec):
    book = draw_codebook(codec, first=3, n=5)
    f = codec.network.downsampling_factor
    assert book.tiles.shape == (5, 1, f, f)
    expected = decode_codes(codec, torch.full((3, 3), 4)).pictures[..., f : 2 * f, f : 2 * f]
    torch.testing.assert_close(book.tiles[1:2], expected, rtol=0, atol=1e-5)
    assert book.colors.shape == (5, 3)
    assert len({tuple(color) for color in book.colors.tolist()}) == 5


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (((1, 2), (3,)), "all of one length"),
        (((1, 100_000),), "out of range"),
        (((-1,),), "out of range"),
        (((0.5,),), "give integers"),
        ((), "give \\(h, w\\)"),
    ],
)
def test_codes_that_are_none_get_a_line(codec, codes, words: str):
    with pytest.raises(UserError, match=words):
        decode_codes(codec, codes)


def test_only_codecs_have_codes():
    with pytest.raises(UserError, match="does not encode pictures as codes"):
        draw_codebook("ddpm-digits")
    with pytest.raises(UserError, match="first is"):
        draw_codebook("vqvae-digits", first=1_000_000)
