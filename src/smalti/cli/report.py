"""`smalti report`: how a run went, on a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from statistics import median
from typing import Any

from cyclopts import App

from smalti.cli.commands import Given, as_command
from smalti.core.messages import count
from smalti.tasks import Reported, report
from smalti.training.job import trained_by
from smalti.training.summary import Summary, smooth

EXAMPLES = """[bold]Examples[/bold]

  smalti report runs/ddpm
  smalti report runs/ddpm --out notes"""

FEW_USED = 0.5
"""A smaller part of the codes in use is worth a warning."""

app = App(name="report", help_epilogue=EXAMPLES)


def show(done: Reported, given: Given) -> None:
    print("\n".join(told(done.summary)))
    print(f"  report        {', '.join(map(str, done.files))}")
    if command := next_command(done.summary):
        print(f"  next          {command}")
    if not done.page and done.summary.loss:
        print("  no curves: `pip install matplotlib` draws them")


def told(s: Summary) -> list[str]:
    """The text, line by line."""
    of = "" if s.steps is None else f" of {s.steps}"
    minutes = f", {s.minutes[-1][1]:.1f} minutes" if s.minutes else ""
    head = f"{s.run}: {s.recipe or 'a run'}, step {s.step}{of}{minutes}"
    return [head, *(f"  {name:13} {text}" for name, text in rows(s)), s.verdict().text]


def rows(s: Summary) -> Iterator[tuple[str, str]]:
    """What is known of the run, and its name."""
    if hardware := trained_by(s.facts).get("hardware"):
        yield "trained by", hardware
    if speed := s.speed():
        yield "pictures", f"{median(v for _, v in speed):.0f} a second"
    if s.loss:
        last = smooth(s.loss)[-1][1]
        yield "loss", f"{s.loss[0][1]:.4f} at first, about {last:.4f} at last"
    if s.valid:
        yield "held out", held_out(s.valid)
    if s.norm:
        yield "gradient", gradient(s)
    if s.rate:
        yield "rate", f"{max(v for _, v in s.rate):.2g} at most, {s.rate[-1][1]:.2g} at last"
    if "codes_used" in s.terms:
        yield "codebook", codebook(s)
    elif "codes_alive" in s.terms:  # runs of earlier versions counted no held-out pictures
        alive = f"{s.terms['codes_alive'][-1][1]:.0f} codes alive in training, a running mean"
        yield "codebook", f"{alive}; evaluate counts those in use"
    if "critic_right" in s.terms:
        yield "critic", critic(s)
    if s.recoveries:
        yield "stepped back", "; ".join(map(step_back, s.recoveries))
    if s.grids:
        yield "grids", f"{len(s.grids)} in {s.run / 'grids'}"
    if s.skipped:
        yield "log", f"{count(s.skipped, 'line')} unreadable"


def next_command(s: Summary) -> str | None:
    """What the verdict suggests to type."""
    run, verdict = shlex.quote(str(s.run)), s.verdict()
    if verdict.step is not None:
        return f"smalti sample {shlex.quote(str(s.run / f'step-{verdict.step}'))} -n 64"
    if s.steps is not None and s.step < s.steps:
        return f"smalti train --resume --out {run}    (unless it is still training)"
    if verdict.kind == "falling" and s.recipe:
        return f"smalti train {s.recipe} --start {run} --seed 1 --out {run}-2"
    if {"codes", "codes_alive"} & s.terms.keys() and s.steps:
        return f"smalti reconstruct {run} PICTURES"
    return f"smalti sample {run} -n 64" if s.step and s.steps else None


def codebook(s: Summary) -> str:
    """How many codes the saved weights use on held-out pictures."""
    names = ("codes", "codes_used", "perplexity_used")
    K, used, perplexity = (s.terms[n][-1][1] if n in s.terms else 0.0 for n in names)
    text = f"{used:.0f} of {K:.0f} codes used at the last save, perplexity {perplexity:.1f}"
    revived = s.terms.get("codes_revived")
    drift = f", drift {s.lately('drift'):.2%} a step at last" if "drift" in s.terms else ""
    warning = "; few are in use" if used < FEW_USED * K else ""
    return f"{text}{f', {revived[-1][1]:.0f} revived' if revived else ''}{drift}{warning}"


def critic(s: Summary) -> str:
    """Who is winning."""
    from smalti.codecs.discriminator import verdict

    real, fake, weight = (s.lately(name) for name in ("logits_real", "logits_fake", "adaptive"))
    return (
        f"{verdict(s.lately('critic_right'))}; logits {real:+.2f} of pictures and {fake:+.2f} of "
        f"reconstructions, adaptive weight {weight:.3g}"
    )


def held_out(losses: list[tuple[int, float]]) -> str:
    (step, lowest), (at, last) = min(losses, key=lambda point: point[1]), losses[-1]
    more = ", the lowest" if step == at else f"; the lowest was {lowest:.4f} at step {step}"
    return f"{last:.4f} at step {at}{more}"


def gradient(s: Summary) -> str:
    step, highest = max(s.norm, key=lambda point: point[1])
    clipped = sum(value > s.clip for _, value in s.norm) / len(s.norm)
    usual = median(value for _, value in s.norm)
    return f"norm {usual:.3g} as a rule, {highest:.3g} at step {step}; {clipped:.0%} clipped"


def step_back(line: dict[str, Any]) -> str:
    return f"from step {line.get('diverged_at')} to {line['recovered_to']} ({line.get('why')})"


app.default(as_command(report, show, fixed={"into_run": True}))
