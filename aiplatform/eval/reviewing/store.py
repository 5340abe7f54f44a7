"""Review queues in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, delete, exists, func, insert, or_, select, update

from aiplatform.core.scope import Scope
from aiplatform.eval.model import from_json, to_json
from aiplatform.eval.reviewing.model import HumanLabel, ItemFilter, ItemKind, NewQueue, ReviewItem, ReviewQueue, Subject
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables.judging import review_assignments as assignments
from aiplatform.storage.tables.judging import review_items as items
from aiplatform.storage.tables.judging import review_labels as labels
from aiplatform.storage.tables.judging import review_queues as queues

_ITEM_COLUMNS = ("queue_id", "item_id", "position", "kind", "subject", "reason", "num_labels", "created_ns")


class ReviewStore:
    """Queues of every tenant, each behind its scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_queue(self, scope: Scope, queue: ReviewQueue) -> None:
        """Keep a new queue."""
        row = {
            "queue_id": queue.queue_id,
            "name": queue.queue.name,
            "record": to_json(queue.queue),
            "is_open": queue.is_open,
            "created_by": queue.created_by,
            "created_ns": queue.created_ns,
        }
        with self._database.transaction(scope) as tx:
            tx.insert(insert(queues), row)

    def queue(self, scope: Scope, queue_id: str) -> ReviewQueue | None:
        """One queue; None where the scope has none of that id."""
        with self._database.read(scope) as tx:
            row = tx.execute(select(queues).where(queues.c.queue_id == queue_id)).one_or_none()
        return None if row is None else _queue(row)

    def queues(self, scope: Scope) -> list[ReviewQueue]:
        """Queues of a project, open ones first, then the newest."""
        statement = select(queues).order_by(queues.c.is_open.desc(), queues.c.created_ns.desc(), queues.c.queue_id)
        with self._database.read(scope) as tx:
            return [_queue(row) for row in tx.execute(statement)]

    def set_open(self, scope: Scope, queue_id: str, *, is_open: bool) -> bool:
        """Close a queue or open it again; whether there is one."""
        with self._database.transaction(scope) as tx:
            found = tx.execute(update(queues).where(queues.c.queue_id == queue_id).values(is_open=is_open))
        return found.rowcount > 0

    def add_items(self, scope: Scope, new: Sequence[ReviewItem], now_ns: int) -> int:
        """Put items behind those that are there; one that is there already stays as it is. Returns how many are new."""
        if not new:
            return 0
        queue_id = new[0].queue_id
        with self._database.transaction(scope) as tx:
            known = select(items.c.item_id, items.c.position).where(items.c.queue_id == queue_id)
            there = {row.item_id: row.position for row in tx.execute(known)}
            fresh = [item for item in {item.item_id: item for item in new}.values() if item.item_id not in there]
            after = max(there.values(), default=0)
            for place, item in enumerate(fresh, after + 1):
                row = {
                    "queue_id": queue_id,
                    "item_id": item.item_id,
                    "position": place,
                    "kind": str(item.kind),
                    "subject": to_json(item.subject),
                    "reason": item.reason,
                    "num_labels": 0,
                    "created_ns": now_ns,
                }
                tx.insert(insert(items), row)
        return len(fresh)

    def item(self, scope: Scope, queue_id: str, item_id: str) -> ReviewItem | None:
        """One item with what people said of it; None where there is none."""
        with self._database.read(scope) as tx:
            found = self._items(tx, select(items).where(items.c.queue_id == queue_id, items.c.item_id == item_id))
        return found[0] if found else None

    def page(
        self, scope: Scope, queue: ReviewQueue, which: ItemFilter, *, rater: str, limit: int, after: int
    ) -> list[ReviewItem]:
        """Items in their order, from the first behind `after`."""
        statement = (
            select(items)
            .where(items.c.queue_id == queue.queue_id, items.c.position > after, *_which(queue, which, rater))
            .order_by(items.c.position)
            .limit(limit)
        )
        with self._database.read(scope) as tx:
            return self._items(tx, statement)

    def count(self, scope: Scope, queue: ReviewQueue, which: ItemFilter, rater: str) -> int:
        """How many items there are."""
        statement: Any = select(func.count()).select_from(items)
        statement = statement.where(items.c.queue_id == queue.queue_id, *_which(queue, which, rater))
        with self._database.read(scope) as tx:
            return int(tx.execute(statement).scalar_one())

    def put_label(self, scope: Scope, queue_id: str, item_id: str, label: HumanLabel) -> bool:
        """Keep what a person says, in place of what they said before; whether there is such an item."""
        with self._database.transaction(scope) as tx:
            where = and_(items.c.queue_id == queue_id, items.c.item_id == item_id)
            if tx.execute(select(items.c.item_id).where(where).with_for_update()).one_or_none() is None:
                return False
            tx.execute(delete(labels).where(*_own(queue_id, item_id, label.rater)))
            row = {
                "queue_id": queue_id,
                "item_id": item_id,
                "rater": label.rater,
                "label": label.label,
                "value": label.value,
                "comment": label.comment,
                "created_ns": label.created_ns,
            }
            tx.insert(insert(labels), row)
            self._recount(tx, queue_id, item_id)
        return True

    def remove_label(self, scope: Scope, queue_id: str, item_id: str, rater: str) -> bool:
        """Take back what a person said; whether they said anything."""
        with self._database.transaction(scope) as tx:
            removed = tx.execute(delete(labels).where(*_own(queue_id, item_id, rater))).rowcount > 0
            self._recount(tx, queue_id, item_id)
        return removed

    def last_labelled(self, scope: Scope, queue_id: str, rater: str) -> str | None:
        """The item that a person judged last; None where they judged none."""
        statement = (
            select(labels.c.item_id)
            .where(labels.c.queue_id == queue_id, labels.c.rater == rater)
            .order_by(labels.c.created_ns.desc())
            .limit(1)
        )
        with self._database.read(scope) as tx:
            return tx.execute(statement).scalar_one_or_none()

    def labels_of(self, scope: Scope, queue_id: str) -> dict[str, list[HumanLabel]]:
        """What people said in a queue, by item."""
        statement = select(labels).where(labels.c.queue_id == queue_id).order_by(labels.c.item_id, labels.c.rater)
        found: dict[str, list[HumanLabel]] = {}
        with self._database.read(scope) as tx:
            for row in tx.execute(statement):
                found.setdefault(row.item_id, []).append(_label(row))
        return found

    def assign(self, scope: Scope, queue_id: str, pairs: Iterable[tuple[str, str]]) -> int:
        """Say who shall judge what; returns how many are new."""
        with self._database.transaction(scope) as tx:
            known = select(assignments.c.item_id, assignments.c.rater).where(assignments.c.queue_id == queue_id)
            there = {(row.item_id, row.rater) for row in tx.execute(known)}
            fresh = [pair for pair in dict.fromkeys(pairs) if pair not in there]
            rows = [(queue_id, item_id, rater) for item_id, rater in fresh]
            tx.insert_rows(assignments, ("queue_id", "item_id", "rater"), rows)
        return len(fresh)

    def delete_scope(self, scope: Scope) -> None:
        """Remove every queue of a tenant, or of one project of it, and what people said in it."""
        with self._database.transaction(scope) as tx:
            for table in (labels, assignments, items, queues):
                tx.execute(delete(table))

    def _items(self, tx: Transaction, statement: Any) -> list[ReviewItem]:
        rows = list(tx.execute(statement))
        ids = [row.item_id for row in rows]
        said: dict[str, list[HumanLabel]] = {}
        given: dict[str, list[str]] = {}
        if ids:
            queue_id = rows[0].queue_id
            own = select(labels).where(labels.c.queue_id == queue_id, labels.c.item_id.in_(ids))
            for row in tx.execute(own.order_by(labels.c.created_ns)):
                said.setdefault(row.item_id, []).append(_label(row))
            theirs = select(assignments).where(assignments.c.queue_id == queue_id, assignments.c.item_id.in_(ids))
            for row in tx.execute(theirs.order_by(assignments.c.rater)):
                given.setdefault(row.item_id, []).append(row.rater)
        return [_item(row, said, given) for row in rows]

    def _recount(self, tx: Transaction, queue_id: str, item_id: str) -> None:
        own = select(func.count()).where(labels.c.queue_id == queue_id, labels.c.item_id == item_id)
        num = int(tx.execute(own).scalar_one())
        where = and_(items.c.queue_id == queue_id, items.c.item_id == item_id)
        tx.execute(update(items).where(where).values(num_labels=num))


