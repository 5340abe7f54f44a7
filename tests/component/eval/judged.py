"""Completed runs that a judge scored, recorded as a driver does it."""

from __future__ import annotations

from typing import Any

from aiplatform.client.http import Client
from aiplatform.eval.api import EvaluationHandle
from aiplatform.eval.blocks import BlockEvaluator, Plan
from aiplatform.eval.calls import StoredAnswers
from aiplatform.eval.model import EvaluationRun, from_json, to_json
from aiplatform.eval.scorers import resolve
from tests.component.eval.conftest import ApiSink


def judged_run(api: Client, name: str, judge: Any, rows: list[dict[str, Any]]) -> EvaluationHandle:
    """A completed run that a judge scored, recorded as a driver does it."""
    scorers = resolve([judge])
    run = from_json(
        EvaluationRun, api.post("/api/v1/evaluations", {"name": name, "scorers": [to_json(scorers[0].ref)]})
    )
    plan = Plan(run_id=run.run_id, model=StoredAnswers(), scorers=scorers)
    block = BlockEvaluator(plan, ApiSink(api)).evaluate(rows)
    change = {
        "status": "completed",
        "data": {"name": "faq", "version": "3", "rows_hash": block.state.rows_digest, "num_rows": len(rows)},
        "metrics": [to_json(metric) for metric in block.state.metrics([each.ref for each in scorers])],
        "files": [to_json(block.file)],
        "primary": "correctness",
    }
    done = api.request("PATCH", f"/api/v1/evaluations/{run.run_id}", json=change).json()
    return EvaluationHandle(from_json(EvaluationRun, done), api)
