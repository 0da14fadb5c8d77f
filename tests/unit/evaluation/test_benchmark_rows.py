"""Rows of the benchmarks of digit generators and of priors, on tiny networks."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import _prior, generators
from benchmarks._generator_table import Result, format_table, plot_results
from benchmarks._prior import Prior, encode_digits, load_codec, score_codes
from smalti.core.errors import UserError
from smalti.core.protocols import Batch
from smalti.evaluation.report import Protocol, Report, Row

PROTOCOL = Protocol(
    "digits", "", 8500, "valid", (1, 28, 28), "digits", "", "", 200, 0, "turns", 200, "", False,
    100, 0, {},
)  # fmt: skip


def make_result(name: str, likelihood: Row) -> Result:
    rows = (
        Row("frechet", 0.5, 0.05, real=0.15, real_error=0.01),
        Row("kernel", 0.002, 0.0001, real=0.0),
        Row("accuracy", 0.98, 0.005, real=0.996),
        Row("recall", None, note="left out"),
        likelihood,
        Row("parameters", 1234.0),
    )
    return Result(name, 0.25, 8.5, Report(name, "", PROTOCOL, rows))


def test_table_names_bounds_and_nats_and_omits_what_is_not_measured(tmp_path: Path) -> None:
    bound = make_result("a", Row("bits/dim", 1.5, note="an upper bound, over 250 pictures"))
    codes = make_result("b", Row("nats/code", 1.8))
    head, _, first, second, real = format_table([bound, codes]).splitlines()
    assert head.count("|") == first.count("|") == second.count("|") == real.count("|")
    assert "| a | 0.500 ± 0.050 | 2.00 ± 0.10 | 98.0% ± 0.5% |  | <= 1.500 |  | 0.25 s" in first
    assert "|  | 1.800 | 0.25 s | 1,234 | 8.5 |" in second
    assert real.startswith("| 200 valid digits | 0.150 ± 0.010 | 0.00 | 99.6% |")
    plot_results([bound, codes], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_every_shipped_generator_of_digits_has_a_row() -> None:
    names = [row.name for row in generators.list_generators(["runs/mine"])]
    assert {"ddpm-digits", "pixelcnnpp-digits", "vqvae-digits-gpt", "runs/mine"} <= {*names}
    assert "vqvae-digits" not in names
    with pytest.raises(UserError, match="no row contains 'emoji'"):
        generators.list_generators(only="emoji")


def test_a_row_is_measured_once_for_the_same_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def measure(generator: Any, model: object, options: argparse.Namespace) -> Result:
        measured.append(options.n)
        return make_result(generator.name, Row("bits/dim", 1.0))

    monkeypatch.setattr(generators, "measure", measure)
    row = generators.Generator("letters/a", "gated-pixelcnn-digits-8")
    options = generators.parse_options(["--out", str(tmp_path)])
    first = generators.measure_once(row, options)
    assert generators.measure_once(row, options) == first
    options.n = 10
    generators.measure_once(row, options)
    assert measured == [1000, 10]


@pytest.mark.parametrize("network", ["p 64, linear 32", "p 64, linear 32, numbers", "GPT"])
def test_untrained_priors_score_about_ln_k(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = replace(_prior.MIDDLE, width=4, head_width=4, blocks=1)
    gpt = replace(_prior.GPT_SIZE, layers=1, heads=1, width=8)
    monkeypatch.setitem(_prior.NETWORKS, network, gpt if network == "GPT" else tiny)
    row, codes = Prior(network), encode_digits("vqvae-digits", "valid")
    torch.manual_seed(0)
    model = row.build_config().build()
    assert (model.values is not None) == network.endswith("numbers")
    nats = score_codes(model, codes)
    assert nats.shape == (500,)
    assert float(nats.mean()) == pytest.approx(math.log(64), rel=0.1)
    batch: Batch = codes.make_batch(torch.arange(4), torch.device("cpu"))
    assert model.loss(batch, 0).total.isfinite()


def test_decoded_symbols_are_the_codecs_reconstructions() -> None:
    codes = encode_digits("vqvae-digits", "valid")
    codec = load_codec("vqvae-digits")
    symbols = codes.stored_codes[:3]
    again = codec.encode(codes.pictures.take_floats(torch.arange(3)))
    expected = codec.decode(again, (28, 28))
    torch.testing.assert_close(_prior.decode(codec, symbols), expected)
