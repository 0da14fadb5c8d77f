"""`smalti report`: curves and a verdict of a training run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.messages import format_count
from smalti.tasks import RunReport, report
from smalti.training.examples import read_examples
from smalti.training.run_record import summarize_training
from smalti.training.summary import Summary, smooth_curve

EXAMPLES = """[bold]Examples[/bold]

  smalti report runs/ddpm
  smalti report runs/ddpm --out notes"""

FEW_USED = 0.5
"""Fraction of used codes below which a warning is shown."""

app = App(name="report", help_epilogue=EXAMPLES)


def print_run_report(run_report: RunReport, arguments: CommandArguments) -> None:
    print("\n".join(format_summary(run_report.summary)))
    print(f"  report        {', '.join(map(str, run_report.files))}")
    if command := suggest_command(run_report.summary):
        print(f"  next          {command}")
    is_drawn = any(file.suffix == ".png" for file in run_report.files)
    if not is_drawn and run_report.summary.loss:
        print("  no curves: `pip install matplotlib` draws them")


def format_summary(summary: Summary) -> list[str]:
    """The summary as lines of text."""
    of = "" if summary.steps is None else f" of {summary.steps}"
    minutes = f", {summary.minutes[-1][1]:.1f} minutes" if summary.minutes else ""
    head = f"{summary.run}: {summary.recipe or 'a run'}, step {summary.step}{of}{minutes}"
    return [
        head,
        *(f"  {name:13} {text}" for name, text in list_facts(summary)),
        summary.judge_run().text,
    ]


def list_facts(summary: Summary) -> Iterator[tuple[str, str]]:
    """Facts of the run: name and text."""
    if hardware := summarize_training(summary.facts).get("hardware"):
        yield "trained by", hardware
    if speed := summary.compute_speed():
        yield "speed", f"{median(v for _, v in speed):.0f} {summary.item}s/s"
    if summary.loss:
        last = smooth_curve(summary.loss)[-1][1]
        yield "loss", f"{summary.loss[0][1]:.4f} at the start, about {last:.4f} at the end"
    if summary.valid:
        yield "validation", describe_validation(summary.valid)
    if summary.norm:
        yield "gradient", describe_gradient(summary)
    if summary.rate:
        yield (
            "learning rate",
            f"{max(v for _, v in summary.rate):.2g} at most, {summary.rate[-1][1]:.2g} at the end",
        )
    if "codes_used" in summary.terms:
        yield "codebook", describe_codebook(summary)
    elif "codes_alive" in summary.terms:  # runs of earlier versions counted no held-out pictures
        alive = f"{summary.terms['codes_alive'][-1][1]:.0f} codes alive in training, a running mean"
        yield "codebook", f"{alive}; evaluate counts those in use"
    if "discriminator_accuracy" in summary.terms:
        yield "discriminator", describe_discriminator(summary)
    if summary.recoveries:
        yield "recoveries", "; ".join(map(describe_recovery, summary.recoveries))
    if summary.previews:
        yield "previews", f"{len(summary.previews)} in {summary.run / 'grids'}"
    if summary.examples:
        newest = summary.examples[max(summary.examples)]
        yield "translations", str(newest)
        for example in read_examples(newest):
            yield "", str(example)
    if summary.unreadable_lines:
        yield "log", f"{format_count(summary.unreadable_lines, 'line')} unreadable"


def suggest_command(summary: Summary) -> str | None:
    """The command to type next."""
    run, verdict = shlex.quote(str(summary.run)), summary.judge_run()
    if verdict.step is not None:
        return format_use(summary, summary.run / f"step-{verdict.step}")
    if summary.steps is not None and summary.step < summary.steps:
        return f"smalti train --resume --out {run}    (unless it is still training)"
    if verdict.kind == "falling" and summary.recipe:
        corpus = " --corpus FILES" if summary.examples else ""
        options = f"{corpus} --start {run} --seed 1 --out {run}-2"
        return f"smalti train {summary.recipe}{options}"
    if {"codes", "codes_alive"} & summary.terms.keys() and summary.steps:
        return f"smalti reconstruct {run} PICTURES"
    return format_use(summary, summary.run) if summary.step and summary.steps else None


def format_use(summary: Summary, model: Path) -> str:
    """The command that uses a model of the run."""
    name = shlex.quote(str(model))
    return (
        f"smalti translate --model {name} TEXT"
        if summary.examples
        else f"smalti sample {name} -n 64"
    )


def describe_codebook(summary: Summary) -> str:
    """How many codes the saved weights use on held-out pictures."""
    names = ("codes", "codes_used", "perplexity_used")
    K, used, perplexity = (summary.terms[n][-1][1] if n in summary.terms else 0.0 for n in names)
    text = f"{used:.0f} of {K:.0f} codes used at the last save, perplexity {perplexity:.1f}"
    revived = summary.terms.get("codes_revived")
    drift = (
        f", drift {summary.compute_latest('drift'):.2%} per step"
        if "drift" in summary.terms
        else ""
    )
    warning = "; few codes are used" if used < FEW_USED * K else ""
    return f"{text}{f', {revived[-1][1]:.0f} revived' if revived else ''}{drift}{warning}"


def describe_discriminator(summary: Summary) -> str:
    """The balance between discriminator and generator."""
    from smalti.codecs.discriminator import describe_balance

    latest = summary.compute_latest
    return (
        f"{describe_balance(latest('discriminator_accuracy'))}; "
        f"logits {latest('logits_real'):+.2f} for pictures and {latest('logits_fake'):+.2f} for "
        f"reconstructions, adaptive weight {latest('adaptive'):.3g}"
    )


def describe_validation(losses: list[tuple[int, float]]) -> str:
    (step, lowest), (at, last) = min(losses, key=lambda point: point[1]), losses[-1]
    more = ", the lowest" if step == at else f"; the lowest was {lowest:.4f} at step {step}"
    return f"{last:.4f} at step {at}{more}"


def describe_gradient(summary: Summary) -> str:
    step, highest = max(summary.norm, key=lambda point: point[1])
    clipped = sum(value > summary.max_grad_norm for _, value in summary.norm) / len(summary.norm)
    usual = median(value for _, value in summary.norm)
    return f"median norm {usual:.3g}, largest {highest:.3g} at step {step}; {clipped:.0%} clipped"


def describe_recovery(line: dict[str, Any]) -> str:
    return f"from step {line.get('diverged_at')} to {line['recovered_to']} ({line.get('why')})"


app.default(make_command(report, print_run_report, fixed={"save_in_run": True}))
