"""What MLflow's clients do with traces, on the platform's own spans, summaries and scores.

Requests and answers are the JSON forms of MLflow's messages, by the names of their fields. A trace stands in the
experiment that its sender named, inside the caller's project; those that came without one stand in experiment `0`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tracing import store
from aiplatform.tracing.mlflow_assessments import MlflowAssessments
from aiplatform.tracing.mlflow_filter import conditions, orders
from aiplatform.tracing.mlflow_forms import (
    ARTIFACT_LOCATION,
    SPANS_LOCATION,
    own_tags,
    span_json,
    trace_info,
)
from aiplatform.tracing.mlflow_requests import (
    TRACE_ID,
    checked_id,
    count,
    field,
    known_trace,
    optional,
    summaries_of,
    texts,
)
from aiplatform.tracing.model import TraceFilter, TraceSummary
from aiplatform.tracing.pages import not_a_page, page_token, read_page
from aiplatform.tracing.store.labels import MAX_KEY, LabelKind, apply_labels, delete_label, labels, put_labels
from aiplatform.tracing.store.listing import with_cold
from aiplatform.tracing.store.mlflow_conditions import SOURCE_RUN, filter_condition, reads_index
from aiplatform.tracing.store.mlflow_search import EXPERIMENT, NO_EXPERIMENT, search_mlflow
from aiplatform.tracing.store.scores import scores_by_trace
from aiplatform.tracing.store.spans_of import raw_spans

if TYPE_CHECKING:
    from aiplatform.storage.database import Database, Transaction
    from aiplatform.tracing.service import Traces

MAX_RESULTS: Final = 500
MAX_VALUE: Final = 8_000
"""Longest tag that is kept, in characters, as MLflow's."""

MAX_LABELS: Final = 200
DELETED_AT_ONCE: Final = 1_000
"""Traces that are deleted in one transaction: other writers wait no longer than for these."""

_STATES: Final = frozenset({"OK", "ERROR"})
_OUR_TAGS: Final = frozenset({SPANS_LOCATION, ARTIFACT_LOCATION})
Json = dict[str, Any]


