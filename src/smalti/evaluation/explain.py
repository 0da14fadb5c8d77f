"""Explanations of a report's rows, one line each."""

from __future__ import annotations

from collections.abc import Callable

from smalti.core.messages import format_count
from smalti.evaluation.report import Report, Row

MAX_CHANCE_Z = 3.0
"""Absolute z-score beyond which a difference is significant."""
MIN_NEW_RATIO = 0.9
"""Ratio of distances to the training pictures below which samples look copied."""
MAX_ALIKE_RATIO = 1.2
"""Ratio above which samples look unlike the training pictures."""
Explainer = Callable[[Row, Report], str]


def format_value(row: Row) -> str:
    """Format a row's value with its error, and in brackets the value of fewer samples."""
    if row.value is None:
        return "-"
    if row.low is not None and row.high is not None:
        return f"{row.value:.1f} ({row.low:.1f} to {row.high:.1f})"
    error = "" if row.error is None else f" ± {format_number(row.name, row.error, row.value)}"
    fewer = "" if row.matched is None else f" ({format_number(row.name, row.matched)})"
    return format_number(row.name, row.value) + error + fewer


def format_real(row: Row) -> str:
    """Format the value of held-out pictures."""
    if row.real is None:
        return ""
    error = (
        "" if row.real_error is None else f" ± {format_number(row.name, row.real_error, row.real)}"
    )
    return format_number(row.name, row.real) + error


def format_number(name: str, value: float, reference: float | None = None) -> str:
    """Format a value of a row; an error has as many digits as its `reference` value."""
    if name in ("precision", "recall", "accuracy", "copies", "token accuracy"):
        return f"{100 * value:.1f}%"
    if name in ("nearest", "copying z"):
        return f"{value:.2f}"
    if name in ("dead codes", "revived codes", "codes used", "channels used"):
        return f"{value:g}"
    if name == "codes used share" or name.startswith("placeholders kept"):
        return f"{100 * value:.1f}%"
    if name == "parameters":
        return f"{value / 1e6:.2f} M"
    if name == "forwards":
        return f"{value:g}"
    size = abs(value if reference is None else reference)
    return f"{value:.{4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1}f}"


def explain_row(row: Row, report: Report) -> str:
    """Explain a row in a sentence."""
    if row.value is None:
        return row.note
    text = EXPLAINERS[row.name](row, report) if row.name in EXPLAINERS else ""
    return f"{text} ({row.note})" if text and row.note else text or row.note


def explain_distance(row: Row, report: Report) -> str:
    if row.real is None:
        return "between held-out pictures and their reconstructions; lower is better"
    value = row.value if row.matched is None else row.matched
    assert value is not None
    real = "" if row.real is None else format_number(row.name, row.real)
    held = format_count(report.protocol.held, f"real {report.protocol.split} picture")
    return f"{format_number(row.name, value)}; {held} get {real}; lower is better"


def explain_kernel(row: Row, report: Report) -> str:
    return (
        explain_distance(row, report)
        + "; about 0 is as good as real pictures, and it can be negative"
    )


def build_share_explainer(text: str, real_text: str) -> Explainer:
    def explain(row: Row, report: Report) -> str:
        assert row.value is not None
        value = row.value if row.matched is None else row.matched
        real = "" if row.real is None else f", {format_number(row.name, row.real)} {real_text}"
        return f"{format_number(row.name, value)} {text}{real}; higher is better"

    return explain


def explain_nearest(row: Row, report: Report) -> str:
    assert row.value is not None
    verdict = "a sign of copying" if row.value < MIN_NEW_RATIO else "as new as real pictures"
    if row.value > MAX_ALIKE_RATIO:
        verdict = "unlike them rather than copied"
    return (
        f"the median sample is {row.value:.2f} times as far from its nearest training picture as "
        f"a held-out picture: {verdict} (below {MIN_NEW_RATIO} is suspicious)"
    )


def explain_copies(row: Row, report: Report) -> str:
    assert row.value is not None
    return (
        f"{format_number(row.name, row.value)} of the samples are nearer to a training picture "
        "than 99% of the held-out ones; see neighbors.png"
    )


def explain_copying_z(row: Row, report: Report) -> str:
    assert row.value is not None
    if row.value < -MAX_CHANCE_Z:
        verdict = "significantly nearer to the training pictures than real ones"
    elif row.value > MAX_CHANCE_Z:
        verdict = "farther from the training pictures than real ones: unlike them, not copied"
    else:
        verdict = "as near to the training pictures as real ones"
    return f"samples are {verdict}; below -{MAX_CHANCE_Z:g} indicates copying"


def explain_seconds(row: Row, report: Report) -> str:
    environment = report.made_with
    threads = format_count(environment.get("threads", 0), "thread")
    batch_size = min(report.protocol.n, environment.get("batch", report.protocol.n))
    return f"per sample, batch size {batch_size}, on {environment.get('device')}, {threads}"


def build_fixed_explainer(text: str) -> Explainer:
    return lambda row, report: text


CODEC_EXPLAINERS = {
    "psnr": build_fixed_explainer("dB between pictures and reconstructions; higher is better"),
    "ssim": build_fixed_explainer(
        "structural similarity, 1 for identical pictures; higher is better"
    ),
    "feature distance": build_fixed_explainer(
        "squared, relative to the features' squared norm; lower is better"
    ),
    "codes used share": build_fixed_explainer("of all codes are used in these pictures"),
    "perplexity": build_fixed_explainer("effective number of codes used; higher is better"),
    "nats a position": build_fixed_explainer("KL divergence of the latents, over all channels"),
}


EXPLAINERS: dict[str, Explainer] = {
    "frechet": explain_distance,
    "kernel": explain_kernel,
    "precision": build_share_explainer(
        "of the samples look like training pictures", "of the real ones do"
    ),
    "recall": build_share_explainer(
        "of the training pictures are covered by samples", "by real ones"
    ),
    "accuracy": build_share_explainer(
        "are recognized as the requested class", "of the real ones are"
    ),
    "nearest": explain_nearest,
    "copies": explain_copies,
    "copying z": explain_copying_z,
    "bits/dim": build_fixed_explainer("of held-out pictures, uncompressed 8; lower is better"),
    "nats/code": build_fixed_explainer(
        "of held-out pictures, for the codec's codes only; lower is better"
    ),
    "seconds": explain_seconds,
    "forwards": build_fixed_explainer("network evaluations per sample; guidance doubles them"),
    "parameters": build_fixed_explainer("weights of the model"),
    **CODEC_EXPLAINERS,
}
