"""`aiplatform evaluations`: list, get, run, cancel, rows, compare, comparisons, comparison, gate, schema, import."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from aiplatform.cli.console import (
    ExitCode,
    JsonOption,
    ProjectOption,
    console,
    error_console,
    locale,
    print_json,
    print_table,
    say,
    tr,
)
from aiplatform.cli.evaluation_reports import add_report_commands
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import ConfigError, RemoteError
from aiplatform.core.i18n import N_
from aiplatform.eval import api, shown
from aiplatform.eval.model import (
    CHANGE_NAMES,
    RUN_STATUS_NAMES,
    STATE_NAMES,
    Change,
    Correction,
    EvaluationRun,
    GateResult,
    Outcome,
    RowResult,
    RunStatus,
    from_json,
    to_json,
)
from aiplatform.eval.spec import load_spec, spec_schema
from aiplatform.eval.terminal import comparison_view, gate_view, run_view

app = typer.Typer(no_args_is_help=True)
add_report_commands(app)

POLL_S: Final = 1.0

RunId = Annotated[str, typer.Argument(help=tr(N_("Id of an evaluation run.")))]
GateOption = Annotated[
    str, typer.Option(help=tr(N_('Conditions, such as: hit@1 >= 0.5 and not worse_than(baseline, "hit@1", 0.01)')))
]
LimitOption = Annotated[int, typer.Option(min=1, max=200, help=tr(N_("How many.")))]


@app.command("list", help=tr(N_("Evaluation runs of the project, newest first.")))
def list_runs(
    data: Annotated[str | None, typer.Option(help=tr(N_("Only those on this data, python-faq@3.")))] = None,
    status: Annotated[RunStatus | None, typer.Option(help=tr(N_("Only those in this state.")))] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print runs with their primary metric."""
    client = _client(project)
    if as_json:
        wanted = str(status) if status else None
        print_json(client.get("/api/v1/evaluations", data=data, status=wanted, limit=limit))
        return
    heads = [N_("id"), N_("name"), N_("version"), N_("data"), N_("rows"), N_("state"), N_("metric"), N_("started")]
    found = api.list(data=data, status=status, limit=limit, client=client)
    print_table(heads, [_run_cells(one.run) for one in found], right=[4])


@app.command(help=tr(N_("One evaluation run with its metrics.")))
def get(
    run_id: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help=tr(N_("Show its progress until it ends.")))] = False,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print one run."""
    client = _client(project)
    found = _followed(client, run_id) if follow else api.get(run_id, client=client).run
    if as_json:
        print_json(to_json(found))
    else:
        console().print(run_view(found, locale()))
    if follow and found.status is not RunStatus.COMPLETED:
        raise typer.Exit(ExitCode.FAILED)


@app.command(help=tr(N_("Evaluate as a specification says, here or as a job of the platform.")))
def run(
    spec: Annotated[Path, typer.Argument(help=tr(N_("Evaluation specification, a YAML file.")))],
    submit: Annotated[
        bool, typer.Option("--submit", help=tr(N_("Let the platform run it as a job, and follow it.")))
    ] = False,
    working_dir: Annotated[Path, typer.Option(help=tr(N_("Folder with the code and data that a job needs.")))] = Path(),
    follow: Annotated[bool, typer.Option(help=tr(N_("With --submit: show its progress until it ends.")))] = True,
    gate: GateOption = "",
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Run a specification, print the run, check its gate."""
    client = _client(project)
    done = _submitted(spec, working_dir, client, follow=follow) if submit else _here(spec, client)
    result = api.get(done.run_id, client=client).check(gate) if gate and done.status is RunStatus.COMPLETED else None
    if as_json:
        print_json({**to_json(done), **({"gate": to_json(result)} if result else {})})
    else:
        console().print(run_view(done, locale()))
        if result is not None:
            console().print(gate_view(result, locale()))
    if done.status is not RunStatus.COMPLETED and (follow or not submit):
        raise typer.Exit(ExitCode.FAILED)
    if result is not None:
        _exit_by([result])


@app.command(help=tr(N_("Stop an evaluation run.")))
def cancel(run_id: RunId, project: ProjectOption = None) -> None:
    """Cancel a run."""
    found = api.cancel(run_id, client=_client(project))
    say(N_("{run_id} is {status}."), run_id=run_id, status=tr(RUN_STATUS_NAMES[found.status]))


