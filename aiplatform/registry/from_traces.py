"""Use case: traces become rows of a data set, which then descends from them."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow.parquet as pq

from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError, TooLargeError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.registry import trace_rows
from aiplatform.registry.lineage import LineageGraph, Node, NodeKind
from aiplatform.registry.model import DatasetVersion, check_name
from aiplatform.tenancy.permissions import Permission
from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.query import read_filter

if TYPE_CHECKING:
    from aiplatform.registry.datasets import Datasets
    from aiplatform.storage.artifacts import ArtifactStore
    from aiplatform.tenancy.model import Caller
    from aiplatform.tracing.service import Traces

MAX_TRACES: Final = 1_000
"""Traces that are added at once, the newest of what a query finds."""

MAX_BEFORE_BYTES: Final = 256 * 2**20
"""Size of a data set up to which the platform itself copies it into the next version."""

_A_PAGE: Final = 500
_ATTEMPTS: Final = 5
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceChoice:
    """Which traces are meant: these, or what a query finds."""

    trace_ids: tuple[str, ...] | None = None
    """None for what the query finds; an empty tuple means none."""

    query: str = ""

    from_ns: int | None = None
    to_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The traces of a choice, oldest first."""

    trace_ids: tuple[str, ...]
    is_bounded: bool
    """Whether the query finds more than are added at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What came of it."""

    version: DatasetVersion
    num_added: int
    num_known: int
    """Traces that the data set held already, and that were not added again."""

    is_bounded: bool


