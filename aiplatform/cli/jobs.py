"""`aiplatform jobs`: submit, list, get, logs, cancel."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from aiplatform.cli.console import ExitCode, JsonOption, ProjectOption, console, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.jobs import api
from aiplatform.jobs.model import STATE_NAMES, Job, JobState, Resources

app = typer.Typer(no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help=tr(N_("Id of a job.")))]


@app.command(help=tr(N_("Start a command on the tenant's Ray cluster, acting as you.")))
def submit(
    entrypoint: Annotated[list[str], typer.Argument(help=tr(N_("The command, after `--`.")))],
    name: Annotated[str, typer.Option(help=tr(N_("What people call it.")))] = "job",
    working_dir: Annotated[
        Path | None, typer.Option(help=tr(N_("Folder whose files the command finds.")), exists=True, file_okay=False)
    ] = None,
    submission_id: Annotated[
        str | None, typer.Option(help=tr(N_("Your own id: submitting it again starts nothing new.")))
    ] = None,
    num_cpus: Annotated[float, typer.Option(min=0, help=tr(N_("CPUs of the driver itself.")))] = 0.0,
    num_gpus: Annotated[float, typer.Option(min=0, help=tr(N_("GPUs of the driver itself.")))] = 0.0,
    wait: Annotated[bool, typer.Option(help=tr(N_("Show what it prints, and wait until it ends.")))] = True,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Submit a job."""
    with _client(project) as client:
        job = api.submit(
            api.command(entrypoint),
            name=name,
            working_dir=working_dir,
            submission_id=submission_id,
            resources=Resources(num_cpus=num_cpus, num_gpus=num_gpus),
            client=client,
        )
        if as_json:
            print_json(asdict(job.job))
            return
        say(N_("Job {job_id} is submitted."), job_id=job.job_id)
        if wait:
            follow(job)


@app.command("list", help=tr(N_("Jobs of the project, the newest first.")))
def list_jobs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help=tr(N_("How many at most.")))] = 20,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """List jobs."""
    with _client(project) as client:
        jobs = [handle.job for handle in api.list(limit=limit, client=client)]
    if as_json:
        print_json([asdict(job) for job in jobs])
        return
    if not jobs:
        say(N_("No job has been submitted in this project yet."))
        return
    heads = [N_("job"), N_("name"), N_("state"), N_("submitted"), N_("by")]
    print_table(heads, [_row(job) for job in jobs])


@app.command(help=tr(N_("One job.")))
def get(job_id: JobId, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print one job."""
    with _client(project) as client:
        job = api.get(job_id, client=client).job
    if as_json:
        print_json(asdict(job))
        return
    facts = [
        (N_("name"), job.name),
        (N_("state"), tr(STATE_NAMES[job.state])),
        (N_("command"), job.entrypoint),
        (N_("by"), job.submitted_by),
        (N_("submitted"), when(job.created_ns)),
        (N_("ended"), when(job.ended_ns)),
        (N_("message"), job.message or None),
    ]
    print_table([N_("job"), job.job_id], [(tr(label), value) for label, value in facts])


@app.command(help=tr(N_("What a job printed.")))
def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help=tr(N_("Go on until it ends.")))] = False,
    project: ProjectOption = None,
) -> None:
    """Print a job's log."""
    with _client(project) as client:
        for piece in api.logs(job_id, follow=follow, client=client):
            sys.stdout.write(piece)
            sys.stdout.flush()


@app.command(help=tr(N_("Stop a job.")))
def cancel(job_id: JobId, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Stop a job."""
    with _client(project) as client:
        job = api.cancel(job_id, client=client).job
    if as_json:
        print_json(asdict(job))
        return
    say(N_("Job {job_id}: {state}."), job_id=job.job_id, state=tr(STATE_NAMES[job.state]))


def follow(job: api.JobHandle) -> None:
    """Print what a job prints until it ends; exit with failure where it failed."""
    for piece in job.logs(follow=True):
        sys.stdout.write(piece)
        sys.stdout.flush()
    ended = job.refresh()
    console().print(f"{ended.job_id}: {tr(STATE_NAMES[ended.state])}", markup=False)
    if ended.state is not JobState.SUCCEEDED:
        raise typer.Exit(ExitCode.FAILED)


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))


def _row(job: Job) -> tuple[str | None, ...]:
    return job.job_id, job.name, tr(STATE_NAMES[job.state]), when(job.created_ns), job.submitted_by
