"""Who may send, and which project of their tenant it goes to: through the real authentication layer with real keys."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.tracing.projects import ProjectChoice, Wish, named_by_headers, spellings
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import signals_app

PROTOBUF = "application/x-protobuf"
REFUSED = "There is no such project for this key."


@pytest.fixture
def ready(platform: PlatformUnderTest, traces: Traces) -> PlatformUnderTest:
    platform.serve_raw(signals_app(traces, ProjectChoice(platform.tenancy.directory)))
    return platform


def send(
    ready: PlatformUnderTest,
    number: int,
    headers: Mapping[str, str],
    *,
    resource: Mapping[str, Any] | None = None,
) -> httpx.Response:
    body = export_request([make_span(trace=number)], resource=resource).SerializeToString()
    with httpx.Client(base_url="http://127.0.0.1:8000", transport=ready.transport()) as http:
        return http.post("/v1/traces", content=body, headers={"content-type": PROTOBUF, **headers})


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def problem_of(response: httpx.Response) -> tuple[int, str]:
    assert response.status_code == 200
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    return partial.rejected_spans, partial.error_message


def stored(traces: Traces, tenant: str, project: str) -> list[str]:
    return sorted(item.trace_id for item in traces.list(Scope(tenant_id=tenant, project_id=project)).items)


WAYS: list[Callable[[str], dict[str, str]]] = [
    bearer,
    lambda key: {"authorization": f"bEaReR {key}"},
    lambda key: basic(key, ""),
    lambda key: basic(key, "x"),
    lambda key: basic("pk-lf-anything", key),
    lambda key: {"x-api-key": key},
]


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_every_usual_way_to_send_a_key_reaches_its_tenant(ready: PlatformUnderTest, traces: Traces, way: int) -> None:
    assert send(ready, 7, WAYS[way](ready.key(tenant="acme"))).status_code == 200
    assert stored(traces, "acme", "default") == [trace_id_of(7).hex()]
    assert stored(traces, "default", "default") == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("aip_00000000_" + "0" * 40),
        bearer("sk-something"),
        basic("a", "b"),
        {"authorization": "Basic !"},
        {"authorization": "Digest x"},
        {"x-api-key": "nope"},
    ],
)
def test_what_is_no_key_is_401(ready: PlatformUnderTest, headers: dict[str, str]) -> None:
    assert send(ready, 1, headers).status_code == 401


def test_headers_that_name_a_tenant_choose_none(ready: PlatformUnderTest, traces: Traces) -> None:
    ready.key(tenant="other")
    headers = {
        **bearer(ready.key(tenant="acme")),
        "x-scope-orgid": "other",
        "x-tenant": "other",
        "x-workspace": "other",
    }
    assert send(ready, 1, headers).status_code == 200
    assert (len(stored(traces, "acme", "default")), len(stored(traces, "other", "default"))) == (1, 0)


@pytest.mark.parametrize(
    "named",
    [
        {"headers": {"x-project-name": "lab"}},
        {"headers": {"Langsmith-Project": "Lab"}},
        {"headers": {"x-mlflow-experiment-id": "lab"}},
        {"headers": {"x-aiplatform-project": "lab"}},
        {"resource": {"openinference.project.name": "lab"}},
        {"resource": {"aiplatform.project": "lab"}},
        {"resource": {"aiplatform.project": "lab", "openinference.project.name": "default"}},
        {"headers": {"x-project-name": "lab"}, "resource": {"aiplatform.project": "default"}},
        {"headers": {"x-aiplatform-project": "lab"}, "resource": {"aiplatform.project": "default"}},
    ],
)
def test_a_project_of_the_tenant_is_chosen_by_header_before_resource(
    ready: PlatformUnderTest, traces: Traces, named: dict[str, Any]
) -> None:
    ready.key(tenant="acme", project="lab")
    headers = {**bearer(ready.key(tenant="acme")), **named.get("headers", {})}
    response = send(ready, 1, headers, resource=named.get("resource"))
    assert problem_of(response) == (0, "")
    assert (len(stored(traces, "acme", "lab")), len(stored(traces, "acme", "default"))) == (1, 0)


def test_an_unknown_project_is_made_by_a_key_that_may_and_by_no_other(ready: PlatformUnderTest, traces: Traces) -> None:
    admin, developer = bearer(ready.key(Role.ADMIN, tenant="acme")), bearer(ready.key(tenant="acme"))
    label = {"openinference.project.name": "My App"}
    assert problem_of(send(ready, 1, developer, resource=label)) == (1, REFUSED)
    assert send(ready, 1, {**developer, "x-project-name": "My App"}).status_code == 404
    assert problem_of(send(ready, 2, admin, resource=label)) == (0, "")
    assert problem_of(send(ready, 3, developer, resource=label)) == (0, "")
    assert problem_of(send(ready, 4, {**admin, "x-project-name": "second"})) == (0, "")
    assert stored(traces, "acme", "my-app") == [trace_id_of(2).hex(), trace_id_of(3).hex()]
    assert stored(traces, "acme", "second") == [trace_id_of(4).hex()]
    caller = ready.caller(Role.ADMIN, tenant="acme")
    assert {one.project_id: one.name for one in ready.tenancy.directory.projects(caller)}["my-app"] == "My App"
    made = [event.target for event in ready.tenancy.audit.page(caller)[0] if event.action == "projects.create"]
    assert {"my-app", "second"} <= set(made)


@pytest.mark.parametrize("name", ["7up", "-", "api", "\u0000", "退款"])
def test_what_cannot_name_a_project_is_refused_even_to_an_admin(ready: PlatformUnderTest, name: str) -> None:
    admin = bearer(ready.key(Role.ADMIN, tenant="acme"))
    rejected, message = problem_of(send(ready, 1, admin, resource={"aiplatform.project": name}))
    assert (rejected, message) == (1, REFUSED)


def test_another_tenants_project_is_refused_in_the_words_for_one_that_nobody_has(
    ready: PlatformUnderTest, traces: Traces
) -> None:
    ready.key(tenant="other", project="secret")
    key = bearer(ready.key(tenant="acme"))
    for header in ("x-project-name", "x-aiplatform-project"):
        theirs, nobodys = (
            send(ready, 1, {**key, header: name, "x-request-id": "req-12345678"}) for name in ("secret", "absent")
        )
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content.replace(b"secret", b"absent") == nobodys.content
    for attribute in ("aiplatform.project", "openinference.project.name"):
        assert problem_of(send(ready, 1, key, resource={attribute: "secret"})) == (1, REFUSED)
        assert problem_of(send(ready, 1, key, resource={attribute: "absent"})) == (1, REFUSED)
    assert stored(traces, "other", "secret") == []


def test_a_key_of_one_project_stays_there(ready: PlatformUnderTest, traces: Traces) -> None:
    ready.key(tenant="acme", project="lab")
    snippet = ready.tenancy.keys.create_for_snippet(ready.caller(tenant="acme")).text
    assert problem_of(send(ready, 1, bearer(snippet), resource={"openinference.project.name": "lab"})) == (0, "")
    assert problem_of(send(ready, 2, bearer(snippet), resource={"aiplatform.project": "lab"})) == (1, REFUSED)
    assert send(ready, 3, {**bearer(snippet), "x-project-name": "lab"}).status_code == 404
    assert stored(traces, "acme", "lab") == []
    assert stored(traces, "acme", "default") == [trace_id_of(1).hex()]


def test_a_refused_resource_takes_none_of_its_neighbours_along(ready: PlatformUnderTest, traces: Traces) -> None:
    request = export_request([make_span(trace=1)])
    request.MergeFrom(export_request([make_span(trace=2), make_span(trace=3)], resource={"aiplatform.project": "no"}))
    request.MergeFrom(export_request([make_span(trace=4)], resource={"openinference.project.name": "default"}))
    with httpx.Client(base_url="http://127.0.0.1:8000", transport=ready.transport()) as http:
        headers = {"content-type": PROTOBUF, **bearer(ready.key(tenant="acme"))}
        response = http.post("/v1/traces", content=request.SerializeToString(), headers=headers)
    assert problem_of(response) == (2, REFUSED)
    assert stored(traces, "acme", "default") == [trace_id_of(1).hex(), trace_id_of(4).hex()]


def test_a_key_without_the_permission_is_refused(ready: PlatformUnderTest) -> None:
    scoped = bearer(ready.key(tenant="acme", scopes=[Permission.SCORES_WRITE]))
    assert send(ready, 1, scoped).status_code == 403


def test_an_experiments_number_names_no_project() -> None:
    assert named_by_headers({"x-mlflow-experiment-id": "12"}) is None
    assert named_by_headers({"x-project-name": "a", "x-aiplatform-project": "b"}) is None
    assert named_by_headers({"x-project-name": " a "}) == Wish(name="a", is_label=False)
    assert spellings("My App (v2)") == ("My App (v2)", "my-app-v2")
