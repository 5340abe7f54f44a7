"""Hand-written SQL that both databases read, for the paths where every microsecond is paid a thousand times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from aiplatform.storage.database import Transaction

BONE_COLUMNS: Final = (
    "span_id, parent_id, name, kind, status, day, start_ns, duration_ns, service, model, "
    "input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost, currency"
)

IN_PROJECT: Final = "tenant_id = :tenant_id AND project_id = :project_id"


def any_of(tx: Transaction, column: str, parameter: str) -> str:
    """A condition that `column` is one of the values bound by `listed`."""
    if tx.dialect == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(:{parameter}))"  # noqa: S608 - both from our own code
    return f"{column} = ANY(:{parameter})"


def listed(tx: Transaction, values: Iterable[str]) -> Any:
    """Values as the one parameter that `any_of` expects."""
    found = list(values)
    return json.dumps(found) if tx.dialect == "sqlite" else found


def each_by_key(table: str, columns: str) -> str:
    """PostgreSQL's source `s` of a table's rows for the keys of `k`, looked up one by one, whatever the planner thinks.

    Of a table that nobody has analysed yet it takes a tenant to have hardly any rows, and would join them all.

    Args:
        table: Which.
        columns: Of the key, beside tenant and project; `k` has them too.
    """
    same = " AND ".join(f"t.{column.strip()} = k.{column.strip()}" for column in columns.split(","))
    return (
        f"CROSS JOIN LATERAL (SELECT * FROM {table} t WHERE t.tenant_id = :tenant_id "  # noqa: S608 - constants
        f"AND t.project_id = :project_id AND {same} OFFSET 0) s"
    )


def rows(tx: Transaction, sql: str, **parameters: Any) -> Sequence[Any]:
    """All rows of a statement within the transaction's project."""
    return tx.raw(sql, {"project_id": project_of(tx), **parameters}).fetchall()


def run(tx: Transaction, sql: str, **parameters: Any) -> int:
    """Run a statement within the transaction's project; returns how many rows it touched."""
    return tx.raw(sql, {"project_id": project_of(tx), **parameters}).rowcount


def project_of(tx: Transaction) -> str:
    """The project that the transaction is bound to.

    Raises:
        ValueError: It is bound to a whole tenant; spans are read and written project by project.
    """
    if tx.scope.project_id is None:
        raise ValueError("spans are read and written within one project")
    return tx.scope.project_id
