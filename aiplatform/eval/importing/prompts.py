"""promptfoo's prompts: texts and chats with variables, in the configuration or in files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.importing.material import PREFIX, opened
from aiplatform.eval.importing.templates import Templates

NO_PROMPT: Final = N_("The prompt cannot be taken over.")
_BETWEEN: Final = re.compile(r"^---\s*$", re.MULTILINE)
_TEXTS: Final = (".txt", ".md", ".json", ".yaml", ".yml", ".j2")
_TAKEN: Final = frozenset({"id", "label", "raw", "prompt"})
_OPTION: Final = N_("The prompt's {name!r} is not taken over.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt."""

    label: str
    template: Any
    """A text, or a chat as a list of messages."""

    def filled(
        self, templates: Templates, variables: Mapping[str, Any], where: str, *, prefix: str = "", suffix: str = ""
    ) -> Any:
        """What the model is asked: a text, or messages."""
        if not isinstance(self.template, str):
            return templates.filled(self.template, variables, where)
        chat = _chat(self.template)
        if chat is not None:  # parsed first, so that a variable's quotes do not break it
            return templates.filled(chat, variables, where)
        said = templates.filled(f"{prefix}{self.template}{suffix}", variables, where)
        return _chat(said) or said


def prompts_of(given: Any, folder: Path, told: Callable[..., None]) -> Iterator[Prompt]:
    """The prompts of a configuration, files opened; without any, the variable `prompt` is asked."""
    if given is None:
        yield Prompt(label="prompt", template="{{prompt}}")
        return
    listed = given if isinstance(given, list) else [given]
    for place, entry in enumerate(listed):
        where = f"prompts[{place}]"
        label = ""
        if isinstance(entry, Mapping):
            for name in entry:
                if name not in _TAKEN:
                    told(where, _OPTION, name=name)
            label = str(entry.get("label") or "")
            entry = entry.get("raw") or entry.get("prompt") or entry.get("id")
        if isinstance(entry, list):
            yield Prompt(label=label or f"prompt {place + 1}", template=entry)
            continue
        if not isinstance(entry, str):
            told(where, NO_PROMPT)
            continue
        yield from _texts(entry, label, folder, where, told)


def _texts(entry: str, label: str, folder: Path, where: str, told: Callable[..., None]) -> Iterator[Prompt]:
    is_file = entry.startswith(PREFIX) or (entry.endswith(_TEXTS) and "\n" not in entry and (folder / entry).is_file())
    if not is_file:
        yield Prompt(label=label or _line(entry), template=entry)
        return
    address = entry if entry.startswith(PREFIX) else f"{PREFIX}{entry}"
    name = address.removeprefix(PREFIX)
    content = opened(address, folder, where, told)
    if content == address:
        return  # told by `opened`
    if not isinstance(content, str):
        yield Prompt(label=label or name, template=content)
        return
    parts = [part.strip() for part in _BETWEEN.split(content)] if name.endswith(".txt") else [content]
    for number, part in enumerate(parts, 1):
        yield Prompt(label=(label or name) + (f" {number}" if len(parts) > 1 else ""), template=part)


def _chat(text: str) -> list[Any] | None:
    """Messages that a text writes as JSON."""
    if not text.lstrip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    is_chat = isinstance(found, list) and found and all(isinstance(one, dict) and "role" in one for one in found)
    return found if is_chat else None


def _line(text: str, characters: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
