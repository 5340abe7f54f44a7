"""Whom the worker may ask for verdicts: it stands inside, so that no tenant's rule may send it anywhere.

A rule's judge is asked at the endpoint that the operator has set for judges or, where only a model is named, at the
platform's own door with a key of the rule's project that may call models and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.eval.judging.cascade import Cascade
from aiplatform.eval.judging.judge import KEY_VARIABLE, MODEL_VARIABLE, URL_VARIABLE, Judge


class ProjectKeys(Protocol):
    """Makes keys with which models of a project can be called."""

    def key(self, scope: Scope) -> str:
        """A key that lives for at least some minutes."""
        ...


class JudgeEndpoints:
    """Settles where each judge is asked.

    Args:
        platform_url: Address of the platform, as the worker reaches it.
        keys: Of projects.
        environment: By default the process's own.
    """

    def __init__(
        self, platform_url: str, keys: ProjectKeys | None, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self._platform_url = platform_url.rstrip("/")
        self._keys = keys
        found = os.environ if environment is None else environment
        self._model = found.get(MODEL_VARIABLE, "")
        self._url = found.get(URL_VARIABLE, "").rstrip("/")
        self._key = found.get(KEY_VARIABLE, "")

    @property
    def has_model(self) -> bool:
        """Whether the operator has set a model that judges where a rule names none."""
        return bool(self._model)

    def check(self, judge: Judge | Cascade) -> None:
        """Nothing, where the judge may be asked.

        Raises:
            InvalidError: It names an address or a key of its own, or no model is known.
        """
        for each in _parts(judge):
            self._check(each)

    def settled(self, judge: Judge | Cascade, scope: Scope) -> Judge | Cascade:
        """The judge with model, address and key.

        Raises:
            InvalidError: It may not be asked there.
        """
        if isinstance(judge, Cascade):
            return replace(judge, cheap=self._settled(judge.cheap, scope), dear=self._settled(judge.dear, scope))
        return self._settled(judge, scope)

    def _check(self, judge: Judge) -> None:
        if judge.key or (judge.url and judge.url.rstrip("/") != self._url):
            raise InvalidError(
                N_("A rule's judge cannot name an address or a key of its own."),
                hint=N_("It is asked where {variable} says, or names a model that this platform serves."),
                reason="online.address",
                variable=URL_VARIABLE,
            )
        if not judge.model and not self._model:
            raise InvalidError(
                N_("The judge {name!r} has no model to ask."),
                hint=N_("Name one that this platform serves, or set {variable} where the platform runs."),
                reason="judge.no_model",
                name=judge.score_name,
                variable=MODEL_VARIABLE,
            )

    def _settled(self, judge: Judge, scope: Scope) -> Judge:
        self._check(judge)
        model = judge.model or self._model
        if self._url:
            return replace(judge, model=model, url=self._url, key=self._key)
        key = self._keys.key(scope) if self._keys is not None else ""
        return replace(judge, model=model, url=f"{self._platform_url}/v1", key=key)


def _parts(judge: Judge | Cascade) -> tuple[Judge, ...]:
    return (judge.cheap, judge.dear) if isinstance(judge, Cascade) else (judge,)
