"""`aiplatform reviews`: list, get, create, fill, assign, export, close."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any, Final

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.eval.reviewing import api
from aiplatform.eval.reviewing.filling import Pick

app = typer.Typer(no_args_is_help=True)

QueueId = Annotated[str, typer.Argument(help=tr(N_("Id of a review queue.")))]
_EXPORTED: Final = ("item_id", "row_id", "trace_id", "rater", "label", "value", "comment")


@app.command("list", help=tr(N_("Review queues of the project, open ones first.")))
def list_queues(as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print queues."""
    found = api.list(client=_client(project))
    if as_json:
        print_json([*found])
        return
    rows = [(one["queue_id"], one["name"], tr(N_("open")) if one["is_open"] else tr(N_("closed"))) for one in found]
    print_table([N_("id"), N_("name"), N_("state")], rows)


@app.command(help=tr(N_("One queue with its progress and how far its people agree.")))
def get(queue_id: QueueId, project: ProjectOption = None) -> None:
    """Print one queue."""
    print_json(api.get(queue_id, client=_client(project)))


@app.command(help=tr(N_("Make a queue of answers that people shall judge.")))
def create(
    name: Annotated[str, typer.Argument(help=tr(N_("What people call it.")))],
    rubric: Annotated[str, typer.Option(help=tr(N_("What they shall look at.")))] = "",
    label: Annotated[
        list[str] | None, typer.Option(help=tr(N_("What can be said, `pass=1`; in the order of the number keys.")))
    ] = None,
    raters: Annotated[int, typer.Option(min=1, help=tr(N_("How many people judge an item.")))] = 1,
    shown: Annotated[bool, typer.Option("--shown", help=tr(N_("Show versions and judges' verdicts.")))] = False,
    project: ProjectOption = None,
) -> None:
    """Make a queue."""
    made = api.create(
        name,
        rubric=rubric,
        labels=dict(_label(each) for each in label) if label else None,
        raters_per_item=raters,
        is_blind=not shown,
        client=_client(project),
    )
    say(N_("Made the review queue {queue_id}."), queue_id=made["queue_id"])


@app.command(help=tr(N_("Put rows of a run, pairs of two runs, or traces into a queue.")))
def fill(
    queue_id: QueueId,
    run: Annotated[str, typer.Option(help=tr(N_("Id of a run whose answers are judged.")))] = "",
    against: Annotated[str, typer.Option(help=tr(N_("Another run: pairs of answers are judged.")))] = "",
    pick: Annotated[Pick, typer.Option(help=tr(N_("Which rows.")))] = Pick.RANDOM,
    scorer: Annotated[str, typer.Option(help=tr(N_("Whose low or failed scores.")))] = "",
    query: Annotated[str | None, typer.Option(help=tr(N_("Or the newest traces that this query finds.")))] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help=tr(N_("How many at most.")))] = 100,
    project: ProjectOption = None,
) -> None:
    """Fill a queue."""
    added = api.fill(
        queue_id,
        run=run or None,
        against=against or None,
        pick=pick,
        scorer=scorer,
        query=query,
        limit=limit,
        client=_client(project),
    )
    say(N_("{added} items are new."), added=added)


@app.command(help=tr(N_("Share a queue's items among people, in turn.")))
def assign(
    queue_id: QueueId,
    raters: Annotated[list[str], typer.Argument(help=tr(N_("People, as user:ann@example.com.")))],
    each: Annotated[int, typer.Option(min=1, help=tr(N_("How many people an item gets.")))] = 1,
    project: ProjectOption = None,
) -> None:
    """Assign items."""
    done = api.assign(queue_id, raters, each=each, client=_client(project))
    say(N_("{done} items were given to {people}."), done=done, people=", ".join(raters))


@app.command(help=tr(N_("What people said, one line a verdict, as CSV.")))
def export(queue_id: QueueId, project: ProjectOption = None) -> None:
    """Write labels to standard output."""
    writer = csv.writer(sys.stdout)
    writer.writerow(_EXPORTED)
    for item in api.items(queue_id, client=_client(project)):
        for label in item["labels"]:
            writer.writerow([_cell(item, label, name) for name in _EXPORTED])


@app.command(help=tr(N_("Close a queue: it takes no items and no labels any more.")))
def close(queue_id: QueueId, project: ProjectOption = None) -> None:
    """Close a queue."""
    api.close(queue_id, client=_client(project))
    say(N_("The review queue {queue_id} is closed."), queue_id=queue_id)


def _label(written: str) -> tuple[str, float | None]:
    name, equals, value = written.partition("=")
    return name, float(value) if equals else None


def _cell(item: dict[str, Any], label: dict[str, Any], name: str) -> Any:
    if name in label:
        return label[name]
    return item["subject"].get(name, item.get(name, ""))


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))
