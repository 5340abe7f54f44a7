"""`aiplatform datasets`: list, get, rows, create, download."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.registry import datasets_api as api
from aiplatform.registry.model import DatasetVersion

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[str, typer.Argument(help=tr(N_("A data set: `faq@3`, or `faq` for its newest version.")))]
_CELL_WIDTH: Final = 60


@app.command("list", help=tr(N_("Data sets of the project.")))
def list_datasets(as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """List data sets."""
    with _client(project) as client:
        found = api.list(client=client)
    if as_json:
        print_json([asdict(dataset) for dataset in found])
        return
    if not found:
        say(N_("No data set is registered in this project yet."))
        return
    heads = [N_("data set"), N_("rows"), N_("columns"), N_("made"), N_("licence"), N_("description")]
    print_table(heads, [_row(dataset.latest) for dataset in found], right=[1, 2])


@app.command(help=tr(N_("One version of a data set.")))
def get(reference: Reference, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print one version."""
    with _client(project) as client:
        version = api.get(reference, client=client).version
    if as_json:
        print_json(asdict(version))
        return
    facts = [
        (N_("rows"), version.num_rows),
        (N_("size"), f"{version.size_bytes:,} B"),
        (N_("hash"), version.digest),
        (N_("licence"), version.licence or None),
        (N_("source"), version.source or None),
        (N_("description"), version.description or None),
        (N_("made"), f"{when(version.created_ns)}, {version.created_by}"),
        *((column.name, column.type) for column in version.columns),
    ]
    print_table([N_("data set"), version.reference], [(tr(label), value) for label, value in facts])


@app.command(help=tr(N_("Some rows of a data set.")))
def rows(
    reference: Reference,
    offset: Annotated[int, typer.Option(min=0, help=tr(N_("Rows left out before the first.")))] = 0,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help=tr(N_("How many at most.")))] = 10,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print rows."""
    with _client(project) as client:
        page = api.rows(reference, offset=offset, limit=limit, client=client)
    if as_json:
        print_json(list(page.rows))
        return
    names = [column.name for column in page.columns]
    print_table(names, [[_cell(row[name]) for name in names] for row in page.rows])


@app.command(help=tr(N_("Make the next version of a data set from a file; the same content again changes nothing.")))
def create(
    name: Annotated[str, typer.Argument(help=tr(N_("Name of the data set.")))],
    file: Annotated[Path, typer.Argument(help=tr(N_("A .parquet, .csv or .jsonl file.")), exists=True, dir_okay=False)],
    licence: Annotated[str, typer.Option(help=tr(N_("Licence of the data, best as an SPDX expression.")))] = "",
    source: Annotated[str, typer.Option(help=tr(N_("Where the data come from.")))] = "",
    description: Annotated[str, typer.Option(help=tr(N_("What the rows are.")))] = "",
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Make a version."""
    with _client(project) as client:
        made = api.create(name, file, licence=licence, source=source, description=description, client=client).version
    if as_json:
        print_json(asdict(made))
        return
    say(N_("{reference}: {num_rows} rows."), reference=made.reference, num_rows=made.num_rows)


@app.command("add-traces", help=tr(N_("Add traces to a data set as its next version.")))
def add_traces(
    name: Annotated[str, typer.Argument(help=tr(N_("Name of the data set; it is made where there is none.")))],
    query: Annotated[
        str, typer.Argument(help=tr(N_("A line of the query language: its newest 1,000 traces are added.")))
    ] = "",
    trace_id: Annotated[
        list[str] | None, typer.Option("--trace", help=tr(N_("A trace by its id instead; may be repeated.")))
    ] = None,
    expected: Annotated[
        str | None,
        typer.Option(help=tr(N_("Score whose value is the expected answer, or output for the one that was given."))),
    ] = None,
    description: Annotated[str, typer.Option(help=tr(N_("What the rows are.")))] = "",
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Add traces."""
    with _client(project) as client:
        made = api.add_traces(
            name, trace_id or None, query=query, expected=expected, description=description, client=client
        ).version
    if as_json:
        print_json(asdict(made))
        return
    say(N_("{reference}: {num_rows} rows."), reference=made.reference, num_rows=made.num_rows)


@app.command(help=tr(N_("Keep a data set as a Parquet file.")))
def download(
    reference: Reference,
    file: Annotated[Path, typer.Argument(help=tr(N_("Where to keep it.")))],
    project: ProjectOption = None,
) -> None:
    """Download a version."""
    with _client(project) as client:
        api.get(reference, client=client).download(file)
    say(N_("{reference} is in {file}."), reference=reference, file=file)


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))


def _row(version: DatasetVersion) -> tuple[Any, ...]:
    return (
        version.reference,
        version.num_rows,
        len(version.columns),
        when(version.created_ns),
        version.licence or None,
        version.description or None,
    )


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    text = " ".join(str(value).split())
    return text if len(text) <= _CELL_WIDTH else f"{text[: _CELL_WIDTH - 1]}…"
