"""Data set versions: unchangeable Parquet files with a number, a hash and a licence."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow
import pyarrow.parquet as pq
from sqlalchemy import RowMapping, Select, func, insert, select
from sqlalchemy.exc import IntegrityError

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError, TooLargeError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.registry.cells import json_cell
from aiplatform.registry.model import (
    Column,
    Dataset,
    DatasetVersion,
    RowPage,
    check_name,
    parse_reference,
)
from aiplatform.registry.version_changes import RowFate, VersionChanges, changes_of, key_column
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.storage.tables.registry import dataset_versions as table
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

MAX_ROWS: Final = 1000
MAX_COMPARED_ROWS: Final = 100_000
MAX_COMPARED_BYTES: Final = 64 * 2**20
"""Of each version, up to which two are compared in the platform's own process."""

CHUNK_BYTES: Final = 1 << 20
_ATTEMPTS: Final = 5


class Datasets:
    """Data sets of tenants: rows about them in SQL, their own rows in the artifact store."""

    def __init__(self, database: Database, files: ArtifactStore, *, clock: Clock | None = None) -> None:
        self._database = database
        self._files = files
        self._clock = clock or SystemClock()

    def create_version(
        self,
        caller: Caller,
        name: str,
        artifact_path: str,
        *,
        licence: str = "",
        source: str = "",
        description: str = "",
        after: int | None = None,
    ) -> DatasetVersion:
        """The next version, whose rows are a Parquet file that was uploaded; the same bytes again change nothing.

        Args:
            caller: Who makes it.
            name: The data set.
            artifact_path: The file.
            licence: Licence of the data, best as an SPDX expression.
            source: Where they come from.
            description: What the rows are.
            after: Number of the version that must still be the newest one, 0 for none; by default any.

        Raises:
            ConflictError: Another version was made after `after`.
            InvalidError: The name cannot be, or the file is not Parquet.
            NotFoundError: There is no such artifact.
        """
        caller.require(Permission.DATASETS_WRITE)
        check_name(name, N_("data set"))
        digest, size_bytes, columns, num_rows = self._inspected(caller.scope, artifact_path)
        row = {
            "dataset_id": new_id("ds"),
            "name": name,
            "digest": digest,
            "columns": [{"name": column.name, "type": column.type} for column in columns],
            "num_rows": num_rows,
            "size_bytes": size_bytes,
            "artifact_path": artifact_path,
            "licence": licence,
            "source": source,
            "description": description,
            "created_ns": self._clock.now_ns(),
            "created_by": caller.principal,
        }
        for _ in range(_ATTEMPTS):
            try:
                return self._added(caller.scope, name, digest, row, after)
            except IntegrityError:
                continue  # another one took this number, or made this very version, a moment ago
        raise TransientError(
            N_("Many versions of {name!r} are being made at once."), hint=N_("Try again in a moment."), name=name
        )

    def get(self, caller: Caller, reference: str) -> DatasetVersion:
        """The version that `name@3` or `name` (its newest) names.

        Raises:
            NotFoundError: There is none.
        """
        caller.require(Permission.DATASETS_READ)
        wanted = parse_reference(reference)
        statement: Select[Any] = select(table).where(table.c.name == wanted.name)
        if wanted.version is not None:
            statement = statement.where(table.c.version == wanted.version)
        statement = statement.order_by(table.c.version.desc()).limit(1)
        with self._database.read(caller.scope) as tx:
            row = None if wanted.alias else tx.execute(statement).one_or_none()
        if row is None:
            raise NotFoundError(
                N_("There is no data set {reference!r}."),
                hint=N_("`aiplatform datasets list` shows every data set of the project."),
                reason="registry.unknown_dataset",
                reference=str(wanted),
            )
        return _version(row._mapping)

    def list(self, caller: Caller) -> tuple[Dataset, ...]:
        """Every data set of the caller's project, by name, with its newest version."""
        caller.require(Permission.DATASETS_READ)
        newest = select(table.c.name, func.max(table.c.version).label("version")).group_by(table.c.name).subquery()
        same = (table.c.name == newest.c.name) & (table.c.version == newest.c.version)
        with self._database.read(caller.scope) as tx:
            rows = tx.execute(select(table).join(newest, same).order_by(table.c.name)).all()
        return tuple(Dataset(name=row.name, num_versions=row.version, latest=_version(row._mapping)) for row in rows)

    def versions(self, caller: Caller, name: str) -> tuple[DatasetVersion, ...]:
        """Every version of a data set, the newest first.

        Raises:
            NotFoundError: There is no such data set.
        """
        self.get(caller, check_name(name, N_("data set")))
        statement = select(table).where(table.c.name == name).order_by(table.c.version.desc())
        with self._database.read(caller.scope) as tx:
            return tuple(_version(row._mapping) for row in tx.execute(statement))

    def rows(self, caller: Caller, reference: str, *, offset: int = 0, limit: int = 50) -> RowPage:
        """Some rows of a version, read from its file.

        Raises:
            NotFoundError: There is no such version.
            InvalidError: Offset or limit cannot be.
        """
        if offset < 0 or not 1 <= limit <= MAX_ROWS:
            raise InvalidError(
                N_("Rows from {offset!r}, {limit!r} of them, cannot be read at once."),
                hint=N_("Begin at 0 or later, and ask for at most 1,000."),
                reason="registry.rows",
                offset=offset,
                limit=limit,
            )
        version = self.get(caller, reference)
        with self._files.open(caller.scope, version.artifact_path) as stream:
            found = _slice(pq.ParquetFile(stream), offset, limit)
        rows = tuple({key: json_cell(value) for key, value in row.items()} for row in found)
        return RowPage(columns=version.columns, rows=rows, offset=offset, num_rows=version.num_rows)

    def changes(
        self,
        caller: Caller,
        before: str,
        after: str,
        *,
        fate: RowFate | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> VersionChanges:
        """What became of the rows from one version to another.

        Args:
            caller: Who asks.
            before: `name@1`.
            after: `name@2`.
            fate: Only rows that this became of; the counts are of all.
            offset: Differing rows to pass over.
            limit: How many to answer with.

        Raises:
            NotFoundError: There is no such version.
            TooLargeError: A version holds too many rows or bytes to be compared at once.
        """
        versions = [self.get(caller, reference) for reference in (before, after)]
        old, new = (self._all_rows(caller, version) for version in versions)
        key = key_column(old, new)
        found, same = changes_of(old, new, key)
        count = Counter(row.fate for row in found)
        asked = [row for row in found if fate is None or row.fate is fate]
        old_columns, new_columns = ([column.name for column in version.columns] for version in versions)
        return VersionChanges(
            before=versions[0].reference,
            after=versions[1].reference,
            key=key,
            added=count[RowFate.ADDED],
            removed=count[RowFate.REMOVED],
            changed=count[RowFate.CHANGED],
            same=same,
            added_columns=tuple(name for name in new_columns if name not in old_columns),
            removed_columns=tuple(name for name in old_columns if name not in new_columns),
            items=tuple(asked[offset : offset + limit]),
        )

    def _all_rows(self, caller: Caller, version: DatasetVersion) -> Sequence[Mapping[str, Any]]:
        if version.num_rows > MAX_COMPARED_ROWS or version.size_bytes > MAX_COMPARED_BYTES:
            raise TooLargeError(
                N_("{reference!r} is too large to be compared here: {num_rows} rows, {size} bytes."),
                hint=N_("Download both versions and compare them yourself."),
                reason="registry.too_large_to_compare",
                reference=version.reference,
                num_rows=version.num_rows,
                size=version.size_bytes,
            )
        with self._files.open(caller.scope, version.artifact_path) as stream:
            found = pq.ParquetFile(stream).read().to_pylist()
        return [{name: json_cell(value) for name, value in row.items()} for row in found]

    def _added(self, scope: Scope, name: str, digest: str, row: Mapping[str, Any], after: int | None) -> DatasetVersion:
        of_name = table.c.name == name
        with self._database.transaction(scope) as tx:
            before = tx.execute(select(table).where(of_name, table.c.digest == digest)).one_or_none()
            if before is not None:
                return _version(before._mapping)
            last = tx.execute(select(func.max(table.c.version)).where(of_name)).scalar()
            if after is not None and after != (last or 0):
                raise ConflictError(
                    N_("{name!r} has a version {version} by now."),
                    hint=N_("Read it, and begin again from there."),
                    reason="registry.newer_version",
                    name=name,
                    version=last,
                )
            tx.insert(insert(table), {**row, "version": (last or 0) + 1})
            added = tx.execute(select(table).where(of_name, table.c.digest == digest)).one()
            return _version(added._mapping)

    def _inspected(self, scope: Scope, path: str) -> tuple[str, int, tuple[Column, ...], int]:
        digest = hashlib.sha256()
        size_bytes = 0
        with self._files.open(scope, path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                size_bytes += len(chunk)
            stream.seek(0)
            try:
                file = pq.ParquetFile(stream)
                schema, num_rows = file.schema_arrow, file.metadata.num_rows
            except (pyarrow.ArrowException, OSError) as error:
                raise InvalidError(
                    N_("The artifact {path!r} is not a Parquet file: {problem}."),
                    hint=N_("`aip.datasets.create(name, data)` writes and uploads one."),
                    reason="registry.not_parquet",
                    path=path,
                    problem=str(error),
                ) from None
        columns = tuple(Column(name=field.name, type=str(field.type)) for field in schema)
        return f"sha256:{digest.hexdigest()}", size_bytes, columns, num_rows


def _slice(file: pq.ParquetFile, offset: int, limit: int) -> list[dict[str, Any]]:
    """Rows from `offset` on, read from the row groups that hold them."""
    rows: list[dict[str, Any]] = []
    begin = 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if begin + size > offset and begin < offset + limit:
            first = max(0, offset - begin)
            last = min(size, offset + limit - begin)
            rows.extend(file.read_row_group(group).slice(first, last - first).to_pylist())
        begin += size
    return rows


def _version(row: RowMapping) -> DatasetVersion:
    return DatasetVersion(
        dataset_id=row["dataset_id"],
        name=row["name"],
        version=row["version"],
        digest=row["digest"],
        columns=tuple(Column(name=column["name"], type=column["type"]) for column in row["columns"]),
        num_rows=row["num_rows"],
        size_bytes=row["size_bytes"],
        artifact_path=row["artifact_path"],
        licence=row["licence"],
        source=row["source"],
        description=row["description"],
        created_ns=row["created_ns"],
        created_by=row["created_by"],
    )
