"""`aiplatform traces`: search and read traces."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TimeElapsedColumn, TransferSpeedColumn

from aiplatform.cli import trace_searches
from aiplatform.cli.console import JsonOption, ProjectOption, console, error_console, print_json, print_table, say, tr
from aiplatform.cli.deleting import YesOption, confirm
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.tracing import api
from aiplatform.tracing.export_model import ExportFormat, ExportLevel
from aiplatform.tracing.model import STATUS_NAMES, ScoreSource, Status, TraceSort

app = typer.Typer(no_args_is_help=True)
app.add_typer(trace_searches.app, name="searches", help=tr(N_("Save searches, and open them again.")))

PREVIEW_WIDTH = 60
_HEADS = (
    N_("trace"), N_("started"), N_("name"), N_("status"), N_("duration"), N_("spans"), N_("tokens"), N_("input"),
)  # fmt: skip
_USAGE_HEADS = (
    N_("day"), N_("spans"), N_("rejected"), N_("refused requests"), N_("redacted"), N_("dropped attributes"),
    N_("bytes"), N_("traces"), N_("tokens"), N_("cost"),
)  # fmt: skip


@app.command("list", help=tr(N_("List traces, newest first.")))
def list_traces(
    query: Annotated[
        str | None,
        typer.Argument(help=tr(N_('Words, a "phrase", pairs such as status:error, kind:llm, duration:2s.'))),
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help=tr(N_("How many at most.")))] = 20,
    sort: Annotated[TraceSort, typer.Option("--sort", help=tr(N_("Order of the list.")))] = TraceSort.NEWEST,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """List traces."""
    with Client(find_credentials(project=project)) as client:
        items = [*api.list(query, limit=limit, sort=sort.value, client=client)]
    nothing = N_("No trace matches.") if query else N_("No trace has arrived in this project yet.")
    print_traces(items, json=json, nothing=nothing)


@app.command("facets", help=tr(N_("Show what the traces that a query finds can be told apart by, with counts.")))
def show_facets(
    query: Annotated[
        str | None,
        typer.Argument(help=tr(N_('Words, a "phrase", pairs such as status:error, kind:llm, duration:2s.'))),
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=50, help=tr(N_("Values of a facet at most.")))] = 8,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show facets."""
    with Client(find_credentials(project=project)) as client:
        found = api.facets(query, limit=limit, client=client)
    if json:
        print_json(found)
        return
    figures = found["figures"]
    rows = [
        (each["name"] if index == 0 else "", choice["condition"], choice["count"])
        for each in found["facets"]
        for index, choice in enumerate(each["choices"])
    ]
    print_table([N_("facet"), N_("condition"), N_("traces")], rows, right=(2,))
    spent = " + ".join(f"{amount:.4g} {currency}" for currency, amount in figures["costs"].items())
    facts = [
        (N_("traces"), f"{figures['num_traces']}+" if found["is_bounded"] else figures["num_traces"]),
        (N_("with errors"), figures["num_errors"]),
        ("p50 / p95", f"{duration(figures['duration_p50_ns'])} / {duration(figures['duration_p95_ns'])}"),
        (N_("tokens"), figures["total_tokens"]),
        (N_("cost"), spent or None),
    ]
    known = [(tr(label), value) for label, value in facts if value is not None and figures["num_traces"]]
    print_table([N_("figure"), N_("value")], known, right=(1,))
    if found["is_bounded"]:
        say(N_("Counted over the newest {number} traces; there are more."), number=found["max_traces"])


