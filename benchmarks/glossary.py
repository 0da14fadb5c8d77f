"""What a glossary does to translations: are its terms there, and is the rest unharmed.

The glossary of each test sentence is made from its reference: pairs of an English and a Chinese
word that go together in the training text (Dice coefficient), both in the pair, where the model's
own translation lacks the Chinese one. A perfect user would give such terms. BLEU by sacrebleu.

    python -m benchmarks.glossary --data FOLDER     # of scripts/prepare_translation.py
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import jieba
import torch
from sacrebleu.metrics.bleu import BLEU

import smalti
from smalti.translation import Glossary, Translator, translate
from smalti.translation.glossary import contains_all

WORD = re.compile(r"[A-Za-z][a-z]{3,}")
HAN = re.compile("[\u4e00-\u9fff]{2,}")
Pair = tuple[str, str]


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    jieba.setLogLevel(60)
    model = smalti.load(options.model)
    assert isinstance(model, Translator)
    test = list(read_pairs(options.data / "test.jsonl"))[: options.sentences]
    strength = measure_associations(read_pairs(options.data / "train.jsonl"), test)
    begun = time.process_time()
    plain = translate(model, [english for english, _ in test])
    seconds = time.process_time() - begun
    assert translate(model, [english for english, _ in test], glossary={}) == plain
    rows = []
    for (english, chinese), text in zip(test, plain, strict=True):
        terms = choose_terms(english, chinese, text, strength)
        if Glossary(terms).find_terms(english):
            begun = time.process_time()
            (found,) = translate(model, [english], glossary=terms)
            rows.append((english, chinese, text, found, terms, time.process_time() - begun))
    for english, chinese, text, found, terms, _ in rows[: options.examples]:
        print(english, chinese, text, found, terms, sep="\n    ")
    bleu = BLEU(tokenize="zh")
    references = [[chinese for _, chinese, *_ in rows]]
    wanted = [Glossary(terms).list_translations(english) for english, *_, terms, _ in rows]
    kept = sum(contains_all(row[3], words) for row, words in zip(rows, wanted, strict=True))
    before = sum(contains_all(row[2], words) for row, words in zip(rows, wanted, strict=True))
    count = sum(map(len, wanted))
    print(f"{len(test)} sentences in {seconds:.1f} s; {len(rows)} of them with {count} terms")
    print(f"all terms written in {kept} of {len(rows)}, without the glossary in {before}")
    print(f"without: {bleu.corpus_score([row[2] for row in rows], references)}")
    print(f"with:    {bleu.corpus_score([row[3] for row in rows], references)}")
    print(f"{bleu.get_signature()}; {sum(row[5] for row in rows):.1f} s with the glossary")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.glossary")
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, __doc__
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="en-zh-help")
    parser.add_argument("--sentences", type=int, default=1315)
    parser.add_argument("--examples", type=int, default=10, help="translations to print")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def read_pairs(path: Path) -> Iterator[Pair]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            fields = json.loads(line)
            yield fields["english"], fields["chinese"]


def list_words(english: str, chinese: str) -> tuple[set[str], set[str]]:
    words = {word.lower() for word in WORD.findall(english)}
    return words, {word for word in jieba.cut(chinese) if HAN.fullmatch(word)}


def measure_associations(train: Iterable[Pair], test: Iterable[Pair]) -> dict[Pair, float]:
    """Dice coefficients of pairs of words, in the training text, of words of the test."""
    wanted = Counter(
        (e, c) for pair in test for words in [list_words(*pair)] for e in words[0] for c in words[1]
    )
    left, right, both = Counter(), Counter(), Counter()
    for k, pair in enumerate(train):
        if k % 4 == 0:
            words = list_words(*pair)
            left.update(words[0])
            right.update(words[1])
            both.update((e, c) for e in words[0] for c in words[1] if (e, c) in wanted)
    return {(e, c): 2 * n / (left[e] + right[c]) for (e, c), n in both.items() if n >= 3}


def choose_terms(
    english: str, chinese: str, text: str, strength: dict[Pair, float]
) -> dict[str, str]:
    """The strongest Chinese word of each English one, if the translation lacks it."""
    words = list_words(english, chinese)
    terms: dict[str, str] = {}
    for e in sorted(words[0]):
        best = max(words[1], key=lambda c: (strength.get((e, c), 0), c), default="")
        if strength.get((e, best), 0) > 0.15 and best not in text and best not in terms.values():
            terms[e] = best
    return terms


if __name__ == "__main__":
    main()