class MlflowTraces:
    """MLflow's traces of any project. Thread safe.

    Args:
        traces: The platform's traces.
        database: Where they rest.
    """

    def __init__(self, traces: Traces, database: Database) -> None:
        self.traces = traces
        self.assessments = MlflowAssessments(database, traces.clock)
        self._database = database

    def start(self, scope: Scope, body: Json) -> Json:
        """Keep what a client says about a whole trace; its spans come by OTLP, before or after."""
        info = field(field(body, "trace", dict), "trace_info", dict)
        trace_id = checked_id(field(info, "trace_id", str))
        tags = {key: value for key, value in texts(info.get("tags")).items() if key not in _OUR_TAGS}
        said = {name: info.get(name) for name in ("client_request_id", "request_preview", "response_preview")}
        said["state"] = info["state"] if info.get("state") in _STATES else None
        said[EXPERIMENT] = experiment_of(info.get("trace_location"))
        with self._database.transaction(scope) as tx:
            put_labels(tx, LabelKind.TAG, _rows(trace_id, tags))
            put_labels(tx, LabelKind.METADATA, _rows(trace_id, texts(info.get("trace_metadata"))))
            kept = {key: str(value) for key, value in said.items() if value and value != NO_EXPERIMENT}
            put_labels(tx, LabelKind.INFO, _rows(trace_id, kept))
            apply_labels(tx, [trace_id])
        for assessment in info.get("assessments") or ():
            self.assessments.create(scope, trace_id, {"assessment": assessment}, principal="", needs_trace=False)
        own = own_tags(trace_id, said[EXPERIMENT] or NO_EXPERIMENT)
        answer = {**info, "tags": {**texts(info.get("tags")), **own}}
        return {"trace": {"trace_info": answer}}

    def arrived(self, scope: Scope, trace_ids: Iterable[str], experiment_id: str | None) -> None:
        """Note in which experiment spans were sent, and what was said of their traces before they came."""
        found = sorted(set(trace_ids))
        with self._database.transaction(scope) as tx:
            if experiment_id and experiment_id != NO_EXPERIMENT:
                put_labels(tx, LabelKind.INFO, [(trace_id, EXPERIMENT, experiment_id) for trace_id in found])
            apply_labels(tx, found)

    def info(self, scope: Scope, trace_id: str) -> Json:
        """What is known about a trace as a whole.

        Raises:
            NotFoundError: There is no such trace in the project.
        """
        with self._database.read(scope) as tx:
            return {"trace": {"trace_info": _infos(tx, [known_trace(tx, trace_id)])[0]}}

    def get(self, scope: Scope, trace_id: str) -> Json:
        """A trace with its spans.

        Raises:
            NotFoundError: There is no such trace in the project.
        """
        with self._database.read(scope, is_snapshot=True) as tx:
            return {"trace": self._whole(tx, [known_trace(tx, trace_id)])[0]}

    def _whole(self, tx: Transaction, summaries: Sequence[TraceSummary]) -> list[Json]:
        infos = _infos(tx, summaries)
        with self.traces.cold.whole(tx, [summary.trace_id for summary in summaries]) as own:
            return [
                {"trace_info": info, "spans": [span_json(raw, detail) for raw, detail in raw_spans(own, summary)]}
                for info, summary in zip(infos, summaries, strict=True)
            ]

    def batch(self, scope: Scope, trace_ids: Sequence[str], *, with_spans: bool) -> Json:
        """Those of some traces that there are, in the order of the ids."""
        ids = [found[1].lower() for trace_id in trace_ids if (found := TRACE_ID.fullmatch(trace_id))]
        with self._database.read(scope, is_snapshot=True) as tx:
            known = {each.trace_id: each for each in summaries_of(tx, ids)}
            summaries = [known[trace_id] for trace_id in dict.fromkeys(ids) if trace_id in known]
            return {"traces": self._whole(tx, summaries)} if with_spans else {"trace_infos": _infos(tx, summaries)}

    def search(self, scope: Scope, body: Json) -> Json:
        """A page of traces.

        Raises:
            InvalidError: The filter, the order, the page or the limit cannot be read.
        """
        where = conditions(optional(body, "filter", str))
        order = orders(optional(body, "order_by", list))
        limit = _limit(body.get("max_results", 100))
        offset = _offset(body.get("page_token"))
        ids = [id_ for each in optional(body, "locations", list) or () if (id_ := experiment_of(each)) is not None]
        traces = self.traces
        if reads_index(None, where):
            traces.update_index()
        with traces.index.reader().read(scope, is_snapshot=True) as tx:
            condition = filter_condition(tx, None, where, traces.index.sql, now_ns=traces.clock.now_ns())
            cold = traces.cold.all(tx, TraceFilter(mlflow=where))
            if condition is not None and cold is not None:
                condition = with_cold(tx, [condition], cold)
            found = search_mlflow(
                tx,
                condition,
                experiment_ids=ids,
                order=order,
                limit=limit + 1,
                offset=offset,
            )
            answer: Json = {"traces": _infos(tx, found[:limit])}
        if len(found) > limit:
            answer["next_page_token"] = page_token(offset + limit)
        return answer

    def set_tag(self, scope: Scope, trace_id: str, body: Json) -> Json:
        """Set one tag of a trace.

        Raises:
            NotFoundError: There is no such trace in the project.
            InvalidError: The key or value is too long, or the tag is the platform's own.
        """
        key, value = field(body, "key", str), str(body.get("value") or "")
        _check_tag(key)
        with self._database.transaction(scope) as tx:
            put_labels(tx, LabelKind.TAG, _rows(known_trace(tx, trace_id).trace_id, {key: value}))
        return {}

    def delete_tag(self, scope: Scope, trace_id: str, body: Json) -> Json:
        """Take one tag of a trace away.

        Raises:
            NotFoundError: There is no such trace, or no such tag of it.
        """
        key = field(body, "key", str)
        _check_tag(key)
        with self._database.transaction(scope) as tx:
            found = known_trace(tx, trace_id)
            if not delete_label(tx, found.trace_id, LabelKind.TAG, key):
                raise NotFoundError(
                    N_("No trace tag with key {key!r} for trace with ID {trace_id!r}"),
                    reason="mlflow.no_tag",
                    key=key,
                    trace_id=trace_id,
                )
        return {}

    def link_to_run(self, scope: Scope, body: Json) -> Json:
        """Note by which run some traces were made; traces that are not there are left out."""
        run_id = field(body, "run_id", str)
        ids = [checked_id(trace_id) for trace_id in field(body, "trace_ids", list)]
        with self._database.transaction(scope) as tx:
            known = [each.trace_id for each in summaries_of(tx, ids)]
            put_labels(tx, LabelKind.METADATA, [(trace_id, SOURCE_RUN, run_id) for trace_id in known])
        return {}

    def delete(self, scope: Scope, body: Json) -> Json:
        """Delete traces of an experiment: those that are named, or the oldest up to a time.

        Raises:
            InvalidError: Neither ids nor a time are given, or both.
        """
        experiment_id = field(body, "experiment_id", str)
        named, before_ms = optional(body, "request_ids", list), count(body, "max_timestamp_millis")
        if bool(named) == (before_ms is not None):
            raise InvalidError(
                N_("Either request_ids or max_timestamp_millis says which traces to delete."), reason="mlflow.delete"
            )
        ids = None if not named else [checked_id(trace_id) for trace_id in named]
        left = count(body, "max_traces") if ids is None else len(ids)
        num_deleted = 0
        while left is None or left > 0:
            limit = DELETED_AT_ONCE if left is None else min(left, DELETED_AT_ONCE)
            gone = self._delete_some(scope, experiment_id, ids, before_ms, limit)
            num_deleted += gone
            left = None if left is None else left - gone
            if gone < limit:
                break
        return {"traces_deleted": num_deleted}

    def _delete_some(
        self, scope: Scope, experiment_id: str, ids: Sequence[str] | None, before_ms: int | None, limit: int
    ) -> int:
        """Delete at most `limit` of the traces, the oldest first; returns how many."""
        with self._database.transaction(scope) as tx:
            found = search_mlflow(
                tx,
                None,
                experiment_ids=[experiment_id],
                trace_ids=ids,
                order=orders(["timestamp_ms ASC"]),
                limit=limit,
                before_ms=before_ms,
            )
            gone = [each.trace_id for each in found]
            return store.remove_traces(tx, gone, now_ns=self.traces.clock.now_ns()).num_traces


