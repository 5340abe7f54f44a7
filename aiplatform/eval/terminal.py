"""Runs, comparisons and gates as the terminal shows them: the verdict first, then figures with their intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aiplatform.core.i18n import DEFAULT_LOCALE, N_, translate
from aiplatform.eval import shown
from aiplatform.eval.model import (
    CORRECTION_NAMES,
    OUTCOME_NAMES,
    RUN_STATUS_NAMES,
    STATUS_NAMES,
    Comparison,
    EvaluationRun,
    ForestRow,
    GateResult,
    Leaderboard,
    Message,
    MetricComparison,
    MetricValue,
    Outcome,
    SliceComparison,
    Status,
    message,
)

_STATUS_STYLES: Final = {
    Status.BASELINE: "dim",
    Status.BETTER: "green",
    Status.WORSE: "red",
    Status.OPEN: "yellow",
}
_OUTCOME_MARKS: Final = {
    Outcome.PASS: ("✓", "green"),
    Outcome.FAIL: ("✗", "red"),
    Outcome.UNKNOWN: ("?", "yellow"),
}


def comparison_view(comparison: Comparison, locale: str = DEFAULT_LOCALE) -> RenderableType:
    """A comparison: its sentence, a table a metric, slices that are established, gates, how it was made."""
    parts: list[RenderableType] = [Text(comparison.verdict.headline_text(locale), style="bold"), Text("")]
    for metric in comparison.metrics:
        parts += [_metric_table(comparison, metric, locale), Text("")]
    slices = [part for part in comparison.slices if part.row.status is not Status.OPEN]
    if slices:
        parts += [_slice_table(comparison, slices, locale), Text("")]
    for gate in comparison.gates:
        parts += [gate_view(gate, locale), Text("")]
    details = comparison.verdict.details_text(locale)
    notes = ("" if locale.startswith("zh") else " ").join(note.localized(locale) for note in comparison.notes)
    parts += [Text(details), Text(notes, style="dim")]
    return Group(*parts)


def comparison_summary(comparison: Comparison, locale: str = DEFAULT_LOCALE) -> RenderableType:
    """A comparison in brief: its sentence, a table a metric, slices that are established, each gate in a line."""
    parts: list[RenderableType] = [Text(comparison.verdict.headline_text(locale), style="bold"), Text("")]
    for metric in comparison.metrics:
        parts += [_metric_table(comparison, metric, locale), Text("")]
    slices = [part for part in comparison.slices if part.row.status is not Status.OPEN]
    if slices:
        parts += [_slice_table(comparison, slices, locale), Text("")]
    if comparison.options.gate:
        parts.append(Text(comparison.options.gate, style="dim"))
    return Group(*parts, *(_gate_line(gate, locale) for gate in comparison.gates))


def _gate_line(gate: GateResult, locale: str) -> Text:
    """A gate's outcome, with the condition that decided it."""
    mark, style = _OUTCOME_MARKS[gate.outcome]
    line = Text.assemble((mark, style), "  ", (gate.name, "bold"), ": ", translate(OUTCOME_NAMES[gate.outcome], locale))
    stopped = gate.stopped_by
    return line if stopped is None else line.append(f"  {stopped.detail.localized(locale)}", style="dim")


def leaderboard_view(board: Leaderboard, locale: str = DEFAULT_LOCALE) -> RenderableType:
    """Runs in the order of the first metric, with the ranks that they keep when the rows are drawn anew."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(translate(N_("rank"), locale), justify="right", no_wrap=True)
    table.add_column(translate(N_("version"), locale))
    for name in board.metrics:
        table.add_column(name, justify="right", no_wrap=True)
    for entry in board.entries:
        cells = (shown.UNKNOWN if one is None else shown.metric(one) for one in entry.metrics)
        version = Text.assemble((entry.name, "bold"), f"  {entry.label}" if entry.label else "")
        table.add_row(Text(f"{entry.band}{' =' if entry.is_tied else ''}"), version, *cells)
    said = [*board.marks, *board.left_out, leaderboard_note(board)]
    return Group(table, Text(""), *(Text(each.localized(locale), style="dim") for each in said))


def leaderboard_note(board: Leaderboard) -> Message:
    """What the ranks of a leaderboard are worth."""
    level = f"{board.level * 100:g}"
    if not board.n:
        return message(N_("= marks runs that are not told apart: their {level} % intervals overlap."), level=level)
    return message(
        N_(
            "= marks runs that are not told apart: {level} % rank bands of draws over {n} rows that all of them scored."
        ),
        level=level,
        n=f"{board.n:,}",
    )


def gate_view(gate: GateResult, locale: str = DEFAULT_LOCALE) -> RenderableType:
    """A gate: the outcome, then every condition with what was found."""
    head = Text.assemble((gate.name, "bold"), ": ", translate(OUTCOME_NAMES[gate.outcome], locale))
    table = Table.grid(padding=(0, 2, 0, 0))
    for condition in gate.conditions:
        mark, style = _OUTCOME_MARKS[condition.outcome]
        table.add_row(
            Text(f"  {mark}", style=style), Text(condition.text), Text(condition.detail.localized(locale), style="dim")
        )
    return Group(head, table)


def run_view(run: EvaluationRun, locale: str = DEFAULT_LOCALE) -> RenderableType:
    """A run: what and how far it is, then its metrics."""
    status = translate(RUN_STATUS_NAMES[run.status], locale)
    head = Text.assemble((run.name, "bold"), f"  {run.label}" if run.label else "", f"  {run.run_id}  {status}")
    about = f"{run.data.label}, {run.done_rows:,} / {'—' if run.total_rows is None else f'{run.total_rows:,}'}"
    parts: list[RenderableType] = [head, Text(about, style="dim")]
    if run.error:
        parts.append(Text(run.error, style="red"))
    if run.metrics:
        parts.append(_metrics_table(run.metrics, locale))
    for part in run.slice_metrics:
        parts += [Text(f"{part.label} (n = {part.num_rows:,})", style="bold"), _metrics_table(part.metrics, locale)]
    return Group(*parts)


def run_lines(run: EvaluationRun, locale: str = DEFAULT_LOCALE) -> Iterator[str]:
    """A run as plain lines, for a job's log."""
    yield f"{run.name}  {run.run_id}  {translate(RUN_STATUS_NAMES[run.status], locale)}  {run.data.label}"
    for metric in run.metrics:
        yield f"  {metric.name:24} {shown.metric(metric)}  n = {metric.n:,}  {_coverage(metric)}".rstrip()


