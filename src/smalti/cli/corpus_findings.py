"""The audit of a corpus as text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.text import Text

from smalti.cli.commands import CommandArguments
from smalti.cli.display import make_console, yellow
from smalti.cli.findings import Finding
from smalti.core.messages import format_count
from smalti.tasks import CorpusAudit
from smalti.translation.corpus import CHANGES

MAX_CORPORA = 12
"""How many corpora are listed; report.json lists all."""
WIDTH = 34
"""How many characters of a sentence are shown."""
LARGE_SHARE = 0.3
"""Share of dropped pairs above which a warning is shown."""


def print_corpus_audit(audit: CorpusAudit, arguments: CommandArguments) -> None:
    """Print all findings; those that need attention are yellow."""
    out = make_console(soft_wrap=True)
    for head, text, asks in list_corpus_findings(audit):
        out.print(Text(f"{head:10} ") + (yellow(text) if asks else Text(text)))
    for file in audit.files:
        print(f"{'report':10} {file}")
    print(f"next       {suggest_training(arguments)}")


def list_corpus_findings(audit: CorpusAudit) -> Iterator[Finding]:
    report, (source, target) = audit.report, audit.languages
    several = len(report.corpora) > 1
    corpora = f" in {format_count(len(report.corpora), 'corpus', 'corpora')}" if several else ""
    yield Finding("pairs", f"{report.n_pairs:,}{corpora}, {source} to {target}")
    yield from list_steps(audit)
    for code, side in ((source, audit.source), (target, audit.target)):
        text = (
            f"{code}: {side.total:,} {side.unit}, median {side.median:g}, at most {side.longest:,}"
        )
        yield Finding("lengths" if code == source else "", text)
    overlaps = ", ".join(f"{n:,} {what}" for what, n in report.overlaps.items() if n)
    where = " a test or valid sentence, dropped from train" if overlaps else ""
    yield Finding("overlaps", f"{overlaps or 'none'}{where}")
    splits = ", ".join(f"{name} {n:,}" for name, n in report.splits.items() if n)
    documents = ", ".join(f"{name} {n:,}" for name, n in report.documents.items() if n)
    yield Finding("splits", splits)
    yield Finding("documents", documents)
    empty = [name for name in ("valid", "test") if not report.splits[name]]
    if empty:
        yield Finding("", f"{' and '.join(empty)} empty; give more documents", needs_attention=True)
    if several:
        yield from list_corpora(audit)


def list_steps(audit: CorpusAudit) -> Iterator[Finding]:
    """What each cleaning step changed or dropped, with an example."""
    counts = audit.report.count_steps()
    dropped = {name: n for name, n in counts.items() if name not in CHANGES}
    n_dropped, n_pairs = sum(dropped.values()), max(audit.report.n_pairs, 1)
    share = n_dropped / n_pairs
    text = f"{n_dropped:,} of them ({share:.1%})" if dropped else "none"
    yield Finding("dropped", text, needs_attention=share > LARGE_SHARE)
    for name, n in sorted(dropped.items(), key=lambda item: -item[1]):
        yield Finding("", f"{n:9,}  {name:18} {describe_example(audit, name)}".rstrip())
    for name in CHANGES & counts.keys():
        yield Finding("changed", f"{counts[name]:9,}  {name:18} {describe_example(audit, name)}")


def describe_example(audit: CorpusAudit, name: str) -> str:
    pairs = audit.report.examples.get(name, [])
    return f"{cut(pairs[0].source)} | {cut(pairs[0].target)}" if pairs else ""


def cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def list_corpora(audit: CorpusAudit) -> Iterator[Finding]:
    """How many pairs were kept of each."""
    order = sorted(audit.n_kept.items(), key=lambda item: -item[1])
    for k, (name, n) in enumerate(order[:MAX_CORPORA]):
        text = f"{n:9,}  of {audit.report.corpora[name]:9,}  {name}"
        yield Finding("corpora" if k == 0 else "", text)
    if len(order) > MAX_CORPORA:
        yield Finding("", f"... and {len(order) - MAX_CORPORA} more")


def suggest_training(arguments: CommandArguments) -> str:
    """The command that trains a translator on this corpus."""
    paths = [arguments["data"], arguments["translation"]]
    words = " ".join(shlex.quote(str(path)) for path in paths if path)
    more = f" --languages {arguments['languages']}" if arguments["languages"] else ""
    return f"smalti train translate --corpus {words}{more}"
