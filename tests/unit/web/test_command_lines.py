"""The lines beside a result say what the job did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smalti.web.command_lines import format_command, format_python
from smalti.web.registry import find_pages

TASKS = {task.name: task for page in find_pages() for task in page.tasks}


@pytest.mark.parametrize(
    ("task", "arguments", "line"),
    [
        (
            "draw_samples",
            {"model": "m", "n": 3, "seed": 5, "classes": ["Food & Drink", 2], "gif": True},
            "smalti sample m -n 3 --seed 5 --class 'Food & Drink,2' --gif",
        ),
        (
            "draw_samples",
            {"model": "m", "text": ["a 'b'", "c"], "size": (48, 64), "gif": False},
            "smalti sample m --text 'a '\"'\"'b'\"'\"'' --text c --size 48x64",
        ),
        (
            "draw_samples",
            {
                "model": "m",
                "conditions": {"style": ["flat", "3d"]},
                "sampler": {"sampler": "ddim", "clip": False, "sigma_hat": True, "eta": 0.5},
                "pictures": [Path("a b.png")],
                "strength": 0.5,
            },
            "smalti sample m --condition style=flat --condition style=3d --sampler ddim --no-clip "
            "--sigma-hat --eta 0.5 --picture 'a b.png' --strength 0.5",
        ),
        (
            "interpolate",
            {"model": "m", "first": 1, "last": Path("x.png"), "frames": 12},
            "smalti interpolate m --from 1 --to x.png --frames 12",
        ),
    ],
)
def test_lines(task: str, arguments: dict[str, Any], line: str):
    assert format_command(TASKS[task], arguments) == line
    compile(format_python(TASKS[task], arguments), "lines", "exec")