def _metrics_table(metrics: tuple[MetricValue, ...], locale: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head, justify in ((N_("metric"), "left"), (N_("value"), "right"), (N_("95 % interval"), "left")):
        table.add_column(translate(head, locale), justify=justify)  # type: ignore[arg-type]
    for head in (N_("n"), N_("coverage")):
        table.add_column(translate(head, locale), justify="right")
    for metric in metrics:
        table.add_row(
            metric.name,
            shown.number(metric.value, metric.unit),
            shown.interval(metric.low, metric.high, metric.unit),
            f"{metric.n:,}",
            _coverage(metric),
        )
    return table


def _coverage(metric: MetricValue) -> str:
    if metric.coverage is None:
        return shown.UNKNOWN
    applicable = metric.scored + metric.failed
    return f"{metric.scored:,}/{applicable:,}"


def _metric_table(comparison: Comparison, metric: MetricComparison, locale: str) -> RenderableType:
    """What was compared, then a row a version; figures and intervals stay whole however narrow the terminal is."""
    pairs = max((row.n for row in metric.rows[1:]), default=0)
    title = translate(N_("{data}, {n} rows, paired"), locale).format(data=comparison.data.label, n=f"{pairs:,}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    widest = max(cell_len(_difference(row, metric)) for row in metric.rows)
    table.add_column("")
    table.add_column(metric.name, justify="right", no_wrap=True)
    table.add_column(_interval_head(comparison, locale), min_width=widest)
    correction = translate(CORRECTION_NAMES[comparison.options.correction], locale)
    table.add_column(f"p ({correction})", justify="right", no_wrap=True)
    table.add_column("")
    for row in metric.rows:
        table.add_row(*_cells(row, metric, locale))
    return Group(Text(title, style="dim"), table)


def _interval_head(comparison: Comparison, locale: str) -> str:
    level = f"{comparison.options.level * 100:g}"
    return translate(N_("difference, {level} % interval"), locale).format(level=level)


def _cells(row: ForestRow, metric: MetricComparison, locale: str) -> tuple[RenderableType, ...]:
    name = Text.assemble("  ", (row.name, "bold"), f"  {row.label}" if row.label else "")
    value = shown.number(row.value, metric.unit)
    if row.status is Status.BASELINE:
        return name, value, Text(translate(STATUS_NAMES[row.status], locale), style="dim"), shown.UNKNOWN, ""
    return name, value, _difference(row, metric), shown.p_value(row.p_adjusted), _status(row, locale)


def _difference(row: ForestRow, metric: MetricComparison) -> str:
    told = shown.difference(row.difference, in_points=metric.in_points, unit=metric.unit)
    interval = shown.difference_interval(
        row.difference_low, row.difference_high, in_points=metric.in_points, unit=metric.unit
    )
    return f"{told} {interval}".rstrip()


def _status(row: ForestRow, locale: str) -> Text:
    word = translate(STATUS_NAMES[row.status], locale)
    if row.too_few:
        word = translate(N_("{status}: too few rows"), locale).format(status=word)
    elif row.status is Status.OPEN and row.needed_rows:
        word = translate(N_("{status}: about {rows} rows would settle it"), locale).format(
            status=word, rows=f"{row.needed_rows:,}"
        )
    return Text(word, style=_STATUS_STYLES[row.status])


def _slice_table(comparison: Comparison, slices: list[SliceComparison], locale: str) -> Table:
    names = {version.run_id: version.name for version in comparison.versions}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(translate(N_("slice"), locale), no_wrap=True)
    table.add_column(translate(N_("n"), locale), justify="right", no_wrap=True)
    table.add_column(_interval_head(comparison, locale), no_wrap=True)
    table.add_column("")
    for part in slices:
        table.add_row(
            f"  {names[part.run_id]}  {part.label}",
            f"{part.row.n:,}",
            _difference(part.row, comparison.primary),
            _status(part.row, locale),
        )
    return table
