"""The message catalogue: every text that a person sees, in English and Simplified Chinese.

English texts are the keys. `N_` marks a text for the catalogue where it is written and translated later (errors, tables
of labels); `translate` turns it into the reader's language. Pages use the same catalogue through Jinja's `_()`.
"""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path
from typing import Final

DEFAULT_LOCALE: Final = "en"
LOCALES: Final = ("en", "zh_CN")
DOMAIN: Final = "aiplatform"
CATALOGUE_FOLDER: Final = Path(__file__).parent / "locale"


def N_(text: str) -> str:  # noqa: N802 - the name gettext tools look for
    """Mark `text` for the catalogue and return it unchanged."""
    return text


@cache
def catalogue(locale: str) -> gettext.NullTranslations:
    """The translations of one locale; English translates every text to itself."""
    return gettext.translation(DOMAIN, CATALOGUE_FOLDER, languages=[locale], fallback=locale == DEFAULT_LOCALE)


def translate(text: str, locale: str) -> str:
    """`text` in the reader's language; the text itself where no translation is known."""
    return catalogue(locale).gettext(text) if text else text


def negotiate(*wishes: str | None) -> str:
    """The first wish that names a language we speak, else English.

    Args:
        wishes: In order of weight: a cookie's value, an `Accept-Language` header, `$LANG`. Every `zh*` is Simplified
            Chinese here, which Babel's own negotiation misses for `zh`, `zh-Hans` and `zh-SG`.
    """
    for wish in filter(None, wishes):
        for tag in _by_weight(wish):
            if tag.startswith("zh"):
                return "zh_CN"
            if tag.startswith("en"):
                return "en"
    return DEFAULT_LOCALE


def _by_weight(header: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, rest = part.strip().partition(";")
        quality = rest.strip().removeprefix("q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        if weight > 0:
            weighted.append((-weight, tag.strip().lower().replace("_", "-")))
    return [tag for _, tag in sorted(weighted, key=lambda pair: pair[0])]
