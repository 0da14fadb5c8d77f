"""The HTML page of `make_gallery`: pictures, their commands, and the model card."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smalti.core.protocols import Card


@dataclass(frozen=True)
class Picture:
    """An image file and its alt text."""

    path: Path
    alt_text: str


@dataclass(frozen=True)
class Exhibit:
    """A section of the page."""

    title: str
    text: str
    pictures: tuple[Picture, ...]
    command: str
    """The command that makes it."""
    seconds: float
    """The time that it took."""


CSS = """
:root { color-scheme: light dark; --ink: #1c1b19; --paper: #faf8f4; --card: #fff; --line: #e2ddd3;
  --soft: #6b665c; --mark: #9a4a1f; }
@media (prefers-color-scheme: dark) { :root { --ink: #ece8e1; --paper: #171614; --card: #201f1c;
  --line: #38352f; --soft: #a29c90; --mark: #e39a6b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 3rem; max-width: 68rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
h1 { margin: 0; font-size: 2.1rem; letter-spacing: -.02em; }
h2 { margin: 0 0 .35rem; font-size: 1.15rem; }
p { margin: 0 0 .9rem; }
header p { color: var(--soft); max-width: 46rem; margin: .4rem 0 2rem; }
main { display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .7rem;
  padding: 1.25rem; min-width: 0; display: flex; flex-direction: column; }
section.wide { grid-column: 1 / -1; }
section > p { max-width: 46rem; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; margin: auto 0; justify-content: center;
  align-items: end; }
figure { margin: 0; flex: 0 1 auto; min-width: 0; }
figcaption { color: var(--soft); font-size: .85rem; text-align: center; margin-top: .3rem; }
img { display: block; margin: 0 auto; max-width: 100%; height: auto; border-radius: .3rem;
  image-rendering: pixelated; }
.made { margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: baseline;
  justify-content: space-between; font-size: .85rem; color: var(--soft); }
code { font: .85rem/1.5 ui-monospace, monospace; color: var(--mark); overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0;
  border-top: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; white-space: nowrap; width: 12rem; }
td { overflow-wrap: anywhere; }
footer { margin-top: 2rem; color: var(--soft); font-size: .85rem; }
"""


def render_page(exhibits: Sequence[Exhibit], card: Card, footer: str) -> str:
    """One self-contained HTML file."""
    sections = "\n".join(map(render_section, exhibits))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>smalti: the gallery</title>
<style>{CSS}</style>
</head>
<body>
<header>
<h1>smalti</h1>
<p>Smalti are the cut glass that mosaics are made of. Everything below was made on this machine
just now, from random noise, by the commands shown with it.</p>
</header>
<main>
{sections}
{render_card(card)}
</main>
<footer>{html.escape(footer)}</footer>
</body>
</html>
"""


def render_section(exhibit: Exhibit) -> str:
    figures = "\n".join(map(render_figure, exhibit.pictures))
    shape = ' class="wide"' if len(exhibit.pictures) > 1 else ""
    return f"""<section{shape}>
<h2>{html.escape(exhibit.title)}</h2>
<p>{html.escape(exhibit.text)}</p>
<div class="pictures">
{figures}
</div>
<div class="made">
<code>{html.escape(exhibit.command)}</code>
<span>{format_duration(exhibit.seconds)}</span>
</div>
</section>"""


def render_figure(picture: Picture) -> str:
    kind = picture.path.suffix.removeprefix(".")
    data = base64.b64encode(picture.path.read_bytes()).decode()
    alt = html.escape(picture.alt_text, quote=True)
    caption = f"<figcaption>{alt}</figcaption>"
    return f'<figure><img alt="{alt}" src="data:image/{kind};base64,{data}">{caption}</figure>'


def render_card(card: Card) -> str:
    rows = {"data": card.data, **card.facts}
    cells = "\n".join(
        f"<tr><th>{html.escape(str(k))}</th><td>{html.escape(str(v))}</td></tr>"
        for k, v in rows.items()
        if v not in ("", None)
    )
    return f"""<section class="wide">
<h2>The model: {html.escape(card.name)}</h2>
<p>{html.escape(card.summary)}</p>
<table>
{cells}
</table>
</section>"""


def format_duration(seconds: float) -> str:
    """Seconds as text, in minutes from 100 s."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} minutes"
