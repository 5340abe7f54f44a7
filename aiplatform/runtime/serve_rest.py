"""Ray Serve's REST interface: which applications should run, and how they are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import httpx

from aiplatform.core.errors import AIPlatformError, RemoteError, TransientError
from aiplatform.core.i18n import N_

_APPLICATIONS: Final = "/api/serve/applications/"
_PUT_TIMEOUT_S: Final = 120.0
_GET_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.3
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")
_SHOWN_CHARACTERS: Final = 600


class ApplicationStatus(StrEnum):
    """Serve's word for how an application is."""

    NOT_STARTED = "NOT_STARTED"
    DEPLOYING = "DEPLOYING"
    RUNNING = "RUNNING"
    UNHEALTHY = "UNHEALTHY"
    DEPLOY_FAILED = "DEPLOY_FAILED"
    DELETING = "DELETING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One Serve application as it is now."""

    name: str
    status: ApplicationStatus
    route_prefix: str | None
    problem: str
    """Why it does not run, in the words of the replica that failed; empty where nothing is wrong."""


class ServeRest:
    """Serve on one Ray cluster, spoken to over HTTP with the cluster's token. Thread safe."""

    def __init__(self, dashboard_url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=dashboard_url, headers=headers, transport=transport, trust_env=False)

    def deploy(self, config: Mapping[str, Any]) -> None:
        """Declare which applications should run; those of an earlier declaration that it leaves out are removed.

        Raises:
            RemoteError: Serve refused the declaration.
            TransientError: Ray cannot be reached.
        """
        self._request("PUT", json=config, timeout=_PUT_TIMEOUT_S)

    def applications(self) -> dict[str, Application]:
        """Every application, by name.

        Raises:
            TransientError: Ray cannot be reached.
        """
        answer = self._request("GET", timeout=_GET_TIMEOUT_S).json()
        return {name: _application(name, shown) for name, shown in (answer.get("applications") or {}).items()}

    def wait_running(
        self,
        names: Iterable[str],
        *,
        timeout_s: float,
        on_change: Callable[[Application], None] = lambda _: None,
    ) -> None:
        """Wait until all of `names` run.

        Args:
            names: Applications to wait for.
            timeout_s: Longest wait.
            on_change: Called when one's status changes.

        Raises:
            RemoteError: One failed; the error carries what its replica said.
            TransientError: Time is up.
        """
        wanted, seen = list(names), dict[str, ApplicationStatus]()
        deadline = time.monotonic() + timeout_s
        while True:
            now = self.applications()
            for name in wanted:
                if name in now and seen.get(name) is not now[name].status:
                    seen[name] = now[name].status
                    on_change(now[name])
            failed = [now[n] for n in wanted if n in now and now[n].status is ApplicationStatus.DEPLOY_FAILED]
            if failed:
                raise _failed(failed[0])
            waiting = [n for n in wanted if seen.get(n) is not ApplicationStatus.RUNNING]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise _too_slow(waiting, now, timeout_s)
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Give connections back."""
        self._http.close()

    def _request(self, method: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, _APPLICATIONS, **options)
        except httpx.TransportError as error:
            raise TransientError(
                N_("Ray does not answer at {url}: {problem}."),
                hint=N_("It may have died: `aiplatform up` starts it again; `aiplatform logs ray` tells why."),
                reason="runtime.ray_dead",
                url=str(self._http.base_url),
                problem=str(error) or type(error).__name__,
            ) from error
        if response.is_error:
            raise RemoteError(
                N_("Ray Serve answered {status}: {problem}"),
                reason="runtime.serve_refused",
                status=response.status_code,
                problem=_shortened(response.text),
            )
        return response


def _application(name: str, shown: Mapping[str, Any]) -> Application:
    status = ApplicationStatus(shown["status"])
    problem = ""
    if status in {ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY}:
        said = [str(part.get("message") or "") for part in (shown.get("deployments") or {}).values()]
        problem = _cause(next((text for text in said if text), str(shown.get("message") or "")))
    return Application(name=name, status=status, route_prefix=shown.get("route_prefix"), problem=problem)


def _cause(message: str) -> str:
    """The last line of a traceback says what happened; the rest is in the logs."""
    lines = [line.strip() for line in _ANSI.sub("", message).splitlines() if line.strip()]
    return _shortened(lines[-1] if lines else "")


def _shortened(text: str) -> str:
    text = _ANSI.sub("", text).strip()
    return text if len(text) <= _SHOWN_CHARACTERS else f"…{text[-_SHOWN_CHARACTERS:]}"


def _failed(application: Application) -> AIPlatformError:
    return RemoteError(
        N_("The application {name!r} did not start: {problem}"),
        hint=N_("`aiplatform logs {name}` shows the whole story."),
        reason="runtime.application_failed",
        name=application.name,
        problem=application.problem,
    )


def _too_slow(waiting: list[str], now: Mapping[str, Application], timeout_s: float) -> AIPlatformError:
    return TransientError(
        N_("After {seconds} s these applications do not run yet: {names}."),
        hint=N_("The machine may be busy: try `aiplatform up` again. `aiplatform logs` shows what they do."),
        reason="runtime.applications_slow",
        seconds=round(timeout_s),
        names=", ".join(f"{name} ({now[name].status if name in now else 'unknown'})" for name in waiting),
    )
