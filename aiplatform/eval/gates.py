"""Whether a version passes a gate: every condition by itself, with three answers. What cannot be told does not pass."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval import shown
from aiplatform.eval.gate_language import Against, Every, Gate, Limit, Measure, Node, Not, Some
from aiplatform.eval.model import (
    ConditionResult,
    EvaluationRun,
    ForestRow,
    GateResult,
    Message,
    MetricComparison,
    MetricValue,
    Outcome,
    Status,
    Unit,
    message,
)

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
_OPPOSITE: Final = {Outcome.PASS: Outcome.FAIL, Outcome.FAIL: Outcome.PASS, Outcome.UNKNOWN: Outcome.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasted:
    """One metric of the version against the baseline."""

    metric: MetricComparison
    row: ForestRow


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """What a gate can look at."""

    metrics: Mapping[str, MetricValue]
    slices: Mapping[str, Mapping[str, MetricValue]] = field(default_factory=dict)
    """`language=zh` -> metrics."""

    contrasts: Mapping[str, Contrasted] = field(default_factory=dict)
    """Empty where there is no baseline."""


def facts_of(run: EvaluationRun, comparisons: tuple[MetricComparison, ...] = ()) -> GateFacts:
    """What a gate on this run can look at, with the comparisons that the run is part of."""
    contrasts = {
        metric.name: Contrasted(metric=metric, row=row)
        for metric in comparisons
        for row in metric.rows
        if row.run_id == run.run_id
    }
    return GateFacts(
        metrics={metric.name: metric for metric in run.metrics},
        slices={part.label: {metric.name: metric for metric in part.metrics} for part in run.slice_metrics},
        contrasts=contrasts,
    )


def check(gate: Gate, facts: GateFacts, *, run_id: str, name: str) -> GateResult:
    """Every condition of the gate, and the gate as a whole.

    Raises:
        InvalidError: A limit on a duration has no unit of time, or another limit has one.
    """
    conditions: list[ConditionResult] = []
    for condition in gate.conditions:
        outcome, detail = _judge(condition.node, facts, gate.text)
        conditions.append(ConditionResult(text=condition.text, outcome=outcome, detail=detail))
    return GateResult(
        run_id=run_id,
        name=name,
        gate=gate.text,
        outcome=_all([condition.outcome for condition in conditions]),
        conditions=tuple(conditions),
    )


def _judge(node: Node, facts: GateFacts, source: str) -> tuple[Outcome, Message]:
    match node:
        case Limit():
            return _limit(node, facts, source)
        case Against():
            return _against(node, facts)
        case Not(of=inner):
            outcome, detail = _judge(inner, facts, source)
            return _OPPOSITE[outcome], detail
        case Every(of=several) | Some(of=several):
            judged = [_judge(each, facts, source) for each in several]
            outcomes = [outcome for outcome, _ in judged]
            outcome = _all(outcomes) if isinstance(node, Every) else _any(outcomes)
            told = next((detail for found, detail in judged if found is outcome), judged[0][1])
            return outcome, told


def _limit(limit: Limit, facts: GateFacts, source: str) -> tuple[Outcome, Message]:
    found = _measured(limit.measure, facts)
    if isinstance(found, Message):
        return Outcome.UNKNOWN, found
    value, metric = found
    _check_unit(limit, metric, source)
    if value is None:
        return Outcome.UNKNOWN, message(N_("{metric} has no value: nothing was scored."), metric=metric.name)
    outcome = Outcome.PASS if _COMPARE[limit.compare](value, limit.number) else Outcome.FAIL
    if limit.measure.function in {"", "slice"}:
        return outcome, message(
            N_("{metric} is {value}, n = {n}."), metric=metric.name, value=shown.metric(metric), n=str(metric.n)
        )
    unit = Unit.NONE if limit.measure.function == "coverage" else metric.unit
    return outcome, message(
        N_("{function} of {metric} is {value}."),
        function=limit.measure.function,
        metric=metric.name,
        value=shown.number(value, unit),
    )


def _measured(measure: Measure, facts: GateFacts) -> tuple[float | None, MetricValue] | Message:
    metrics = facts.metrics
    if measure.function == "slice":
        if measure.in_slice not in facts.slices:
            return message(
                N_("There is no slice {slice}. There are: {known}."),
                slice=measure.in_slice,
                known=tuple(facts.slices) or "—",
            )
        metrics = facts.slices[measure.in_slice]
    metric = metrics.get(measure.metric)
    if metric is None:
        return unknown_metric(measure.metric, tuple(metrics))
    values = {"coverage": metric.coverage, "lower": metric.low, "upper": metric.high}
    return values.get(measure.function, metric.value), metric


def unknown_metric(name: str, known: tuple[str, ...]) -> Message:
    """That there is no such metric, with the one that was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return message(N_("There is no metric {name}. Did you mean {close}?"), name=name, close=close[0])
    return message(N_("There is no metric {name}. There are: {known}."), name=name, known=known or "—")


