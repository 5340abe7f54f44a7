"""`aip.autotrace`: every instrumentation that is installed, turned on; one for each library.

None is of our own: each is a package that registers under an entry point of OpenTelemetry or OpenInference. Where
several watch the same library, the first of this order that can be turned on is, and the others say so:

1. OpenInference, whose spans hold messages and tool calls without being asked to,
2. Traceloop, whose spans do too,
3. OpenTelemetry's own, which leave content out unless their own variables ask for it,
4. any other.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from opentelemetry import trace as otel_trace

from aiplatform.tracing.sdk import carried
from aiplatform.tracing.sdk.gate import Gate

GROUPS: Final = ("opentelemetry_instrumentor", "openinference_instrumentor")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

logger = logging.getLogger(__name__)

_lock = threading.Lock()
"""Guards `_on`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrumentation:
    """One installed instrumentation, and whether it is on."""

    name: str
    package: str
    is_on: bool
    problem: str | None = None
    """Why it is not on: mostly that the library which it watches is not installed, or of a wrong version, or that
    another instrumentation watches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _On:
    """An instrumentation that is on, and how to turn it off."""

    shown: Instrumentation
    instrumentor: Any
    libraries: frozenset[str]
    gate: Gate | None
    """Where its spans pass through; None for what the application turned on, which is not ours to stop."""


_on: dict[tuple[str, str], _On] = {}


def autotrace(*, only: Collection[str] | None = None, without: Collection[str] = ()) -> list[Instrumentation]:
    """Turn on every installed OpenTelemetry, OpenInference and Traceloop instrumentation, one for each library.

    Calling it again turns on what was installed meanwhile and leaves the rest as it is.

    Args:
        only: Names to turn on, of instrumentations (`openai`) or their packages; by default all.
        without: Names to leave off.

    Returns:
        What was found, in order of name: what is on, and what is not and why.
    """
    found: list[Instrumentation] = []
    with _lock:
        for package, entry in _installed():
            if (only is not None and not {entry.name, package} & set(only)) or {entry.name, package} & set(without):
                continue
            known = _on.get((package, entry.name))
            found.append(known.shown if known is not None else _turn_on(package, entry))
    return sorted(found, key=lambda one: (one.name, one.package))


def stop_autotrace(*, only: Collection[str] | None = None) -> list[Instrumentation]:
    """Turn off what `autotrace` turned on; what the application turned on by itself stays.

    Args:
        only: Names to turn off, of instrumentations or their packages; by default all.

    Returns:
        What was turned off. One that cannot be taken out again says why; it makes no more spans all the same.
    """
    found: list[Instrumentation] = []
    with _lock:
        for place, one in list(_on.items()):
            shown = one.shown
            if one.gate is None or (only is not None and not {shown.name, shown.package} & set(only)):
                continue
            problem = None
            one.gate.close()
            try:
                one.instrumentor.uninstrument()
            except Exception as error:
                logger.debug("an instrumentation cannot be turned off", extra={"name_": shown.name}, exc_info=True)
                problem = f"{type(error).__name__}: {error}"
            del _on[place]
            found.append(Instrumentation(name=shown.name, package=shown.package, is_on=False, problem=problem))
    return found


def _installed() -> list[tuple[str, EntryPoint]]:
    """Each installed instrumentation with its package, the preferred ones first."""
    found: dict[tuple[str, str], EntryPoint] = {}
    for group in GROUPS:
        for entry in entry_points(group=group):
            package = entry.dist.name if entry.dist is not None else ""
            # Some register under both groups: that is one instrumentation.
            found.setdefault((package, entry.value), entry)
    ranked = [(_rank(package, entry), entry.name, package, entry) for (package, _), entry in found.items()]
    return [(package, entry) for _, _, package, entry in sorted(ranked, key=lambda one: one[:3])]


def _rank(package: str, entry: EntryPoint) -> int:
    if package.startswith("openinference-"):
        return 1
    if entry.dist is not None:
        told = " ".join(
            str(value)
            for key in ("Home-page", "Project-URL", "Author-email", "Author")
            for value in entry.dist.metadata.get_all(key) or ()
        ).lower()
        if "traceloop" in told or "openllmetry" in told:
            return 2
    return 3 if package.startswith("opentelemetry-") else 4


def _turn_on(package: str, entry: EntryPoint) -> Instrumentation:
    def off(problem: str) -> Instrumentation:
        return Instrumentation(name=entry.name, package=package, is_on=False, problem=problem)

    if entry.name == "threading" and carried.is_installed():
        return off("aip.init carries the trace into threads already")
    try:
        instrumentor = entry.load()()
        conflict = getattr(instrumentor, "_check_dependency_conflicts", None)
        problem = conflict() if callable(conflict) else None
        if problem:
            return off(str(problem))
        libraries = _libraries(instrumentor, entry.name)
        rival = next((one for one in _on.values() if one.libraries & libraries), None)
        is_on_already = bool(getattr(instrumentor, "is_instrumented_by_opentelemetry", False))
        if rival is not None:
            also = " as well, by the application" if is_on_already else ""
            return off(f"{rival.shown.package} watches {', '.join(sorted(rival.libraries & libraries))}{also}")
        gate = None if is_on_already else Gate(otel_trace.get_tracer_provider())
        if gate is not None:
            instrumentor.instrument(tracer_provider=gate, skip_dep_check=True)
    except Exception as error:
        logger.debug("an instrumentation cannot be turned on", extra={"instrumentation": entry.name}, exc_info=True)
        return off(f"{type(error).__name__}: {error}")
    shown = Instrumentation(name=entry.name, package=package, is_on=True)
    _on[package, entry.name] = _On(shown=shown, instrumentor=instrumentor, libraries=libraries, gate=gate)
    return shown


def _libraries(instrumentor: Any, name: str) -> frozenset[str]:
    """The packages that an instrumentation watches, by their canonical names; its own name where it tells none."""
    ask = getattr(instrumentor, "instrumentation_dependencies", None)
    needed = ask() if callable(ask) else ()
    names = {match[0].lower() for text in needed or () if (match := _NAME.match(str(text).strip()))}
    return frozenset(re.sub(r"[-_.]+", "-", one) for one in names) or frozenset({f"({name})"})
