"""What a stock MLflow client does with traces, given a tracking address and a token, in a process of its own."""

import json
import sys
from contextlib import suppress
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Feedback, SpanType
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracing.attachments import Attachment

PICTURE = bytes(range(256)) * 16


@mlflow.trace(span_type=SpanType.RETRIEVER)  # type: ignore[untyped-decorator]
def look_up(question: str) -> list[dict[str, Any]]:
    return [{"page_content": "Paris is the capital.", "metadata": {"doc_uri": "fr"}, "id": "fr"}]


@mlflow.trace(name="answer", span_type=SpanType.CHAIN, attributes={"tier": "gold"})  # type: ignore[untyped-decorator]
def answer(question: str) -> str:
    passages = look_up(question)
    with mlflow.start_span("call", span_type=SpanType.CHAT_MODEL) as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}]})
        span.set_outputs({"choices": [{"message": {"role": "assistant", "content": "巴黎"}}]})
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15})
    mlflow.update_current_trace(
        tags={"env": "prod"}, metadata={"mlflow.trace.session": "s-1", "mlflow.trace.user": "lin", "build": "7"}
    )
    return f"{passages[0]['page_content']} 巴黎"


def broken() -> None:
    with mlflow.start_span("break"):
        raise ValueError("no such page")


def use() -> dict[str, Any]:
    experiment = mlflow.set_experiment("traced")
    answer("What is the capital of France?")
    first = mlflow.get_last_active_trace_id()
    assert first
    with suppress(ValueError):
        broken()
    second = mlflow.get_last_active_trace_id()
    assert second
    mlflow.flush_trace_async_logging()
    client = MlflowClient()
    got = mlflow.get_trace(first)
    seen: dict[str, Any] = {"trace_id": first, "second": second, "experiment": experiment.experiment_id}
    seen["spans"] = [
        {"name": s.name, "type": s.span_type, "in": s.inputs, "out": s.outputs, "parent": s.parent_id is not None}
        for s in got.data.spans
    ]
    seen["tier"] = got.data.spans[0].get_attribute("tier")
    info = got.info
    seen["info"] = {
        "state": str(info.state), "experiment": info.experiment_id, "env": info.tags["env"], "tokens": info.token_usage,
        "build": info.trace_metadata["build"], "request": info.request_preview,
        "has_time": info.execution_duration >= 0,
    }  # fmt: skip
    seen["failed"] = mlflow.get_trace(second).data.spans[0].status.description

    mlflow.set_trace_tag(first, "reviewed", "yes")
    mlflow.set_trace_tag(first, "gone", "soon")
    mlflow.delete_trace_tag(first, "gone")
    good = mlflow.log_feedback(
        trace_id=first, name="quality", value=0.8, rationale="short and right",
        source=AssessmentSource(source_type="LLM_JUDGE", source_id="judge-1"),
    )  # fmt: skip
    mlflow.log_feedback(trace_id=first, name="polite", value=True)
    mlflow.log_feedback(trace_id=second, name="polite", value=False)
    mlflow.log_expectation(trace_id=first, name="expected", value={"answer": "Paris"})
    mlflow.override_feedback(trace_id=first, assessment_id=good.assessment_id, value=0.4, rationale="too long")
    old = mlflow.get_assessment(first, good.assessment_id)
    extra = mlflow.log_feedback(trace_id=first, name="extra", value="x")
    mlflow.update_assessment(first, extra.assessment_id, Feedback(name="extra", value="y", rationale="changed"))
    seen["changed"] = mlflow.get_assessment(first, extra.assessment_id).value
    mlflow.delete_assessment(first, extra.assessment_id)
    after = mlflow.get_trace(first).info
    seen["tags"] = {key: value for key, value in after.tags.items() if key in {"env", "reviewed", "gone"}}
    seen["assessments"] = sorted([a.name, a.value, str(a.source.source_type), a.valid] for a in after.assessments)
    seen["old_is_valid"] = old.valid
    seen["searches"] = {
        filter_string: [
            trace.info.trace_id == first
            for trace in mlflow.search_traces(
                locations=[experiment.experiment_id], filter_string=filter_string, return_type="list"
            )
        ]
        for filter_string in (
            "", "trace.status = 'OK'", "status = 'ERROR'", "name = 'answer'",
            "tags.env = 'prod' AND tags.reviewed = 'yes'",
            "metadata.build = '7'", "span.name LIKE 'look%'", "span.type = 'CHAT_MODEL'", "feedback.quality < 0.5",
            "feedback.quality > 0.5", "feedback.polite = 'true'", "timestamp_ms > 0 AND execution_time_ms >= 0",
            "tags.reviewed IS NULL", "trace.text LIKE '%巴黎%'", "name RLIKE '^ans'",
            "tags.env ILIKE 'PROD'", "span.attributes.tier = 'gold'", "span.attributes.tier LIKE 'go%'",
            "expectation.expected IS NOT NULL", "metadata.`mlflow.trace.session` = 's-1'", f"request_id = '{first}'",
        )
    }  # fmt: skip
    page = client.search_traces(locations=[experiment.experiment_id], max_results=1, order_by=["timestamp_ms ASC"])
    more = client.search_traces(
        locations=[experiment.experiment_id], max_results=1, order_by=["timestamp_ms ASC"], page_token=page.token
    )
    seen["pages"] = [[each.info.trace_id for each in part] for part in (page, more)]
    seen["last_page"] = more.token
    with mlflow.start_run() as run:
        client.link_traces_to_run([first], run.info.run_id)
    seen["of_run"] = len(client.search_traces(locations=[experiment.experiment_id], run_id=run.info.run_id))
    seen["deleted"] = client.delete_traces(experiment.experiment_id, trace_ids=[second])
    seen["left"] = [each.info.trace_id for each in client.search_traces(locations=[experiment.experiment_id])]
    with mlflow.start_span("picture") as span:
        span.set_inputs({"image": Attachment(content_type="image/png", content_bytes=PICTURE)})
    pictured = mlflow.get_last_active_trace_id()
    assert pictured
    mlflow.flush_trace_async_logging()
    stored = mlflow.get_trace(pictured)
    named = Attachment.parse_ref(stored.data.spans[0].inputs["image"])
    assert named
    files = get_artifact_repository(stored.info.tags["mlflow.artifactLocation"])
    seen["picture"] = files.download_trace_attachment(named["attachment_id"]) == PICTURE
    with mlflow.start_span("without an experiment", trace_destination=None) as span:
        span.set_inputs("x")
    mlflow.flush_trace_async_logging()
    return seen


