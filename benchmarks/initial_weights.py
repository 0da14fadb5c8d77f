"""Why Xavier's initial weights on every matrix would not train the article's Transformer.

    python -m benchmarks.initial_weights pairs.jsonl.xz --steps 200 --rate 4e-4

The article's network has a method that sets every parameter of two dimensions or more, embeddings
included, by `xavier_uniform_`, which is not called: with it the network did not learn. Here its
shape (post-norm, 6 + 6 layers, Adam without warm-up, vocabularies of words) is trained in a small
width, at a rate as much higher as the width is smaller, on short help sentences, with these initial
weights:

- pytorch: what the article kept: embeddings N(0, 1), linear layers U(-1/sqrt(d), 1/sqrt(d))
- xavier: U(-a, a) with a = sqrt(6 / (rows + columns)) on every matrix
- xavier, no embeddings: the same on linear layers alone
- xavier, embeddings: the same on embeddings alone
- ours: linear layers by Xavier, embeddings N(0, 1/d)

each with embeddings scaled by sqrt(d) as in the paper, and without. `word/position` is the ratio of
the standard deviations of an embedding and of the positions that it is added to. `words seen` is 1
minus the mean correlation of the encoder's outputs for two sentences of equal length, before
training: 0 if it depends on the positions alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn

from smalti.data.corpora import SentencePair, read_pairs
from smalti.data.sentence_pairs import TextPairs
from smalti.recipes import find_recipe
from smalti.translation import Transformer
from smalti.translation.tokenizer import BOS, PAD

CORPUS = "gnome-apps-help", "mate-apps-help", "gnome-user-docs", "libreoffice-help"
LONGEST = 12  # words
BATCH = 1024  # tokens


def keep_pytorch(network: Transformer) -> None:
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            module.reset_parameters()


def use_xavier(network: Transformer, linear: bool = True, embeddings: bool = True) -> None:
    keep_pytorch(network)
    for module in network.modules():
        if isinstance(module, nn.Linear) and linear:
            nn.init.xavier_uniform_(module.weight)
        if isinstance(module, nn.Embedding) and embeddings:
            nn.init.xavier_uniform_(module.weight)


WEIGHTS: dict[str, Callable[[Transformer], None]] = {
    "pytorch": keep_pytorch,
    "xavier": use_xavier,
    "xavier, no embeddings": lambda network: use_xavier(network, embeddings=False),
    "xavier, embeddings": lambda network: use_xavier(network, linear=False),
    "ours": lambda network: network.initialize(),
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.initial_weights")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("pairs", type=Path, help="JSON lines of source, doc, en, zh")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--seen-width", type=int, default=512, help="width for `words seen`")
    parser.add_argument("--rows", nargs="+", choices=WEIGHTS, default=list(WEIGHTS))
    parser.add_argument("--scaled", nargs="+", choices=("yes", "no"), default=["yes", "no"])
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    texts = read_texts(options.pairs)
    print(f"word frequencies alone: {measure_entropy(texts):.3f} nats per word")
    print("| weights | scaled | word/position | words seen | loss after 1/10 | 1/3 | all steps |")
    print("|---|---|---|---|---|---|---|")
    for scaled in options.scaled:
        for name in options.rows:
            network = build_network(texts, options.seen_width, name, scaled == "yes")
            print(f"| {name} | {scaled} | {measure_ratio(network):.3f} ", end="", flush=True)
            print(f"| {measure_word_share(network, texts):.3f} ", end="", flush=True)
            network = build_network(texts, options.width, name, scaled == "yes")
            losses = train(network, texts, options.steps, options.rate)
            marks = [max(1, len(losses) // part) for part in (10, 3, 1)]
            means = [fmean(losses[max(0, k - 20) : k]) for k in marks]
            print("| " + " | ".join(f"{mean:.3f}" for mean in means) + " |", flush=True)


def read_texts(path: Path) -> TextPairs:
    """Short pairs, with vocabularies of words."""
    short = [
        SentencePair(*pair)
        for pair in read_pairs(path)
        if pair.corpus in CORPUS and 3 <= len(pair.source.split()) <= LONGEST
    ]
    recipe = find_recipe("article-translator")
    return recipe.make_splits(short, [], ("en", "zh")).train


def measure_entropy(texts: TextPairs) -> float:
    """Nats per word of a model that knows only how frequent the target's words are."""
    p = texts.tokenized.target.tokens.bincount().double()
    return float(torch.special.entr(p / p.sum()).sum())


class Unscaled(Transformer):
    """Embeddings are not multiplied by sqrt(d)."""

    def embed(self, table: nn.Embedding, symbols: Tensor, start: int = 0) -> Tensor:
        unscaled = table.weight / self.config.width**0.5
        return super().embed(SharedTable(unscaled), symbols, start)  # pyright: ignore


class SharedTable:
    """Looks up rows of a matrix."""

    def __init__(self, weight: Tensor):
        self.weight = weight

    def __call__(self, symbols: Tensor) -> Tensor:
        return self.weight[symbols]


def build_network(texts: TextPairs, width: int, weights: str, scaled: bool) -> Transformer:
    torch.manual_seed(0)
    recipe = find_recipe("article-translator").change(
        model={"network.width": width, "network.feed_forward_width": 4 * width}
    )
    config = recipe.make_config(texts, ("en", "zh")).network
    network = (Transformer if scaled else Unscaled)(config)
    WEIGHTS[weights](network)
    return network


@torch.no_grad()
def measure_ratio(network: Transformer) -> float:
    """Standard deviation of what words add to the input, over that of the positions."""
    symbols = torch.arange(min(1000, len(network.source.weight)))[:, None]
    words = network.eval().embed(network.source, symbols).std(0).mean()
    network.train()
    return float(words) / 0.5**0.5


@torch.no_grad()
def measure_word_share(network: Transformer, texts: TextPairs) -> float:
    """1 minus the mean correlation of the encoder's outputs for sentences of equal length."""
    network.eval()
    rows = [r for r in texts.source_tokenizer.encode(texts.source_texts[:2000]) if len(r) == 9][:64]
    memory = network.encode(torch.tensor(rows))[0].flatten(1)  # (64, 9 width)
    correlations = torch.corrcoef(memory)
    network.train()
    return float(1 - (correlations.sum() - len(rows)) / (len(rows) * (len(rows) - 1)))


def train(network: Transformer, texts: TextPairs, steps: int, rate: float) -> list[float]:
    """Losses of all steps, in nats per word."""
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    order, losses = texts.plan_batches(0, BATCH), []
    for step in range(steps):
        pairs = texts.make_batch(order.select_indices(step), torch.device("cpu")).pairs
        assert pairs is not None
        source, gold = pairs
        shown = torch.cat([torch.full_like(gold[:, :1], BOS), gold[:, :-1]], dim=1)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(source, shown)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), gold.flatten(), ignore_index=PAD
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1)
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    main()
