"""The wiring that every control-plane process shares: database, tenancy, traces, and what the model doors need."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol, TypeVar

from aiplatform.client.credentials import URL_VARIABLE
from aiplatform.core.settings import Settings
from aiplatform.serve.directory import Directory as ModelDirectory
from aiplatform.serve.http_host import HttpHost
from aiplatform.serve.ports import ModelHost
from aiplatform.serve.signing import DoorKeys
from aiplatform.serve.spans import BackgroundSink
from aiplatform.serve.store import DeploymentStore
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.tenancy.service import Tenancy, build_tenancy
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.projects import ProjectChoice
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import SIGNALS

TRUSTED_TENANT: Final = "default"
"""The tenant whose code may run on the platform's own cluster."""


class _Closable(Protocol):
    def close(self) -> None: ...


Kept = TypeVar("Kept", bound=_Closable)


class Services:
    """The services of a process, each made when it is first asked for.

    Args:
        settings: The settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._closing: list[Callable[[], None]] = []

    @property
    def state_dir(self) -> Path:
        """What only the platform's own user may read."""
        return self.settings.data_dir / "state"

    @property
    def inner_url(self) -> str:
        """The platform's address for processes beside this one."""
        return os.environ.get(URL_VARIABLE) or self.settings.url

    @cached_property
    def database(self) -> Database:
        """The one database."""
        return self._kept(Database(self.settings.database_url))

    @cached_property
    def tenancy(self) -> Tenancy:
        """Tenants, keys, sessions, audit."""
        return self._kept(build_tenancy(self.database, self.settings))

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """Large files."""
        return ArtifactStore(self.settings.artifacts_url)

    @cached_property
    def traces(self) -> Traces:
        """Spans, traces, scores."""
        return self._kept(Traces(self.database, self.artifacts))

    @property
    def max_otlp_bytes(self) -> int:
        """Bound of an OTLP request, before and after decompression."""
        return self.settings.ingest.max_body_mb * 1024 * 1024

    @cached_property
    def otlp_entries(self) -> tuple[SignalEntry, ...]:
        """What takes OTLP's requests, one a signal, by HTTP and by gRPC."""
        projects = ProjectChoice(self.tenancy.directory)
        return tuple(SignalEntry(self.traces, signal, projects, self.tenancy.admission) for signal in SIGNALS)

    @cached_property
    def deployment_store(self) -> DeploymentStore:
        """Rows of deployments."""
        return DeploymentStore(self.database)

    @cached_property
    def door_keys(self) -> DoorKeys:
        """What models know the door by."""
        return DoorKeys(self.state_dir / "door")

    @cached_property
    def span_sink(self) -> BackgroundSink:
        """Where the doors' own spans go."""
        return self._kept(BackgroundSink(self.traces))

    def model_directory(self) -> ModelDirectory:
        """Deployments as a door sees them; one an event loop."""
        return ModelDirectory(self.deployment_store)

    def model_host(self) -> ModelHost:
        """The way from a door to the models; one an event loop. Why this one: docs/adr/0002."""
        from aiplatform.serve.compute import LocalAddresses  # noqa: PLC0415 - loads Ray

        return HttpHost(LocalAddresses(), self.door_keys)

    def close(self) -> None:
        """Close what was opened, in reverse order."""
        while self._closing:
            self._closing.pop()()

    def _kept(self, service: Kept) -> Kept:
        self._closing.append(service.close)
        return service
