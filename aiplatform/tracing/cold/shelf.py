"""The artifact store as cold spans see it: files put away and read back, whole groups at a time."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiplatform.core.errors import ConfigError, NotFoundError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.artifacts import ArtifactStore, StoredFile
from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import cold_files
from aiplatform.tracing.cold.files import FrozenSpan, file_of, read_groups, tables_in
from aiplatform.tracing.store.cold import ColdPlace, files

if TYPE_CHECKING:
    import pyarrow

FOLDER: Final = "cold/spans"
_DAY_S: Final = 86_400


class Shelf:
    """Cold files of every project. Thread safe.

    Args:
        artifacts: Where they lie; a process without one can store spans, and not reach cold ones.
    """

    def __init__(self, artifacts: ArtifactStore | None) -> None:
        self._given = artifacts

    @property
    def _artifacts(self) -> ArtifactStore:
        if self._given is None:
            raise ConfigError(
                N_("This process knows no artifact store, and cold spans lie there."),
                hint=N_("Set artifacts.url."),
                reason="cold.no_artifacts",
            )
        return self._given

    def put(self, scope: Scope, day: int, groups: Sequence[pyarrow.Table], *, now_ns: int) -> StoredFile:
        """Put groups away as one file, read it back, and compare.

        Raises:
            TransientError: The store is full or away, or gave back something else than it was given.
        """
        path = f"{FOLDER}/{_date(day)}/{now_ns}-{secrets.token_hex(6)}.parquet"
        stored = self._artifacts.store(scope, path, [file_of(groups)])
        with self._artifacts.open(scope, path) as file:
            found = tables_in(file)
        if len(found) != len(groups) or not all(one.equals(other) for one, other in zip(found, groups, strict=True)):
            self._artifacts.delete(scope, path)
            raise TransientError(
                N_("The artifact store gave back other spans than it was given."),
                hint=N_("Nothing was taken from the database. Check the store."),
                reason="cold.not_equal",
                retry_after_s=300.0,
            )
        return stored

    def groups(
        self,
        scope: Scope,
        path: str,
        numbers: Iterable[int] | None = None,
        *,
        trace_ids: Collection[str] | None = None,
        has_raw: bool = True,
    ) -> Iterator[list[FrozenSpan]]:
        """Groups of a file, one at a time; by default all. For the arguments see `read_groups`.

        Raises:
            TransientError: The store is away, or the file was written anew this moment.
        """
        try:
            with self._artifacts.open(scope, path) as file:
                yield from read_groups(file, numbers, trace_ids=trace_ids, has_raw=has_raw)
        except NotFoundError:
            raise TransientError(
                N_("Cold spans were being put in order this moment."),
                hint=N_("Try again."),
                reason="cold.moved",
                retry_after_s=1.0,
            ) from None

    def spans(self, tx: Transaction, places: Mapping[str, ColdPlace], *, has_raw: bool = True) -> Iterator[FrozenSpan]:
        """The spans of cold traces, group by group; their raw bytes only where they are asked for.

        Raises:
            TransientError: The store is away, or the file was written anew this moment.
        """
        by_file: dict[str, list[ColdPlace]] = {}
        for place in places.values():
            by_file.setdefault(place.file_id, []).append(place)
        for file in files(tx, cold_files.c.file_id.in_(sorted(by_file))) if by_file else ():
            own = by_file[file.file_id]
            numbers = sorted({place.group_no for place in own})
            trace_ids = [place.trace_id for place in own]
            for group in self.groups(tx.scope, file.path, numbers, trace_ids=trace_ids, has_raw=has_raw):
                yield from group

    def delete(self, scope: Scope, path: str) -> None:
        """Remove a file; nothing where there is none."""
        self._artifacts.delete(scope, path)

    def paths(self, scope: Scope) -> dict[str, int]:
        """Every file that lies there, known to the database or not, and when it was made (ns)."""
        found: dict[str, int] = {}
        for info in self._artifacts.list(scope, FOLDER):
            made = info.path.rpartition("/")[2].partition("-")[0]
            if made.isdecimal():
                found[info.path] = int(made)
        return found


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY_S, UTC).strftime("%Y-%m-%d")
