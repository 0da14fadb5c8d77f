"""`smalti report`: how a run went, on a page."""

from __future__ import annotations

import shlex
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
    rows = {
        "trained by": trained_by(s.facts).get("hardware"),
        "pictures": f"{median(v for _, v in s.speed()):.0f} a second" if s.speed() else None,
        "loss": between(s),
        "held out": held_out(s),
        "gradient": gradient(s),
        "rate": f"{max(v for _, v in s.rate):.2g} at most, {s.rate[-1][1]:.2g} at last"
        if s.rate
        else None,
        "codebook": codebook(s),
        "critic": critic(s),
        "stepped back": "; ".join(map(step_back, s.recoveries)) or None,
        "grids": f"{len(s.grids)} in {s.run / 'grids'}" if s.grids else None,
        "log": f"{count(s.skipped, 'line')} unreadable" if s.skipped else None,
    }
    head = f"{s.run}: {s.recipe or 'a run'}, step {s.step}{of}{minutes}"
    lines = [f"  {name:13} {text}" for name, text in rows.items() if text]
    return [head, *lines, s.verdict().text]


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


def between(s: Summary) -> str | None:
    if not s.loss:
        return None
    usual = smooth(s.loss)
    return f"{s.loss[0][1]:.4f} at first, about {usual[-1][1]:.4f} at last"


def codebook(s: Summary) -> str | None:
    """How many codes the saved weights use on held-out pictures; of old logs, a running mean."""
    if "codes_used" not in s.terms:
        return codes_in_training(s)
    names = ("codes", "codes_used", "perplexity_used")
    K, used, perplexity = (s.terms[n][-1][1] if n in s.terms else 0.0 for n in names)
    text = f"{used:.0f} of {K:.0f} codes used at the last save, perplexity {perplexity:.1f}"
    revived = s.terms.get("codes_revived")
    drift = f", drift {s.lately('drift'):.2%} a step at last" if "drift" in s.terms else ""
    warning = "; few are in use" if used < FEW_USED * K else ""
    return f"{text}{f', {revived[-1][1]:.0f} revived' if revived else ''}{drift}{warning}"


def codes_in_training(s: Summary) -> str | None:
    """Runs of earlier versions counted no held-out pictures."""
    if "codes_alive" not in s.terms:
        return None
    alive = s.terms["codes_alive"][-1][1]
    return f"{alive:.0f} codes alive in training, a running mean; evaluate counts those in use"


def critic(s: Summary) -> str | None:
    """Who is winning."""
    if "critic_right" not in s.terms:
        return None
    from smalti.codecs.discriminator import verdict

    real, fake, weight = (s.lately(name) for name in ("logits_real", "logits_fake", "adaptive"))
    return (
        f"{verdict(s.lately('critic_right'))}; logits {real:+.2f} of pictures and {fake:+.2f} of "
        f"reconstructions, adaptive weight {weight:.3g}"
    )


def held_out(s: Summary) -> str | None:
    if not s.valid:
        return None
    step, lowest = min(s.valid, key=lambda point: point[1])
    last = s.valid[-1]
    return f"{last[1]:.4f} at step {last[0]}" + (
        ", the lowest" if step == last[0] else f"; the lowest was {lowest:.4f} at step {step}"
    )


def gradient(s: Summary) -> str | None:
    if not s.norm:
        return None
    step, highest = max(s.norm, key=lambda point: point[1])
    clipped = sum(value > s.clip for _, value in s.norm) / len(s.norm)
    usual = median(value for _, value in s.norm)
    return f"norm {usual:.3g} as a rule, {highest:.3g} at step {step}; {clipped:.0%} clipped"


def step_back(line: dict[str, Any]) -> str:
    return f"from step {line.get('diverged_at')} to {line['recovered_to']} ({line.get('why')})"


app.default(as_command(report, show, fixed={"into_run": True}))
