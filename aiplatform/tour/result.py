"""What a finished tour leaves: kept in the project's artifacts, so that it is shown again and not run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from aiplatform import __version__
from aiplatform.client.http import Client
from aiplatform.core.errors import NotFoundError
from aiplatform.tour.corpus import DATA, PASSAGES_FILE, QUESTIONS_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question that the deployed assistant was asked."""

    question: str
    answer: str
    abstained: bool
    confidence: float
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TourResult:
    """One finished tour."""

    fingerprint: str
    comparison_id: str
    runs: dict[str, str]
    """Version -> evaluation run."""

    versions: dict[str, str]
    """Version -> registered model version, `docs-assistant@3`."""

    datasets: dict[str, str]
    """Name -> reference."""

    adapter: str
    """Registered version of the adapter."""

    champion: str
    """Version that was promoted and deployed, `v5`."""

    refused: dict[str, str]
    """Version -> why the gate refused it."""

    asked: tuple[Asked, ...]
    seconds: dict[str, float]
    """Step -> how long it took."""


def fingerprint() -> str:
    """Says whether two tours are the same: hash of the data, the training and the product's version, 10 digits."""
    found = hashlib.sha256(__version__.encode())
    for file in (PASSAGES_FILE, QUESTIONS_FILE, DATA.parent / "adapter.yaml"):
        found.update(file.read_bytes())
    return found.hexdigest()[:10]


def fetch(client: Client) -> TourResult | None:
    """The finished tour of this project and product version; None where there is none."""
    try:
        answer = client.request("GET", _path(fingerprint()))
    except NotFoundError:
        return None
    document: dict[str, Any] = answer.json()
    document["asked"] = tuple(Asked(**each) for each in document["asked"])
    return TourResult(**document)


def keep(result: TourResult, client: Client) -> None:
    """Keep a finished tour."""
    content = json.dumps(asdict(result), ensure_ascii=False, indent=2).encode()
    client.request("PUT", _path(result.fingerprint), content=content)


def _path(key: str) -> str:
    return f"/api/v1/artifacts/tour/{key}/result.json"