@app.command(help=tr(N_("Let a run go on that ended without its result; nothing is paid for twice.")))
def resume(
    run_id: RunId,
    submit: Annotated[bool, typer.Option("--submit", help=tr(N_("Let the platform run it as a job.")))] = False,
    max_calls: Annotated[int | None, typer.Option(min=1, help=tr(N_("Stop before more calls than this.")))] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, help=tr(N_("Stop before more money than this.")))] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Resume a run, here or as a job, print it."""
    client = _client(project)
    if submit:
        body = {"start": True, "max_calls": max_calls, "max_cost": max_cost}
        client.post(f"/api/v1/evaluations/{run_id}:resume", body)
        done = _followed(client, run_id)
    else:
        done = api.resume(run_id, max_calls=max_calls, max_cost=max_cost, client=client).run
    if as_json:
        print_json(to_json(done))
    else:
        console().print(run_view(done, locale()))
    if done.status is not RunStatus.COMPLETED:
        raise typer.Exit(ExitCode.FAILED)


@app.command(help=tr(N_("Row results of a run.")))
def rows(
    run_id: RunId,
    in_slice: Annotated[str | None, typer.Option("--slice", help=tr(N_("Only rows of column=value.")))] = None,
    metric: Annotated[str | None, typer.Option(help=tr(N_("With --state: the score to look at.")))] = None,
    state: Annotated[str | None, typer.Option(help=tr(N_("scored, failed or not_applicable.")))] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print rows with their scores."""
    handle = api.get(run_id, client=_client(project))
    found = [*itertools.islice(handle.rows(in_slice=in_slice, metric=metric, state=state), limit)]
    if as_json:
        print_json([to_json(row) for row in found])
        return
    names = [score.name for score in found[0].scores] if found else []
    heads = [N_("row"), N_("input"), N_("output"), *names, N_("latency"), N_("trace")]
    print_table(heads, [_row_cells(row) for row in found])


