"""A run that ended without its result goes on, from what the platform recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.amounts import Caps
from aiplatform.eval.driver import carry_out
from aiplatform.eval.model import EvaluationRun, RunStatus, from_json
from aiplatform.eval.ordering import RunOrder, order_of
from aiplatform.eval.spec import parse_spec

_STANDS_IN: Final = "exact_match"


def resume_run(
    run_id: str,
    client: Client,
    *,
    data: Any = None,
    model: Any = None,
    scorers: Sequence[Any] | None = None,
    caps: Caps | None = None,
    say: Callable[[str], None] | None = None,
) -> EvaluationRun:
    """The completed run. See `aiplatform.eval.api.resume`.

    Raises:
        NotFoundError: The project has no such run.
        ConflictError: It is running.
        InvalidError: What it was made of must be given again.
    """
    run = from_json(EvaluationRun, client.get(f"/api/v1/evaluations/{run_id}"))
    if run.status is RunStatus.COMPLETED:
        return run
    run.check_ended()
    order = _order(run, client, data=data, model=model, scorers=scorers)
    return carry_out(replace(order, caps=_raised(order.caps, caps or Caps())), client, say=say)


def _order(run: EvaluationRun, client: Client, *, data: Any, model: Any, scorers: Sequence[Any] | None) -> RunOrder:
    """The order of before, with what is given now in place of what was recorded."""
    if run.spec is None:
        raise _not_enough(run.run_id, "it was recorded without a specification")
    document = dict(run.spec)
    if scorers is not None:
        document["scorers"] = [_STANDS_IN]
    if model is not None:
        document.pop("model", None)
    if data is not None:
        document["data"] = {**document.get("data", {}), "dataset": None, "path": "given"}
    try:
        order = order_of(parse_spec(document), run_id=run.run_id, client=client)
    except (InvalidError, NotFoundError) as error:
        raise _not_enough(run.run_id, str(error)) from error
    if data is not None:
        order = replace(order, data=data)
    if model is not None:
        order = replace(order, model=model)
    return order if scorers is None else replace(order, scorers=scorers)


def _raised(before: Caps, now: Caps) -> Caps:
    return Caps(
        calls=before.calls if now.calls is None else now.calls,
        tokens=before.tokens if now.tokens is None else now.tokens,
        cost=before.cost if now.cost is None else now.cost,
        currency=now.currency or before.currency,
    )


def _not_enough(run_id: str, problem: str) -> InvalidError:
    return InvalidError(
        N_("Evaluation run {run_id!r} cannot be resumed by its id alone: {problem}"),
        hint=N_("Give again what was handed over in Python: resume(run_id, data=…, model=…, scorers=[…])."),
        reason="evaluation.resume_needs",
        run_id=run_id,
        problem=problem,
    )
