"""Who judged: a hash of everything that a verdict depends on beside the row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiplatform.eval.statistics.hashing import canonical_json

VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeIdentity:
    """What makes two verdicts comparable. The address is no part of it: the same model elsewhere is the same judge."""

    kind: str
    version: str
    """Of the judge's code."""

    model: str
    prompt: Mapping[str, str]
    """Name, version and both texts, with what holds for every row filled in."""

    schema: Mapping[str, Any] = field(default_factory=dict)
    decoding: Mapping[str, Any] = field(default_factory=dict)
    """Options of the call, and how many samples are taken."""

    more: Mapping[str, Any] = field(default_factory=dict)
    """What else the kind depends on."""

    @property
    def digest(self) -> str:
        """SHA-256, 64 hexadecimal digits."""
        known = {name: getattr(self, name) for name in self.__slots__}
        return hashlib.sha256(canonical_json(known).encode()).hexdigest()

    @property
    def scorer_version(self) -> str:
        """The version that its scores are stored under."""
        return self.digest[:VERSION_DIGITS]

    def parameters(self, language: str) -> dict[str, Any]:
        """What is stored beside its scores, for people and for calibration."""
        return {
            "judge": self.kind,
            "identity": self.digest,
            "model": self.model,
            "prompt": f"{self.prompt.get('name', '')} {self.prompt.get('version', '')}".strip(),
            "language": language,
            **{name: value for name, value in self.decoding.items() if value is not None},
        }