def look(trace_id: str, experiment_id: str) -> dict[str, Any]:
    client = MlflowClient()
    seen: dict[str, Any] = {
        "found": len(client.search_traces(locations=[experiment_id])) + len(client.search_traces(locations=["0"])),
        "by_id": len(client._tracing_client.store.batch_get_traces([trace_id])),
        "deleted": client.delete_traces("0", trace_ids=[trace_id]),
    }
    for name, act in {
        "get": lambda: client.get_trace(trace_id),
        "info": lambda: client._tracing_client.store.get_trace_info(trace_id),
        "tag": lambda: client.set_trace_tag(trace_id, "a", "b"),
        "untag": lambda: client.delete_trace_tag(trace_id, "env"),
        "feedback": lambda: mlflow.log_feedback(trace_id=trace_id, name="mine", value=1),
        "nothing": lambda: client.set_trace_tag("tr-" + "0" * 32, "a", "b"),
        "delete": lambda: client.delete_traces(experiment_id, trace_ids=[trace_id]),
    }.items():
        try:
            act()  # type: ignore[no-untyped-call]
            seen[name] = "done"
        except MlflowException as error:
            seen[name] = str(error).replace(trace_id, "ID").replace("tr-" + "0" * 32, "ID")
    return seen


def read(trace_id: str) -> dict[str, Any]:
    trace = MlflowClient().get_trace(trace_id)
    return {
        "spans": [{"name": span.name, "in": span.inputs, "out": span.outputs} for span in trace.data.spans],
        "events": [[event.name for event in span.events] for span in trace.data.spans],
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["look", trace_id, experiment_id]:
            found = look(trace_id, experiment_id)
        case ["read", trace_id]:
            found = read(trace_id)
        case _:
            found = use()
    print("RESULT", json.dumps(found))
