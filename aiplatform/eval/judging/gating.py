"""What gates may know of judges: the newest comparison with people of exactly the judge that gave a run's scores."""

from __future__ import annotations

from aiplatform.core.scope import Scope
from aiplatform.eval.judging.store import CalibrationStore
from aiplatform.eval.judging.verdicts import identity_of
from aiplatform.eval.model import Calibration, ScorerRef


class StoredCalibrations:
    """Answers `calibrated("relevance")` and `kappa("relevance")` of gates from what was calibrated."""

    def __init__(self, store: CalibrationStore) -> None:
        self._store = store

    def calibration(self, scope: Scope, scorer: ScorerRef) -> Calibration | None:
        """Of the judge that gave these scores, in this very version; None where people have not scored beside it."""
        known = self._store.latest(scope, identity_of(scorer))
        if known is None:
            return None
        kappa = known.kappa
        return Calibration(judge=scorer.name, kappa=kappa.value, low=kappa.low, high=kappa.high, n=known.n)
