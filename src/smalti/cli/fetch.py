"""`smalti fetch`: public datasets, where smalti finds them by name."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.messages import format_count
from smalti.data.corpora.fetched_corpus import NAME, PAIRS, FetchedCorpus
from smalti.data.fetched_packs import FetchedPack
from smalti.data.packing import PackSummary
from smalti.tasks import fetch

EXAMPLES = """[bold]Examples[/bold]

  smalti fetch emoji
  smalti fetch letters --out packs
  smalti fetch help-corpus"""

app = App(name="fetch", help_epilogue=EXAMPLES)


def print_fetched(
    fetched: Sequence[FetchedPack | FetchedCorpus], arguments: CommandArguments
) -> None:
    packs = [one for one in fetched if isinstance(one, FetchedPack)]
    for corpus in fetched:
        if isinstance(corpus, FetchedCorpus):
            print_corpus(corpus, arguments)
    if packs:
        print_packs(packs, arguments)


def print_packs(packs: Sequence[FetchedPack], arguments: CommandArguments) -> None:
    for pack in packs:
        print(f"{describe_pack(pack)}: {pack.path}{'' if pack.is_new else ' (already present)'}")
        print(f"  {describe_contents(pack)}")
    for license in dict.fromkeys(pack.license for pack in packs):
        print(f"license  {license}")
    location = packs[0].path if arguments["out"] else packs[0].path.name
    print(f"  next  smalti train ddpm --data {location}")


def print_corpus(corpus: FetchedCorpus, arguments: CommandArguments) -> None:
    """Pairs, license of each corpus, what is missing."""
    already = "" if corpus.is_new else " (already present)"
    print(f"{corpus.n_pairs:,} sentence pairs, English and Chinese: {corpus.path}{already}")
    print(
        f"  {corpus.n_held_out:,} more are left out, because translators are judged on them; "
        f"{format_count(corpus.n_unreadable, 'unreadable file')}; glossary of {corpus.n_terms:,} "
        "terms"
    )
    for name, n in sorted(corpus.corpora.items(), key=lambda item: -item[1]):
        print(f"{n:9,}  {name:24} {corpus.licenses.get(name, '')}")
    for package, reason in corpus.missing.items():
        print(f"missing  {package}: {reason}")
    print(f"licenses {corpus.path / 'licenses.txt'}; their texts are in copyright/")
    location = corpus.path / PAIRS if arguments["out"] else NAME
    print(f"    next smalti data {location}")


def describe_pack(fetched: FetchedPack) -> str:
    N, _, H, W = fetched.packed.shape
    return f"{format_count(N, 'picture')} of {H} x {W}, {format_splits(fetched.packed)}"


def format_splits(packed: PackSummary) -> str:
    """The splits as in: train 3331, valid 184, test 271."""
    return ", ".join(f"{split} {len(rows)}" for split, rows in packed.splits.items())


def describe_contents(fetched: FetchedPack) -> str:
    near = len(fetched.duplicates.collect_near_rows())
    return (
        f"{fetched.content}; {fetched.n_distinct} distinct pictures, "
        f"{near} with a near duplicate; {fetched.n_leaks} near-duplicate pairs across splits"
    )


app.default(make_command(fetch, print_fetched))
