"""Speed of translation: ours, the whole model run anew for each symbol, MarianMT, CTranslate2.

- The article's configuration (width 512, 6 + 6 layers, 10,000 symbols, random weights), 50 symbols
  become 50: `beam_search` against the network run in full for each symbol, and against the
  article's loop, which pads its target to the full length.
- The shipped translator, with lengths forced to be equal: Hugging Face's MarianMTModel of the same
  sizes with its cache (random weights; its layers are post-norm), and CTranslate2 with the same
  weights in int8 and float32. Each is left out if it cannot be imported (`pip install --target
  FOLDER --no-deps transformers ctranslate2 tokenizers regex`, FOLDER in PYTHONPATH).

Turns alternate; each number is the median of the repeats, in seconds of the process, so that other
programs on a busy machine do not count.

    python -m benchmarks.translation --threads 1
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

import smalti
from benchmarks._machine import describe_machine, format_machine
from smalti.core.int8 import dequantize_weights, quantize_weights
from smalti.translation import Beam, Transformer, TransformerConfig, Translator, beam_search
from smalti.translation.tokenizer import BOS, EOS, PAD, UNK, SubwordTokenizer, pad_sequences
from smalti.translation.transformer import encode_positions

ARTICLE = TransformerConfig(10_000, 10_000, 512, 8, 6, 6, 2048, norm="post", tied_embeddings=False)
LONG, EVERY, SYMBOLS = 50, 5, 24
TEXT = "Click OK to save the document that you have opened in the other window."
Seconds = dict[str, float]


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    machine = describe_machine()
    print(format_machine(machine), flush=True)
    article = {}
    for batch in (1, 8):
        article[batch] = seconds = measure_article(options.repeats if batch == 1 else 1, batch)
        print(f"\nthe article's, {batch} of {LONG} symbols: {format_seconds(seconds)}")
        for own in ("smalti", "smalti, int8"):
            ratios = [seconds[way] / seconds[own] for way in ("whole", "padded")]
            found = f"{ratios[0]:.1f} times as fast as whole, {ratios[1]:.1f} as padded"
            print(f"{own}: {found}", flush=True)
    rows = []
    model = smalti.load("en-zh-help")
    assert isinstance(model, Translator)
    rivals = build_rivals(model, options.threads)
    for width in (1, 4):
        for batch in (1, 32):
            seconds = measure(rivals, width, batch, options.repeats)
            rows.append({"beam": width, "batch": batch, "seconds": seconds})
            print_row(width, batch, seconds)
    result = {"machine": machine, "article": article, "rows": rows}
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def format_seconds(seconds: Seconds) -> str:
    return ", ".join(f"{way} {taken:.2f} s" for way, taken in seconds.items())


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.translation")
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, __doc__
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file for the result")
    return parser.parse_args()


def alternate(ways: Mapping[str, Callable[[], object]], repeats: int) -> Seconds:
    """Median seconds of each way, in turns; the first turn warms up and is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, run in ways.items():
            begun = time.process_time()
            run()
            if repeat:
                taken[name].append(time.process_time() - begun)
    return {name: median(times) for name, times in taken.items()}


@torch.no_grad()
def measure_article(repeats: int, batch: int) -> Seconds:
    """Seconds of sentences greedily: `beam_search`, and the network in full for each symbol.

    "int8" has the weights that an int8 checkpoint of the network would have.

    "padded" is the article's own loop, whose target always has its full length. Of the network in
    full, every fifth symbol is timed, and counted five times.
    """
    torch.manual_seed(0)
    network = forbid_end(Transformer(ARTICLE).eval())
    source = torch.randint(4, ARTICLE.source_vocab_size, (batch, LONG))
    source[:, -1] = EOS
    found = [row[0].symbols for row in beam_search(network, source, Beam(1, max_length=LONG))]
    written = torch.tensor([[BOS, *row] for row in found])
    rounded = copy.deepcopy(network)
    rounded.load_state_dict(dequantize_weights(quantize_weights(network.state_dict())))
    for t in (0, 1, 7, LONG - 1):  # both loops would have chosen what ours did
        for length in (t + 1, LONG):
            logits = network(source, written[:, :length])[:, t]
            logits[:, [PAD, UNK, BOS]] = -torch.inf
            assert logits.argmax(1).tolist() == written[:, t + 1].tolist()

    def run_whole(padded: bool) -> None:
        for t in range(2, LONG, EVERY):
            network(source, written[:, : LONG if padded else t + 1])[:, t].argmax(1)

    def run_ours(network: Transformer) -> None:
        beam_search(network, source, Beam(1, max_length=LONG))

    ours = {"smalti": lambda: run_ours(network), "smalti, int8": lambda: run_ours(rounded)}
    for run in (*ours.values(),) * 10:
        run()  # a process's first sentences are not compiled
    whole = {"whole": lambda: run_whole(False), "padded": lambda: run_whole(True)}
    seconds = alternate(ours | whole, repeats)
    return {name: taken * (EVERY if name in whole else 1) for name, taken in seconds.items()}


