"""The docs site: `make docs` builds it with Sphinx from the pages that a code host shows.

The source folder is the repository, so that links between pages lead to the same files in both.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import smalti  # noqa: E402
from docs import api_pages  # noqa: E402

OUTSIDE = ["*.md", "examples/*.md", "benchmarks/*.md", "src/smalti/assets/data/*.md"]
"""Pages in other folders, which these pages link to."""
navigation = {
    "Start": ["start", "choosing", "own-data", "coming-from", "traps"],
    "Families": [
        "diffusion", "pixelcnn", "codecs", "priors", "captions", "translation", "patchmatch",
        "compression",
    ],
    "Data and training": ["data", "training", "corpora", "training-translators", "evaluation"],
    "Ways to use it": ["studio", "cli", "python"],
    "Look up": ["numbers", "glossary", "api/index"],
    "Inside": ["design", "extending"],
    "In the repository": [
        f"/{path.relative_to(ROOT).with_suffix('')}"
        for pattern in OUTSIDE
        for path in sorted(ROOT.glob(pattern))
    ],
}  # fmt: skip
"""The pages in the sidebar. A page that is missing here, or listed and missing, is a warning."""

project = "smalti"
author = "The smalti engineers"
copyright = author
version = release = smalti.__version__
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/api/*.rst", *OUTSIDE]
exclude_patterns = [".*", "build", "dist", "runs", "tests"]
extensions = ["myst_parser", "sphinx.ext.autodoc"]
autodoc_typehints = "none"  # api_pages writes them

myst_heading_anchors = 4  # as on code hosts
suppress_warnings = ["misc.highlighting_failure"]  # a block may hold a part of a language

html_theme = "furo"  # its fonts are the system's, and its search works from files
html_title = "smalti"
html_static_path = ["site"]
html_extra_path = ["site/root"]  # leads from the top to the start page
html_css_files = ["site.css"]
html_show_sourcelink = html_show_sphinx = html_copy_source = False
html_show_search_summary = False  # a browser reads no other page from a file
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "tango", "monokai"

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__"}


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the sidebar's tree of pages below the start page, which has none of Sphinx's words."""
    if page == root_doc:
        for caption, pages in app.config.navigation.items():
            lines = [f":caption: {caption}", ":hidden:", "", *pages]
            source[0] += "\n```{toctree}\n" + "\n".join(lines) + "\n```\n"


def setup(app: Sphinx) -> None:
    app.add_config_value("navigation", {}, "env", dict)  # a change of it reads all pages again
    api_pages.write_pages(HERE / "api")
    app.connect("source-read", add_navigation)
    app.connect("autodoc-process-docstring", api_pages.process_docstring)
    app.connect("autodoc-process-signature", api_pages.process_signature)
