"""The graph of descent: data sets, training runs, checkpoints, models, and what was made from what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, insert, select

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.ids import new_id
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables.registry import lineage_edges as edges
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission


class NodeKind(StrEnum):
    """What a node of the graph is."""

    TRACE = "trace"
    DATASET = "dataset"
    MODEL = "model"
    TRAINING_RUN = "training_run"
    EVALUATION = "evaluation"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing: a data set version, a model version, a run."""

    kind: NodeKind
    reference: str
    """`name@version` of what has versions, else its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What a node was made from, and what was made from it."""

    node: Node
    upstream: tuple[Node, ...]
    downstream: tuple[Node, ...]


class LineageGraph:
    """Edges between things, written by whoever makes one from another."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    def link(self, caller: Caller, sources: Iterable[Node], target: Node) -> None:
        """Note that `target` was made from `sources`; repeating it changes nothing."""
        with self._database.transaction(caller.scope) as tx:
            self.link_in(tx, sources, target)

    def link_in(self, tx: Transaction, sources: Iterable[Node], target: Node) -> None:
        """The same, inside a transaction that writes more."""
        known = {(row.source_kind, row.source_ref) for row in tx.execute(_into(target))}
        rows: list[dict[str, Any]] = [
            {
                "edge_id": new_id("edge"),
                "source_kind": str(source.kind),
                "source_ref": source.reference,
                "target_kind": str(target.kind),
                "target_ref": target.reference,
                "created_ns": self._clock.now_ns(),
            }
            for source in dict.fromkeys(sources)
            if (str(source.kind), source.reference) not in known
        ]
        if rows:
            tx.insert(insert(edges), rows)

    def forget_in(self, tx: Transaction, target: Node) -> None:
        """Take away what is known of a node's making: it was made anew."""
        condition = (edges.c.target_kind == str(target.kind)) & (edges.c.target_ref == target.reference)
        tx.execute(delete(edges).where(condition))

    def neighbours(self, caller: Caller, node: Node) -> Neighbours:
        """What stands directly before and after a node; empty where nothing is known."""
        caller.require(Permission.MODELS_READ)
        after = (
            select(edges.c.target_kind, edges.c.target_ref)
            .where(edges.c.source_kind == str(node.kind), edges.c.source_ref == node.reference)
            .order_by(edges.c.created_ns, edges.c.edge_id)
        )
        with self._database.read(caller.scope) as tx:
            upstream = [_node(row.source_kind, row.source_ref) for row in tx.execute(_into(node))]
            downstream = [_node(row.target_kind, row.target_ref) for row in tx.execute(after)]
        return Neighbours(node=node, upstream=tuple(upstream), downstream=tuple(downstream))


def _into(node: Node) -> Any:
    return (
        select(edges.c.source_kind, edges.c.source_ref)
        .where(edges.c.target_kind == str(node.kind), edges.c.target_ref == node.reference)
        .order_by(edges.c.created_ns, edges.c.edge_id)
    )


def _node(kind: str, reference: str) -> Node:
    return Node(kind=NodeKind(kind), reference=reference)
