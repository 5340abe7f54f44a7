"""The sentences that page and terminal begin with: the answer, then its reasons, never more than was established."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aiplatform.core.i18n import N_
from aiplatform.eval import shown
from aiplatform.eval.model import (
    Correction,
    DataRef,
    ForestRow,
    GateResult,
    Message,
    MetricComparison,
    Outcome,
    SliceComparison,
    Status,
    Verdict,
    message,
)


def verdict(
    primary: MetricComparison,
    slices: Sequence[SliceComparison],
    gates: Sequence[GateResult],
    data: DataRef,
    *,
    correction: Correction = Correction.HOLM,
    marks: tuple[Message, ...] = (),
) -> Verdict:
    """What a comparison comes to.

    A version may be promoted where it is established to be better on the primary metric and passes its gate, if there
    is one. Of several, the one with the largest difference.

    Args:
        primary: The metric that decides.
        slices: The same metric on parts of the rows.
        gates: What became of the gate on each candidate.
        data: What was evaluated on.
        correction: Of the p values.
        marks: What makes a forced comparison one of unlike things.
    """
    baseline = next(row for row in primary.rows if row.status is Status.BASELINE)
    candidates = [row for row in primary.rows if row.status is not Status.BASELINE]
    outcomes = {gate.run_id: gate.outcome for gate in gates}
    better = sorted((row for row in candidates if row.status is Status.BETTER), key=_size, reverse=True)
    allowed = [row for row in better if outcomes.get(row.run_id, Outcome.PASS) is Outcome.PASS]
    best = next(iter(allowed), next(iter(better), None))
    headline: list[Message] = []
    if marks:
        headline.append(message(N_("Forced, so not like with like.")))
    if best is not None:
        headline.append(_about_best(best, baseline, primary, promoted=best in allowed))
    headline += _about_rest(candidates, best, baseline)
    details = [*marks, _basis(primary, data), *_reasons(primary, candidates, best, correction)]
    details += _gate_reasons(candidates, gates, best)
    details += [*_slice_warnings(slices, candidates), *contradictions(primary, slices)]
    return Verdict(
        headline=tuple(headline),
        details=tuple(details),
        promote=best.run_id if best is not None and allowed else None,
        marks=marks,
    )


def _size(row: ForestRow) -> float:
    return abs(row.difference or 0.0)


def _about_best(best: ForestRow, baseline: ForestRow, metric: MetricComparison, *, promoted: bool) -> Message:
    fields = {
        "name": best.name,
        "baseline": baseline.name,
        "metric": metric.name,
        "size": shown.size(_size(best), in_points=metric.in_points, unit=metric.unit),
    }
    if metric.in_points and promoted:
        return message(N_("Promote {name}: {size} points better than {baseline}, established."), **fields)
    if promoted:
        return message(N_("Promote {name}: {metric} is better than {baseline}'s by {size}, established."), **fields)
    if metric.in_points:
        return message(
            N_("{name} is {size} points better than {baseline}, established, but does not pass the gate."), **fields
        )
    return message(
        N_("{metric} of {name} is better than {baseline}'s by {size}, established, but it does not pass the gate."),
        **fields,
    )


def _about_rest(candidates: Sequence[ForestRow], best: ForestRow | None, baseline: ForestRow) -> list[Message]:
    better = _names(row for row in candidates if row.status is Status.BETTER and row is not best)
    worse = _names(row for row in candidates if row.status is Status.WORSE)
    still_open = _names(row for row in candidates if row.status is Status.OPEN)
    said: list[Message] = []
    if better:
        one, many = N_("{names} is better too."), N_("{names} are better too.")
        said.append(message(one if len(better) == 1 else many, names=better))
    if best is not None and still_open:
        one, many = N_("{names} stays open."), N_("{names} stay open.")
        said.append(message(one if len(still_open) == 1 else many, names=still_open))
    if worse:
        one, many = N_("{names} is worse than {baseline}."), N_("{names} are worse than {baseline}.")
        said.append(message(one if len(worse) == 1 else many, names=worse, baseline=baseline.name))
    if best is None:
        if candidates and all(row.too_few or row.difference is None for row in candidates):
            said.append(message(N_("There is too little data for a verdict.")))
        elif worse:
            said.append(message(N_("Nothing is established to be better.")))
        else:
            said.append(message(N_("No difference to {baseline} is established."), baseline=baseline.name))
    return said


def _basis(metric: MetricComparison, data: DataRef) -> Message:
    rows = max((row.n for row in metric.rows if row.status is not Status.BASELINE), default=0)
    return message(
        N_("{metric} on {n} rows of {data}, paired by row."), metric=metric.name, n=f"{rows:,}", data=data.label
    )


def _reasons(
    metric: MetricComparison, candidates: Sequence[ForestRow], best: ForestRow | None, correction: Correction
) -> list[Message]:
    """The numbers behind the headline; those of every version stand in the table below it."""
    said: list[Message] = []
    for row in candidates:
        if row.difference is None:
            said.append(message(N_("{name} shares too few scored rows to be compared."), name=row.name))
        elif row.too_few:
            said.append(_too_few(row))
        elif row is best or len(candidates) == 1:
            said += [_difference(row, metric, correction), *_power(row, metric)]
        elif row.status is Status.OPEN:
            said += _power(row, metric, named=True)
    return said


def _too_few(row: ForestRow) -> Message:
    if row.test == "clustered_t":
        return message(N_("{name} has too few clusters to be judged, whatever its rows say."), name=row.name)
    return message(N_("{name} shares {n} rows with the baseline: too few to judge."), name=row.name, n=f"{row.n:,}")


def _difference(row: ForestRow, metric: MetricComparison, correction: Correction) -> Message:
    in_points, unit = metric.in_points, metric.unit
    text = (
        N_("{name} differs by {difference} {interval}, p {p} after Holm's correction.")
        if correction is Correction.HOLM
        else N_("{name} differs by {difference} {interval}, p {p} after Benjamini and Hochberg's correction.")
    )
    return message(
        text,
        name=row.name,
        difference=shown.difference(row.difference, in_points=in_points, unit=unit),
        interval=shown.difference_interval(row.difference_low, row.difference_high, in_points=in_points, unit=unit),
        p=shown.p_relation(row.p_adjusted),
    )


def _power(row: ForestRow, metric: MetricComparison, *, named: bool = False) -> list[Message]:
    """What the rows can establish and how many would settle it, where nothing is established."""
    said: list[Message] = []
    if row.status is not Status.OPEN:
        return said
    if row.needed_rows:
        text = N_("About {rows} rows would settle {name}.") if named else N_("About {rows} rows would settle it.")
        said.append(message(text, name=row.name, rows=f"{row.needed_rows:,}"))
    if row.detectable is not None and not named:
        text = (
            N_("Rows as these find a difference from {size} points on, with 80 % power.")
            if metric.in_points
            else N_("Rows as these find a difference from {size} on, with 80 % power.")
        )
        said.append(message(text, size=shown.size(row.detectable, in_points=metric.in_points, unit=metric.unit)))
    return said


def _gate_reasons(
    candidates: Sequence[ForestRow], gates: Sequence[GateResult], best: ForestRow | None
) -> list[Message]:
    names = {row.run_id: row.name for row in candidates}
    said: list[Message] = []
    for gate in gates:
        name = names.get(gate.run_id, gate.name)
        if gate.outcome is Outcome.PASS:
            if best is None or gate.run_id != best.run_id:
                said.append(message(N_("{name} passes the gate."), name=name))
            continue
        text = (
            N_("The gate refuses {name}: {condition} does not hold.")
            if gate.outcome is Outcome.FAIL
            else N_("The gate does not let {name} through: {condition} cannot be told yet.")
        )
        stopped = gate.stopped_by
        said.append(message(text, name=name, condition=stopped.text if stopped else gate.gate))
    return said


def _slice_warnings(slices: Sequence[SliceComparison], candidates: Sequence[ForestRow]) -> list[Message]:
    """Slices where a version that is not worse on the whole is worse: an average may hide them."""
    whole = {row.run_id: row for row in candidates}
    return [
        message(
            N_("{name} is worse on {slice} (n = {n}): look at those rows first."),
            name=whole[part.run_id].name,
            slice=part.label,
            n=f"{part.row.n:,}",
        )
        for part in slices
        if part.row.status is Status.WORSE and whole[part.run_id].status is not Status.WORSE
    ]


def contradictions(metric: MetricComparison, slices: Sequence[SliceComparison]) -> list[Message]:
    """Where the whole says one thing and its parts another (Simpson), or what was paired and what was not."""
    said: list[Message] = []
    baseline = next(row for row in metric.rows if row.status is Status.BASELINE)
    for row in metric.rows:
        if row.status is Status.BASELINE or not row.difference:
            continue
        own = None if row.value is None or baseline.value is None else row.value - baseline.value
        if own and own * row.difference < 0:
            said.append(
                message(
                    N_("Over all its rows {name} lies above {baseline}, below it on the rows that both scored.")
                    if own > 0
                    else N_("Over all its rows {name} lies below {baseline}, above it on the rows that both scored."),
                    name=row.name,
                    baseline=baseline.name,
                )
            )
        said += [
            message(
                N_("{name} differs one way on the whole, and the other way in every slice of {column} (Simpson)."),
                name=row.name,
                column=column,
            )
            for column in _turned(row, slices)
        ]
    return said


def _turned(row: ForestRow, slices: Sequence[SliceComparison]) -> list[str]:
    """Columns whose every slice differs the other way than the whole."""
    by_column: dict[str, list[float | None]] = {}
    for part in slices:
        if part.run_id == row.run_id:
            by_column.setdefault(part.column, []).append(part.row.difference)
    whole = row.difference or 0.0
    return [
        column
        for column, found in by_column.items()
        if len(found) > 1 and all(each is not None and each * whole < 0 for each in found)
    ]


def _names(rows: Iterable[ForestRow]) -> tuple[str, ...]:
    return tuple(row.name for row in rows)
