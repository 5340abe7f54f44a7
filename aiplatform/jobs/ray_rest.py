"""A Ray cluster's job interface over HTTP: no Ray in this process, one token, every answer looked at."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import AIPlatformError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.jobs.model import JobState, Resources
from aiplatform.jobs.ports import Observation, Submission

TIMEOUT_S: Final = 30.0
POLL_S: Final = 1.0
POLL_CHARACTERS_PER_S: Final = 1_000_000
_STATES: Final = {
    "PENDING": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "SUCCEEDED": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
    "STOPPED": JobState.STOPPED,
}


class RayJobRunner:
    """Jobs through `/api/jobs/` of one Ray cluster.

    Args:
        address: Of the dashboard, `http://127.0.0.1:8265`.
        token: Gives the cluster's token as it is now.
    """

    def __init__(
        self,
        address: str,
        token: Callable[[], str | None],
        *,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._address = address.rstrip("/")
        self._token = token
        self._http = httpx.Client(base_url=self._address, timeout=TIMEOUT_S, transport=transport)

    def submit(self, submission: Submission) -> None:
        """Start a job; a job id that the cluster knows already changes nothing."""
        runtime_env: dict[str, Any] = {"env_vars": dict(submission.env)}
        if submission.working_dir_uri is not None:
            runtime_env["working_dir"] = submission.working_dir_uri
        resources = submission.resources
        body = {
            "entrypoint": submission.entrypoint,
            "submission_id": submission.job_id,
            "runtime_env": runtime_env,
            "metadata": dict(submission.metadata),
            "entrypoint_num_cpus": resources.num_cpus,
            "entrypoint_num_gpus": resources.num_gpus,
            "entrypoint_memory": resources.memory_bytes,
        }
        try:
            self._call("POST", "/api/jobs/", json=body)
        except RemoteError:
            if self.observe(submission.job_id) is None:
                raise

    def observe(self, job_id: str) -> Observation | None:
        """Where a job stands; None where the cluster does not know it."""
        response = self._send("GET", f"/api/jobs/{job_id}")
        if response.status_code == 404:
            return None
        _check(response)
        details = response.json()
        return Observation(
            state=_STATES[details["status"]],
            message=_message(details),
            started_ns=_ns(details.get("start_time")),
            ended_ns=_ns(details.get("end_time")),
        )

    def logs(self, job_id: str, *, follow: bool) -> Iterator[str]:
        """What the job printed, in pieces; with `follow` until it ends."""
        # Ray also offers a WebSocket that tails; on 2.60 in token mode it closes without a word, so the log is asked
        # for again and again, more rarely the longer it is.
        sent = 0
        while True:
            ended = not follow or self._has_ended(job_id)
            text = self._log(job_id)
            if len(text) > sent:
                yield text[sent:]
                sent = len(text)
            if ended:
                return
            self._clock.sleep(POLL_S + len(text) / POLL_CHARACTERS_PER_S)

    def stop(self, job_id: str) -> None:
        """End a job; nothing happens where it has ended or is not known."""
        response = self._send("POST", f"/api/jobs/{job_id}/stop")
        if response.status_code != 404:
            _check(response)

    def capacity(self) -> Resources:
        """All that the cluster's living nodes have."""
        answer = self._call("GET", "/api/v0/nodes", params={"detail": 0, "limit": 10_000})
        totals = [
            node["resources_total"] for node in answer["data"]["result"]["result"] if node.get("state") == "ALIVE"
        ]
        return Resources(
            num_cpus=sum(total.get("CPU", 0.0) for total in totals),
            num_gpus=sum(total.get("GPU", 0.0) for total in totals),
            memory_bytes=int(sum(total.get("memory", 0.0) for total in totals)),
        )

    def upload(self, name: str, content: bytes) -> str:
        """Keep a zip on the cluster; the same name again changes nothing."""
        path = f"/api/packages/gcs/{name}"
        if self._send("GET", path).status_code != 200:
            _check(self._send("PUT", path, content=content))
        return f"gcs://{name}"

    def close(self) -> None:
        """Give connections back."""
        self._http.close()

    def _log(self, job_id: str) -> str:
        response = self._send("GET", f"/api/jobs/{job_id}/logs")
        if response.status_code == 404:
            return ""
        _check(response)
        return str(response.json().get("logs") or "")

    def _has_ended(self, job_id: str) -> bool:
        seen = self.observe(job_id)
        return seen is None or seen.state.is_final

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = self._send(method, path, **options)
        _check(response)
        return response.json()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, headers=self._headers(), **options)
        except httpx.TransportError as error:
            raise _unreachable(error) from error

    def _headers(self) -> dict[str, str]:
        token = self._token()
        return {"authorization": f"Bearer {token}"} if token else {}


def _check(response: httpx.Response) -> None:
    if not response.is_error:
        return
    text = response.text
    with contextlib.suppress(ValueError, AttributeError):
        text = json.loads(text).get("msg") or text
    raise RemoteError(
        N_("Ray refused: {problem}"),
        hint=N_("`aiplatform logs` shows what Ray says at length."),
        reason="jobs.ray",
        problem=_last_line(text),
    )


def _message(details: dict[str, Any]) -> str:
    """Ray's words; of a runtime environment that could not be made, its last line instead of Ray's own traceback."""
    message = str(details.get("message") or "")
    kind, separator, rest = message.partition("runtime_env setup failed:")
    return f"runtime_env setup failed: {_last_line(rest)}" if separator and not kind else message


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:500] if lines else "?"


def _unreachable(error: Exception) -> AIPlatformError:
    return TransientError(
        N_("The Ray cluster cannot be reached: {problem}."),
        hint=N_("`aiplatform status` tells whether it runs; `aiplatform up` starts it."),
        reason="jobs.unreachable",
        retry_after_s=5.0,
        problem=str(error) or type(error).__name__,
    )


def _ns(milliseconds: int | None) -> int | None:
    return int(milliseconds) * 1_000_000 if milliseconds else None