def _which(queue: ReviewQueue, which: ItemFilter, rater: str) -> list[Any]:
    enough = queue.queue.raters_per_item
    if which is ItemFilter.DONE:
        return [items.c.num_labels >= enough]
    if which is ItemFilter.CONFLICT:
        said = select(labels.c.item_id).where(labels.c.queue_id == queue.queue_id).group_by(labels.c.item_id)
        return [items.c.item_id.in_(said.having(func.count(labels.c.label.distinct()) > 1))]
    if which is ItemFilter.MINE:
        same = and_(labels.c.queue_id == queue.queue_id, labels.c.item_id == items.c.item_id, labels.c.rater == rater)
        anyone = and_(assignments.c.queue_id == queue.queue_id, assignments.c.item_id == items.c.item_id)
        own = exists().where(anyone, assignments.c.rater == rater)
        free = and_(~exists().where(anyone), items.c.num_labels < enough)
        return [~exists().where(same), or_(own, free)]
    return []


def _own(queue_id: str, item_id: str, rater: str) -> tuple[Any, ...]:
    return labels.c.queue_id == queue_id, labels.c.item_id == item_id, labels.c.rater == rater


def _queue(row: Any) -> ReviewQueue:
    return ReviewQueue(
        queue_id=row.queue_id,
        project_id=row.project_id,
        queue=from_json(NewQueue, row.record),
        is_open=bool(row.is_open),
        created_by=row.created_by,
        created_ns=row.created_ns,
    )


def _item(row: Any, said: Mapping[str, list[HumanLabel]], given: Mapping[str, list[str]]) -> ReviewItem:
    return ReviewItem(
        item_id=row.item_id,
        queue_id=row.queue_id,
        kind=ItemKind(row.kind),
        subject=from_json(Subject, row.subject),
        position=row.position,
        reason=row.reason,
        assigned=tuple(given.get(row.item_id, ())),
        labels=tuple(said.get(row.item_id, ())),
    )


def _label(row: Any) -> HumanLabel:
    return HumanLabel(rater=row.rater, label=row.label, value=row.value, comment=row.comment, created_ns=row.created_ns)
