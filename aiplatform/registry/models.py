"""Model versions: MLflow keeps name, version, source and aliases; what descends from what is kept here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import RowMapping, delete, insert, select

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.registry.lineage import LineageGraph, Node, NodeKind
from aiplatform.registry.mlflow_models import KEY_TAG, MlflowModels, StoredVersion
from aiplatform.registry.mlflow_rest import MlflowDoor, run_of_artifact
from aiplatform.registry.model import (
    Lineage,
    ModelVersion,
    NewModelVersion,
    Reference,
    RegisteredModel,
    check_alias,
    check_name,
    parse_reference,
)
from aiplatform.storage.database import Database
from aiplatform.storage.tables.registry import model_versions as table
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

Answer = TypeVar("Answer")


class Models:
    """Registered models. What a stock MLflow client registers shows here too, with the lineage that MLflow knows."""

    def __init__(
        self, database: Database, door: MlflowDoor, lineage: LineageGraph, *, clock: Clock | None = None
    ) -> None:
        self._database = database
        self._door = door
        self._lineage = lineage
        self._clock = clock or SystemClock()

    def list(self, caller: Caller) -> tuple[RegisteredModel, ...]:
        """Every model of the caller's project, by name."""
        return tuple(self._of(caller, Permission.MODELS_READ).models())

    def get(self, caller: Caller, name: str) -> RegisteredModel:
        """One model.

        Raises:
            NotFoundError: There is none.
        """
        check_name(name, N_("model"))
        return _known(lambda: self._of(caller, Permission.MODELS_READ).model(name), Reference(name=name))

    def versions(self, caller: Caller, name: str) -> tuple[ModelVersion, ...]:
        """Every version of a model, the newest first.

        Raises:
            NotFoundError: There is no such model.
        """
        model = self.get(caller, name)
        stored = self._of(caller, Permission.MODELS_READ).versions(name)
        return tuple(self._joined(one, model.aliases, row) for one, row in self._with_rows(caller, name, stored))

    def version(self, caller: Caller, reference: str) -> ModelVersion:
        """The version that `name@3`, `name@champion` or `name` (its newest) names.

        Raises:
            NotFoundError: There is none.
        """
        wanted = parse_reference(reference)
        store = self._of(caller, Permission.MODELS_READ)
        model = _known(lambda: store.model(wanted.name), wanted)
        number = wanted.version or model.latest_version
        if wanted.alias is not None:
            number = model.aliases.get(wanted.alias)
        if number is None:
            raise _unknown(wanted)
        stored = _known(lambda: store.version(wanted.name, number), wanted)
        [(one, row)] = self._with_rows(caller, wanted.name, [stored])
        return self._joined(one, model.aliases, row)

    def register(self, caller: Caller, new: NewModelVersion) -> ModelVersion:
        """A new version; the same idempotency key answers with the version that it made before.

        Raises:
            InvalidError: Name, alias or source cannot be.
        """
        check_name(new.name, N_("model"))
        mlflow_run_id = new.lineage.mlflow_run_id or run_of_artifact(new.source)
        if new.alias is not None:
            check_alias(new.alias)
        store = self._of(caller, Permission.MODELS_WRITE)
        is_first = store.ensure(new.name)
        try:
            stored = self._made_before(store, new) or store.create(
                new.name,
                source=new.source,
                description=new.description,
                mlflow_run_id=mlflow_run_id,
                tags={**new.tags, **({KEY_TAG: new.idempotency_key} if new.idempotency_key else {})},
            )
        except InvalidError:
            if is_first:
                store.delete(new.name)  # a model without a version says nothing
            raise
        self._remember(caller, new, stored)
        if new.alias is not None:
            store.point(new.name, new.alias, stored.version)
        return self.version(caller, f"{new.name}@{stored.version}")

    def promote(self, caller: Caller, reference: str, *, alias: str, expected: int | None = None) -> ModelVersion:
        """Let `alias` point at a version; repeating it changes nothing.

        Args:
            caller: Who asks.
            reference: `name@version`.
            alias: `champion`.
            expected: The version that the caller believes the alias points at; None where that does not matter.

        Raises:
            NotFoundError: There is no such version.
            ConflictError: The alias points elsewhere than `expected`.
        """
        check_alias(alias)
        store = self._of(caller, Permission.MODELS_WRITE)
        version = self.version(caller, reference)
        current = store.model(version.name).aliases.get(alias)
        if expected is not None and current != expected:
            raise ConflictError(
                N_("{alias!r} points at version {current!r} now, not at {expected!r}."),
                hint=N_("Look at the newer version, then promote again."),
                reason="registry.alias_moved",
                alias=alias,
                current=current,
                expected=expected,
            )
        store.point(version.name, alias, version.version)
        return self.version(caller, version.reference)

    def demote(self, caller: Caller, name: str, *, alias: str) -> None:
        """Take an alias away; nothing happens where it points at nothing."""
        check_name(name, N_("model"))
        check_alias(alias)
        _known(lambda: self._of(caller, Permission.MODELS_WRITE).unpoint(name, alias), Reference(name=name))

    def _of(self, caller: Caller, permission: Permission) -> MlflowModels:
        caller.require(permission)
        return MlflowModels(self._door.of(caller))

    def _made_before(self, store: MlflowModels, new: NewModelVersion) -> StoredVersion | None:
        if new.idempotency_key is None:
            return None
        made = store.versions(new.name)
        return next((one for one in made if one.tags.get(KEY_TAG) == new.idempotency_key), None)

    def _remember(self, caller: Caller, new: NewModelVersion, stored: StoredVersion) -> None:
        node = Node(kind=NodeKind.MODEL, reference=f"{new.name}@{stored.version}")
        lineage = new.lineage
        row = {
            "version_id": new_id("mv"),
            "name": new.name,
            "version": stored.version,
            "mlflow_created_ms": stored.created_ms,
            "loader": new.loader,
            "signature": None if new.signature is None else dict(new.signature),
            "metrics": dict(new.metrics),
            "training_run_id": lineage.training_run_id,
            "mlflow_run_id": lineage.mlflow_run_id,
            "checkpoint_path": lineage.checkpoint_path,
            "datasets": [*lineage.datasets],
            "parent_models": [*lineage.parent_models],
            "created_ns": self._clock.now_ns(),
            "created_by": caller.principal,
        }
        with self._database.transaction(caller.scope) as tx:
            tx.execute(delete(table).where(table.c.name == new.name, table.c.version == stored.version))
            tx.insert(insert(table), row)
            self._lineage.forget_in(tx, node)
            self._lineage.link_in(tx, _sources(lineage), node)

    def _with_rows(
        self, caller: Caller, name: str, stored: Sequence[StoredVersion]
    ) -> Sequence[tuple[StoredVersion, RowMapping | None]]:
        with self._database.read(caller.scope) as tx:
            rows = {row.version: row._mapping for row in tx.execute(select(table).where(table.c.name == name))}
        paired = []
        for one in stored:
            row = rows.get(one.version)
            # A model deleted in MLflow and made again counts from 1 again: an older row is of another version then.
            same = row is not None and row["mlflow_created_ms"] == one.created_ms
            paired.append((one, row if same else None))
        return paired

    def _joined(self, stored: StoredVersion, aliases: Mapping[str, int], row: RowMapping | None) -> ModelVersion:
        known: dict[str, Any] = {} if row is None else {str(key): value for key, value in row.items()}
        return ModelVersion(
            name=stored.name,
            version=stored.version,
            aliases=tuple(sorted(alias for alias, number in aliases.items() if number == stored.version)),
            description=stored.description,
            source=stored.source,
            loader=known.get("loader"),
            signature=known.get("signature"),
            metrics=known.get("metrics") or {},
            tags={key: value for key, value in stored.tags.items() if key != KEY_TAG},
            lineage=Lineage(
                training_run_id=known.get("training_run_id"),
                mlflow_run_id=known.get("mlflow_run_id") or stored.mlflow_run_id,
                datasets=tuple(known.get("datasets") or ()),
                checkpoint_path=known.get("checkpoint_path"),
                parent_models=tuple(known.get("parent_models") or ()),
            ),
            created_ns=stored.created_ms * 1_000_000,
            created_by=known.get("created_by") or "",
        )


def _sources(lineage: Lineage) -> Iterable[Node]:
    if lineage.training_run_id is not None:
        yield Node(kind=NodeKind.TRAINING_RUN, reference=lineage.training_run_id)
    for reference in lineage.datasets:
        yield Node(kind=NodeKind.DATASET, reference=reference)
    for reference in lineage.parent_models:
        yield Node(kind=NodeKind.MODEL, reference=reference)


def _known(read: Callable[[], Answer], reference: Reference) -> Answer:
    """What `read` finds, or our own sentence where MLflow says that there is none."""
    try:
        return read()
    except NotFoundError:
        raise _unknown(reference) from None


def _unknown(reference: Reference) -> NotFoundError:
    return NotFoundError(
        N_("There is no model {reference!r}."),
        hint=N_("`aiplatform models list` shows every model with its aliases."),
        reason="registry.unknown_model",
        reference=str(reference),
    )
