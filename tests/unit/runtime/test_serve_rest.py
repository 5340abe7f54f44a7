"""Serve's REST interface, as the platform reads it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from aiplatform.core.errors import RemoteError, TransientError
from aiplatform.runtime.serve_rest import ApplicationStatus, ServeRest


def _rest(*answers: Any) -> tuple[ServeRest, list[httpx.Request]]:
    seen: list[httpx.Request] = []
    remaining = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    return ServeRest("http://ray", "token", transport=httpx.MockTransport(handle)), seen


def _shown(status: str, message: str = "") -> dict[str, Any]:
    deployment = {"message": message}
    return {"applications": {"door": {"status": status, "route_prefix": "/v1", "deployments": {"door": deployment}}}}


def test_every_request_carries_the_token() -> None:
    rest, seen = _rest({"applications": {}})
    rest.deploy({"applications": []})
    assert rest.applications() == {}
    assert [(request.method, request.headers["authorization"]) for request in seen] == [
        ("PUT", "Bearer token"),
        ("GET", "Bearer token"),
    ]


def test_waiting_ends_when_all_run_and_tells_each_change_once() -> None:
    rest, _ = _rest(_shown("DEPLOYING"), _shown("DEPLOYING"), _shown("RUNNING"))
    changes: list[ApplicationStatus] = []
    rest.wait_running(["door"], timeout_s=30, on_change=lambda application: changes.append(application.status))
    assert changes == [ApplicationStatus.DEPLOYING, ApplicationStatus.RUNNING]


def test_a_failed_application_is_told_in_its_replicas_words() -> None:
    message = "The deployment failed to start 3 times.\n\x1b[36mray::Replica\x1b[39m\nValueError: no such file: 'x'"
    rest, _ = _rest(_shown("DEPLOY_FAILED", message))
    with pytest.raises(RemoteError, match=r"'door' did not start: ValueError: no such file: 'x'") as caught:
        rest.wait_running(["door"], timeout_s=30)
    assert caught.value.full_code == "runtime.application_failed"


def test_waiting_is_bounded_and_names_what_is_missing() -> None:
    rest, _ = _rest(_shown("DEPLOYING"))
    with pytest.raises(TransientError, match=r"door \(DEPLOYING\), worker \(unknown\)"):
        rest.wait_running(["door", "worker"], timeout_s=0)


def test_a_dead_ray_is_told_with_its_address_and_what_to_do() -> None:
    rest, _ = _rest(httpx.ConnectError("refused"))
    with pytest.raises(TransientError, match="http://ray") as caught:
        rest.applications()
    assert caught.value.full_code == "runtime.ray_dead"
    assert "aiplatform up" in str(caught.value.hint)


def test_what_serve_refuses_is_told() -> None:
    rest, _ = _rest(httpx.Response(400, text="route_prefix must be unique"))
    with pytest.raises(RemoteError, match="400: route_prefix must be unique"):
        rest.deploy({})
