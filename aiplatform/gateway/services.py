"""The wiring: which services a control-plane process has, made from the settings it was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from aiplatform.core.settings import Settings
from aiplatform.storage.database import Database
from aiplatform.tenancy.auth import Authenticator


@dataclass
class Services:
    """Every service of a process, each made when it is first asked for."""

    settings: Settings
    _closing: list[Callable[[], None]] = field(default_factory=list)

    @cached_property
    def database(self) -> Database:
        """The one database."""
        database = Database(self.settings.database_url)
        self._closing.append(database.close)
        return database

    @cached_property
    def authenticator(self) -> Authenticator:
        """Keys and sessions to callers."""
        authenticator = Authenticator(self.database)
        self._closing.append(authenticator.close)
        return authenticator

    def close(self) -> None:
        """Close what was opened, in reverse order."""
        while self._closing:
            self._closing.pop()()
