"""How to read the rows of a report: one plain line each."""

from __future__ import annotations

from collections.abc import Callable

from smalti.core.messages import count
from smalti.evaluation.report import Report, Row

FAR = 3.0
"""Standard scores beyond which chance is no explanation."""
COPIED = 0.9
"""Samples nearer to the training pictures than this share of what held-out ones are look copied."""
UNLIKE = 1.2
"""Samples farther from the training pictures than this look unlike them."""
Reading = Callable[[Row, Report], str]


def shown_value(row: Row) -> str:
    """The number with its error, and in brackets that of fewer samples."""
    if row.value is None:
        return "-"
    error = "" if row.error is None else f" ± {number(row.name, row.error, row.value)}"
    fewer = "" if row.matched is None else f" ({number(row.name, row.matched)})"
    return number(row.name, row.value) + error + fewer


def shown_real(row: Row) -> str:
    """What held-out pictures get."""
    if row.real is None:
        return ""
    error = "" if row.real_error is None else f" ± {number(row.name, row.real_error, row.real)}"
    return number(row.name, row.real) + error


def number(name: str, value: float, beside: float | None = None) -> str:
    """A value of a row; an error has the digits of the value that it stands `beside`."""
    if name in ("precision", "recall", "accuracy", "copies"):
        return f"{100 * value:.1f}%"
    if name in ("nearest", "copying z"):
        return f"{value:.2f}"
    if name in ("dead codes", "revived codes", "codes used"):
        return f"{value:g}"
    if name == "codes used share":
        return f"{100 * value:.1f}%"
    if name == "parameters":
        return f"{value / 1e6:.2f} M"
    if name == "forwards":
        return f"{value:g}"
    size = abs(value if beside is None else beside)
    return f"{value:.{4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1}f}"


def reading(row: Row, report: Report) -> str:
    """What the row says, in plain words."""
    if row.value is None:
        return row.note
    says = READINGS[row.name](row, report) if row.name in READINGS else ""
    return f"{says} ({row.note})" if says and row.note else says or row.note


def distance(row: Row, report: Report) -> str:
    if row.real is None:
        return "from the held-out pictures to what came back of them: less is better"
    value = row.value if row.matched is None else row.matched
    assert value is not None
    real = "" if row.real is None else number(row.name, row.real)
    held = count(report.protocol.held, f"real {report.protocol.split} picture")
    return f"{number(row.name, value)}, where {held} get {real}: smaller is better"


def kernel(row: Row, report: Report) -> str:
    return distance(row, report) + "; about 0 is as good as real, and chance may carry it below"


def share(says: str, of_real: str) -> Reading:
    def read(row: Row, report: Report) -> str:
        assert row.value is not None
        value = row.value if row.matched is None else row.matched
        real = "" if row.real is None else f", {number(row.name, row.real)} {of_real}"
        return f"{number(row.name, value)} {says}{real}: more is better"

    return read


def nearest(row: Row, report: Report) -> str:
    assert row.value is not None
    verdict = "a sign of copying" if row.value < COPIED else "as new as real pictures"
    if row.value > UNLIKE:
        verdict = "unlike them rather than copied"
    return (
        f"the median sample is {row.value:.2f} times as far from its nearest training picture as "
        f"a held-out one is: {verdict} (below {COPIED} is suspect)"
    )


def copies(row: Row, report: Report) -> str:
    assert row.value is not None
    return (
        f"{number(row.name, row.value)} of the samples are nearer to a training picture than all "
        "but 1% of held-out ones are; look at neighbours.png"
    )


def copying(row: Row, report: Report) -> str:
    assert row.value is not None
    if row.value < -FAR:
        verdict = "nearer to the training pictures than chance allows"
    elif row.value > FAR:
        verdict = "farther from the training pictures than real ones are: unlike them, not copied"
    else:
        verdict = "as near to the training pictures as real ones are"
    return f"samples are {verdict}; below -{FAR:g} speaks of copying"


def seconds(row: Row, report: Report) -> str:
    made = report.made_with
    threads = count(made.get("threads", 0), "thread")
    together = min(report.protocol.n, made.get("batch", report.protocol.n))
    return f"a sample, drawn {together} at a time on {made.get('device')}, {threads}"


def plainly(text: str) -> Reading:
    return lambda row, report: text


OF_CODECS = {
    "psnr": plainly("dB between pictures and what comes back: more is better"),
    "ssim": plainly("likeness of structure, 1 for the same picture: more is better"),
    "feature distance": plainly("as a part of the features' own length: less is better"),
    "codes used share": plainly("of all codes stand somewhere in these pictures"),
    "perplexity": plainly("as many equally frequent codes would be as varied: more is better"),
}


READINGS: dict[str, Reading] = {
    "frechet": distance,
    "kernel": kernel,
    "precision": share("of the samples look like training pictures", "of the real ones do"),
    "recall": share("of the variety of the training pictures is drawn", "with real ones"),
    "accuracy": share("are recognised as the class asked for", "of the real ones are"),
    "nearest": nearest,
    "copies": copies,
    "copying z": copying,
    "bits/dim": plainly(
        "bits for each number of a held-out picture, where a plain byte takes 8: less is better"
    ),
    "nats/code": plainly("nats for each code of a held-out picture, of the codec's codes alone"),
    "seconds": seconds,
    "forwards": plainly("times that the network runs for a sample; guidance runs it twice a step"),
    "parameters": plainly("numbers that training found"),
    **OF_CODECS,
}
