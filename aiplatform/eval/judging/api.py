"""Judges from Python.

    run = aip.evaluations.run("faq@3", answer, scorers=[aip.judges.Correctness(model="large")], name="v4")
    print(aip.judges.calibrate(run, people={"q1": True, "q2": False}))

Importing this loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiplatform.client.http import Client
from aiplatform.eval.judging import sentences
from aiplatform.eval.judging.builtin import (
    ContextPrecision,
    ContextRecall,
    Correctness,
    Groundedness,
    Relevance,
    Rubric,
)
from aiplatform.eval.judging.cascade import Cascade
from aiplatform.eval.judging.judge import Judge
from aiplatform.eval.judging.model import Calibration, JudgeSummary
from aiplatform.eval.judging.pairwise import Pairwise
from aiplatform.eval.judging.report import JudgeReport
from aiplatform.eval.judging.report import report as report_of
from aiplatform.eval.model import from_json

if TYPE_CHECKING:
    from aiplatform.eval.api import EvaluationHandle

__all__ = [
    "CalibrationHandle",
    "Cascade",
    "ContextPrecision",
    "ContextRecall",
    "Correctness",
    "Groundedness",
    "Judge",
    "Pairwise",
    "Relevance",
    "Rubric",
    "calibrate",
    "calibration",
    "calibrations",
    "get",
    "list",
    "report",
]

PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class CalibrationHandle:
    """A calibration, which never changes."""

    calibration: Calibration
    _client: Client = field(repr=False)

    @property
    def calibration_id(self) -> str:
        """Its id."""
        return self.calibration.calibration_id

    @property
    def url(self) -> str:
        """Address of its page."""
        return self._client.credentials.page(f"/calibrations/{self.calibration_id}")

    def is_calibrated(self, floor: float = sentences.FLOOR) -> bool:
        """Whether kappa is established to be at least `floor`."""
        return self.calibration.is_calibrated(floor)

    def __str__(self) -> str:
        said = (sentences.headline(self.calibration), *sentences.details(self.calibration))
        return "\n".join(str(each) for each in said)


def calibrate(
    run: EvaluationHandle | str,
    *,
    scorer: str = "",
    people: Mapping[str, Any] | None = None,
    queue: str = "",
    repeats: Sequence[EvaluationHandle | str] = (),
    threshold: float | None = None,
    seed: int = 0,
    client: Client | None = None,
) -> CalibrationHandle:
    """Compare a judge with people, and keep what comes of it.

    Args:
        run: The run whose scores are the judge's verdicts.
        scorer: Name of the scores; by default the run's only judge.
        people: What people say, by row id: a value, or a list of values, one a person.
        queue: Or the id of a review queue that people judged the run's answers in.
        repeats: Further runs of the same judge on the same answers: they tell how often it says something else.
        threshold: From which value on a verdict passes; by default 0.5 where all lie from 0 to 1.
        seed: Of the bootstrap.
        client: By default one made from the environment.

    Raises:
        InvalidError: People and judge have nothing in common, or it is not clear which judge is meant.
        ConflictError: A run has not completed, or a repeat is another judge's.
    """
    client = client or Client()
    body = {
        "run_id": _id(run),
        "scorer": scorer,
        "people": {item: _plain(said) for item, said in (people or {}).items()},
        "queue_id": queue,
        "repeats": [_id(each) for each in repeats],
        "threshold": threshold,
        "seed": seed,
    }
    return CalibrationHandle(from_json(Calibration, client.post("/api/v1/calibrations", body)), client)


def calibration(calibration_id: str, *, client: Client | None = None) -> CalibrationHandle:
    """The calibration of that id.

    Raises:
        NotFoundError: The project has none of that id.
    """
    client = client or Client()
    return CalibrationHandle(from_json(Calibration, client.get(f"/api/v1/calibrations/{calibration_id}")), client)


def calibrations(
    judge: str | None = None, *, limit: int = 50, client: Client | None = None
) -> tuple[CalibrationHandle, ...]:
    """Calibrations of one judge, by its whole identity, or of all, newest first."""
    client = client or Client()
    items = client.get("/api/v1/calibrations", judge=judge, limit=limit)["items"]
    return tuple(CalibrationHandle(from_json(Calibration, item), client) for item in items)


def list(*, client: Client | None = None) -> tuple[JudgeSummary, ...]:  # noqa: A001 - a verb on a noun
    """Judges that the project has used, the latest used first."""
    items = (client or Client()).get("/api/v1/judges")["items"]
    return tuple(from_json(JudgeSummary, item) for item in items)


def get(identity: str, *, client: Client | None = None) -> JudgeSummary:
    """One judge, by its identity or the beginning of it.

    Raises:
        NotFoundError: The project has none, or several that begin so.
    """
    return from_json(JudgeSummary, (client or Client()).get(f"/api/v1/judges/{identity}"))


def report(run: EvaluationHandle, scorer: str) -> JudgeReport:
    """How a judge did in a run: failures by reason, who of a cascade decided, how often orders disagreed, calls."""
    return report_of(run.rows(), scorer)


def _id(run: EvaluationHandle | str) -> str:
    return run if isinstance(run, str) else run.run_id


def _plain(said: Any) -> Any:
    return [*said] if isinstance(said, Iterable) and not isinstance(said, str) else said
