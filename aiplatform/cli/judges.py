"""`aiplatform judges`: list, get, calibrate, calibrations."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from aiplatform.cli.console import JsonOption, ProjectOption, console, locale, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.eval.judging import api, sentences
from aiplatform.eval.judging.model import Calibration, JudgeSummary
from aiplatform.eval.model import to_json

app = typer.Typer(no_args_is_help=True)

SHORT = 12


@app.command("list", help=tr(N_("Judges that the project has used, the latest used first.")))
def list_judges(as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print judges with their latest calibration."""
    client = _client(project)
    if as_json:
        print_json(client.get("/api/v1/judges"))
        return
    found = api.list(client=client)
    if not found:
        say(N_("No run of this project was judged by a model yet."))
        return
    heads = [N_("judge"), N_("name"), N_("model"), N_("runs"), N_("calibrations"), "κ", N_("last used")]
    print_table(heads, [_cells(each) for each in found], right=[3, 4])


@app.command(help=tr(N_("One judge with its latest calibration.")))
def get(
    identity: Annotated[str, typer.Argument(help=tr(N_("Identity of a judge, or its beginning.")))],
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print one judge."""
    found = api.get(identity, client=_client(project))
    if as_json:
        print_json(to_json(found))
        return
    console().print(Text(f"{found.scorer}  {found.identity}", style="bold"))
    for name, value in found.judge.items():
        console().print(f"  {name}: {value}", markup=False, highlight=False)
    if found.latest is None:
        say(N_("It was never compared with people: `aiplatform judges calibrate` does."))
    else:
        _print(found.latest)


@app.command(help=tr(N_("Compare a judge with people, and keep the result.")))
def calibrate(
    run_id: Annotated[str, typer.Argument(help=tr(N_("Id of the run whose scores are the judge's verdicts.")))],
    labels: Annotated[
        Path | None, typer.Option(help=tr(N_("What people say: CSV with row_id and label, or a JSON object.")))
    ] = None,
    queue: Annotated[str, typer.Option(help=tr(N_("Or the id of a review queue.")))] = "",
    scorer: Annotated[str, typer.Option(help=tr(N_("Name of the scores; by default the run's only judge.")))] = "",
    repeat: Annotated[
        list[str] | None, typer.Option(help=tr(N_("Another run of the same judge on the same answers.")))
    ] = None,
    threshold: Annotated[float | None, typer.Option(help=tr(N_("From which value on a verdict passes.")))] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Calibrate, print what it says."""
    found = api.calibrate(
        run_id,
        scorer=scorer,
        people=read_labels(labels) if labels is not None else None,
        queue=queue,
        repeats=repeat or (),
        threshold=threshold,
        client=_client(project),
    )
    if as_json:
        print_json(to_json(found.calibration))
    else:
        _print(found.calibration)


@app.command(help=tr(N_("Calibrations of the project, or of one judge, newest first.")))
def calibrations(
    identity: Annotated[str | None, typer.Argument(help=tr(N_("Identity of a judge, or its beginning.")))] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print calibrations."""
    client = _client(project)
    whole = api.get(identity, client=client).identity if identity else None
    if as_json:
        print_json(client.get("/api/v1/calibrations", judge=whole))
        return
    heads = [N_("id"), N_("name"), "κ", "α", "n", N_("data"), N_("when")]
    rows = [
        (
            one.calibration_id,
            one.calibration.scorer,
            sentences.number(one.calibration.kappa),
            sentences.number(one.calibration.alpha),
            str(one.calibration.n),
            one.calibration.data.label,
            when(one.calibration.created_ns) or "—",
        )
        for one in api.calibrations(whole, client=client)
    ]
    print_table(heads, rows, right=[4])


def read_labels(path: Path) -> dict[str, list[Any]]:
    """What people say, by row id: of a CSV file every line is one person's verdict.

    Raises:
        ConfigError: The file cannot be read, or has no such columns.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            return {str(item): said if isinstance(said, list) else [said] for item, said in json.loads(text).items()}
        found: dict[str, list[Any]] = {}
        for line in csv.DictReader(text.splitlines()):
            found.setdefault(line["row_id"], []).append(line["label"])
    except (OSError, UnicodeDecodeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(
            N_("People's verdicts cannot be read from {path!r}: {problem}."),
            hint=N_("Write a CSV file with the columns row_id and label, or a JSON object of verdicts by row id."),
            reason="judge.labels_unreadable",
            path=str(path),
            problem=str(error) or type(error).__name__,
        ) from None
    return found


def _cells(judge: JudgeSummary) -> tuple[str, ...]:
    return (
        judge.identity[:SHORT],
        judge.scorer,
        str(judge.judge.get("model", "")),
        str(judge.runs),
        str(judge.calibrations),
        sentences.number(judge.latest.kappa) if judge.latest else "—",
        when(judge.last_used_ns) or "—",
    )


def _print(calibration: Calibration) -> None:
    console().print(Text(sentences.headline(calibration).localized(locale()), style="bold"))
    for sentence in sentences.details(calibration):
        console().print(sentence.localized(locale()), markup=False, highlight=False)


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))
