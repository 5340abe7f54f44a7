"""`/api/v1/traces/usage`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.usage_report import MAX_DAYS, UsageReport, UsageReports, Volume


def add_usage_routes(routes: Routes, reports: UsageReports) -> None:
    """The route of the report; before those whose path has a trace's id in the same place."""

    @routes.get("/api/v1/traces/usage", permission=Permission.TRACES_READ)
    def get_usage(caller: CallerDep, days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 7) -> dict[str, Any]:
        """What the project sent, keeps and paid in the last days, today included; days are UTC."""
        return report_json(reports.of(caller.scope, days=days))


def report_json(report: UsageReport) -> dict[str, Any]:
    """A report as the API shows it."""
    return {
        "from_day": day_text(report.first_day),
        "to_day": day_text(report.last_day),
        "items": [{"day": day_text(day), **_volume_json(volume)} for day, volume in report.days],
        "total": _volume_json(report.total),
        "oldest_ns": report.oldest_ns,
        "newest_ns": report.newest_ns,
        "freshness": asdict(report.freshness),
    }


def day_text(day: int) -> str:
    """A day since 1970 as `2026-11-24`."""
    return datetime.fromtimestamp(day * DAY_NS / 1e9, UTC).date().isoformat()


def _volume_json(volume: Volume) -> dict[str, Any]:
    found = asdict(volume)
    found.pop("tokens")
    return {**found, "usage": {**asdict(volume.usage), "total_tokens": volume.usage.total_tokens}}
