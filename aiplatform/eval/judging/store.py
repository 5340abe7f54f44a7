"""Calibrations in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select

from aiplatform.core.scope import Scope
from aiplatform.eval.judging.model import Calibration
from aiplatform.eval.judging.verdicts import identity_of
from aiplatform.eval.model import Calibration as GateCalibration
from aiplatform.eval.model import ScorerRef, from_json, to_json
from aiplatform.storage.database import Database
from aiplatform.storage.tables.judging import judge_calibrations as table


class CalibrationStore:
    """Calibrations of every tenant, each behind its scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, scope: Scope, calibration: Calibration) -> None:
        """Keep a new calibration."""
        row = {
            "calibration_id": calibration.calibration_id,
            "identity": calibration.identity,
            "scorer": calibration.scorer,
            "kappa": calibration.kappa.value,
            "record": to_json(calibration),
            "created_by": calibration.created_by,
            "created_ns": calibration.created_ns,
        }
        with self._database.transaction(scope) as tx:
            tx.insert(insert(table), row)

    def get(self, scope: Scope, calibration_id: str) -> Calibration | None:
        """One calibration; None where the scope has none of that id."""
        with self._database.read(scope) as tx:
            found = tx.execute(
                select(table.c.record).where(table.c.calibration_id == calibration_id)
            ).scalar_one_or_none()
        return None if found is None else from_json(Calibration, found)

    def latest(self, scope: Scope, identity: str) -> Calibration | None:
        """The newest calibration of a judge; None where there is none."""
        items, _ = self.page(scope, identity=identity, limit=1, after=None)
        return items[0] if items else None

    def calibration(self, scope: Scope, scorer: ScorerRef) -> GateCalibration | None:
        """What gates need to know of the judge that gave these scores, in this very version."""
        known = self.latest(scope, identity_of(scorer))
        if known is None:
            return None
        kappa = known.kappa
        return GateCalibration(judge=scorer.name, kappa=kappa.value, low=kappa.low, high=kappa.high, n=known.n)

    def page(
        self, scope: Scope, *, identity: str | None, limit: int, after: str | None
    ) -> tuple[list[Calibration], str | None]:
        """Calibrations of one judge or of all, newest first, and what the next page begins after."""
        statement = select(table).order_by(table.c.created_ns.desc(), table.c.calibration_id.desc()).limit(limit + 1)
        if identity is not None:
            statement = statement.where(table.c.identity == identity)
        created, _, last = (after or "").partition(".")
        if created.isdecimal():
            same = and_(table.c.created_ns == int(created), table.c.calibration_id < last)
            statement = statement.where(or_(table.c.created_ns < int(created), same))
        with self._database.read(scope) as tx:
            found = [from_json(Calibration, row.record) for row in tx.execute(statement)]
        if len(found) <= limit:
            return found, None
        return found[:limit], f"{found[limit - 1].created_ns}.{found[limit - 1].calibration_id}"

    def counts(self, scope: Scope) -> dict[str, int]:
        """How many calibrations each judge has."""
        statement: Any = select(table.c.identity, func.count().label("num")).group_by(table.c.identity)
        with self._database.read(scope) as tx:
            return {str(row.identity): int(row.num) for row in tx.execute(statement)}

    def delete_scope(self, scope: Scope) -> None:
        """Remove every calibration of a tenant, or of one project of it."""
        with self._database.transaction(scope) as tx:
            tx.execute(delete(table))
