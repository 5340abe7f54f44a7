"""Registered versions as serving sees them: the registry's answer, in serving's words."""

from __future__ import annotations

from typing import Protocol

from aiplatform.registry.model import ModelVersion
from aiplatform.serve.model import VersionRef
from aiplatform.serve.ports import ResolvedVersion
from aiplatform.tenancy.model import Caller


class Registry(Protocol):
    """The registry's service of models."""

    def version(self, caller: Caller, reference: str) -> ModelVersion:
        """The version that `name@3` or `name@champion` names."""
        ...


class RegisteredVersions:
    """Looks versions up in the registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def resolve(self, caller: Caller, ref: VersionRef) -> ResolvedVersion:
        """The version that `ref` names now.

        Raises:
            NotFoundError: There is none.
        """
        tail = ref.alias if ref.version is None else ref.version
        found = self._registry.version(caller, f"{ref.name}@{tail}")
        return ResolvedVersion(name=found.name, version=found.version, loader=found.loader)
