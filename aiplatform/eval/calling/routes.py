"""`/api/v1/evaluation-calls`: answers that were paid for, for the workers of evaluations."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.eval.calling.keeping import PATH, KeptCall
from aiplatform.eval.calling.service import CallService
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes

MAX_ITEMS: Final = 1_000

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class FindBody(_Body):
    """What is looked for."""

    digests: Annotated[list[Digest], Field(min_length=1, max_length=MAX_ITEMS)]
    run_id: Annotated[str, Field(max_length=64)] | None = None
    """Only answers that this run paid for."""


class CallBody(_Body):
    """One answer."""

    digest: Digest
    """SHA-256 of everything that the answer depends on."""

    reply: dict[str, Any]
    model: Annotated[str, Field(max_length=1000)] = ""
    run_id: Annotated[str, Field(max_length=64)] = ""
    """The run that paid."""

    input_tokens: Annotated[int, Field(ge=0)] = 0
    output_tokens: Annotated[int, Field(ge=0)] = 0
    cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    currency: Annotated[str, Field(pattern="^([A-Z]{3})?$")] = ""


class KeepBody(_Body):
    """Answers to keep."""

    items: Annotated[list[CallBody], Field(min_length=1, max_length=MAX_ITEMS)]
    replace: bool = False
    """Whether they take the place of answers that are kept already."""


def build_call_routes(service: CallService) -> Routes:
    """The routes of paid answers."""
    routes = Routes(tags=["evaluations"])

    @routes.post(f"{PATH}:find", permission=Permission.EVALUATIONS_READ)
    def find_calls(body: FindBody, caller: CallerDep) -> dict[str, Any]:
        """Replies by digest; what is not kept is left out."""
        return {"items": service.find(caller, body.digests, run_id=body.run_id)}

    @routes.post(f"{PATH}:keep", permission=Permission.EVALUATIONS_WRITE)
    def keep_calls(body: KeepBody, caller: CallerDep) -> dict[str, Any]:
        """Keep answers; they are committed when this is answered."""
        calls = [KeptCall(**{name: getattr(item, name) for name in CallBody.model_fields}) for item in body.items]
        service.keep(caller, calls, replace=body.replace)
        return {"kept": len(calls)}

    @routes.get(PATH, permission=Permission.EVALUATIONS_READ)
    def count_calls(caller: CallerDep, run_id: str | None = None) -> dict[str, Any]:
        """How many answers are kept and what they took, of the project or of one run."""
        return dict(service.stats(caller, run_id=run_id).to_json())

    @routes.delete(PATH, permission=Permission.EVALUATIONS_WRITE)
    def clear_calls(
        caller: CallerDep, before_ns: Annotated[int | None, Query(ge=0)] = None, model: str | None = None
    ) -> dict[str, Any]:
        """Remove answers: those last used before a moment, those of one model, or all."""
        return {"removed": service.clear(caller, before_ns=before_ns, model=model)}

    return routes
