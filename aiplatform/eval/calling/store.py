"""Kept answers in SQL, compressed, each behind its scope."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, delete, func, literal, select, update

from aiplatform.core.scope import Scope
from aiplatform.eval.calling.keeping import KeptCall
from aiplatform.eval.calling.kept import CallCost, CallStats
from aiplatform.storage.database import Database
from aiplatform.storage.tables.evaluations import evaluation_calls

_COLUMNS: Final = (
    "digest", "model", "reply", "size_bytes", "run_id", "input_tokens", "output_tokens", "cost", "currency",
    "created_ns", "used_ns",
)  # fmt: skip
_LEVEL: Final = 1
"""Of compression: answers are short, and every call waits for it."""

MAX_MODEL: Final = 200
SWEPT_AT_A_TIME: Final = 10_000


class CallStore:
    """Answers of every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, scope: Scope, digests: Sequence[str], *, run_id: str | None, now_ns: int, touch_before_ns: int
    ) -> dict[str, Any]:
        """Replies by digest; what is not kept is left out.

        Args:
            scope: Tenant and project.
            digests: What is looked for.
            run_id: Only answers that this run paid for.
            now_ns: The time.
            touch_before_ns: Answers that were last used before this are marked as used now.
        """
        columns = evaluation_calls.c
        statement = select(columns.digest, columns.reply, columns.used_ns).where(columns.digest.in_(digests))
        if run_id is not None:
            statement = statement.where(columns.run_id == run_id)
        with self._database.read(scope) as tx:
            rows = tx.execute(statement).all()
        old = [row.digest for row in rows if row.used_ns < touch_before_ns]
        if old:
            with self._database.transaction(scope) as tx:
                tx.execute(update(evaluation_calls).where(columns.digest.in_(old)).values(used_ns=now_ns))
        return {row.digest: json.loads(zlib.decompress(row.reply)) for row in rows}

    def keep(self, scope: Scope, calls: Sequence[KeptCall], *, replace: bool, now_ns: int) -> None:
        """Keep answers; one that is kept already stays, or gives way with `replace`."""
        rows = [_row(call, now_ns) for call in {call.digest: call for call in calls}.values()]
        with self._database.transaction(scope) as tx:
            tx.insert_rows(evaluation_calls, _COLUMNS, rows, replace=replace)

    def stats(self, scope: Scope, *, run_id: str | None = None) -> CallStats:
        """What is kept, or what one run has paid for of it."""
        columns = evaluation_calls.c
        statement = select(
            columns.currency,
            func.count().label("calls"),
            func.sum(columns.size_bytes).label("size_bytes"),
            func.sum(columns.input_tokens).label("input_tokens"),
            func.sum(columns.output_tokens).label("output_tokens"),
            func.sum(columns.cost).label("cost"),
            func.min(columns.created_ns).label("oldest_ns"),
        ).group_by(columns.currency)
        if run_id is not None:
            statement = statement.where(columns.run_id == run_id)
        with self._database.read(scope) as tx:
            rows = tx.execute(statement).all()
        return CallStats(
            calls=sum(row.calls for row in rows),
            size_bytes=int(sum(row.size_bytes for row in rows)),
            input_tokens=int(sum(row.input_tokens for row in rows)),
            output_tokens=int(sum(row.output_tokens for row in rows)),
            costs=tuple(CallCost(amount=row.cost, currency=row.currency) for row in rows if row.cost is not None),
            oldest_ns=min((row.oldest_ns for row in rows), default=None),
        )

    def clear(self, scope: Scope, *, before_ns: int | None, model: str | None) -> int:
        """Remove answers; returns how many."""
        statement = delete(evaluation_calls)
        if before_ns is not None:
            statement = statement.where(evaluation_calls.c.used_ns < before_ns)
        if model is not None:
            statement = statement.where(evaluation_calls.c.model == model)
        with self._database.transaction(scope) as tx:
            return tx.execute(statement).rowcount

    def sweep(self, before_ns: int) -> int:
        """Remove every tenant's answers that were not used since then; returns how many."""
        columns = evaluation_calls.c
        with self._database.system("sweep evaluation calls") as tx:
            return int(tx.execute(delete(evaluation_calls).where(columns.used_ns < before_ns)).rowcount)

    def shrink(self, most_bytes: int) -> int:
        """Remove the longest unused answers of every project that holds more than so much; returns how many."""
        columns = evaluation_calls.c
        sizes = select(columns.tenant_id, columns.project_id, func.sum(columns.size_bytes).label("size_bytes"))
        too_large = sizes.group_by(columns.tenant_id, columns.project_id).having(
            func.sum(columns.size_bytes) > literal(most_bytes, BigInteger)
        )
        removed = 0
        with self._database.system("shrink evaluation calls", write=False) as tx:
            found = [(row.tenant_id, row.project_id, int(row.size_bytes)) for row in tx.execute(too_large)]
        for tenant_id, project_id, size_bytes in found:
            removed += self._shrink(Scope(tenant_id=tenant_id, project_id=project_id), size_bytes - most_bytes)
        return removed

    def _shrink(self, scope: Scope, too_much: int) -> int:
        columns = evaluation_calls.c
        oldest = select(columns.digest, columns.size_bytes).order_by(columns.used_ns).limit(SWEPT_AT_A_TIME)
        with self._database.transaction(scope) as tx:
            gone: list[str] = []
            for row in tx.execute(oldest):
                if too_much <= 0:
                    break
                too_much -= row.size_bytes
                gone.append(row.digest)
            tx.execute(delete(evaluation_calls).where(columns.digest.in_(gone)))
        return len(gone)


def _row(call: KeptCall, now_ns: int) -> tuple[Any, ...]:
    reply = zlib.compress(json.dumps(call.reply, ensure_ascii=False).encode(), _LEVEL)
    return (
        call.digest,
        call.model[:MAX_MODEL],
        reply,
        len(reply),
        call.run_id,
        call.input_tokens,
        call.output_tokens,
        call.cost,
        call.currency,
        now_ns,
        now_ns,
    )
