"""What every table has: a tenant, a project, and names that migrations can rely on."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, MetaData, String, Table

SLUG: Final = String(40)
ID: Final = String(64)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def tenant_table(name: str, *items: Any, project: bool = True, project_key: bool = False, **options: Any) -> Table:
    """A table whose rows belong to a tenant and, with `project`, to one project of it.

    `tenant_id` is the first column of the primary key. Where rows may belong to the tenant as a whole, `project` is
    False and `project_id` stays empty or names the project as a plain value.

    Args:
        name: The table's name.
        items: Its further columns, constraints and indexes.
        project: Whether a transaction of one project sees and writes that project's rows only.
        project_key: Whether `project_id` is the second column of the primary key.
        options: Of one dialect (`postgresql_partition_by`).
    """
    return Table(
        name,
        metadata,
        Column("tenant_id", SLUG, primary_key=True),
        Column("project_id", SLUG, primary_key=project_key, nullable=not (project or project_key)),
        *items,
        info={"project": project},
        **options,
    )
