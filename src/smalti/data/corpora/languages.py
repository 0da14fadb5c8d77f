"""Languages: names, scripts, and whether words are separated by spaces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

HAN = re.compile("[\u3400-\u9fff]")
SCRIPTS = {
    "Latin": re.compile("[A-Za-z\u00c0-\u024f]{2}"),
    "Han": HAN,
    "Kana": re.compile("[\u3040-\u30ff\u3400-\u9fff]"),
    "Hangul": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    "Cyrillic": re.compile("[\u0400-\u052f]"),
    "Greek": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    "Arabic": re.compile("[\u0600-\u06ff]"),
    "Hebrew": re.compile("[\u0590-\u05ff]"),
    "Devanagari": re.compile("[\u0900-\u097f]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
}
"""What shows that a text is written in a script. Japanese mixes kana and Han characters."""

NAMES = """Latin: en english, de german, fr french, es spanish, it italian, pt portuguese, nl dutch,
sv swedish, da danish, nb norwegian, fi finnish, pl polish, cs czech, sk slovak, hu hungarian,
ro romanian, tr turkish, vi vietnamese, id indonesian, ca catalan, et estonian, lv latvian,
lt lithuanian, sl slovenian, hr croatian, eu basque, gl galician
Han: zh chinese
Kana: ja japanese
Hangul: ko korean
Cyrillic: ru russian, uk ukrainian, bg bulgarian, sr serbian, be belarusian
Greek: el greek
Arabic: ar arabic, fa persian
Hebrew: he hebrew
Devanagari: hi hindi
Thai: th thai"""
WITHOUT_SPACES = {"Han", "Kana", "Thai"}


@dataclass(frozen=True)
class Language:
    """A language, by its two-letter code. Of an unknown one, `script` and `name` are empty."""

    code: str
    name: str = ""
    """In English and lower case."""
    script: str = ""

    @property
    def letter(self) -> re.Pattern[str] | None:
        """Matches a letter of its script (two for Latin, which stands in all texts)."""
        return SCRIPTS.get(self.script)

    @property
    def has_spaces(self) -> bool:
        """Whether spaces separate its words."""
        return self.script not in WITHOUT_SPACES


@cache
def list_languages() -> dict[str, Language]:
    """The known languages by code."""
    known = {}
    for line in NAMES.replace(",\n", ", ").splitlines():
        script, _, names = line.partition(": ")
        for code, name in (words.split() for words in names.split(", ")):
            known[code] = Language(code, name, script)
    return known


@cache
def find_language(code: str) -> Language:
    """Find a language by a code such as "zh", "zh_CN" or "zh-Hans", or by its English name."""
    key = code.casefold().replace("-", "_").partition("_")[0]
    by_name = {language.name: language for language in list_languages().values()}
    return list_languages().get(key) or by_name.get(key) or Language(key)


def is_traditional(code: str) -> bool:
    """Whether a code is of Chinese in traditional characters: zh_TW, zh_HK, zh-Hant."""
    return re.fullmatch(r"zh[-_](tw|hk|mo|hant.*)", code.casefold()) is not None
