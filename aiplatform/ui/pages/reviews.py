"""Review queues, and the page on which people judge one item after another."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.core.i18n import N_
from aiplatform.eval.judging import sentences
from aiplatform.eval.judging.material import text_of
from aiplatform.eval.reviewing.model import KIND_NAMES, ItemFilter, ItemKind, ReviewItem
from aiplatform.eval.reviewing.service import shown_answers
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.scoring import author_of
from aiplatform.ui.site import BASE, Site, Visit

SHOWN_ITEMS: Final = 50
FILTER_NAMES: Final = {
    ItemFilter.ALL: N_("all"),
    ItemFilter.MINE: N_("yours to judge"),
    ItemFilter.DONE: N_("done"),
    ItemFilter.CONFLICT: N_("people differ"),
}


def add_reviews(routes: Routes, site: Site) -> None:
    """The list of queues, the page of one queue, and what its form sends."""

    @routes.get(f"{BASE}/reviews", permission=Permission.EVALUATIONS_READ)
    def reviews(request: Request) -> Response:
        visit = site.visit(request, "reviews")
        queues = site.services.reviews.list(visit.caller)
        found = [(queue, site.services.reviews.progress(visit.caller, queue.queue_id)) for queue in queues]
        ways = visit.ways(visit.address(), "aiplatform reviews list", "aip.reviews.list()")
        return visit.page("pages/reviews.html", {"queues": found, "number": sentences.number, "ways": ways})

    @routes.get(f"{BASE}/reviews/{{queue_id}}", permission=Permission.EVALUATIONS_READ)
    def review(request: Request, queue_id: str) -> Response:
        visit = site.visit(request, "reviews")
        return visit.page("pages/review.html", _review_view(site, visit, queue_id))

    @routes.post(f"{BASE}/reviews/{{queue_id}}/label", permission=Permission.SCORES_WRITE)
    def give(
        request: Request,
        queue_id: str,
        item: Annotated[str, Form(max_length=64)],
        label: Annotated[str, Form(max_length=200)] = "",
        comment: Annotated[str, Form(max_length=10_000)] = "",
    ) -> Response:
        """Keep what somebody says of an item, and go on to the next."""
        visit = site.visit(request, "reviews")
        site.services.reviews.label(visit.caller, queue_id, item, label, comment=comment)
        return RedirectResponse(f"{visit.base}/reviews/{queue_id}", HTTP_303_SEE_OTHER)

    @routes.post(f"{BASE}/reviews/{{queue_id}}/undo", permission=Permission.SCORES_WRITE)
    def undo(request: Request, queue_id: str) -> Response:
        """Take back what somebody said last, and show it again."""
        visit = site.visit(request, "reviews")
        found = site.services.reviews.undo(visit.caller, queue_id)
        tail = f"?item={found.item_id}" if found else ""
        return RedirectResponse(f"{visit.base}/reviews/{queue_id}{tail}", HTTP_303_SEE_OTHER)


def _review_view(site: Site, visit: Visit, queue_id: str) -> dict[str, Any]:
    service, caller = site.services.reviews, visit.caller
    queue = service.get(caller, queue_id)
    asked, which = visit.param("item"), visit.param("which")
    chosen = ItemFilter(which) if which in set(ItemFilter) else None
    item = service.item(caller, queue_id, asked) if asked else service.next_item(caller, queue_id)
    listed = service.items(caller, queue_id, chosen, limit=SHOWN_ITEMS).items if chosen else ()
    progress = service.progress(caller, queue_id)
    own = next((said for said in (item.labels if item else ()) if said.rater == author_of(caller)), None)
    return {
        "queue": queue,
        "item": item,
        "own": own,
        "answers": _answers(item) if item else (),
        "kind": KIND_NAMES[item.kind] if item else "",
        "progress": progress,
        "judged": sum(progress.by_rater.values()),
        "yours": progress.by_rater.get(author_of(caller), 0),
        "listed": listed,
        "chosen": chosen,
        "filter_names": FILTER_NAMES,
        "may_label": caller.may(Permission.SCORES_WRITE) and queue.is_open,
        "number": sentences.number,
        "text_of": text_of,
        "ways": visit.ways(
            visit.address("item", "which"), f"aiplatform reviews get {queue_id}", f"aip.reviews.get({queue_id!r})"
        ),
    }


def _answers(item: ReviewItem) -> tuple[str, ...]:
    """The answers to judge, in the order in which they are shown."""
    if item.kind is ItemKind.PAIR:
        return tuple(text_of(answer) for answer in shown_answers(item.subject))
    return (text_of(item.subject.output),)
