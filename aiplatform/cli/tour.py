"""`aiplatform tour`: the whole loop on real data, in one Ray job, and the verdict at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.cells import cell_len, set_cell_size
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

import aiplatform as aip
from aiplatform.cli.console import JsonOption, console, locale, padded, print_json, say, tr
from aiplatform.client.http import Client
from aiplatform.client.polling import poll
from aiplatform.core.errors import AIPlatformError, RemoteError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.eval.model import Comparison
from aiplatform.eval.terminal import comparison_summary
from aiplatform.jobs.api import JobHandle
from aiplatform.jobs.model import JobState
from aiplatform.tour import progress as lines
from aiplatform.tour.progress import STEP_NAMES, Step
from aiplatform.tour.result import TourResult, fetch, fingerprint

ENTRYPOINT: Final = "python -m aiplatform.tour"
SETTLE_S: Final = 60.0
"""How long a job's end may take to be seen after its log has ended."""

SHOWN_CELLS: Final = 92
"""Columns of an answer's first line."""


def command(
    *,
    again: Annotated[
        bool, typer.Option("--again", help=tr(N_("Walk the steps again; what is unchanged is found, not made anew.")))
    ] = False,
    json: JsonOption = False,
) -> None:
    """Walk the whole loop on real data, from the data sets to the deployed assistant, and show the verdict."""
    client = Client()
    result = None if again else fetch(client)
    if result is None:
        _walk(client, is_quiet=json)
        result = _required(fetch(client))
    elif not json:
        say(N_("The tour was finished before; this is what it came to."))
    if json:
        print_json(_as_json(result, client))
    else:
        _show(result, client)


def _walk(client: Client, *, is_quiet: bool) -> None:
    """Submit the job, or join one that runs, and follow it to its end."""
    job = _running(client) or aip.jobs.submit(
        ENTRYPOINT,
        name="tour",
        metadata={"tour": fingerprint()},
        submission_id=new_id("tour"),
        client=client,
    )
    printed = list(_followed(job, is_quiet=is_quiet))
    ended = _ended(job)
    if ended.state is not JobState.SUCCEEDED:
        told = [line.removeprefix(lines.ERROR_MARK) for line in printed if line.startswith(lines.ERROR_MARK)]
        raise RemoteError(
            N_("The tour's job {job_id!r} ended as {state}: {problem}"),
            hint=N_("`aiplatform jobs logs {job_id}` shows all that it printed; the next tour goes on from there."),
            reason="tour.failed",
            job_id=job.job_id,
            state=str(ended.state),
            problem=told[-1] if told else ended.job.message,
        )


def _running(client: Client) -> JobHandle | None:
    for job in aip.jobs.list(client=client):
        if job.job.metadata.get("tour") == fingerprint() and not job.state.is_final:
            return job
    return None


def _followed(job: JobHandle, *, is_quiet: bool) -> Iterator[str]:
    """Show progress as it comes; yields the lines that are no progress."""
    pieces = _lines(job.logs(follow=True))
    if is_quiet:
        yield from (line for line in pieces if lines.parse(line) is None)
    elif console().is_terminal:
        yield from _bars(pieces)
    else:
        yield from _plain(pieces)


def _plain(pieces: Iterable[str]) -> Iterator[str]:
    for line in pieces:
        told = lines.parse(line)
        if told is None:
            yield line
        else:
            name = tr(STEP_NAMES[told.step])
            console().print(f"{told.elapsed_s:6.1f} s  {name}  {told.done:,}/{told.total:,}  {told.text}", markup=False)


def _bars(pieces: Iterable[str]) -> Iterator[str]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}", justify="right"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=console()) as shown:
        bars: dict[Step, TaskID] = {}
        for line in pieces:
            told = lines.parse(line)
            if told is None:
                yield line
                continue
            if told.step not in bars:
                bars[told.step] = shown.add_task(tr(STEP_NAMES[told.step]), total=told.total, text="")
            shown.update(bars[told.step], completed=told.done, total=told.total, text=told.text)


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Whole lines out of a stream of pieces."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        yield from whole
    if rest:
        yield rest


def _ended(job: JobHandle) -> JobHandle:
    """The job once it has ended; a log may end a little before."""
    return poll(job.refresh, until=lambda seen: seen.state.is_final, every_s=0.5, timeout_s=SETTLE_S)


def _required(result: TourResult | None) -> TourResult:
    if result is None:
        raise RemoteError(
            N_("The tour's job ended without a result."),
            hint=N_("Is another version of aiplatform installed where jobs run?"),
            reason="tour.no_result",
        )
    return result


def _show(result: TourResult, client: Client) -> None:
    comparison = aip.evaluations.comparison(result.comparison_id, client=client).comparison
    out = console()
    out.print()
    out.print(comparison_summary(comparison, locale()))
    out.print()
    say(N_("Answers are quotations: extractive, no LLM. Set OPENAI_BASE_URL before `aiplatform up` to swap one in."))
    for asked in result.asked:
        first = asked.answer.strip().splitlines()[0] if asked.answer.strip() else "—"
        out.print(f"  ? {asked.question}\n    {_cut(first, SHOWN_CELLS)}", markup=False, style="dim")
    out.print()
    say(N_("Each step alone:"))
    steps = _commands(result, comparison)
    names = max(cell_len(tr(STEP_NAMES[step])) for step, _ in steps)
    for step, text in steps:
        out.print(f"  {padded(tr(STEP_NAMES[step]), names)}  {text}", markup=False)
    out.print()
    out.print(_page(result, client), markup=False)


def _cut(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else f"{set_cell_size(text, cells - 1).rstrip()}…"


def _commands(result: TourResult, comparison: Comparison) -> list[tuple[Step, str]]:
    compared = " ".join(version.run_id for version in comparison.versions)
    return [
        (Step.DATA, "aiplatform datasets list"),
        (Step.TRAIN, f"aiplatform training get tour-{result.fingerprint}-adapter"),
        (Step.REGISTER, "aiplatform models versions docs-assistant"),
        (Step.EVALUATE, f"aiplatform evaluations get {result.runs[result.champion]}"),
        (Step.COMPARE, f"aiplatform evaluations compare {compared} --on hit@1"),
        (Step.DEPLOY, "aiplatform deployments get docs-assistant"),
        (Step.ASK, f"aiplatform traces get {result.asked[0].trace_id}"),
    ]


def _page(result: TourResult, client: Client) -> str:
    """The comparison's page, with a one-time code that signs a browser in."""
    page = client.credentials.page_path(f"/comparisons/{result.comparison_id}")
    try:
        code = client.post("/api/v1/me:sign-in-code")["path"]
    except AIPlatformError:
        return f"{client.credentials.url}{page}"
    return f"{client.credentials.url}{code}&next={quote(page)}"


def _as_json(result: TourResult, client: Client) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415 - for this form alone

    return {**asdict(result), "url": _page(result, client)}
