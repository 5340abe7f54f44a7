"""`/api/v1/review-queues`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.eval.model import to_json
from aiplatform.eval.reviewing.filling import Pick
from aiplatform.eval.reviewing.model import ItemFilter, Label, NewQueue, ReviewItem, ReviewQueue
from aiplatform.eval.reviewing.service import Reviews
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes

_QUEUE = "/api/v1/review-queues/{queue_id}"
_ITEM = f"{_QUEUE}/items/{{item_id}}"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class QueueBody(_Body):
    """A queue of answers that people shall judge."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    rubric: Annotated[str, Field(max_length=20_000)] = ""
    """What they shall look at."""

    labels: tuple[Label, ...] = NewQueue(name="").labels
    """What can be said, in the order of the number keys, and what each is worth."""

    score_name: Annotated[str, Field(min_length=1, max_length=100)] = "human"
    """Name of the scores that traces get of it."""

    raters_per_item: int = 1
    is_blind: bool = True
    """Whether version, model and judges' verdicts are hidden until one has judged."""


class OpenBody(_Body):
    """Whether a queue takes items and labels."""

    is_open: bool


class FillBody(_Body):
    """What to put into a queue: rows of a run, pairs of two runs, or traces."""

    run_id: str = ""
    pick: Pick = Pick.RANDOM
    """Which rows of the run."""

    scorer: str = ""
    """Whose low or failed scores."""

    against: str = ""
    """Another run on the same rows: pairs of answers are put in."""

    query: str | None = None
    """Or the newest traces that this query finds."""

    trace_ids: Annotated[tuple[str, ...], Field(max_length=500)] = ()
    """Or these traces."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100


class AssignBody(_Body):
    """Who shall judge."""

    raters: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    """`user:ann@example.com`"""

    each: Annotated[int, Field(ge=1)] = 1
    """How many people an item gets."""


class LabelBody(_Body):
    """What one thinks of an item."""

    label: Annotated[str, Field(max_length=200)]
    """Empty: one would rather not say."""

    comment: Annotated[str, Field(max_length=10_000)] = ""


def build_routes(service: Reviews) -> Routes:
    """The routes of human review."""
    routes = Routes(tags=["review"])
    _add_queue_routes(routes, service)
    _add_item_routes(routes, service)
    return routes


def queue_view(queue: ReviewQueue) -> dict[str, Any]:
    """A queue as it is answered: flat, as it was given, with what the platform knows of it."""
    view: dict[str, Any] = to_json(queue)
    return {**view.pop("queue"), **view}


def item_view(item: ReviewItem) -> dict[str, Any]:
    """An item as it is answered."""
    view: dict[str, Any] = to_json(item)
    return view


def _add_queue_routes(routes: Routes, service: Reviews) -> None:
    @routes.post("/api/v1/review-queues", permission=Permission.EVALUATIONS_WRITE, status_code=201)
    def create_queue(body: QueueBody, caller: CallerDep) -> dict[str, Any]:
        """Make a queue."""
        new = NewQueue(**{name: getattr(body, name) for name in QueueBody.model_fields})
        return queue_view(service.create(caller, new))

    @routes.get("/api/v1/review-queues", permission=Permission.EVALUATIONS_READ)
    def list_queues(caller: CallerDep) -> dict[str, Any]:
        """Queues of the project, open ones first."""
        return {"items": [queue_view(each) for each in service.list(caller)], "next": None}

    @routes.get(_QUEUE, permission=Permission.EVALUATIONS_READ)
    def get_queue(queue_id: str, caller: CallerDep) -> dict[str, Any]:
        """One queue with its progress and how far its people agree."""
        view = queue_view(service.get(caller, queue_id))
        return {**view, "progress": to_json(service.progress(caller, queue_id))}

    @routes.patch(_QUEUE, permission=Permission.EVALUATIONS_WRITE)
    def open_queue(queue_id: str, body: OpenBody, caller: CallerDep) -> dict[str, Any]:
        """Close a queue, or open it again."""
        return queue_view(service.set_open(caller, queue_id, is_open=body.is_open))

    @routes.post(f"{_QUEUE}:fill", permission=Permission.EVALUATIONS_WRITE)
    def fill_queue(queue_id: str, body: FillBody, caller: CallerDep) -> dict[str, Any]:
        """Put rows or traces into a queue; what is there already stays as it is."""
        if body.run_id:
            added = service.fill_from_run(
                caller,
                queue_id,
                body.run_id,
                pick=body.pick,
                scorer=body.scorer,
                limit=body.limit,
                against=body.against,
            )
        else:
            added = service.fill_from_traces(
                caller, queue_id, body.query or "", trace_ids=body.trace_ids, limit=body.limit
            )
        return {"added": added}

    @routes.post(f"{_QUEUE}:assign", permission=Permission.EVALUATIONS_WRITE)
    def assign_queue(queue_id: str, body: AssignBody, caller: CallerDep) -> dict[str, Any]:
        """Share the items among people, in turn."""
        return {"assigned": service.assign(caller, queue_id, body.raters, each=body.each)}


def _add_item_routes(routes: Routes, service: Reviews) -> None:
    @routes.get(f"{_QUEUE}/items", permission=Permission.EVALUATIONS_READ)
    def list_items(
        queue_id: str,
        caller: CallerDep,
        which: ItemFilter = ItemFilter.ALL,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        after: str = "",
    ) -> dict[str, Any]:
        """Items of a queue, in their order; what a blind rater may not see yet is left out."""
        page = service.items(caller, queue_id, which, limit=limit, after=after)
        return {"items": [item_view(each) for each in page.items], "next": page.next}

    @routes.get(_ITEM, permission=Permission.EVALUATIONS_READ)
    def get_item(queue_id: str, item_id: str, caller: CallerDep) -> dict[str, Any]:
        """One item, as the caller may see it."""
        return item_view(service.item(caller, queue_id, item_id))

    @routes.put(f"{_ITEM}/label", permission=Permission.SCORES_WRITE)
    def put_label(queue_id: str, item_id: str, body: LabelBody, caller: CallerDep) -> dict[str, Any]:
        """Say what one thinks of an item, in place of what one said before."""
        return item_view(service.label(caller, queue_id, item_id, body.label, comment=body.comment))

    @routes.delete(f"{_ITEM}/label", permission=Permission.SCORES_WRITE)
    def remove_label(queue_id: str, item_id: str, caller: CallerDep) -> dict[str, Any]:
        """Take back what one said of an item."""
        found = service.undo(caller, queue_id, item_id)
        return {"item": item_view(found) if found else None}
