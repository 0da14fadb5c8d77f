"""What stands in square brackets is text, not markup."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.table import Table

from smalti.cli.compare import print_comparison
from smalti.cli.display import bold, make_console
from smalti.cli.evaluate import print_report
from smalti.evaluation.report import Protocol, Report, Row
from smalti.tasks import Comparison

CLI = Path(__file__).parents[3] / "src" / "smalti" / "cli"
NAME = "ddpm[v2] :smile: [/red][bold]"


def report() -> Report:
    known = {name: "" for name in Protocol.__annotations__}
    numbers = dict.fromkeys(("reference", "n", "held"), 1) | dict.fromkeys(
        ("seed", "bootstraps", "bootstrap_seed"), 0
    )
    words = {"data": NAME, "shape": (1, 8, 8), "mirrored": False, "metrics": {"cost": 1}}
    protocol = Protocol(**{**known, **numbers, **words})
    rows = (Row("seconds", 1.0), Row("kernel", None, note=f"left out: {NAME}"))
    return Report(NAME, "", protocol, rows, {"tag": NAME}, notes=(f"note {NAME}",))


def test_evaluate_shows_names_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    print_report(report())
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"{NAME}: 1 sample (seed 0) and 1 real ")
    assert sum(NAME in line for line in lines) == 3  # the head with data, the reason, the note


def test_compare_shows_names_whole(capsys):
    print_comparison(Comparison((report(), report())), {})
    out = capsys.readouterr().out
    assert f"{NAME} (2)" in out and out.count(NAME) == 6  # data, two heads, two samplers, a note


def test_tables_show_names_whole():
    table = Table(NAME)
    table.add_row(NAME)
    table.add_row(bold(NAME))
    file = io.StringIO()
    out = make_console(width=100)
    out.file = file
    out.print(table)
    assert file.getvalue().count(NAME) == 3


def test_no_other_console_is_made():
    """Each is made by `display.console`, which reads no markup."""
    made = {p.name for p in CLI.glob("*.py") if re.search(r"\bConsole\(", p.read_text())}
    assert made == {"display.py"}
