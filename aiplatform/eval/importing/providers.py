"""promptfoo's providers as models: those that speak OpenAI's protocol, and none where rows bring their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.core.i18n import N_

_COMPATIBLE: Final = {
    "openai": "https://api.openai.com/v1",
    "ollama": "http://localhost:11434/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "groq": "https://api.groq.com/openai/v1",
    "together": "https://api.together.xyz/v1",
    "togetherai": "https://api.together.xyz/v1",
    "fireworks": "https://api.fireworks.ai/inference/v1",
    "xai": "https://api.x.ai/v1",
    "perplexity": "https://api.perplexity.ai",
}
"""Where providers answer whose protocol is OpenAI's."""

_CHAT: Final = frozenset({"chat", "responses"})
_OTHER_KINDS: Final = frozenset({"assistant", "completion", "embedding", "embeddings", "image", "realtime"})
_ADDRESS: Final = ("apiBaseUrl", "apiHost", "baseURL", "baseUrl")

FOREIGN: Final = N_("{provider!r} speaks no protocol that is spoken here: say `model` before you run it.")
OPTION: Final = N_("The provider's {name!r} is not taken over.")
KEY: Final = N_("Keys are not copied: set OPENAI_API_KEY where the evaluation runs.")
SEVERAL: Final = N_("There are no providers: say `model` before you run it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What answers."""

    label: str
    model: Mapping[str, Any] | None
    """As a specification says it; None where none can be said."""

    echoes: bool = False
    """Whether the prompt itself is the answer."""


def providers_of(document: Mapping[str, Any], told: Callable[..., None]) -> Iterator[Provider]:
    """The providers of a configuration."""
    given = document.get("providers", document.get("targets"))
    listed = given if isinstance(given, list) else [] if given is None else [given]
    if not listed:
        told("providers", SEVERAL)
        yield Provider(label="model", model=None)
    for place, entry in enumerate(listed):
        where = f"providers[{place}]"
        if isinstance(entry, Mapping) and "id" not in entry and len(entry) == 1:  # {"openai:gpt-4": {...}}
            ((name, options),) = entry.items()
            entry = {"id": name, **(options if isinstance(options, Mapping) else {})}
        options = entry if isinstance(entry, Mapping) else {"id": entry}
        yield _provider(str(options.get("id")), options, where, told)


def _provider(name: str, options: Mapping[str, Any], where: str, told: Callable[..., None]) -> Provider:
    label = str(options.get("label") or name)
    for option in options:
        if option not in {"id", "label", "config"}:
            told(where, OPTION, name=option)
    if name == "echo":
        return Provider(label=label, model=None, echoes=True)
    vendor, _, rest = name.partition(":")
    kind, _, model = rest.partition(":")
    if kind in _OTHER_KINDS or vendor not in _COMPATIBLE or not rest:
        told(where, FOREIGN, provider=name)
        return Provider(label=label, model=None)
    asked = model if kind in _CHAT and model else rest
    config = options.get("config") if isinstance(options.get("config"), Mapping) else {}
    url = _COMPATIBLE[vendor]
    for option, value in (config or {}).items():
        if option in _ADDRESS:
            url = str(value) if "://" in str(value) else f"https://{value}/v1"
        elif option.lower().startswith("apikey"):
            told(f"{where}.config", KEY)
        else:
            told(f"{where}.config", OPTION, name=option)
    return Provider(label=label, model={"endpoint": asked, "url": url})
