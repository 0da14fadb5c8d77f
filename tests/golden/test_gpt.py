"""The GPT of VQGAN's authors, as the shipped class."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from smalti.autoregressive import GPTConfig
from smalti.convert import read_weights
from smalti.convert.taming_gpt import translate_gpt

FILE = Path(__file__).parent / "taming_gpt.safetensors"


@torch.no_grad()
def test_it_gives_the_references_logits() -> None:
    tensors, reference = read_weights(FILE)
    assert reference is not None
    config = GPTConfig(
        vocab_size=reference["vocab_size"],
        context_length=reference["block_size"],
        layers=reference["n_layer"],
        heads=reference["n_head"],
        width=reference["n_embd"],
    )
    network = config.build().eval()
    network.load_state_dict(translate_gpt(tensors))
    golden = load_file(FILE)
    torch.testing.assert_close(network(golden["idx"]), golden["logits"], atol=1e-4, rtol=0)
