"""`smalti data`: inspect pictures or sentence pairs before training on them."""

from __future__ import annotations

import shlex

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.corpus_findings import print_corpus_audit
from smalti.cli.findings import print_findings
from smalti.core.messages import format_count
from smalti.core.size import format_size
from smalti.data.audit import Audit
from smalti.tasks import AuditReport, CorpusAudit, audit_data

EXAMPLES = """[bold]Examples[/bold]

  smalti data photos.zip --size 64 --epochs 200
  smalti data hf:ylecun/mnist --out looks/mnist
  smalti data manual.en manual.zh
  smalti data memory.tmx --languages de-en"""

DEFAULT_BACKGROUND = ("--background", "white")

app = App(name="data", help_epilogue=EXAMPLES)


def print_audit(report: AuditReport | CorpusAudit, arguments: CommandArguments) -> None:
    if isinstance(report, CorpusAudit):
        print_corpus_audit(report, arguments)
        return
    print_findings(report.audit)
    print_training_forecast(report)
    for file in report.files:
        print(f"{'report' if file.name == 'report.json' else '':10} {file}")
    print(f"next       {suggest_command(report.audit, arguments)}")


def print_training_forecast(report: AuditReport) -> None:
    """How long training takes, and what was timed to estimate it."""
    forecast, epochs, n = report.forecast, report.epochs, report.audit.splits["train"]
    if not n:
        print("training   no picture is left to train on; give more pictures")
        return
    print(
        f"training   {epochs:g} epochs of {format_count(n, 'picture')} with `ddpm`: "
        f"{format_count(forecast.count_steps(n, epochs), 'step')}, "
        f"about {forecast.estimate_minutes(n, epochs):.3g} minutes; in 10 minutes: "
        f"{forecast.estimate_epochs(n, 10):.3g} epochs"
    )
    H, W = report.audit.size
    step = f"{forecast.seconds_per_step:.3g} s for a step of {forecast.batch_size}"
    print(
        f"           ({forecast.n_parameters / 1e6:.2f} M parameters, {step}, timed on "
        f"{forecast.timed_batch_size} pictures of {H} x {W} on {forecast.device})"
    )


def format_preprocessing_options(arguments: CommandArguments) -> dict[str, str]:
    """The preprocessing options that were given, as typed."""
    every = {
        "--size": format_size(arguments["size"]) if arguments["size"] else None,
        "--color": arguments["color"] if arguments["color"] != "keep" else None,
        "--background": shlex.quote(arguments["background"]),
        "--stretch": "" if arguments["stretch"] else None,
    }
    return {k: v for k, v in every.items() if v is not None and (k, v) != DEFAULT_BACKGROUND}


def suggest_command(audit_result: Audit, arguments: CommandArguments) -> str:
    """`train`, or `pack` first where `train` cannot read the pictures this way."""
    pictures, options = shlex.quote(arguments["data"]), format_preprocessing_options(arguments)
    words = "".join(f" {name} {value}".rstrip() for name, value in options.items())
    if audit_result.bad or options.keys() - {"--size"}:
        skip = " --skip-bad" if audit_result.bad else ""
        return f"smalti pack {pictures} packs/{shlex.quote(audit_result.name)}{words}{skip}"
    return f"smalti train ddpm --data {pictures}{words}"


app.default(make_command(audit_data, print_audit, fixed={"out_root": "looks"}, data=str))
