"""Tool calls against those that were expected: single calls, and whole trajectories.

A call is a name with arguments, however it is written: `{"name", "arguments"}`, OpenAI's `{"function": {...}}`, a span
of a trace, or a name alone. Arguments are compared as JSON; `names_only` leaves them out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiplatform.eval.statistics.hashing import canonical_json

Call = tuple[str, str]
"""Name, and arguments as JSON."""

_LISTS: Final = ("tool_calls", "calls", "trajectory")
_NAMES: Final = ("name", "tool", "tool_name", "gen_ai.tool.name")
_ARGUMENTS: Final = ("arguments", "args", "input", "parameters", "gen_ai.tool.call.arguments")

TrajectoryFunction = Callable[[Sequence[Call], Sequence[Call]], float | None]


def calls_of(value: Any, *, names_only: bool) -> list[Call]:
    """The calls that a value holds, in order.

    Raises:
        ValueError: It holds none, and no empty list either.
    """
    if isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, Mapping):
        found = next((value[name] for name in _LISTS if name in value), None)
        value = [value] if found is None and _named(value) else found
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("there are no tool calls")
    return [_call(each, names_only=names_only) for each in value]


def on_calls(function: TrajectoryFunction, *, names_only: bool) -> Callable[[Any, Any], float | None]:
    """A function of a row's expectation and output."""

    def score(expected: Any, output: Any) -> float | None:
        wanted = calls_of(expected, names_only=names_only)
        return function(wanted, calls_of(output, names_only=names_only))

    return score


def exact(wanted: Sequence[Call], came: Sequence[Call]) -> float:
    """1 where the same calls were made in the same order, and no other."""
    return float(list(wanted) == list(came))


def in_order(wanted: Sequence[Call], came: Sequence[Call]) -> float:
    """1 where the expected calls were made in their order, whatever came between."""
    left = iter(came)
    return float(all(any(call == each for each in left) for call in wanted))


def any_order(wanted: Sequence[Call], came: Sequence[Call]) -> float:
    """1 where every expected call was made, in whatever order."""
    return float(not Counter(wanted) - Counter(came))


def precision(wanted: Sequence[Call], came: Sequence[Call]) -> float | None:
    """Share of the calls made that were expected; without any, 1 where none was expected."""
    if not came:
        return float(not wanted)
    return sum((Counter(wanted) & Counter(came)).values()) / len(came)


def recall(wanted: Sequence[Call], came: Sequence[Call]) -> float | None:
    """Share of the expected calls that were made; does not apply where none is expected."""
    return sum((Counter(wanted) & Counter(came)).values()) / len(wanted) if wanted else None


FUNCTIONS: Final[Mapping[str, TrajectoryFunction]] = {
    "trajectory_exact": exact,
    "trajectory_in_order": in_order,
    "trajectory_any_order": any_order,
    "trajectory_precision": precision,
    "trajectory_recall": recall,
}


def _call(value: Any, *, names_only: bool) -> Call:
    if isinstance(value, str):
        return value, ""
    if isinstance(value, Mapping) and isinstance(value.get("attributes"), Mapping):
        value = {**value, **value["attributes"]}
    if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        value = value["function"]
    if not isinstance(value, Mapping) or not (name := _named(value)):
        raise ValueError("a tool call has a name")
    if names_only:
        return name, ""
    arguments: Any = next((value[key] for key in _ARGUMENTS if value.get(key) is not None), {})
    if isinstance(arguments, str):
        arguments = json.loads(arguments or "{}")
    return name, canonical_json(arguments)


def _named(value: Mapping[str, Any]) -> str:
    told = value.get("attributes")
    merged = {**value, **(told if isinstance(told, Mapping) else {})}
    # A span has a name of its own, and the tool's beside it.
    for key in reversed(_NAMES):
        if isinstance(merged.get(key), str):
            return str(merged[key])
    function = value.get("function")
    return str(function["name"]) if isinstance(function, Mapping) and "name" in function else ""