@app.command("get", help=tr(N_("Show a trace as a tree.")))
def get_trace(
    trace_id: Annotated[str, typer.Argument(help=tr(N_("Trace id: 32 hexadecimal digits.")))],
    *,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show a trace."""
    with Client(find_credentials(project=project)) as client:
        found = api.get(trace_id, client=client)
        address = api.url(found["trace_id"], client=client)
    if json:
        print_json(found)
        return
    out = console()
    out.print(f"{found['trace_id']}  {found['name']}", style="bold", markup=False)
    out.print("  ".join(_facts(found)), markup=False)
    for label, text in ((N_("input"), found["input_preview"]), (N_("output"), found["output_preview"])):
        if text:
            out.print(f"{tr(label)}: {text}", markup=False)
    heads = [N_("span"), N_("kind"), N_("status"), N_("duration"), N_("tokens"), N_("model")]
    print_table(heads, [_span_row(row) for row in found["spans"]], right=(3, 4))
    for score in found["scores"]:
        out.print(f"{score['name']} = {score['value']}  ({score['source']})", markup=False)
    out.print(address, markup=False)


@app.command("score", help=tr(N_("Judge a trace.")))
def score_trace(
    trace_id: Annotated[str, typer.Argument(help=tr(N_("Trace id: 32 hexadecimal digits.")))],
    name: Annotated[str, typer.Argument(help=tr(N_("What is judged, such as relevance.")))],
    value: Annotated[str, typer.Argument(help=tr(N_("A number, true or false, or a label.")))],
    *,
    source: Annotated[ScoreSource, typer.Option("--source", help=tr(N_("Who judges.")))] = ScoreSource.HUMAN,
    comment: Annotated[str | None, typer.Option("--comment", help=tr(N_("Why.")))] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Judge a trace."""
    with Client(find_credentials(project=project)) as client:
        made = api.score(trace_id, name, _value(value), source=source, comment=comment, client=client)
    if json:
        print_json(made)
        return
    say(N_("{name} = {value} is stored."), name=made["name"], value=made["value"])


@app.command("usage", help=tr(N_("Show what the project sent, keeps and paid, day by day.")))
def show_usage(
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help=tr(N_("How many, today included.")))] = 7,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show the report."""
    from aiplatform.tracing.counting import REFUSALS, REJECTIONS  # noqa: PLC0415 - loads protobuf

    with Client(find_credentials(project=project)) as client:
        found = api.usage(days=days, client=client)
    if json:
        print_json(found)
        return
    if not found["items"]:
        say(N_("Nothing arrived in these days."))
        return
    print_table(_USAGE_HEADS, [_usage_row(one) for one in found["items"]], right=range(1, 10))
    total = found["total"]
    for title, names, counts in (
        (N_("rejected"), REJECTIONS, total["rejected"]),
        (N_("refused requests"), REFUSALS, total["refused"]),
        (N_("redacted"), {}, total["redacted"]),
    ):
        for reason, count in counts.items():
            words = tr(names[reason]) if reason in names else reason
            console().print(f"{tr(title)}: {count:,}  {words}", markup=False)
    behind = found["freshness"]
    if not behind["is_current"]:
        say(N_("The text index is {seconds} s behind."), seconds=f"{behind['lag_s']:.1f}")


@app.command("export", help=tr(N_("Keep everything that a query finds as a Parquet or JSON lines file.")))
def export_traces(
    file: Annotated[Path, typer.Argument(help=tr(N_("Where to keep it: OUT.parquet or OUT.jsonl.")))],
    query: Annotated[
        str | None,
        typer.Argument(help=tr(N_('Words, a "phrase", pairs such as status:error, kind:llm, duration:2s.'))),
    ] = None,
    *,
    level: Annotated[
        ExportLevel, typer.Option("--level", help=tr(N_("What a row is: a trace or a span.")))
    ] = ExportLevel.TRACES,
    format_: Annotated[
        ExportFormat | None, typer.Option("--format", help=tr(N_("By default what the file's ending says.")))
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Export traces; the file appears once it is whole."""
    columns = (SpinnerColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    out = error_console()
    with (
        Client(find_credentials(project=project)) as client,
        Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as shown,
    ):
        task = shown.add_task("", total=None)
        api.export(
            file,
            query,
            level=level,
            format=format_,
            on_progress=lambda num_bytes: shown.update(task, completed=num_bytes),
            client=client,
        )
    size_bytes = file.stat().st_size
    if json:
        print_json({"file": str(file), "size_bytes": size_bytes})
        return
    say(N_("{file}: {size} bytes."), file=file, size=f"{size_bytes:,}")


@app.command("erase", help=tr(N_("Erase all traces of a user or a session, or one trace, with everything they hold.")))
def erase_traces(
    *,
    user: Annotated[str | None, typer.Option("--user", help=tr(N_("Whose traces.")))] = None,
    session: Annotated[str | None, typer.Option("--session", help=tr(N_("Which conversation.")))] = None,
    trace_id: Annotated[str | None, typer.Option("--trace", help=tr(N_("Trace id: 32 hexadecimal digits.")))] = None,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=tr(N_("Count only; nothing goes.")))] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Erase traces."""
    with Client(find_credentials(project=project)) as client:
        erase = partial(api.erase, user_id=user, session_id=session, trace_id=trace_id, client=client)
        found = erase(dry_run=True)
        if not dry_run:
            confirm(
                yes,
                N_("Erase {traces} traces with {spans} spans for good?"),
                traces=found["num_traces"],
                spans=found["num_spans"],
            )
            found = erase()
    if json:
        print_json(found)
        return
    told = N_("{traces} traces with {spans} spans would go.") if dry_run else N_("{traces} traces, {spans} spans gone.")
    say(told, traces=found["num_traces"], spans=found["num_spans"])


def print_traces(items: list[dict[str, Any]], *, json: bool, nothing: str) -> None:
    """Print a list of traces; `nothing` is said where there are none."""
    if json:
        print_json(items)
    elif not items:
        say(nothing)
    else:
        print_table(_HEADS, [_row(item) for item in items], right=(4, 5, 6))


def duration(nanoseconds: int | None) -> str | None:
    """A length of time with three significant digits and its unit."""
    if nanoseconds is None:
        return None
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if nanoseconds >= size:
            return (
                f"{nanoseconds / size:.3g} {unit}" if nanoseconds < 1000 * size else f"{nanoseconds / size:,.0f} {unit}"
            )
    return f"{nanoseconds} ns"


def _row(item: dict[str, Any]) -> list[Any]:
    return [
        item["trace_id"],
        when(item["start_ns"]),
        item["name"],
        tr(STATUS_NAMES[Status(item["status"])]),
        duration(item["duration_ns"]),
        item["num_spans"],
        item["usage"]["total_tokens"],
        _cut(item["input_preview"]),
    ]


def _usage_row(item: dict[str, Any]) -> list[Any]:
    return [
        item["day"],
        item["num_spans"],
        sum(item["rejected"].values()),
        sum(item["refused"].values()),
        sum(item["redacted"].values()),
        item["num_dropped_attributes"],
        item["size_bytes"],
        item["num_traces"],
        item["usage"]["total_tokens"],
        " + ".join(f"{amount:.4g} {currency}" for currency, amount in item["costs"].items()) or None,
    ]


def _span_row(row: dict[str, Any]) -> list[Any]:
    return [
        "  " * row["depth"] + row["name"],
        row["kind"],
        row["error"] or tr(STATUS_NAMES[Status(row["status"])]),
        duration(row["duration_ns"]),
        row["usage"]["total_tokens"],
        row["model"],
    ]


def _facts(found: dict[str, Any]) -> list[str]:
    facts = [
        tr(STATUS_NAMES[Status(found["status"])]),
        when(found["start_ns"]),
        duration(found["duration_ns"]),
        tr(N_("{count} spans"), count=found["num_spans"]),
    ]
    if found["usage"]["total_tokens"] is not None:
        facts.append(tr(N_("{count} tokens"), count=found["usage"]["total_tokens"]))
    return [fact for fact in facts if fact]


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= PREVIEW_WIDTH else text[: PREVIEW_WIDTH - 1] + "…"


def _value(text: str) -> bool | float | str:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text