class TraceCollector:
    """Makes data set versions from traces. Thread safe.

    Args:
        traces: The tracing room.
        datasets: Data sets.
        files: Where their rows rest.
        lineage: The graph of descent.
    """

    def __init__(self, traces: Traces, datasets: Datasets, files: ArtifactStore, lineage: LineageGraph) -> None:
        self._traces = traces
        self._datasets = datasets
        self._files = files
        self._lineage = lineage

    def choose(self, caller: Caller, choice: TraceChoice) -> Chosen:
        """The traces that are meant.

        Raises:
            InvalidError: An id is none, or the query cannot be understood.
            TooLargeError: More ids than are added at once.
        """
        caller.require(Permission.TRACES_READ)
        if choice.trace_ids is not None:
            return Chosen(trace_ids=_checked(choice.trace_ids), is_bounded=False)
        where = read_filter(choice.query, TraceFilter(from_ns=choice.from_ns, to_ns=choice.to_ns))
        found: list[str] = []
        page: str | None = None
        while len(found) < MAX_TRACES:
            answer = self._traces.list(caller.scope, where, limit=_A_PAGE, page=page)
            found += [item.trace_id for item in answer.items]
            page = answer.next
            if page is None:
                break
        return Chosen(trace_ids=tuple(reversed(found[:MAX_TRACES])), is_bounded=page is not None)

    def rows(self, caller: Caller, choice: TraceChoice, *, expected: str | None = None) -> list[dict[str, Any]]:
        """Traces as rows without making a data set of them: what is asked, answered and expected, and by which trace.

        Args:
            caller: Who reads them.
            choice: Which traces.
            expected: Name of the score whose value is the expected answer, or `output` for the answer that was given.

        Raises:
            InvalidError: An id is none, or the query cannot be understood.
            NotFoundError: A trace is not in the project.
            TooLargeError: Too many traces.
        """
        chosen = self.choose(caller, choice)
        examples = self._traces.examples.of(caller.scope, chosen.trace_ids)
        return [trace_rows.full_row_of(each, expected) for each in examples]

    def add(
        self,
        caller: Caller,
        name: str,
        choice: TraceChoice,
        *,
        expected: str | None = None,
        description: str = "",
    ) -> Added:
        """Add traces to a data set as its next version; the data set is made where there is none.

        Args:
            caller: Who adds them.
            name: The data set.
            choice: Which traces.
            expected: Name of the score whose value is the expected answer, or `output` for the answer that was given.
            description: What the rows are; by default what the version before said.

        Raises:
            InvalidError: The name cannot be, no trace is meant, or the columns do not fit.
            NotFoundError: A trace is not in the project.
            TooLargeError: Too many traces, or a data set that is too large to be copied here.
            TransientError: Others keep adding to it at the same time.
        """
        caller.require(Permission.DATASETS_WRITE)
        check_name(name, N_("data set"))
        chosen = self.choose(caller, choice)
        if not chosen.trace_ids:
            raise InvalidError(
                N_("No trace is chosen that could be added."),
                hint=N_("Tick some, or ask for what finds some."),
                reason="registry.no_traces",
            )
        for _ in range(_ATTEMPTS):
            try:
                return self._added(caller, name, chosen, expected, description)
            except ConflictError:
                continue  # another version was made meanwhile: these rows come after its rows
        raise TransientError(
            N_("Many versions of {name!r} are being made at once."), hint=N_("Try again in a moment."), name=name
        )

    def _added(self, caller: Caller, name: str, chosen: Chosen, expected: str | None, description: str) -> Added:
        before = self._newest(caller, name)
        with ExitStack() as opened:
            file = None
            if before is not None:
                file = pq.ParquetFile(opened.enter_context(self._files.open(caller.scope, before.artifact_path)))
            known = trace_rows.known_traces(file) if file is not None else set()
            fresh = [trace_id for trace_id in chosen.trace_ids if trace_id not in known]
            num_known = len(chosen.trace_ids) - len(fresh)
            if before is not None and not fresh:
                return Added(version=before, num_added=0, num_known=num_known, is_bounded=chosen.is_bounded)
            schema = trace_rows.SCHEMA
            if file is not None and before is not None:
                schema = trace_rows.joint_schema(file.schema_arrow, before.reference)
            examples = self._traces.examples.of(caller.scope, fresh)
            table = trace_rows.table_of(trace_rows.row_of(each, expected) for each in examples)
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="aiplatform-rows-")))
            target = folder / "rows.parquet"
            trace_rows.write_joined(target, file, schema, table)
            path = f"datasets/{name}/{_hash_of(target)}.parquet"
            self._files.write(caller.scope, path, trace_rows.chunks_of(target))
        version = self._datasets.create_version(
            caller,
            name,
            path,
            licence=before.licence if before else "",
            source=before.source if before else "",
            description=description or (before.description if before else ""),
            after=before.version if before else 0,
        )
        sources = [Node(kind=NodeKind.TRACE, reference=trace_id) for trace_id in fresh]
        if before is not None:
            sources.insert(0, Node(kind=NodeKind.DATASET, reference=before.reference))
        self._lineage.link(caller, sources, Node(kind=NodeKind.DATASET, reference=version.reference))
        return Added(version=version, num_added=len(fresh), num_known=num_known, is_bounded=chosen.is_bounded)

    def _newest(self, caller: Caller, name: str) -> DatasetVersion | None:
        try:
            found = self._datasets.get(caller, name)
        except NotFoundError:
            return None
        if found.size_bytes > MAX_BEFORE_BYTES:
            raise TooLargeError(
                N_("{reference} has {size} bytes; the platform copies data sets of up to {limit}."),
                hint=N_("Export the traces, and make the next version from a file."),
                reference=found.reference,
                size=found.size_bytes,
                limit=MAX_BEFORE_BYTES,
            )
        return found


def _checked(trace_ids: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each.strip().lower().removeprefix("tr-") for each in trace_ids))
    if len(found) > MAX_TRACES:
        raise TooLargeError(
            N_("{number} traces are more than the {limit} that are added at once."), number=len(found), limit=MAX_TRACES
        )
    for value in found:
        if not _TRACE_ID.fullmatch(value):
            raise InvalidError(
                N_("{value!r} is not a trace id: 32 hexadecimal digits."), reason="tracing.bad_id", value=value
            )
    return found


def _hash_of(file: Path) -> str:
    digest = hashlib.sha256()
    for chunk in trace_rows.chunks_of(file):
        digest.update(chunk)
    return digest.hexdigest()
