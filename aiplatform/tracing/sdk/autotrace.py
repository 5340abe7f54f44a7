"""`aip.autotrace`: every instrumentation that is installed, turned on."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from opentelemetry import trace as otel_trace

GROUPS: Final = ("opentelemetry_instrumentor", "openinference_instrumentor")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrumentation:
    """One installed instrumentation, and whether it is on."""

    name: str
    package: str
    is_on: bool
    problem: str | None = None
    """Why it is not on: mostly that the library which it watches is not installed, or of a wrong version."""


_done: dict[str, Instrumentation] = {}


def autotrace(*, only: Collection[str] | None = None, without: Collection[str] = ()) -> list[Instrumentation]:
    """Turn on every installed OpenTelemetry, OpenInference and Traceloop instrumentation.

    None is of our own: each is a package that registers under the entry point `opentelemetry_instrumentor`. Calling it
    again turns on what was installed meanwhile and leaves the rest as it is.

    Args:
        only: Names to turn on; by default all.
        without: Names to leave off.

    Returns:
        What was found, in order of name: what is on, and what is not and why.
    """
    found: list[Instrumentation] = []
    installed = {entry.name: entry for group in GROUPS for entry in entry_points(group=group)}
    for name, entry in sorted(installed.items()):
        if (only is not None and name not in only) or name in without:
            continue
        if name not in _done or not _done[name].is_on:
            _done[name] = _turn_on(name, entry)
        found.append(_done[name])
    return found


def _turn_on(name: str, entry: EntryPoint) -> Instrumentation:
    package = entry.dist.name if entry.dist is not None else ""
    try:
        instrumentor = entry.load()()
        conflict = getattr(instrumentor, "_check_dependency_conflicts", None)
        problem = conflict() if callable(conflict) else None
        if problem:
            return Instrumentation(name=name, package=package, is_on=False, problem=str(problem))
        if not getattr(instrumentor, "is_instrumented_by_opentelemetry", False):
            instrumentor.instrument(tracer_provider=otel_trace.get_tracer_provider(), skip_dep_check=True)
    except Exception as error:
        logger.debug("an instrumentation cannot be turned on", extra={"instrumentation": name}, exc_info=True)
        problem = f"{type(error).__name__}: {error}"
        return Instrumentation(name=name, package=package, is_on=False, problem=problem)
    return Instrumentation(name=name, package=package, is_on=True)
