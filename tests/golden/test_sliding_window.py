"""Sliding windows of taming-transformers' notebook, with the shipped GPT."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from smalti import sliding
from smalti.autoregressive import GPTConfig
from smalti.convert import read_weights
from smalti.convert.taming_gpt import translate_gpt

FILE = Path(__file__).parent / "taming_sliding_window.safetensors"


def test_windows_give_the_references_codes() -> None:
    tensors, told = read_weights(FILE)
    assert told is not None
    config = GPTConfig(
        vocab_size=told["vocab_size"],
        context_length=told["block_size"],
        layers=told["n_layer"],
        heads=told["n_head"],
        width=told["n_embd"],
    )
    network = config.build().eval()
    network.load_state_dict(translate_gpt(tensors))
    golden = load_file(FILE)
    codes = sliding.sample(network, golden["cond"], window=told["window"], top_k=1)
    torch.testing.assert_close(codes, golden["greedy"], atol=0, rtol=0)
