"""Plot a run: its curves over the steps, and its previews over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from smalti.training.summary import Curve, Summary, smooth_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRIP_LENGTH = 6  # previews shown


def draw_figure(summary: Summary) -> Figure:
    """Plot losses, gradient norm and learning rate, items per second, and previews."""
    from matplotlib.figure import Figure

    previews = choose_previews(summary.previews)
    kinds = (("codes_used", plot_codes), ("discriminator_accuracy", plot_discriminator))
    extra = [draw for name, draw in kinds if name in summary.terms]
    figure = Figure(figsize=(11, (11 if previews else 9) + 2 * len(extra)), layout="constrained")
    heights = [3, 2, 1.3, *[1.7] * bool(previews), *[1.5] * len(extra)]
    rows = figure.subplots(len(heights), 1, height_ratios=heights)
    for axes, draw_extra in zip(rows[len(rows) - len(extra) :], extra, strict=True):
        draw_extra(axes, summary)
        axes.set_xlim(0, max(summary.step, 1))
    plot_losses(rows[0], summary)
    plot_gradient(rows[1], summary)
    speed = summary.compute_speed()
    speed_label = f"{summary.item}s per second"
    plot_curve(rows[2], speed, speed_label, color="tab:green")
    top = 1.1 * max((value for _, value in speed), default=1.0)
    rows[2].set(ylabel=speed_label, xlabel="step", ylim=(0, top))
    for axes in rows[:3]:
        axes.set_xlim(0, max(summary.step, 1))
        for line in summary.recoveries:
            axes.axvline(line["recovered_to"], color="tab:red", linestyle=":")
    if previews:
        draw_strip(rows[3], previews)
    figure.suptitle(f"{summary.run.name}: {summary.judge_run().text}")
    return figure


def choose_previews(previews: dict[int, Path], max_count: int = STRIP_LENGTH) -> dict[int, Path]:
    """Choose the first, the last, and evenly spaced ones between them."""
    steps = sorted(previews)
    if len(steps) > max_count:
        steps = [steps[round(k * (len(steps) - 1) / (max_count - 1))] for k in range(max_count)]
    return {step: previews[step] for step in steps}


def plot_curve(axes: Axes, curve: Curve, label: str, **style: Any) -> None:
    if curve:
        axes.plot(*zip(*curve, strict=True), label=label, **style)


def use_log_scale(axes: Axes, curve: Curve) -> None:
    """Use a logarithmic axis with plain numbers if the curve is above 0."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    values = [value for _, value in curve]
    if not values or min(values) <= 0:
        return
    axes.set_yscale("log")
    if max(values) < 10 * min(values):  # too few powers of ten for ticks
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_major_formatter("{x:.4g}")
    axes.yaxis.set_minor_formatter("{x:.4g}")


def plot_losses(axes: Axes, summary: Summary) -> None:
    plot_curve(axes, summary.loss, "per step", color="tab:blue", alpha=0.2, linewidth=0.6)
    plot_curve(axes, smooth_curve(summary.loss), "smoothed", color="tab:blue")
    plot_curve(axes, summary.valid, "held out", color="tab:orange", marker="o", markersize=3)
    use_log_scale(axes, summary.loss)
    if (step := summary.judge_run().step) is not None:
        axes.axvline(step, color="tab:orange", linestyle="--", label=f"use step-{step}")
    axes.set_ylabel("loss")
    axes.legend(loc="upper right")


def plot_gradient(axes: Axes, summary: Summary) -> None:
    plot_curve(axes, summary.norm, "gradient norm", color="tab:purple", linewidth=0.6)
    axes.axhline(summary.max_grad_norm, color="gray", linestyle="--", label="clipped above")
    use_log_scale(axes, summary.norm)
    axes.set_ylabel("gradient norm")
    axes.legend(loc="lower left")
    if summary.rate:
        other = axes.twinx()
        plot_curve(other, summary.rate, "learning rate", color="tab:brown")
        other.set_ylabel("learning rate")
        other.legend(loc="upper right")


def plot_codes(axes: Axes, summary: Summary) -> None:
    """Plot the codes used on held-out pictures by the saved weights, and their perplexity."""
    plot_curve(axes, summary.terms["codes_used"], "codes used", color="tab:green")
    plot_curve(axes, summary.terms.get("perplexity_used", []), "perplexity", color="tab:olive")
    axes.set(ylabel="codes", ylim=(0, None))
    axes.legend(loc="lower right")


def plot_discriminator(axes: Axes, summary: Summary) -> None:
    """Plot the discriminator's logits of pictures and of reconstructions."""
    plot_curve(
        axes, smooth_curve(summary.terms.get("logits_real", [])), "pictures", color="tab:blue"
    )
    plot_curve(
        axes,
        smooth_curve(summary.terms.get("logits_fake", [])),
        "reconstructions",
        color="tab:red",
    )
    axes.axhline(0, color="gray", linewidth=0.6)
    axes.set(ylabel="discriminator logits")
    axes.legend(loc="upper left")


def draw_strip(axes: Axes, previews: dict[int, Path]) -> None:
    """Draw the previews side by side, in order."""
    axes.axis("off")
    for k, (step, path) in enumerate(previews.items()):
        inset = axes.inset_axes((k / len(previews), 0, 0.97 / len(previews), 0.92))
        with Image.open(path) as picture:
            picture.thumbnail((360, 360))
            inset.imshow(picture.convert("RGB"))
        inset.set_title(f"step {step}", fontsize=9)
        inset.axis("off")