@app.command(help=tr(N_("Compare runs with a baseline, row by row. Ends with 3 where a gate is not passed.")))
def compare(
    baseline: Annotated[str, typer.Argument(help=tr(N_("Run to compare with: its id, or the name of the newest.")))],
    candidates: Annotated[list[str], typer.Argument(help=tr(N_("Runs to compare, ids or names.")))],
    on: Annotated[str, typer.Option(help=tr(N_("Primary metric; by default the baseline's own.")))] = "",
    metric: Annotated[list[str] | None, typer.Option(help=tr(N_("A further metric; may be repeated.")))] = None,
    gate: GateOption = "",
    cluster: Annotated[str, typer.Option(help=tr(N_("Column whose equal values depend on each other.")))] = "",
    test: Annotated[str, typer.Option(help=tr(N_("For metrics that are no proportion: bootstrap, wilcoxon, t.")))] = (
        "bootstrap"
    ),
    correction: Annotated[Correction, typer.Option(help=tr(N_("Of p over versions times metrics.")))] = Correction.HOLM,
    seed: Annotated[int, typer.Option(help=tr(N_("Of the bootstrap.")))] = 0,
    force: Annotated[bool, typer.Option("--force", help=tr(N_("Compare runs on different rows or scorers.")))] = False,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print the verdict, a table a metric, gates; keep the comparison."""
    client = _client(project)
    found = api.compare(
        _run_id(baseline, client),
        *(_run_id(each, client) for each in candidates),
        on=on,
        metrics=metric or (),
        gate=gate,
        client=client,
        cluster=cluster,
        test=test,
        correction=correction,
        seed=seed,
        force=force,
    )
    _show_comparison(found, as_json=as_json)


@app.command(help=tr(N_("Comparisons of the project, newest first.")))
def comparisons(limit: LimitOption = 50, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print comparisons with their verdict."""
    client = _client(project)
    if as_json:
        print_json(client.get("/api/v1/comparisons", limit=limit))
        return
    found = [one.comparison for one in api.comparisons(limit=limit, client=client)]
    heads = [N_("id"), N_("data"), N_("metric"), N_("verdict"), N_("made")]
    rows_of_table = [
        (one.comparison_id, one.data.label, one.primary.name, one.verdict.headline_text(locale()), when(one.created_ns))
        for one in found
    ]
    print_table(heads, rows_of_table)


@app.command(help=tr(N_("One comparison, or the rows that it changed.")))
def comparison(
    comparison_id: Annotated[str, typer.Argument(help=tr(N_("Id of a comparison.")))],
    change: Annotated[Change | None, typer.Option(help=tr(N_("Print the rows that changed so.")))] = None,
    candidate: Annotated[str | None, typer.Option(help=tr(N_("Run whose rows; by default the first.")))] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print a comparison that was made before, or rows side by side."""
    found = api.comparison(comparison_id, client=_client(project))
    if change is None:
        _show_comparison(found, as_json=as_json)
        return
    changed = [*itertools.islice(found.rows(change=change, candidate=candidate), limit)]
    if as_json:
        print_json([to_json(row) for row in changed])
        return
    heads = [N_("row"), N_("change"), N_("input"), N_("baseline"), N_("candidate"), N_("trace")]
    cells = [
        (
            row.row_id,
            tr(CHANGE_NAMES[row.change]),
            _short(row.input),
            f"{shown.number(row.baseline.value)}  {_short(row.baseline.output)}",
            f"{shown.number(row.candidate.value)}  {_short(row.candidate.output)}",
            row.candidate.trace_id,
        )
        for row in changed
    ]
    print_table(heads, cells)


@app.command(help=tr(N_("Check a gate on a run. Ends with 3 where it is not passed.")))
def gate(
    run_id: Annotated[str, typer.Argument(help=tr(N_("A run: its id, or the name of the newest.")))],
    gate: GateOption,
    baseline: Annotated[str | None, typer.Option(help=tr(N_("Run to compare with, id or name.")))] = None,
    junit: Annotated[Path | None, typer.Option(help=tr(N_("Also write JUnit XML to this file.")))] = None,
    markdown: Annotated[Path | None, typer.Option(help=tr(N_("Also write Markdown to this file.")))] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print every condition with what was found."""
    client = _client(project)
    compared = _run_id(baseline, client) if baseline is not None else None
    found = api.get(_run_id(run_id, client), client=client)
    result = found.check(gate, baseline=compared)
    _write_summaries(found.run, result, junit, markdown)
    if as_json:
        print_json(to_json(result))
    else:
        console().print(gate_view(result, locale()))
    _exit_by([result])


@app.command(help=tr(N_("The JSON schema of evaluation specifications, for editors.")))
def schema() -> None:
    """Print the schema."""
    print_json(spec_schema())


@app.command("import", help=tr(N_("Make a specification of a promptfoo configuration or an eval of openai/evals.")))
def import_foreign(
    source: Annotated[Path, typer.Argument(help=tr(N_("promptfooconfig.yaml, or a registry file of openai/evals.")))],
    to: Annotated[Path, typer.Option("--to", help=tr(N_("Folder that gets the specification and its data.")))] = Path(),
    name: Annotated[str | None, typer.Option(help=tr(N_("Of openai/evals: which eval of the file.")))] = None,
    strict: Annotated[bool, typer.Option("--strict", help=tr(N_("Fail where anything is left.")))] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the specification, list what could not be taken over."""
    from aiplatform.eval.importing import import_file  # noqa: PLC0415 - only this command needs it

    found = import_file(source, name=name)
    written = found.write(to)
    if as_json:
        print_json({"files": [str(path) for path in written], "notes": [to_json(note) for note in found.notes]})
    else:
        for path in written:
            say(N_("Wrote {path}."), path=path)
        if found.notes:
            say(N_("Not taken over:"))
            for note in found.notes:
                console().print(Text(f"  {note.where}: {tr(note.text, **note.fields)}"))
    if strict and found.notes:
        raise typer.Exit(ExitCode.FAILED)


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))


def _run_id(name: str, client: Client) -> str:
    """A run's id as it is; a name is that of the newest completed run called so."""
    return name if name.startswith("eval-") else api.find(name, client=client).run_id


def _here(spec: Path, client: Client) -> EvaluationRun:
    try:
        from aiplatform.eval.driver import carry_out  # noqa: PLC0415 - needs Ray, which only this command does
        from aiplatform.eval.ordering import order_of  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise ConfigError(
            N_("Evaluating here needs the package {module!r}."),
            hint=N_('Install it with `pip install "aiplatform[platform]"`, or let the platform do it: --submit.'),
            reason="evaluation.extra",
            module=error.name,
        ) from None
    return carry_out(order_of(load_spec(spec)), client, say=lambda line: error_console().print(Text(line)))


def _submitted(spec: Path, working_dir: Path, client: Client, *, follow: bool) -> EvaluationRun:
    from aiplatform.jobs.api import upload_folder  # noqa: PLC0415 - only this command needs it

    document = load_spec(spec).model_copy(update={"working_dir": upload_folder(working_dir, client=client)})
    body: dict[str, Any] = {
        "name": document.name,
        "label": document.label,
        "spec": document.model_dump(mode="json"),
        "start": True,
    }
    seen = from_json(EvaluationRun, client.post("/api/v1/evaluations", body))
    error_console().print(Text(tr(N_("{run_id} was submitted as a job."), run_id=seen.run_id)))
    return _followed(client, seen.run_id) if follow else seen


def _followed(client: Client, run_id: str) -> EvaluationRun:
    """The run as it ended; what changes meanwhile goes to standard error, a line each time."""
    clock, told = SystemClock(), ""
    seen = api.get(run_id, client=client).run
    while not seen.status.is_final:
        clock.sleep(POLL_S)
        seen = api.get(run_id, client=client).run
        total = "—" if seen.total_rows is None else f"{seen.total_rows:,}"
        line = f"{tr(RUN_STATUS_NAMES[seen.status])}  {seen.done_rows:,} / {total}"
        if line != told:
            told = line
            error_console().print(Text(line))
    if seen.status is RunStatus.FAILED:
        raise RemoteError(
            N_("Evaluation run {run_id!r} failed: {problem}"),
            hint=N_("`aiplatform jobs logs {run_id}` shows what it printed."),
            reason="evaluation.failed",
            run_id=seen.run_id,
            problem=seen.error,
        )
    return seen


def _show_comparison(found: api.ComparisonHandle, *, as_json: bool) -> None:
    if as_json:
        print_json(to_json(found.comparison))
    else:
        console().print(comparison_view(found.comparison, locale()))
        console().print(Text(found.url, style="dim"))
    _exit_by(found.comparison.gates)


def _write_summaries(run: EvaluationRun, result: GateResult, junit: Path | None, markdown: Path | None) -> None:
    """What a CI system shows: written whether the gate is passed or not."""
    if junit is not None:
        from aiplatform.eval.reporting.junit import junit as as_junit  # noqa: PLC0415 - only where it is asked for

        junit.write_text(as_junit([result], locale=locale()), encoding="utf-8")
    if markdown is not None:
        from aiplatform.eval.reporting.markdown import run_markdown  # noqa: PLC0415 - likewise

        markdown.write_text(run_markdown(run, [result], locale=locale()), encoding="utf-8")


def _exit_by(gates: tuple[GateResult, ...] | list[GateResult]) -> None:
    if any(gate.outcome is not Outcome.PASS for gate in gates):
        raise typer.Exit(ExitCode.GATE_NOT_PASSED)


def _run_cells(run: EvaluationRun) -> tuple[str | None, ...]:
    primary = run.primary_metric
    return (
        run.run_id,
        run.name,
        run.label or None,
        run.data.label,
        f"{run.done_rows:,}",
        tr(RUN_STATUS_NAMES[run.status]),
        f"{primary.name} {shown.metric(primary)}" if primary else None,
        when(run.started_ns),
    )


def _row_cells(row: RowResult) -> tuple[str | None, ...]:
    scores = (
        shown.number(score.value) if score.value is not None else tr(STATE_NAMES[score.state]) for score in row.scores
    )
    latency = shown.latency(row.latency_ms)
    return (row.row_id, _short(row.input), row.error or _short(row.output), *scores, latency, row.trace_id or None)


def _short(value: Any, characters: int = 60) -> str:
    text = value.get("answer", value) if isinstance(value, dict) else value
    line = " ".join(str("—" if text is None else text).split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