def experiment_of(location: object) -> str | None:
    """The experiment that a `TraceLocation` names."""
    named = location.get("mlflow_experiment") if isinstance(location, Mapping) else None
    found = named.get("experiment_id") if isinstance(named, Mapping) else None
    return str(found) if found not in {None, ""} else None


def _infos(tx: Transaction, summaries: Sequence[TraceSummary]) -> list[Json]:
    ids = [each.trace_id for each in summaries]
    if not ids:
        return []
    known = labels(tx, ids)
    scores = scores_by_trace(tx, ids, limit=100 * len(ids))
    return [trace_info(each, known.get(each.trace_id, {}), scores.get(each.trace_id, [])) for each in summaries]


def _rows(trace_id: str, values: Mapping[str, str]) -> list[tuple[str, str, str]]:
    too_long = next((key for key in values if not 1 <= len(key) <= MAX_KEY), None)
    if too_long is not None or len(values) > MAX_LABELS:
        raise InvalidError(
            N_("A trace holds at most {limit} tags, with keys of 1 to {length} characters."),
            reason="mlflow.labels",
            limit=MAX_LABELS,
            length=MAX_KEY,
        )
    return [(trace_id, key, value[:MAX_VALUE].replace("\x00", "�")) for key, value in values.items()]


def _check_tag(key: str) -> None:
    if key in _OUR_TAGS:
        raise InvalidError(N_("The tag {key!r} is the platform's own."), reason="mlflow.own_tag", key=key)


def _limit(value: object) -> int:
    limit = _int(value)
    if not 1 <= limit <= MAX_RESULTS:
        raise InvalidError(N_("A page cannot hold {limit!r} traces."), hint=N_("Ask for 1 to 500."), limit=value)
    return limit


def _int(value: object) -> int:
    try:
        return int(value)  # type: ignore[call-overload,no-any-return]  # what is no number raises
    except (TypeError, ValueError):
        return 0


def _offset(token: object) -> int:
    if not token:
        return 0
    [offset] = read_page(str(token), int)
    if offset < 0:
        raise not_a_page(str(token))
    found: int = offset
    return found
