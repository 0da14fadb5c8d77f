"""How to read the rows of a report: one plain line each."""

from __future__ import annotations

from collections.abc import Callable

from smalti.core.messages import format_count
from smalti.evaluation.report import Report, Row

MAX_CHANCE_Z = 3.0
"""Standard scores beyond which chance is no explanation."""
MIN_NEW_RATIO = 0.9
"""Samples nearer to the training pictures than this share of what held-out ones are look copied."""
MAX_ALIKE_RATIO = 1.2
"""Samples farther from the training pictures than this look unlike them."""
Explainer = Callable[[Row, Report], str]


def format_value(row: Row) -> str:
    """The number with its error, and in brackets that of fewer samples."""
    if row.value is None:
        return "-"
    error = "" if row.error is None else f" ± {format_number(row.name, row.error, row.value)}"
    fewer = "" if row.matched is None else f" ({format_number(row.name, row.matched)})"
    return format_number(row.name, row.value) + error + fewer


def format_real(row: Row) -> str:
    """What held-out pictures get."""
    if row.real is None:
        return ""
    error = (
        "" if row.real_error is None else f" ± {format_number(row.name, row.real_error, row.real)}"
    )
    return format_number(row.name, row.real) + error


def format_number(name: str, value: float, reference: float | None = None) -> str:
    """A value of a row; an error has the digits of the value that it stands `reference`."""
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
    size = abs(value if reference is None else reference)
    return f"{value:.{4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1}f}"


def explain_row(row: Row, report: Report) -> str:
    """What the row says, in plain words."""
    if row.value is None:
        return row.note
    says = EXPLAINERS[row.name](row, report) if row.name in EXPLAINERS else ""
    return f"{says} ({row.note})" if says and row.note else says or row.note


def explain_distance(row: Row, report: Report) -> str:
    if row.real is None:
        return "from the held-out pictures to what came back of them: less is better"
    value = row.value if row.matched is None else row.matched
    assert value is not None
    real = "" if row.real is None else format_number(row.name, row.real)
    held = format_count(report.protocol.held, f"real {report.protocol.split} picture")
    return f"{format_number(row.name, value)}, where {held} get {real}: smaller is better"


def explain_kernel(row: Row, report: Report) -> str:
    return (
        explain_distance(row, report)
        + "; about 0 is as good as real, and chance may carry it below"
    )


def build_share_explainer(text: str, real_text: str) -> Explainer:
    def explain(row: Row, report: Report) -> str:
        assert row.value is not None
        value = row.value if row.matched is None else row.matched
        real = "" if row.real is None else f", {format_number(row.name, row.real)} {real_text}"
        return f"{format_number(row.name, value)} {text}{real}: more is better"

    return explain


def explain_nearest(row: Row, report: Report) -> str:
    assert row.value is not None
    verdict = "a sign of copying" if row.value < MIN_NEW_RATIO else "as new as real pictures"
    if row.value > MAX_ALIKE_RATIO:
        verdict = "unlike them rather than copied"
    return (
        f"the median sample is {row.value:.2f} times as far from its nearest training picture as "
        f"a held-out one is: {verdict} (below {MIN_NEW_RATIO} is suspect)"
    )


def explain_copies(row: Row, report: Report) -> str:
    assert row.value is not None
    return (
        f"{format_number(row.name, row.value)} of the samples are nearer to a training picture than all "
        "but 1% of held-out ones are; look at neighbors.png"
    )


def explain_copying_z(row: Row, report: Report) -> str:
    assert row.value is not None
    if row.value < -MAX_CHANCE_Z:
        verdict = "nearer to the training pictures than chance allows"
    elif row.value > MAX_CHANCE_Z:
        verdict = "farther from the training pictures than real ones are: unlike them, not copied"
    else:
        verdict = "as near to the training pictures as real ones are"
    return f"samples are {verdict}; below -{MAX_CHANCE_Z:g} speaks of copying"


def explain_seconds(row: Row, report: Report) -> str:
    environment = report.made_with
    threads = format_count(environment.get("threads", 0), "thread")
    batch_size = min(report.protocol.n, environment.get("batch", report.protocol.n))
    return f"a sample, drawn {batch_size} at a time on {environment.get('device')}, {threads}"


def build_fixed_explainer(text: str) -> Explainer:
    return lambda row, report: text


CODEC_EXPLAINERS = {
    "psnr": build_fixed_explainer("dB between pictures and what comes back: more is better"),
    "ssim": build_fixed_explainer("likeness of structure, 1 for the same picture: more is better"),
    "feature distance": build_fixed_explainer(
        "as a part of the features' own length: less is better"
    ),
    "codes used share": build_fixed_explainer("of all codes stand somewhere in these pictures"),
    "perplexity": build_fixed_explainer(
        "as many equally frequent codes would be as varied: more is better"
    ),
}


EXPLAINERS: dict[str, Explainer] = {
    "frechet": explain_distance,
    "kernel": explain_kernel,
    "precision": build_share_explainer(
        "of the samples look like training pictures", "of the real ones do"
    ),
    "recall": build_share_explainer(
        "of the variety of the training pictures is drawn", "with real ones"
    ),
    "accuracy": build_share_explainer(
        "are recognized as the class asked for", "of the real ones are"
    ),
    "nearest": explain_nearest,
    "copies": explain_copies,
    "copying z": explain_copying_z,
    "bits/dim": build_fixed_explainer(
        "bits for each number of a held-out picture, where a plain byte takes 8: less is better"
    ),
    "nats/code": build_fixed_explainer(
        "nats for each code of a held-out picture, of the codec's codes alone"
    ),
    "seconds": explain_seconds,
    "forwards": build_fixed_explainer(
        "times that the network runs for a sample; guidance runs it twice a step"
    ),
    "parameters": build_fixed_explainer("numbers that training found"),
    **CODEC_EXPLAINERS,
}