def forbid_end(network: Transformer) -> Transformer:
    """Never end a sentence before its maximum length."""
    with torch.no_grad():
        network.out.bias[EOS] = -1e9
    return network


Rival = Callable[[int, int], Callable[[], object]]
"""Makes a run from a beam width and a batch size."""


def build_rivals(model: Translator, threads: int) -> dict[str, Rival]:
    """All that can be compared, by name."""
    rivals = build_marian(model) | build_ctranslate2(model, threads)
    network = forbid_end(model.network.eval())
    source = pad_sequences(model.source_tokenizer.encode([TEXT]))

    def build(width: int, batch: int) -> Callable[[], object]:
        beam, rows = Beam(width, max_length=SYMBOLS), source.expand(batch, -1)
        return lambda: beam_search(network, rows, beam)

    return {"smalti": build} | rivals


def measure(rivals: dict[str, Rival], width: int, batch: int, repeats: int) -> Seconds:
    return alternate({name: build(width, batch) for name, build in rivals.items()}, repeats)


def print_row(width: int, batch: int, seconds: Seconds) -> None:
    name = "greedy" if width == 1 else f"beam {width}"
    print(f"{name}, batch {batch}: {batch * SYMBOLS} symbols")
    for way, taken in seconds.items():
        rate, ratio = batch * SYMBOLS / taken, taken / seconds["smalti"]
        print(f"  {way:20} {1e3 * taken:8.1f} ms {rate:8.0f} a second  {ratio:5.2f}", flush=True)


def build_marian(model: Translator) -> dict[str, Rival]:
    """MarianMTModel of the same sizes."""
    try:
        from transformers import MarianConfig, MarianMTModel  # pyright: ignore
    except ImportError:
        print("transformers is not installed; leaving it out", flush=True)
        return {}
    c = model.network.config
    sizes: dict[str, Any] = {"d_model": c.width, "encoder_layers": c.encoder_layers}
    sizes |= {"decoder_layers": c.decoder_layers, "encoder_attention_heads": c.heads}
    sizes |= {"decoder_attention_heads": c.heads, "encoder_ffn_dim": c.feed_forward_width}
    sizes |= {"decoder_ffn_dim": c.feed_forward_width, "vocab_size": c.source_vocab_size}
    sizes |= {"decoder_vocab_size": c.target_vocab_size, "activation_function": "relu"}
    special = {"pad_token_id": PAD, "eos_token_id": EOS, "decoder_start_token_id": BOS}
    special |= {"bos_token_id": BOS, "forced_eos_token_id": None, "bad_words_ids": None}
    config = MarianConfig(
        share_encoder_decoder_embeddings=False, scale_embedding=True, **sizes, **special
    )
    marian = MarianMTModel(config).eval()
    ids = torch.tensor(model.source_tokenizer.encode([TEXT]))

    def build(width: int, batch: int) -> Callable[[], object]:
        options = {"min_new_tokens": SYMBOLS, "max_new_tokens": SYMBOLS, "num_beams": width}
        rows = ids.expand(batch, -1)
        mask = torch.ones_like(rows)

        def run() -> None:
            found = marian.generate(
                input_ids=rows, attention_mask=mask, do_sample=False, use_cache=True, **options
            )
            assert found.shape == (batch, SYMBOLS + 1), found.shape

        return run

    return {"MarianMT": build}


