"""Whose data a piece of work may touch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A tenant, and one project of it where the work is bound to one."""

    tenant_id: str
    project_id: str | None = None
