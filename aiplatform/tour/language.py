"""Which language a question is in."""

from __future__ import annotations

import re
from typing import Final

from aiplatform.tour.model import CHINESE, ENGLISH

_IDEOGRAPH: Final = re.compile(r"[\u3400-\u9fff]")
_WORD: Final = re.compile(r"[A-Za-z]+")


def language_of(text: str) -> str:
    """`zh` where two words or fewer come on each ideograph, else `en`: names stay Latin in Chinese questions too."""
    num_ideographs = len(_IDEOGRAPH.findall(text))
    return CHINESE if 2 * num_ideographs > len(_WORD.findall(text)) else ENGLISH
