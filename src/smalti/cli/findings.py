"""The findings of an audit as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.text import Text

from smalti.cli.display import make_console, yellow
from smalti.core.messages import format_count
from smalti.data.audit import Audit
from smalti.data.splitting import describe_untrained

MAX_NAMED = 5
"""How many pictures, pairs or classes are named; report.json names all."""
MAX_CAPTIONS, CAPTION_WIDTH = 3, 60
"""How many captions are shown, and how many characters of each."""
MAX_IMBALANCE = 10.0
"""Ratio of the largest to the smallest class above which a warning is shown."""


class Finding(NamedTuple):
    """One line under a heading."""

    heading: str
    text: str
    needs_attention: bool = False


def print_findings(audit: Audit) -> None:
    """Print all findings; those that need attention are yellow."""
    out = make_console(soft_wrap=True)
    for head, text, asks in list_findings(audit):
        out.print(Text(f"{head:10} ") + (yellow(text) if asks else Text(text)))


def list_findings(audit: Audit) -> Iterator[Finding]:
    for part in (
        list_counts,
        list_broken,
        list_sizes,
        list_duplicates,
        list_captions,
        list_classes,
        list_splits,
    ):
        yield from part(audit)


def list_counts(audit: Audit) -> Iterator[Finding]:
    colored = audit.count_colored()
    color = "all gray" if not colored else f"{colored} colored"
    modes = format_counts(audit.count_by("mode"))
    kinds = f"{format_counts(audit.count_by('format'))}; modes {modes}; {color}"
    yield Finding("pictures", f"{len(audit)} readable")
    yield Finding("formats", kinds)
    if str(audit.ignored):
        yield Finding("others", f"ignored: {audit.ignored}", needs_attention=True)
    if damaged := audit.count_damaged_exif():
        text = f"{format_count(damaged, 'EXIF block')} cannot be read; the pixels are used"
        yield Finding("damaged", text, needs_attention=True)


def list_captions(audit: Audit) -> Iterator[Finding]:
    """How many there are, with a few examples."""
    texts = [text for text in audit.captions if text]
    if texts:
        some = dict.fromkeys(texts[:: -(-len(texts) // MAX_CAPTIONS)])
        shown = ", ".join(
            repr(t if len(t) <= CAPTION_WIDTH else t[:CAPTION_WIDTH] + "...") for t in some
        )
        yield Finding("captions", f"of {format_count(len(texts), 'picture')}: {shown}")
    if bad := audit.bad_captions:
        head = "" if texts else "captions"
        yield Finding(head, f"{len(bad)} unreadable", needs_attention=True)
        yield from list_first(bad, needs_attention=True)


def list_broken(audit: Audit) -> Iterator[Finding]:
    some = f"{len(audit.bad)} unreadable"
    yield Finding("broken", some if audit.bad else "none", needs_attention=bool(audit.bad))
    yield from list_first([*map(str, audit.bad)], needs_attention=True)


def list_sizes(audit: Audit) -> Iterator[Finding]:
    sides = ", ".join(f"{what} {w} x {h}" for what, (w, h) in audit.summarize_sizes().items())
    yield Finding("sizes", f"{sides} (width x height); by the shorter side:")
    histogram = audit.count_by_shorter_side()
    top = max(histogram.values())
    for low, n in histogram.items():
        yield Finding("", f"{low:6} to {2 * low - 1:<6} {'█' * -(-24 * n // top):24} {n}")
    H, W = audit.size
    if smaller := len(audit.list_upscaled_rows()):
        text = f"{format_count(smaller, 'picture')} smaller than {W} x {H}, enlarged"
        yield Finding("smaller", text, needs_attention=True)


def list_duplicates(audit: Audit) -> Iterator[Finding]:
    twice, titles = audit.duplicates, audit.titles
    copies = f"{format_count(twice.n_copies, 'exact copy', 'exact copies')} in "
    copies += format_count(len(twice.exact), "group")
    copies += f" ({audit.n_label_conflicts} across classes)" if audit.n_label_conflicts else ""
    at_least = "" if twice.is_complete else "at least "
    near = f"{at_least}{format_count(len(twice.near), 'pair')} nearly identical"
    yield Finding("duplicates", f"{copies}, {near}", needs_attention=bool(twice.n_copies))
    yield from list_first([" = ".join(titles[row] for row in group[:3]) for group in twice.exact])
    yield from list_first([f"{titles[pair.a]} ~ {titles[pair.b]}" for pair in twice.near])
    if twice.n_single_color:
        yield Finding(
            "plain",
            f"{format_count(twice.n_single_color, 'picture')} all of one color",
            needs_attention=True,
        )


def list_classes(audit: Audit) -> Iterator[Finding]:
    if not audit.classes:
        yield Finding("classes", "none")
        return
    least, most = min(audit.classes.values()), max(audit.classes.values())
    order = sorted(audit.classes.items(), key=lambda item: -item[1])
    shown = format_counts(
        dict(order if len(order) <= 2 * MAX_NAMED else [*order[:MAX_NAMED], *order[-MAX_NAMED:]])
    )
    text = f"{len(audit.classes)}, from {least} to {format_count(most, 'picture')}: {shown}"
    uneven = least == 0 or most / least > MAX_IMBALANCE
    yield Finding("classes", text + ("; uneven" if uneven else ""), needs_attention=uneven)


def list_splits(audit: Audit) -> Iterator[Finding]:
    whose = "predefined" if audit.has_predefined_splits else "random, as training would split"
    yield Finding("splits", f"{format_counts(audit.splits)} ({whose})")
    if audit.groups:
        where = audit.divided or "each is in one split"
        yield Finding("groups", f"{audit.groups}; {where}", needs_attention=bool(audit.divided))
    if audit.untrained_classes:
        yield Finding("", describe_untrained(audit.untrained_classes), needs_attention=True)
    equal = sum(pair.rms_difference == 0 for pair in audit.leaks)
    some = f"{format_count(len(audit.leaks), 'pair')} across two splits, {equal} identical"
    none = "none: no picture or near copy is in two splits"
    yield Finding("leakage", some if audit.leaks else none, needs_attention=bool(audit.leaks))
    yield from list_first([f"{audit.titles[p.a]} and {audit.titles[p.b]}" for p in audit.leaks])


def list_first(texts: Sequence[str], needs_attention: bool = False) -> Iterator[Finding]:
    """The first of them, and how many more there are."""
    yield from (Finding("", text, needs_attention) for text in texts[:MAX_NAMED])
    if len(texts) > MAX_NAMED:
        yield Finding("", f"... and {len(texts) - MAX_NAMED} more")


def format_counts(counts: Mapping[str, int]) -> str:
    """The counts as in: PNG 12, JPEG 3."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())
