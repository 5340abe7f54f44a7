"""Payloads as people read them: decoded JSON, code with a little colour, long texts cut with their size told."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup, escape

MAX_SHOWN_CHARACTERS: Final = 250_000
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_LATIN_WORDS: Final = re.compile(r"[A-Za-z]{2,}")
_PYTHON: Final = re.compile(
    r"(?P<c>\#[^\n]*)"
    r"|(?P<s>\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<k>\b(?:import|from|as|def|class|return|with|for|in|if|else|async|await|lambda|not|and|or|None|True|False"
    r"|export|curl|pip)\b)"
    r"|(?P<n>\b\d+(?:\.\d+)?\b)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A payload ready for a page."""

    text: str
    is_json: bool
    num_characters: int
    is_cut: bool


def shown(value: Any) -> Shown:
    """A payload as text: structures as indented JSON with every character itself, never escaped.

    A string that holds JSON is shown decoded too, as emitters often send it that way.
    """
    is_json = not isinstance(value, str)
    if isinstance(value, str):
        decoded = decoded_json(value)
        if decoded is not None:
            value, is_json = decoded, True
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str) if is_json else value
    return Shown(
        text=text[:MAX_SHOWN_CHARACTERS],
        is_json=is_json,
        num_characters=len(text),
        is_cut=len(text) > MAX_SHOWN_CHARACTERS,
    )


def decoded_json(text: str) -> Any | None:
    """The object or list that a text holds as JSON; None where it holds none."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def one_line(value: Any, limit: int = 120) -> str:
    """A payload in one line for tables and calls: `query="default argument", k=4`."""
    if isinstance(value, dict):
        text = ", ".join(f"{key}={_compact(item)}" for key, item in value.items())
    else:
        text = value if isinstance(value, str) else _compact(value)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def language_of(text: str) -> str | None:
    """The tag of the language that a text is plainly in, by its script; None where that says nothing."""
    if _HAN.search(text):
        return "zh-CN"
    return "en" if _LATIN_WORDS.search(text) else None


def highlighted(code: str) -> Markup:
    """Python or shell with keywords, strings, comments and figures in spans with classes."""
    parts: list[Markup] = []
    at = 0
    for match in _PYTHON.finditer(code):
        parts.append(escape(code[at : match.start()]))
        parts.append(Markup('<span class="hl-{}">{}</span>').format(match.lastgroup, match.group()))
        at = match.end()
    parts.append(escape(code[at:]))
    return Markup("").join(parts)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
