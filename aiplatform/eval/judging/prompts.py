"""What judges are told: versioned texts in files beside this module, one for each kind of judge and language."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

LANGUAGES: Final = ("en", "zh")
WORDING: Final = "wording"
_EMPTY_SECTION: Final = re.compile(r"<(\w+)>\n\s*\n</\1>\n*")
_TAG: Final = re.compile(r"</(?=\w+>)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One judge's text: what it is, and what it is asked about each row."""

    name: str
    """`correctness.en`."""

    version: str
    system: str
    user: str

    def told(self, more: str = "", **fields: str) -> Prompt:
        """The prompt with what holds for every row filled in.

        Args:
            more: A line to add.
            fields: Values of the system text's places.
        """
        system = Template(self.system).safe_substitute(fields).strip()
        return Prompt(
            name=self.name, version=self.version, system="\n".join(filter(None, (system, more))), user=self.user
        )

    def messages(self, material: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
        """The two messages about one row; a section without material is left out."""
        safe = {name: _TAG.sub("<\\\\/", text) for name, text in material.items()}
        user = _EMPTY_SECTION.sub("", Template(self.user).safe_substitute(safe)).strip()
        return {"role": "system", "content": self.system}, {"role": "user", "content": user}


def prompt(kind: str, language: str) -> Prompt:
    """The text of a kind of judge.

    Raises:
        InvalidError: There is none in that language.
    """
    found = _file(kind, language)
    return Prompt(name=f"{kind}.{language}", version=found["version"], system=found["system"], user=found["user"])


def wording(name: str, language: str, **fields: str) -> str:
    """A sentence that several kinds of judges share.

    Raises:
        InvalidError: There is none in that language.
    """
    return Template(_file(WORDING, language)[name]).safe_substitute(fields).strip()


@cache
def _file(kind: str, language: str) -> Mapping[str, str]:
    if language not in LANGUAGES:
        raise InvalidError(
            N_("Judges are told what to do in {known}, not in {language!r}."),
            reason="judge.language",
            known=", ".join(LANGUAGES),
            language=language,
        )
    text = files(__package__).joinpath("prompts", f"{kind}.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
