"""The HTML page of `make_gallery`: pictures by family, each with its command."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Picture:
    """An image file and its caption."""

    path: Path
    caption: str
    tiled: bool = False
    """Whether it fills an area, side by side."""


@dataclass(frozen=True)
class Exhibit:
    """A section of the page."""

    text: str
    command: str
    """The command that makes it; empty if it was left out."""
    pictures: tuple[Picture, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    """Pairs of sentences."""
    family: str = ""
    title: str = ""
    seconds: float = 0.0
    """The time that it took."""


MAX_WIDTH, MAX_HEIGHT = 440, 360
"""Pixels up to which a picture is enlarged, in whole steps."""
TILES = 3
CSS = """
:root { color-scheme: light dark; --ink: #22201d; --paper: #f6f3ed; --card: #fffdf9;
  --line: #e4ddd0; --soft: #6d675c; --mark: #8f3f17; --code: #f3ede2; --a: #1c6a94; --b: #e0a526;
  --c: #b6452c; --d: #3f7f5b; }
@media (prefers-color-scheme: dark) { :root { --ink: #ece7dd; --paper: #151412; --card: #1e1c19;
  --line: #37332c; --soft: #a59d8f; --mark: #eda477; --code: #2a2722; --a: #4a9cc8;
  --d: #63a883; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 0 1.25rem 3rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.6 system-ui, "Noto Sans CJK SC", sans-serif; }
header { padding: 3rem 0 1.5rem; }
header::before { content: ""; display: block; height: .8rem; margin-bottom: 1.6rem;
  border-radius: .2rem; background: repeating-linear-gradient(90deg, var(--a) 0 1.1rem,
  transparent 0 1.25rem, var(--b) 0 2.35rem, transparent 0 2.5rem, var(--c) 0 3.6rem,
  transparent 0 3.75rem, var(--d) 0 4.85rem, transparent 0 5rem); }
h1 { margin: 0; font-size: clamp(2.2rem, 6vw, 3.2rem); line-height: 1.1; letter-spacing: -.03em; }
header p { color: var(--soft); max-width: 42rem; margin: .8rem 0 1.2rem; font-size: 1.08rem; }
nav { display: flex; flex-wrap: wrap; gap: .4rem; }
nav a { color: var(--ink); text-decoration: none; border: 1px solid var(--line); font-size: .88rem;
  border-radius: 2rem; padding: .15rem .8rem; background: var(--card); }
nav a:hover, nav a:focus-visible { border-color: var(--mark); color: var(--mark); }
h2 { margin: 2.4rem 0 .9rem; font-size: 1.5rem; letter-spacing: -.015em; }
h3 { margin: 0 0 .3rem; font-size: 1.08rem; }
.family { display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
article { background: var(--card); border: 1px solid var(--line); border-radius: .8rem;
  padding: 1.25rem; min-width: 0; display: flex; flex-direction: column; }
article.wide { grid-column: 1 / -1; }
article > p { max-width: 42rem; margin: 0 0 1rem; color: var(--soft); }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; margin: auto 0;
  justify-content: center; align-items: end; }
figure { margin: 0; min-width: 0; max-width: 100%; }
figcaption { color: var(--soft); font-size: .85rem; text-align: center; margin-top: .35rem; }
img, .tiles { display: block; margin: 0 auto; max-width: 100%; height: auto; border-radius: .35rem;
  image-rendering: pixelated; }
dl { margin: auto 0; }
dt { color: var(--soft); }
dd { margin: 0 0 .8rem; font-size: 1.2rem; }
.made { margin: 1rem 0 0; display: flex; gap: .8rem; align-items: baseline; font-size: .85rem;
  color: var(--soft); }
.made code { flex: 1; min-width: 0; }
.made > span { white-space: nowrap; }
code span { display: inline-block; max-width: 100%; }
code { font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; color: var(--mark);
  background: var(--code); border-radius: .3rem; padding: .3rem .55rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0; }
th { color: var(--soft); font-weight: 500; width: 9rem; }
td code { display: inline-block; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 34rem) {
  .made { flex-direction: column; gap: .3rem; }
  .made code { width: 100%; }
  th, td { display: block; width: auto; padding: .2rem 0; }
}
"""


def render_page(exhibits: Sequence[Exhibit], next_commands: Mapping[str, str], footer: str) -> str:
    """One self-contained HTML file."""
    families = {name: list(some) for name, some in groupby(exhibits, lambda e: e.family)}
    links = "\n".join(f'<a href="#{slug(name)}">{html.escape(name)}</a>' for name in families)
    sections = "\n".join(render_family(name, some) for name, some in families.items())
    rows = "\n".join(
        f"<tr><th>{html.escape(name)}</th><td>{render_code(command)}</td></tr>"
        for name, command in next_commands.items()
    )
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
<p>Smalti are the cut glass that mosaics are made of. Everything on this page was made on this
machine just now, by the commands shown with it: type one, change it, see what happens.</p>
<nav>{links}<a href="#next">What next</a></nav>
</header>
<main>
{sections}
<section id="next"><h2>What next</h2>
<article><table>
{rows}
</table></article></section>
</main>
<footer>{html.escape(footer)}</footer>
</body>
</html>
"""


def render_family(name: str, exhibits: Sequence[Exhibit]) -> str:
    inside = "\n".join(map(render_exhibit, exhibits))
    return f"""<section id="{slug(name)}"><h2>{html.escape(name)}</h2>
<div class="family">
{inside}
</div></section>"""


def slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def render_exhibit(exhibit: Exhibit) -> str:
    figures = "\n".join(map(render_figure, exhibit.pictures))
    pairs = "\n".join(
        f'<dt>{html.escape(a)}</dt><dd lang="zh-CN">{html.escape(b)}</dd>' for a, b in exhibit.lines
    )
    parts = [
        f"<h3>{html.escape(exhibit.title)}</h3>",
        f"<p>{html.escape(exhibit.text)}</p>",
        figures and f'<div class="pictures">\n{figures}\n</div>',
        pairs and f"<dl>{pairs}</dl>",
        exhibit.command and render_command(exhibit),
    ]
    shape = ' class="wide"' if len(exhibit.pictures) > 1 else ""
    return f"<article{shape}>\n" + "\n".join(filter(None, parts)) + "\n</article>"


def render_command(exhibit: Exhibit) -> str:
    return f"""<div class="made">
{render_code(exhibit.command)}
<span>{format_duration(exhibit.seconds)}</span>
</div>"""


def render_code(command: str) -> str:
    """A command whose lines break between words only, not at hyphens."""
    words = (f"<span>{html.escape(word)}</span>" for word in command.split(" "))
    return f"<code>{' '.join(words)}</code>"


def render_figure(picture: Picture) -> str:
    kind = picture.path.suffix.removeprefix(".")
    data = f"data:image/{kind};base64,{base64.b64encode(picture.path.read_bytes()).decode()}"
    caption = html.escape(picture.caption, quote=True)
    with Image.open(picture.path) as image:
        width, height = image.size
    if picture.tiled:
        side = MAX_WIDTH // (TILES * width) or 1
        style = (
            f"width:{TILES * side * width}px;aspect-ratio:{width}/{height};"
            f"background:url({data}) 0 0/{100 / TILES:.4f}%"
        )
        shown = f'<div class="tiles" role="img" aria-label="{caption}" style="{style}"></div>'
    else:
        width *= min(MAX_WIDTH // width, MAX_HEIGHT // height) or 1
        shown = f'<img alt="{caption}" width="{width}" src="{data}">'
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"


def format_duration(seconds: float) -> str:
    """Seconds as text, in minutes from 100 s."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} minutes"
