"""`/api/v1/judges` and `/api/v1/calibrations`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.eval.judging.model import Bias, Calibration, JudgeSummary
from aiplatform.eval.judging.service import CalibrationOrder, JudgeService
from aiplatform.eval.model import to_json
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes

Verdict = bool | float | str
Limit = Annotated[int, Query(ge=1, le=200)]


class CalibrationBody(BaseModel):
    """A judge to compare with people."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    run_id: str
    """Run whose scores are the judge's verdicts."""

    scorer: str = ""
    """By default the run's only judge."""

    people: dict[str, Verdict | list[Verdict]] = {}
    """What people say, by row id: a value, or one a person."""

    queue_id: str = ""
    """Or a review queue that people judged the run's answers in."""

    repeats: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    """Further runs of the same judge on the same answers, for its flip rate."""

    threshold: float | None = None
    """From which value on a verdict passes; by default 0.5 where all lie from 0 to 1."""

    seed: int = 0


def build_routes(service: JudgeService) -> Routes:
    """The routes of judges and their calibrations."""
    routes = Routes(tags=["judges"])

    @routes.get("/api/v1/judges", permission=Permission.EVALUATIONS_READ)
    def list_judges(caller: CallerDep) -> dict[str, Any]:
        """Judges that the project has used, the latest used first."""
        return {"items": [judge_view(each) for each in service.judges(caller)], "next": None}

    @routes.get("/api/v1/judges/{identity}", permission=Permission.EVALUATIONS_READ)
    def get_judge(identity: str, caller: CallerDep) -> dict[str, Any]:
        """One judge, by its identity or the beginning of it, with its newest calibration."""
        return judge_view(service.judge(caller, identity))

    @routes.post("/api/v1/calibrations", permission=Permission.EVALUATIONS_WRITE, status_code=201)
    def create_calibration(body: CalibrationBody, caller: CallerDep) -> dict[str, Any]:
        """Compare a judge with people, and keep the result."""
        order = CalibrationOrder(**{name: getattr(body, name) for name in CalibrationBody.model_fields})
        return calibration_view(service.calibrate(caller, order))

    @routes.get("/api/v1/calibrations", permission=Permission.EVALUATIONS_READ)
    def list_calibrations(
        caller: CallerDep, judge: str | None = None, limit: Limit = 50, after: str | None = None
    ) -> dict[str, Any]:
        """Calibrations of the project, or of one judge by its whole identity, newest first."""
        page = service.calibrations(caller, identity=judge, limit=limit, after=after)
        return {"items": [calibration_view(each) for each in page.items], "next": page.next}

    @routes.get("/api/v1/calibrations/{calibration_id}", permission=Permission.EVALUATIONS_READ)
    def get_calibration(calibration_id: str, caller: CallerDep) -> dict[str, Any]:
        """One calibration."""
        return calibration_view(service.calibration(caller, calibration_id))

    return routes


def judge_view(judge: JudgeSummary) -> dict[str, Any]:
    """A judge as it is answered."""
    view: dict[str, Any] = to_json(judge)
    view["latest"] = calibration_view(judge.latest) if judge.latest else None
    return view


def calibration_view(calibration: Calibration) -> dict[str, Any]:
    """A calibration as it is answered: every bias says whether it is established."""
    view: dict[str, Any] = to_json(calibration)
    for name in ("position", "length"):
        bias: Bias | None = getattr(calibration, name)
        if bias is not None:
            view[name]["is_found"] = bias.is_found
    return view
