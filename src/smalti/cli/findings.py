"""What an audit found, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.text import Text

from smalti.cli.display import console, yellow
from smalti.core.messages import count
from smalti.data.audit import Audit
from smalti.data.splitting import unlearned_note

FEW = 5
"""Pictures, pairs or classes that are named; a report names them all."""
SOME, WIDE = 3, 60
"""Captions that are shown, and their characters."""
UNEVEN = 10.0
"""Largest class by smallest, above which it is said."""


class Line(NamedTuple):
    """One finding: under which heading, and whether somebody should look into it."""

    head: str
    text: str
    asks: bool = False


def show_findings(found: Audit) -> None:
    """Print all findings, those to look into in another colour."""
    out = console(soft_wrap=True)
    for head, text, asks in lines(found):
        out.print(Text(f"{head:9} ") + (yellow(text) if asks else Text(text)))


def lines(found: Audit) -> Iterator[Line]:
    for part in (counts, broken, sizes, repeated, captions, classes, splits):
        yield from part(found)


def counts(found: Audit) -> Iterator[Line]:
    coloured = found.coloured()
    colour = "all grey" if not coloured else f"{coloured} coloured"
    kinds = f"{listed(found.counted('format'))}; modes {listed(found.counted('mode'))}; {colour}"
    yield Line("pictures", f"{len(found)} that can be used")
    yield Line("formats", kinds)
    if str(found.passed):
        yield Line("others", f"passed over: {found.passed}", asks=True)
    if damaged := found.damaged_exif():
        text = f"{count(damaged, 'EXIF block')} cannot be read; the pixels are used"
        yield Line("damaged", text, asks=True)


def captions(found: Audit) -> Iterator[Line]:
    """How many there are, and some of them."""
    texts = [text for text in found.captions if text]
    if texts:
        some = dict.fromkeys(texts[:: -(-len(texts) // SOME)])
        shown = ", ".join(repr(t if len(t) <= WIDE else t[:WIDE] + "...") for t in some)
        yield Line("captions", f"of {count(len(texts), 'picture')}: {shown}")
    if bad := found.bad_captions:
        head = "" if texts else "captions"
        yield Line(head, f"{len(bad)} that cannot be read", asks=True)
        yield from few(bad, asks=True)


def broken(found: Audit) -> Iterator[Line]:
    some = f"{len(found.bad)} that cannot be used"
    yield Line("broken", some if found.bad else "none", asks=bool(found.bad))
    yield from few([*map(str, found.bad)], asks=True)


def sizes(found: Audit) -> Iterator[Line]:
    sides = ", ".join(f"{what} {w} x {h}" for what, (w, h) in found.measures().items())
    yield Line("sizes", f"{sides} (width x height); by the shorter side:")
    histogram = found.histogram()
    top = max(histogram.values())
    for low, n in histogram.items():
        yield Line("", f"{low:6} to {2 * low - 1:<6} {'█' * -(-24 * n // top):24} {n}")
    H, W = found.size
    if smaller := len(found.smaller()):
        text = f"{count(smaller, 'picture')} smaller than {W} x {H}, enlarged"
        yield Line("smaller", text, asks=True)


def repeated(found: Audit) -> Iterator[Line]:
    twice, titles = found.duplicates, found.titles
    copies = f"{count(twice.copies, 'exact copy', 'exact copies')} in "
    copies += count(len(twice.exact), "group")
    copies += f" ({found.mixed} across classes)" if found.mixed else ""
    at_least = "" if twice.is_complete else "at least "
    near = f"{at_least}{count(len(twice.near), 'pair')} nearly the same"
    yield Line("twice", f"{copies}, {near}", asks=bool(twice.copies))
    yield from few([" = ".join(titles[row] for row in group[:3]) for group in twice.exact])
    yield from few([f"{titles[pair.a]} ~ {titles[pair.b]}" for pair in twice.near])
    if twice.plain:
        yield Line("plain", f"{count(twice.plain, 'picture')} all of one colour", asks=True)


def classes(found: Audit) -> Iterator[Line]:
    if not found.classes:
        yield Line("classes", "none")
        return
    least, most = min(found.classes.values()), max(found.classes.values())
    order = sorted(found.classes.items(), key=lambda item: -item[1])
    shown = listed(dict(order if len(order) <= 2 * FEW else [*order[:FEW], *order[-FEW:]]))
    text = f"{len(found.classes)}, from {least} to {count(most, 'picture')}: {shown}"
    uneven = least == 0 or most / least > UNEVEN
    yield Line("classes", text + ("; uneven" if uneven else ""), asks=uneven)


def splits(found: Audit) -> Iterator[Line]:
    whose = "the data's own" if found.has_own_splits else "chosen by chance, as training would"
    yield Line("splits", f"{listed(found.splits)} ({whose})")
    if found.unlearned:
        yield Line("", unlearned_note(found.unlearned), asks=True)
    equal = sum(pair.levels == 0 for pair in found.leaks)
    some = f"{count(len(found.leaks), 'pair')} across two splits, {equal} equal"
    none = "none: no picture or near copy stands in two splits"
    yield Line("leakage", some if found.leaks else none, asks=bool(found.leaks))
    yield from few([f"{found.titles[p.a]} and {found.titles[p.b]}" for p in found.leaks])


def few(texts: Sequence[str], asks: bool = False) -> Iterator[Line]:
    """The first of them, and how many more there are."""
    yield from (Line("", text, asks) for text in texts[:FEW])
    if len(texts) > FEW:
        yield Line("", f"... and {len(texts) - FEW} more")


def listed(counts: Mapping[str, int]) -> str:
    """The counts as in: PNG 12, JPEG 3."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())