def _check_unit(limit: Limit, metric: MetricValue, source: str) -> None:
    is_duration = metric.unit is Unit.MILLISECONDS and limit.measure.function != "coverage"
    if is_duration == limit.is_duration:
        return
    raise InvalidError(
        N_("{metric!r} is a duration: its limit needs a unit such as `2s` (column {column}).")
        if is_duration
        else N_("{metric!r} is no duration: its limit has no unit of time (column {column})."),
        hint="{source}\n{pointer}",
        reason="gate.unit",
        metric=metric.name,
        column=limit.column,
        source=source,
        pointer=" " * (limit.column - 1) + "^",
    )


def _against(node: Against, facts: GateFacts) -> tuple[Outcome, Message]:
    contrasted = facts.contrasts.get(node.metric)
    if contrasted is None:
        if node.metric not in facts.metrics:
            return Outcome.UNKNOWN, unknown_metric(node.metric, tuple(facts.metrics))
        return Outcome.UNKNOWN, message(N_("{metric} was not compared with a baseline."), metric=node.metric)
    row, metric = contrasted.row, contrasted.metric
    if row.difference is None or row.difference_low is None or row.difference_high is None:
        return Outcome.UNKNOWN, message(
            N_("{metric} has too few rows that both versions scored: {n}."), metric=node.metric, n=str(row.n)
        )
    sign = -1.0 if metric.lower_is_better else 1.0
    low, high = sorted((sign * row.difference_low, sign * row.difference_high))
    if node.call == "worse_than":
        outcome = _decided(high < -node.margin, low >= -node.margin)
    else:
        outcome = _decided(low > node.margin, high <= node.margin)
    if outcome is Outcome.PASS and row.status is Status.OPEN:
        # The interval is of this comparison alone; what the verdict leaves open after correction, the gate does too.
        return Outcome.UNKNOWN, message(
            N_("{metric} differs by {difference} {interval} by itself, but p = {p} after correction, n = {n}."),
            p=shown.p_value(row.p_adjusted),
            **_measured_difference(node, contrasted),
        )
    return outcome, message(
        N_("{metric} differs by {difference} {interval} from the baseline, n = {n}."),
        **_measured_difference(node, contrasted),
    )


def _measured_difference(node: Against, contrasted: Contrasted) -> dict[str, str]:
    row, metric = contrasted.row, contrasted.metric
    return {
        "metric": node.metric,
        "difference": shown.difference(row.difference, in_points=metric.in_points, unit=metric.unit),
        "interval": shown.difference_interval(
            row.difference_low, row.difference_high, in_points=metric.in_points, unit=metric.unit
        ),
        "n": str(row.n),
    }


def _decided(is_true: bool, is_false: bool) -> Outcome:
    """Established, refuted, or neither: then nobody can tell yet."""
    return Outcome.PASS if is_true else Outcome.FAIL if is_false else Outcome.UNKNOWN


def _all(outcomes: list[Outcome]) -> Outcome:
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    return Outcome.UNKNOWN if Outcome.UNKNOWN in outcomes else Outcome.PASS


def _any(outcomes: list[Outcome]) -> Outcome:
    if Outcome.PASS in outcomes:
        return Outcome.PASS
    return Outcome.UNKNOWN if Outcome.UNKNOWN in outcomes else Outcome.FAIL
