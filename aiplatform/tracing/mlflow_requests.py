"""What MLflow's requests about traces have in common: ids, fields, and the words for a trace that is not there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.tracing.model import TraceSummary
from aiplatform.tracing.store.mlflow_search import search_mlflow

if TYPE_CHECKING:
    from aiplatform.storage.database import Transaction

TRACE_ID: Final = re.compile(r"(?:tr-)?([0-9a-fA-F]{32})")


def no_trace(trace_id: str) -> NotFoundError:
    """What a caller hears about a trace that is not in their project, whoever has it. The words are MLflow's."""
    return NotFoundError(N_("Trace with ID {trace_id!r} not found."), reason="mlflow.no_trace", trace_id=trace_id)


def known_trace(tx: Transaction, trace_id: str) -> TraceSummary:
    """The trace that a request names.

    Raises:
        NotFoundError: There is none in the transaction's project.
    """
    match = TRACE_ID.fullmatch(trace_id)
    found = summaries_of(tx, [match[1].lower()]) if match else []
    if not found:
        raise no_trace(trace_id)
    return found[0]


def summaries_of(tx: Transaction, trace_ids: Sequence[str]) -> list[TraceSummary]:
    """Summaries of those of some traces that there are."""
    return search_mlflow(tx, None, experiment_ids=None, trace_ids=trace_ids, limit=len(trace_ids)) if trace_ids else []


def checked_id(trace_id: object) -> str:
    """The 32 digits of a trace id.

    Raises:
        InvalidError: It is none.
    """
    match = TRACE_ID.fullmatch(trace_id) if isinstance(trace_id, str) else None
    if match is None:
        raise InvalidError(
            N_("{value!r} is not a trace id: tr- and 32 hexadecimal digits."),
            reason="mlflow.bad_id",
            value=trace_id,
        )
    return match[1].lower()


def field(holder: Mapping[str, Any], name: str, kind: type) -> Any:
    """A field of a request, of this kind and not empty.

    Raises:
        InvalidError: It is missing.
    """
    value = holder.get(name)
    if not isinstance(value, kind) or (kind is str and not value):
        raise InvalidError(N_("Missing value for required parameter {name!r}."), reason="mlflow.missing", name=name)
    return value


def texts(values: object) -> dict[str, str]:
    """A mapping of texts; empty where the request holds something else."""
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, Mapping) else {}


def optional(holder: Mapping[str, Any], name: str, kind: type) -> Any:
    """A field of a request that may be missing.

    Raises:
        InvalidError: It is there, and of another kind.
    """
    value = holder.get(name)
    if value is not None and not isinstance(value, kind):
        raise InvalidError(N_("Parameter {name!r} has a value of the wrong kind."), reason="mlflow.kind", name=name)
    return value


def count(holder: Mapping[str, Any], name: str) -> int | None:
    """A whole number of a request, which protobuf's JSON may write as text; None where it is missing.

    Raises:
        InvalidError: It is none, or negative.
    """
    value = holder.get(name)
    if value is None:
        return None
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = -1
    if found < 0:
        raise InvalidError(N_("Parameter {name!r} has a value of the wrong kind."), reason="mlflow.kind", name=name)
    return found
