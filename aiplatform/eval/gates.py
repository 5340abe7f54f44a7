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
from aiplatform.eval.gate_nodes import Against, Calibrated, Every, Gate, Limit, Measure, Node, Not, Some
from aiplatform.eval.metrics import ERROR_RATE, LATENCY_QUANTILES, MEAN_LATENCY
from aiplatform.eval.model import (
    Calibration,
    ConditionResult,
    EvaluationRun,
    ForestRow,
    GateResult,
    Message,
    MetricComparison,
    MetricKind,
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
PLATFORM_METRICS: Final = (*LATENCY_QUANTILES, MEAN_LATENCY, ERROR_RATE, "cost", "input_tokens", "output_tokens")
"""Metrics that any run may have: a gate may name them where this run does not."""

_UNITLESS: Final = frozenset({"coverage", "count"})
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

    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    """By judge; only those that people have scored beside."""

    @property
    def known(self) -> tuple[str, ...]:
        """Names that mean something here, measured or not."""
        return tuple(dict.fromkeys((*self.metrics, *self.contrasts, *PLATFORM_METRICS)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the run is sliced by."""
        return tuple(dict.fromkeys(label.partition("=")[0] for label in self.slices))


def facts_of(
    run: EvaluationRun,
    comparisons: tuple[MetricComparison, ...] = (),
    calibrations: Mapping[str, Calibration] | None = None,
) -> GateFacts:
    """What a gate on this run can look at, with the comparisons that the run is part of."""
    contrasts = {
        metric.name: Contrasted(metric=metric, row=row)
        for metric in comparisons
        for row in metric.rows
        if row.run_id == run.run_id
    }
    return GateFacts(
        metrics=_spent(run) | {metric.name: metric for metric in run.metrics},
        slices={part.label: {metric.name: metric for metric in part.metrics} for part in run.slice_metrics},
        contrasts=contrasts,
        calibrations=calibrations or {},
    )


def _spent(run: EvaluationRun) -> dict[str, MetricValue]:
    """What the calls of the run came to, by the names of metrics; nothing where none was made."""
    sums = run.calls
    if not sums.paid and not sums.cached:
        return {}
    totals = {"cost": sums.cost, "input_tokens": float(sums.input_tokens), "output_tokens": float(sums.output_tokens)}
    return {
        name: MetricValue(name=name, kind=MetricKind.MEAN, value=total, n=sums.paid, lower_is_better=True)
        for name, total in totals.items()
    }


def check(gate: Gate, facts: GateFacts, *, run_id: str, name: str) -> GateResult:
    """Every condition of the gate, and the gate as a whole.

    Raises:
        InvalidError: A metric or a column to slice by is not known, a limit on a duration has no unit of time, or
            another limit has one.
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
            return _against(node, facts, source)
        case Calibrated():
            return _calibrated(node, facts)
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
    measure = limit.measure
    if measure.function == "kappa":
        return _agreement(limit, facts)
    _check_names(measure, facts, source)
    if measure.function in {"min_over", "max_over"}:
        return _over_slices(limit, facts, source)
    found = _measured(measure, facts)
    if isinstance(found, Message):
        return Outcome.UNKNOWN, found
    value, metric = found
    _check_unit(limit, metric, source)
    if value is None:
        return Outcome.UNKNOWN, message(N_("{metric} has no value: nothing was scored."), metric=metric.name)
    outcome = _compared(limit, value)
    if measure.function in {"", "slice"}:
        return outcome, _told(metric)
    unit = Unit.NONE if measure.function in _UNITLESS else metric.unit
    shown_value = f"{value:,.0f}" if measure.function == "count" else shown.number(value, unit)
    return outcome, message(
        N_("{function} of {metric} is {value}."), function=measure.function, metric=metric.name, value=shown_value
    )


def _compared(limit: Limit, value: float) -> Outcome:
    return Outcome.PASS if _COMPARE[limit.compare](value, limit.number) else Outcome.FAIL


def _told(metric: MetricValue) -> Message:
    return message(N_("{metric} is {value}, n = {n}."), metric=metric.name, value=shown.metric(metric), n=str(metric.n))


def _measured(measure: Measure, facts: GateFacts) -> tuple[float | None, MetricValue] | Message:
    metrics = facts.metrics
    if measure.function == "slice":
        if measure.in_slice not in facts.slices:
            return message(
                N_("There is no slice {slice}. There are: {known}."), slice=measure.in_slice, known=tuple(facts.slices)
            )
        metrics = facts.slices[measure.in_slice]
    metric = metrics.get(measure.metric)
    if metric is None:
        return message(N_("{metric} was not measured."), metric=measure.metric)
    values = {"coverage": metric.coverage, "count": metric.n, "lower": metric.low, "upper": metric.high}
    return values.get(measure.function, metric.value), metric


def _over_slices(limit: Limit, facts: GateFacts, source: str) -> tuple[Outcome, Message]:
    """The slice of a column that is lowest or highest; a slice without a value keeps a pass from being told."""
    measure = limit.measure
    parts = {label: part for label, part in facts.slices.items() if label.partition("=")[0] == measure.in_slice}
    known = [
        (metric.value, label, metric)
        for label, part in parts.items()
        if (metric := part.get(measure.metric)) is not None and metric.value is not None
    ]
    if not known:
        return Outcome.UNKNOWN, message(N_("{metric} has no value: nothing was scored."), metric=measure.metric)
    value, label, metric = (min if measure.function == "min_over" else max)(known, key=lambda each: each[0])
    _check_unit(limit, metric, source)
    outcome = _compared(limit, value)
    if outcome is Outcome.PASS and len(known) < len(parts):
        lacking = tuple(sorted(set(parts) - {label for _, label, _ in known}))
        return Outcome.UNKNOWN, message(N_("{metric} has no value on {slices}."), metric=measure.metric, slices=lacking)
    return outcome, message(
        N_("On {slice} {metric} is {value}, n = {n}."),
        slice=label,
        metric=metric.name,
        value=shown.metric(metric),
        n=str(metric.n),
    )


def _agreement(limit: Limit, facts: GateFacts) -> tuple[Outcome, Message]:
    known = facts.calibrations.get(limit.measure.metric)
    if known is None or known.kappa is None:
        return Outcome.UNKNOWN, _uncalibrated(limit.measure.metric)
    return _compared(limit, known.kappa), _agrees(known)


def _calibrated(node: Calibrated, facts: GateFacts) -> tuple[Outcome, Message]:
    known = facts.calibrations.get(node.judge)
    if known is None or known.kappa is None or known.low is None or known.high is None:
        return Outcome.UNKNOWN, _uncalibrated(node.judge)
    return _decided(known.low >= node.floor, known.high < node.floor), _agrees(known)


def _uncalibrated(judge: str) -> Message:
    return message(N_("{judge}, as it scored here, was not compared with people."), judge=judge)


def _agrees(known: Calibration) -> Message:
    return message(
        N_("{judge} agrees with people at kappa {value}, n = {n}."),
        judge=known.judge,
        value=f"{shown.number(known.kappa)} {shown.interval(known.low, known.high)}".rstrip(),
        n=str(known.n),
    )


def _check_names(measure: Measure, facts: GateFacts, source: str) -> None:
    """Nothing, where the measure speaks of what the run has or could have.

    Raises:
        InvalidError: It does not; the message says what was probably meant.
    """
    if measure.metric not in facts.known:
        raise _unknown(
            N_("There is no metric {name!r} (column {column}). Did you mean {close!r}?"),
            N_("There is no metric {name!r} (column {column}). There are: {known}."),
            "gate.unknown_metric",
            measure.metric,
            tuple(facts.metrics) or facts.known,
            measure.column,
            source,
        )
    column = measure.in_slice.partition("=")[0]
    if column and column not in facts.columns:
        raise _unknown(
            N_("The run is not sliced by {name!r} (column {column}). Did you mean {close!r}?"),
            N_("The run is not sliced by {name!r} (column {column}). It is by: {known}."),
            "gate.unknown_slice",
            column,
            facts.columns,
            measure.column,
            source,
        )


def _unknown(
    did_you_mean: str, there_are: str, reason: str, name: str, known: tuple[str, ...], column: int, source: str
) -> InvalidError:
    close = difflib.get_close_matches(name, known, n=1)
    return InvalidError(
        did_you_mean if close else there_are,
        hint="{source}\n{pointer}",
        reason=reason,
        name=name,
        close=close[0] if close else "",
        known=", ".join(known) or "—",
        column=column,
        source=source,
        pointer=" " * (column - 1) + "^",
    )


def _check_unit(limit: Limit, metric: MetricValue, source: str) -> None:
    is_duration = metric.unit is Unit.MILLISECONDS and limit.measure.function not in _UNITLESS
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


def _against(node: Against, facts: GateFacts, source: str) -> tuple[Outcome, Message]:
    contrasted = facts.contrasts.get(node.metric)
    if contrasted is None:
        _check_names(Measure(metric=node.metric, column=node.column), facts, source)
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
