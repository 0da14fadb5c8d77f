"""What an audit found, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Line:
    """One finding: under which heading, and whether somebody should look into it."""

    head: str
    text: str
    asks: bool = False


def show_findings(found: Audit) -> None:
    """Print all findings, those to look into in another colour."""
    out = console(soft_wrap=True)
    for line in lines(found):
        out.print(Text(f"{line.head:9} ") + (yellow(line.text) if line.asks else Text(line.text)))


def lines(found: Audit) -> list[Line]:
    return [
        *counts(found),
        *broken(found),
        *sizes(found),
        *repeated(found),
        *captions(found),
        *classes(found),
        *splits(found),
    ]


def counts(found: Audit) -> list[Line]:
    coloured = found.coloured()
    colour = "all grey" if not coloured else f"{coloured} coloured"
    kinds = f"{listed(found.counted('format'))}; modes {listed(found.counted('mode'))}; {colour}"
    result = [Line("pictures", f"{len(found)} that can be used"), Line("formats", kinds)]
    if str(found.passed):
        result.append(Line("others", f"passed over: {found.passed}", asks=True))
    if damaged := found.damaged_exif():
        text = f"{count(damaged, 'EXIF block')} cannot be read; the pixels are used"
        result.append(Line("damaged", text, asks=True))
    return result


def captions(found: Audit) -> list[Line]:
    """How many there are, and some of them."""
    texts = [text for text in found.captions if text]
    result: list[Line] = []
    if texts:
        some = dict.fromkeys(texts[:: -(-len(texts) // SOME)])
        shown = ", ".join(repr(t if len(t) <= WIDE else t[:WIDE] + "...") for t in some)
        result.append(Line("captions", f"of {count(len(texts), 'picture')}: {shown}"))
    if bad := found.bad_captions:
        lines = [f"{len(bad)} that cannot be read", *bad[:FEW]]
        heads = ["" if texts else "captions", *[""] * FEW]
        result += [Line(h, text, asks=True) for h, text in zip(heads, lines, strict=False)]
        result += more(len(bad))
    return result


def broken(found: Audit) -> list[Line]:
    if not found.bad:
        return [Line("broken", "none")]
    first = Line("broken", f"{len(found.bad)} that cannot be used", asks=True)
    named = [Line("", str(error), asks=True) for error in found.bad[:FEW]]
    return [first, *named, *more(len(found.bad))]


def sizes(found: Audit) -> list[Line]:
    sides = ", ".join(f"{what} {w} x {h}" for what, (w, h) in found.measures().items())
    histogram = found.histogram()
    top = max(histogram.values())
    bars = [
        Line("", f"{low:6} to {2 * low - 1:<6} {'█' * -(-24 * n // top):24} {n}")
        for low, n in histogram.items()
    ]
    H, W = found.size
    smaller = len(found.smaller())
    text = f"{count(smaller, 'picture')} smaller than {W} x {H}, enlarged"
    enlarged = [Line("smaller", text, asks=True)] if smaller else []
    return [
        Line("sizes", f"{sides} (width x height); by the shorter side:"),
        *bars,
        *enlarged,
    ]


def repeated(found: Audit) -> list[Line]:
    twice, titles = found.duplicates, found.titles
    mixed = f" ({found.mixed} across classes)" if found.mixed else ""
    at_least = "" if twice.is_complete else "at least "
    result = [
        Line(
            "twice",
            f"{count(twice.copies, 'exact copy', 'exact copies')} in "
            f"{count(len(twice.exact), 'group')}{mixed}, "
            f"{at_least}{count(len(twice.near), 'pair')} nearly the same",
            asks=bool(twice.copies),
        )
    ]
    for group in twice.exact[:FEW]:
        result.append(Line("", " = ".join(titles[row] for row in group[:3])))
    result += more(len(twice.exact))
    result += [Line("", f"{titles[pair.a]} ~ {titles[pair.b]}") for pair in twice.near[:FEW]]
    result += more(len(twice.near))
    if twice.plain:
        result.append(
            Line("plain", f"{count(twice.plain, 'picture')} all of one colour", asks=True)
        )
    return result


def classes(found: Audit) -> list[Line]:
    if not found.classes:
        return [Line("classes", "none")]
    few, many = min(found.classes.values()), max(found.classes.values())
    order = sorted(found.classes.items(), key=lambda item: -item[1])
    shown = listed(dict(order if len(order) <= 2 * FEW else [*order[:FEW], *order[-FEW:]]))
    text = f"{len(found.classes)}, from {few} to {count(many, 'picture')}: {shown}"
    uneven = few == 0 or many / few > UNEVEN
    return [Line("classes", text + ("; uneven" if uneven else ""), asks=uneven)]


def splits(found: Audit) -> list[Line]:
    whose = "the data's own" if found.has_own_splits else "chosen by chance, as training would"
    titles = found.titles
    result = [Line("splits", f"{listed(found.splits)} ({whose})")]
    if found.unlearned:
        result.append(Line("", unlearned_note(found.unlearned), asks=True))
    if found.leaks:
        equal = sum(pair.levels == 0 for pair in found.leaks)
        text = f"{count(len(found.leaks), 'pair')} across two splits, {equal} equal"
        result.append(Line("leakage", text, asks=True))
        result += [Line("", f"{titles[p.a]} and {titles[p.b]}") for p in found.leaks[:FEW]]
        return result + more(len(found.leaks))
    return [*result, Line("leakage", "none: no picture or near copy stands in two splits")]


def more(count: int) -> list[Line]:
    return [Line("", f"... and {count - FEW} more")] if count > FEW else []


def listed(counts: Mapping[str, int]) -> str:
    """The counts as in: PNG 12, JPEG 3."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())
