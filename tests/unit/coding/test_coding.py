"""Compression: lossless, in as many bits as the model's score, or refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import smalti
from smalti.coding import compress, decompress, environment, read_header
from smalti.coding.file import Header, from_bytes, to_bytes
from smalti.coding.range_coder import Decoder, Encoder
from smalti.core.progress import Progress
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data.pictures import Pictures
from tests.chain import Chain, draw_pixels
from tests.expect import expect_user_error

AB = ("a", "b")


def draw_noise(n: int, shape=(1, 5, 4)) -> torch.Tensor:
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8)


def measure_bits(model: Chain, pixels: torch.Tensor, labels: torch.Tensor | None = None) -> float:
    score = model.score(Batch(pixels.float() / 255, labels), Rng([0] * len(pixels)))
    return float(score.nats.sum()) / math.log(2)


def rewrite_header(data: bytes, **changes: object) -> bytes:
    """The same file with another header, its checksums right."""
    header, payload = from_bytes(data)
    return to_bytes(replace(header, **changes), payload)


# ---- exactness


@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 4, 5)])
def test_what_comes_out_is_what_went_in(shape: tuple[int, int, int]):
    model, pixels = Chain(shape), draw_noise(7, shape)
    data = compress(model, pixels, batch_size=3)
    out = decompress(model, data)
    assert out.dtype == torch.uint8
    assert torch.equal(out, pixels)
    assert model.batches == [3, 3, 1] * 2  # the same walks on both sides


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(2, 256), st.integers(1, 10))
def test_any_pictures_come_back(seed: int, n: int, levels: int, batch: int):
    rng = np.random.default_rng(seed)
    model = Chain((1, 3, 2), levels, sharpness=float(rng.choice([0, 1, 30])))
    x = torch.from_numpy(rng.integers(0, levels, (n, 1, 3, 2)))
    pixels = (model.codec.decode(x) * 255).round().byte()
    assert torch.equal(decompress(model, compress(model, pixels, batch_size=batch)), pixels)


def test_floats_in_0_to_1_are_the_same_pictures():
    model, pixels = Chain(), draw_noise(3)
    assert compress(model, pixels.float() / 255) == compress(model, pixels)


def test_the_payload_takes_the_models_bits():
    model = Chain((1, 8, 8))
    pixels = draw_pixels(model, 60)
    payload, said = (
        read_header(compress(model, pixels)).payload_bytes * 8,
        measure_bits(model, pixels),
    )
    assert said <= payload <= 1.01 * said


def test_levels_that_the_model_holds_for_impossible_can_be_written():
    logits = torch.full((1, 256), -math.inf).double()
    logits[0, 7] = 0

    class Sure(Chain):
        def logits(self, y: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
            return logits.repeat(len(y), 1)

    model, pixels = Sure((1, 1, 8)), torch.full((1, 1, 1, 8), 7, dtype=torch.uint8)
    assert read_header(compress(model, pixels)).payload_bytes <= 4
    pixels[0, 0, 0, ::2] = 200
    data = compress(model, pixels)
    assert read_header(data).payload_bytes <= 4 * 24 / 8 + 4
    assert torch.equal(decompress(model, data), pixels)


def test_probabilities_that_are_no_numbers_are_refused():
    model = Chain()
    with torch.no_grad():
        model.table[0, 0, 0] = math.nan
    with expect_user_error("probabilities are not finite"):
        compress(model, draw_noise(1))


def test_progress_counts_the_pictures():
    seen: list[Progress] = []
    model = Chain()
    data = compress(model, draw_noise(5), batch_size=2, on_progress=seen.append)
    assert Progress("compressing", 4, 5, "row 5/5") in seen
    assert [at.done for at in seen if not at.detail] == [2, 4, 5]
    seen.clear()
    decompress(model, data, on_progress=seen.append)
    assert [at.done for at in seen if not at.detail] == [2, 4, 5]


# ---- classes


def test_classes_that_are_given_are_kept():
    model, labels = Chain(classes=AB), torch.tensor([1, 0, 1, 1])
    pixels = draw_pixels(model, 4, labels)
    data = compress(model, pixels, labels)
    assert read_header(data).labels == (1, 0, 1, 1)
    assert torch.equal(decompress(model, data), pixels)


def test_without_classes_each_picture_takes_the_likeliest():
    model, labels = Chain(classes=AB), torch.tensor([1, 0, 0, 1, 0])
    pixels = draw_pixels(model, 5, labels)
    assert measure_bits(model, pixels, labels) < 0.8 * measure_bits(model, pixels, 1 - labels)
    data = compress(model, pixels, batch_size=2)
    assert read_header(data).labels == tuple(labels.tolist())
    assert torch.equal(decompress(model, data), pixels)


def test_the_datas_classes_are_the_models_by_name():
    model, labels = Chain(classes=AB), torch.tensor([0, 0, 1])
    pixels = draw_pixels(model, 3, torch.tensor([0, 1, 0]))
    data = compress(model, Pictures(pixels, labels, ("b", "a"), "mine"))
    assert read_header(data).labels == (1, 1, 0)
    data = compress(model, Pictures(pixels, labels, ("b", "c"), "mine"))
    assert read_header(data).labels == (0, 1, 0)  # the likeliest


# ---- refusals while compressing


@pytest.mark.parametrize(
    ("pictures", "options", "words"),
    [
        (draw_noise(2, (1, 5, 5)), {}, ["shape (1, 5, 5)", "(1, 5, 4)", "resized"]),
        (draw_noise(2).int(), {}, ["torch.int32", "give uint8"]),
        (draw_noise(2).float() / 255 + 0.001, {}, ["between 8-bit levels"]),
        (draw_noise(2).float(), {}, ["between 8-bit levels"]),
        (draw_noise(0), {}, ["no pictures"]),
        (draw_noise(2)[0], {}, ["(1, 5, 4)", "give (N, C, H, W)"]),
        (draw_noise(2), {"batch_size": 0}, ["batch_size is 0"]),
        (draw_noise(2), {"labels": [0, 1]}, ["this model has no classes"]),
        (draw_noise(2), {"text": ["a", "b"]}, ["text is given"]),
        (
            draw_noise(2),
            {"file_names": ["a.png", "../b.png"]},
            ["'../b.png'", "not a safe file name"],
        ),
        (draw_noise(2), {"file_names": ["a.png", "A.png"]}, ["same file name"]),
        (draw_noise(2), {"file_names": ["a.png"]}, ["1 names", "2 pictures"]),
    ],
)
def test_what_cannot_be_kept_is_refused(pictures: torch.Tensor, options: dict, words: list[str]):
    with expect_user_error(*words):
        compress(Chain(), pictures, **options)


def test_labels_must_be_as_many_as_pictures():
    with expect_user_error("shape (1,)", "(2,)"):
        compress(Chain(classes=AB), draw_noise(2), [0])


def test_pixels_between_a_models_levels_are_refused():
    model = Chain(levels=8)
    pixels = draw_pixels(model, 3)
    assert torch.equal(decompress(model, compress(model, pixels)), pixels)
    pixels[1, 0, 2, 2] = 35
    with expect_user_error("a pixel is 35", "8 levels"):
        compress(model, pixels)


def test_a_model_without_a_walk_is_refused():
    with expect_user_error("vqvae-digits does not go through pictures", "as a PixelCNN does"):
        compress(smalti.load("vqvae-digits"), draw_noise(1))
    with expect_user_error("vqvae-digits does not go through pictures"):
        compress("vqvae-digits", draw_noise(1))
    with expect_user_error("model is Linear", "give a model"):
        compress(torch.nn.Linear(1, 1), draw_noise(1))


# ---- damage


DATA = compress(Chain(), draw_pixels(Chain(), 3))


@settings(max_examples=60)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(position: int, change: int):
    damaged = bytearray(DATA)
    damaged[position] ^= change
    with expect_user_error(""):
        decompress(Chain(), bytes(damaged))


@pytest.mark.parametrize("length", [0, 3, 10, 40, len(DATA) - 20, len(DATA) - 1])
def test_a_cut_file_is_refused(length: int):
    with expect_user_error("truncated" if length else "not written by"):
        decompress(Chain(), DATA[:length])


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (DATA + b"x", "damaged"),
        (b"PK\x03\x04" + DATA, "not written by"),
        (DATA[:7] + b"\x09" + DATA[8:], "format 9"),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), "damaged"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, word: str):
    with expect_user_error(word):
        decompress(Chain(), data)


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 0},
        {"batch_size": -1},
        {"count": "3"},
        {"shape": (1, 5)},
        {"labels": (0,)},
        {"file_names": ("a.png", "b.png", "/c.png")},
        {"file_names": ("a.png", "b.png", "c/../../d.png")},
        {"file_names": ("a.png", "b.png", "c\\d.png")},
        {"file_names": ("a.png", "b.png", "c.exe")},
        {"file_names": ("a.png", "b.png", "a.png/c.png")},
    ],
)
def test_a_header_that_smalti_does_not_write_is_refused(changes: dict):
    with expect_user_error("invalid header"):
        decompress(Chain(), rewrite_header(DATA, **changes))


# ---- mismatch


def test_another_model_is_refused():
    other = Chain()
    with torch.no_grad():
        other.table[0, 3, 5] += 1e-6
    data = compress(Chain(), draw_noise(2), model_name="mine")
    with expect_user_error("compressed by model", "(mine), but this model is", "give the original"):
        decompress(other, data)
    with expect_user_error("pictures have shape (1, 5, 4)"):
        decompress(Chain((1, 4, 4)), DATA)


@pytest.mark.parametrize("name", ["smalti", "torch", "numba", "constriction", "device"])
def test_other_versions_are_refused_unless_told(name: str):
    recorded = dict(read_header(DATA).environment) | {name: "0.0.1"}
    data = rewrite_header(DATA, environment=tuple(recorded.items()))
    current = environment.read_environment(Chain())[name]
    with expect_user_error(f"compressed with {name} 0.0.1, but running with {name} {current}"):
        decompress(Chain(), data)
    assert torch.equal(decompress(Chain(), data, force=True), draw_pixels(Chain(), 3))


def test_another_type_of_weights_is_refused():
    with expect_user_error("compressed with dtype float32, but running with dtype float64"):
        decompress(Chain().double(), DATA)


def test_the_recorded_threads_walk_and_those_before_come_back(monkeypatch: pytest.MonkeyPatch):
    before, model = torch.get_num_threads(), Chain()
    data = rewrite_header(DATA, threads=before + 1)
    decompress(model, data)
    assert model.threads == [before + 1]
    assert torch.get_num_threads() == before
    with expect_user_error("threads is 0"):
        decompress(model, rewrite_header(DATA, threads=0))


@pytest.mark.parametrize(
    ("units", "words"), [(None, ["rounds differently"]), ("VFX9", ["compressed with VFX9"])]
)
def test_numbers_that_come_out_otherwise_are_noticed(units: str | None, words: list[str]):
    model = Chain()
    model.noise = 1e-2
    data = rewrite_header(DATA, vector_units=units) if units else DATA
    with expect_user_error("decompressed pictures differ from the originals", *words):
        decompress(model, data)


def test_a_wrong_checksum_of_the_pictures_is_noticed():
    with expect_user_error("pictures differ"):
        decompress(Chain(), rewrite_header(DATA, pixels_hash="0" * 64))


# ---- the stream by itself


def test_a_stream_goes_on_over_walks():
    model, x = Chain((1, 2, 2)), torch.randint(0, 256, (5, 1, 2, 2))
    encoder = Encoder()
    for part in (x[:3], x[3:]):
        list(encoder.walk(model, part, SamplingInputs()))
    decoder = Decoder(encoder.to_bytes())
    (*_, first), (*_, second) = (decoder.walk(model, n, SamplingInputs()) for n in (3, 2))
    assert torch.equal(torch.cat([first.symbols, second.symbols]), x)


def test_the_header_tells_what_a_file_holds():
    header = read_header(
        compress(Chain(), draw_noise(2), file_names=["a.png", "b/c.png"], model_name="chain")
    )
    assert isinstance(header, Header)
    assert (header.count, header.shape, header.file_names) == (2, (1, 5, 4), ("a.png", "b/c.png"))
    assert {"smalti", "torch", "dtype"} <= {key for key, _ in header.environment}
