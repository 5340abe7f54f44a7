"""What a run was made of, written down as a specification so that it can be resumed by its id alone."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from aiplatform.client.http import Client
from aiplatform.eval import files
from aiplatform.eval.calls import Endpoint, FunctionModel, Model
from aiplatform.eval.inference_models import InferenceEndpoint
from aiplatform.eval.inputs import Source, TraceRows
from aiplatform.eval.loading import name_of
from aiplatform.eval.registered_models import RegisteredModel

if TYPE_CHECKING:
    from aiplatform.eval.ordering import RunOrder

ARTIFACT: Final = "artifact:"
"""Begins the path of data that were handed in and are kept beside the run's rows."""

MAX_DATA_BYTES: Final = 256 << 20
"""Larger data that were handed in must be handed in again."""


def recorded_order(order: RunOrder, model: Model, source: Source, run_id: str, client: Client) -> dict[str, Any]:
    """The specification that an order amounts to.

    Functions are written by their names: those that no module holds must be given again when the run is resumed.
    """
    document: dict[str, Any] = {
        "name": order.name,
        "label": order.label,
        "data": _data(order, source, run_id, client),
        "scorers": [_scorer(each) for each in order.scorers],
        "metrics": [each if isinstance(each, str) else each.name for each in order.metrics],
        "keep_rows": order.keep_rows,
        "mlflow": order.mlflow,
        "slices": [*order.slices],
        "primary": order.primary,
        "cluster": order.cluster,
        "seed": order.seed,
        "num_workers": order.workers.num_workers,
        "cpus_per_worker": order.workers.cpus,
        "in_flight": order.in_flight or getattr(model, "in_flight", None),
        "cache": str(order.cache),
        "requests_per_minute": order.requests_per_minute,
        "tokens_per_minute": order.tokens_per_minute,
        "max_calls": order.caps.calls,
        "max_tokens": order.caps.tokens,
        "max_cost": order.caps.cost,
        "currency": order.caps.currency or "USD",
    }
    if isinstance(model, Endpoint):
        document["model"] = {
            "endpoint": model.model,
            "url": model.url or None,
            "version": model.version,
            "options": dict(model.options),
        }
    elif isinstance(model, InferenceEndpoint):
        document["model"] = {
            "endpoint": model.model,
            "url": model.url or None,
            "protocol": "inference",
            "input_name": model.input_name,
        }
    elif isinstance(model, RegisteredModel):
        document["model"] = {"registered": f"{model.name}@{model.version}"}
    elif isinstance(model, FunctionModel):
        document["model"] = {
            "function": _name(model.function),
            "batch": model.batch,
            "version": model.version,
            "cache_key": model.cache_key,
        }
    return document


def read_data(path: str, client: Client | None) -> Any:
    """The path of files, or the table that lies in the artifact store where it says so."""
    if not path.startswith(ARTIFACT) or client is None:
        return Path(path)  # never a text: `rows` would be the name of a registered data set
    content = client.request("GET", f"/api/v1/artifacts/{path.removeprefix(ARTIFACT)}").content
    return pq.read_table(pa.BufferReader(content))


def _data(order: RunOrder, source: Source, run_id: str, client: Client) -> Mapping[str, Any]:
    found: dict[str, Any] = {"columns": dict(order.columns), "limit": order.limit}
    ref = source.ref
    if isinstance(order.data, Path) or (isinstance(order.data, str) and files.is_path(order.data)):
        return {**found, "path": str(Path(order.data).absolute())}
    if ref.hash and not isinstance(order.data, TraceRows):  # a search may find others the next time
        return {**found, "dataset": ref.label}
    path = f"evaluations/{run_id}/data.parquet"
    if source.table is not None and source.table.nbytes <= MAX_DATA_BYTES:
        buffer = io.BytesIO()
        pq.write_table(source.table, buffer, compression="zstd")
        client.request("PUT", f"/api/v1/artifacts/{path}", content=buffer.getvalue())
    return {**found, "path": f"{ARTIFACT}{path}"}


def _scorer(given: Any) -> str:
    if isinstance(given, str):
        return given
    return _name(getattr(given, "function", given))


def _name(function: Any) -> str:
    """`module:name`, which may or may not lead back to the function."""
    module, _, name = name_of(function).partition(":")
    plain = re.sub(r"\W", "_", name)
    return f"{module}:{plain}"