def build_ctranslate2(model: Translator, threads: int) -> dict[str, Rival]:
    """CTranslate2 with the same weights, which translates as ours does."""
    try:
        import ctranslate2  # pyright: ignore
    except ImportError:
        print("ctranslate2 is not installed; leaving it out", flush=True)
        return {}
    rivals: dict[str, Rival] = {}
    source = model.source_tokenizer
    target = model.target_tokenizer
    assert isinstance(source, SubwordTokenizer) and isinstance(target, SubwordTokenizer)
    words = [*source.list_pieces(TEXT), "</s>"]
    ours = model.search([TEXT] * 16, Beam(1))[0][0].symbols  # so many are compiled
    pieces = [target.processor.id_to_piece(k) for k in ours]
    for kind in ("int8", "float32"):
        folder = Path(tempfile.mkdtemp()) / kind
        write_ctranslate2(model, folder, "int8" if kind == "int8" else None)
        rival = ctranslate2.Translator(str(folder), intra_threads=threads, compute_type=kind)
        found = rival.translate_batch([words], beam_size=1)[0].hypotheses[0]
        print(f"CTranslate2, {kind}: {''.join(found)}")
        assert kind == "int8" or found == pieces, (found, pieces)

        def build(width: int, batch: int, rival: Any = rival) -> Callable[[], object]:
            lengths = {"min_decoding_length": SYMBOLS, "max_decoding_length": SYMBOLS}

            def run() -> None:
                found = rival.translate_batch([words] * batch, beam_size=width, **lengths)
                assert all(len(one.hypotheses[0]) == SYMBOLS for one in found)

            return run

        rivals[f"CTranslate2, {kind}"] = build
    return rivals


def write_ctranslate2(model: Translator, folder: Path, quantization: str | None) -> None:
    """Convert a translator through CTranslate2's specification."""
    from ctranslate2.specs import TransformerSpec  # pyright: ignore

    network, c = model.network, model.network.config
    depths = c.encoder_layers, c.decoder_layers
    spec: Any = TransformerSpec.from_config(depths, c.heads, pre_norm=c.norm == "pre")
    positions = encode_positions(torch.arange(512), c.width).numpy()
    for side, table, norm in (
        (spec.encoder, network.source, network.encoder_norm),
        (spec.decoder, network.target, network.decoder_norm),
    ):
        embeddings = side.embeddings[0] if isinstance(side.embeddings, list) else side.embeddings
        embeddings.weight = table.weight.detach().numpy().copy()
        side.scale_embeddings, side.position_encodings.encodings = True, positions
        set_norm(side.layer_norm, norm)
    set_linear(spec.decoder.projection, network.out)
    layers: list[Any] = [*network.encoder, *network.decoder]
    for part, layer in zip([*spec.encoder.layer, *spec.decoder.layer], layers, strict=True):
        set_norm(part.self_attention.layer_norm, layer.residuals[0].norm)
        set_linear(part.self_attention.linear[0], layer.attention.qkv)
        set_linear(part.self_attention.linear[1], layer.attention.out)
        if hasattr(layer, "cross"):
            set_norm(part.attention.layer_norm, layer.residuals[1].norm)
            for linear, own in zip(
                part.attention.linear,
                (layer.cross.q, layer.cross.kv, layer.cross.out),
                strict=True,
            ):
                set_linear(linear, own)
        set_norm(part.ffn.layer_norm, layer.residuals[-1].norm)
        set_linear(part.ffn.linear_0, layer.feed_forward.inner)
        set_linear(part.ffn.linear_1, layer.feed_forward.outer)
    for register, tokenizer in (
        (spec.register_source_vocabulary, model.source_tokenizer),
        (spec.register_target_vocabulary, model.target_tokenizer),
    ):
        assert isinstance(tokenizer, SubwordTokenizer)
        register([tokenizer.processor.id_to_piece(k) for k in range(tokenizer.size)])
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = "<s>", "</s>", "<unk>"
    spec.config.decoder_start_token, spec.config.add_source_eos = "<s>", False
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True)
    spec.save(str(folder))


def set_linear(linear: Any, layer: torch.nn.Linear) -> None:
    linear.weight = layer.weight.detach().numpy().copy()
    linear.bias = layer.bias.detach().numpy().copy()


def set_norm(norm: Any, layer: Any) -> None:
    norm.gamma, norm.beta = layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy()


if __name__ == "__main__":
    main()
