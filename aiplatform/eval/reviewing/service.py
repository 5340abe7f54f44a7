"""Use cases of human review: queues are made and filled, people judge, and what they said goes where it is needed."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.eval.judging.agreement import cohen_kappa, krippendorff_alpha
from aiplatform.eval.judging.model import Estimate, Level
from aiplatform.eval.judging.verdicts import output_key
from aiplatform.eval.reviewing.model import (
    HumanLabel,
    ItemFilter,
    ItemKind,
    ItemPage,
    Progress,
    ReviewItem,
    ReviewQueue,
    Subject,
)
from aiplatform.eval.reviewing.queue_service import MAX_ITEMS, QueueService, unknown_item
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tracing.model import ScoreSource
from aiplatform.tracing.scoring import author_of

MAX_PAGE: Final = 200
SKIPPED: Final = ""
"""Label of an item that a person would not judge."""


class Reviews(QueueService):
    """Review queues of a project, and what people say in them."""

    def items(
        self, caller: Caller, queue_id: str, which: ItemFilter = ItemFilter.ALL, *, limit: int = 50, after: str = ""
    ) -> ItemPage:
        """Items of a queue, in their order; what a blind rater may not see yet is left out.

        Raises:
            NotFoundError: The project has no such queue.
        """
        caller.require(Permission.EVALUATIONS_READ)
        queue, rater = self._required(caller.scope, queue_id), author_of(caller)
        limit = max(1, min(limit, MAX_PAGE))
        start = int(after) if after.isdecimal() else 0
        found = self._store.page(caller.scope, queue, which, rater=rater, limit=limit + 1, after=start)
        shown = tuple(seen_by(queue, item, rater) for item in found[:limit])
        return ItemPage(items=shown, next=str(found[limit - 1].position) if len(found) > limit else None)

    def item(self, caller: Caller, queue_id: str, item_id: str) -> ReviewItem:
        """One item, as the caller may see it.

        Raises:
            NotFoundError: There is no such queue or item.
        """
        caller.require(Permission.EVALUATIONS_READ)
        queue = self._required(caller.scope, queue_id)
        found = self._store.item(caller.scope, queue_id, item_id)
        if found is None:
            raise unknown_item(item_id)
        return seen_by(queue, found, author_of(caller))

    def label(self, caller: Caller, queue_id: str, item_id: str, label: str, *, comment: str = "") -> ReviewItem:
        """Say what one thinks of an item; an empty label skips it. A trace gets a score of it.

        Raises:
            NotFoundError: There is no such queue or item.
            InvalidError: The queue has no such label.
            ConflictError: The queue is closed, or the item is somebody else's.
        """
        caller.require(Permission.SCORES_WRITE)
        queue = self._open_queue(caller.scope, queue_id)
        known = {each.name: each for each in queue.queue.labels}
        if label != SKIPPED and label not in known:
            raise InvalidError(
                N_("This queue has no label {label!r}."),
                hint=N_("It has {known}."),
                reason="review.label",
                label=label,
                known=", ".join(known),
            )
        item, rater = self._item(caller.scope, queue_id, item_id), author_of(caller)
        if item.assigned and rater not in item.assigned:
            raise ConflictError(
                N_("This item was given to {people}."), reason="review.assigned", people=", ".join(item.assigned)
            )
        value = known[label].value if label != SKIPPED else None
        said = HumanLabel(
            rater=rater, label=label, value=value, comment=comment.strip()[:10_000], created_ns=self._clock.now_ns()
        )
        self._store.put_label(caller.scope, queue_id, item_id, said)
        self._score(caller, queue, item, said)
        return self.item(caller, queue_id, item_id)

    def undo(self, caller: Caller, queue_id: str, item_id: str = "") -> ReviewItem | None:
        """Take back what one said of an item, by default the last; the item, or None where there is nothing.

        Raises:
            NotFoundError: There is no such queue.
        """
        caller.require(Permission.SCORES_WRITE)
        queue, rater = self._required(caller.scope, queue_id), author_of(caller)
        chosen = item_id or self._store.last_labelled(caller.scope, queue_id, rater) or ""
        if not chosen or not self._store.remove_label(caller.scope, queue_id, chosen, rater):
            return None
        item = self._item(caller.scope, queue_id, chosen)
        if item.subject.trace_id:
            with suppress(NotFoundError):  # the trace was erased, or the item was skipped
                self._traces.scoring.delete(caller, score_id(queue, item, rater))
        return seen_by(queue, item, rater)

    def next_item(self, caller: Caller, queue_id: str) -> ReviewItem | None:
        """The first item that the caller can judge and has not; None where there is none.

        Raises:
            NotFoundError: The project has no such queue.
        """
        page = self.items(caller, queue_id, ItemFilter.MINE, limit=1)
        return page.items[0] if page.items else None

    def progress(self, caller: Caller, queue_id: str) -> Progress:
        """How far a queue is, and how far its people agree.

        Raises:
            NotFoundError: The project has no such queue.
        """
        caller.require(Permission.EVALUATIONS_READ)
        queue, rater = self._required(caller.scope, queue_id), author_of(caller)
        counts = {which: self._store.count(caller.scope, queue, which, rater) for which in ItemFilter}
        said = self._store.labels_of(caller.scope, queue_id)
        by_rater: dict[str, int] = {}
        by_label: dict[str, int] = {}
        for label in (label for labels in said.values() for label in labels):
            by_rater[label.rater] = by_rater.get(label.rater, 0) + 1
            if label.label != SKIPPED:
                by_label[label.label] = by_label.get(label.label, 0) + 1
        several = {item: kept for item, labels in said.items() if len(kept := _judged(labels)) > 1}
        return Progress(
            items=counts[ItemFilter.ALL],
            done=counts[ItemFilter.DONE],
            mine=counts[ItemFilter.MINE],
            conflicts=counts[ItemFilter.CONFLICT],
            by_rater=by_rater,
            by_label=by_label,
            alpha=krippendorff_alpha(_names(several), Level.NOMINAL) if several else None,
            kappa=_kappa(several),
        )

    def labels_by_answer(self, caller: Caller, queue_id: str) -> Mapping[str, Sequence[float | str]]:
        """What people said of rows, by row and answer: what calibration joins with a judge's verdicts.

        Raises:
            NotFoundError: The project has no such queue.
        """
        queue = self.get(caller, queue_id)
        items = self._store.page(caller.scope, queue, ItemFilter.ALL, rater="", limit=MAX_ITEMS, after=0)
        found: dict[str, list[float | str]] = {}
        for item in items:
            said = [label.value if label.value is not None else label.label for label in _judged(item.labels)]
            if said and item.subject.row_id:
                found[f"{item.subject.row_id}\n{output_key(item.subject.output)}"] = said
        return found

    def delete_scope(self, scope: Scope) -> None:
        """Remove every queue of a tenant, or of one project of it."""
        self._store.delete_scope(scope)

    def _score(self, caller: Caller, queue: ReviewQueue, item: ReviewItem, said: HumanLabel) -> None:
        if not item.subject.trace_id or said.label == SKIPPED:
            return
        self._traces.add_score(
            caller.scope,
            trace_id=item.subject.trace_id,
            name=queue.queue.score_name,
            value=said.value if said.value is not None else said.label,
            source=ScoreSource.HUMAN,
            principal=said.rater,
            comment=said.comment or None,
            score_id=score_id(queue, item, said.rater),
        )


def seen_by(queue: ReviewQueue, item: ReviewItem, rater: str) -> ReviewItem:
    """An item as a person may see it: in a blind queue, versions, judges and others' labels only after their own."""
    if not queue.queue.is_blind or any(label.rater == rater for label in item.labels):
        return item
    hidden = replace(item.subject, version="", other_version="", judged={})
    if item.kind is ItemKind.PAIR:
        hidden = replace(hidden, run_id="")
    return replace(item, subject=hidden, labels=(), reason="")


def shown_answers(subject: Subject) -> tuple[object, object]:
    """The answers of a pair in the order in which they are shown."""
    return (subject.other, subject.output) if subject.is_swapped else (subject.output, subject.other)


def score_id(queue: ReviewQueue, item: ReviewItem, rater: str) -> str:
    """Id of the score that a person's label becomes: labelling again replaces it."""
    return f"review-{queue.queue_id[-12:]}-{item.item_id[:16]}-{output_key(rater)[:8]}"


def _judged(labels: Sequence[HumanLabel]) -> builtins.list[HumanLabel]:
    return [label for label in labels if label.label != SKIPPED]


def _names(several: Mapping[str, Sequence[HumanLabel]]) -> dict[str, list[str]]:
    return {item: [label.label for label in labels] for item, labels in several.items()}


def _kappa(several: Mapping[str, Sequence[HumanLabel]]) -> Estimate | None:
    people = sorted({label.rater for labels in several.values() for label in labels})
    if len(people) != 2:
        return None
    pairs = {
        item: (said[people[0]], said[people[1]])
        for item, labels in several.items()
        if len(said := {label.rater: label.label for label in labels}) == 2
    }
    return cohen_kappa(pairs)
