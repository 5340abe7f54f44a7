"""Training from Python: `aip.training.run("train.yaml").wait()`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiplatform.client.http import Client
from aiplatform.client.polling import poll
from aiplatform.core.clock import Clock
from aiplatform.core.errors import InvalidError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.jobs import api as jobs_api
from aiplatform.train.model import TrainingRun, TrainingState
from aiplatform.train.spec import TrainSpec, parse_spec, read_spec

__all__ = ["TrainingHandle", "cancel", "get", "list", "run"]

POLL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class TrainingHandle:
    """A training run as it was last seen, and what can be done with it."""

    run: TrainingRun
    _client: Client = field(repr=False)

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.run.run_id

    @property
    def state(self) -> TrainingState:
        """Where it stood when it was last seen."""
        return self.run.state

    @property
    def metrics(self) -> Mapping[str, float]:
        """The values of its last report, or of its best checkpoint where the specification names a metric."""
        return self.run.metrics

    @property
    def model(self) -> str | None:
        """The registered version, `name@version`."""
        return self.run.model

    @property
    def best_checkpoint(self) -> str:
        """Where its checkpoint lies, for `aip.models.register`.

        Raises:
            InvalidError: It has none: the loop reported none, or it has not ended.
        """
        if self.run.checkpoint_path is None:
            raise InvalidError(
                N_("Training run {run_id!r} has no checkpoint."),
                hint=N_("Report one: `ray.train.report(metrics, checkpoint=…)`; it is kept when the run ends."),
                reason="train.no_checkpoint",
                run_id=self.run_id,
            )
        return self.run.checkpoint_path

    def refresh(self) -> TrainingHandle:
        """The run as it is now."""
        return get(self.run_id, client=self._client)

    def settled(self, timeout_s: float | None = None, *, clock: Clock | None = None) -> TrainingHandle:
        """The run once it has ended, however it ended, or as it is when time is up."""
        return poll(
            self.refresh, until=lambda run: run.state.is_final, every_s=POLL_S, timeout_s=timeout_s, clock=clock
        )

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """What its job printed; with `follow` until it ends. Nothing where it runs outside the platform's jobs."""
        return (
            iter(()) if self.run.job_id is None else jobs_api.logs(self.run.job_id, follow=follow, client=self._client)
        )

    def cancel(self) -> TrainingHandle:
        """Stop it."""
        return cancel(self.run_id, client=self._client)

    def wait(self, timeout_s: float | None = None, *, clock: Clock | None = None) -> TrainingHandle:
        """Wait until it ends.

        Raises:
            RemoteError: It failed or was stopped; the error carries the reason.
            TransientError: It has not ended in time; it goes on.
        """
        seen = self.settled(timeout_s, clock=clock)
        if not seen.state.is_final:
            raise TransientError(
                N_("Training run {run_id!r} has not ended in {timeout_s:g} s."),
                hint=N_("It goes on: `aiplatform training get {run_id}` shows where it stands."),
                reason="train.timeout",
                run_id=self.run_id,
                timeout_s=timeout_s,
            )
        if seen.state is not TrainingState.SUCCEEDED:
            raise RemoteError(
                N_("Training run {run_id!r} ended as {state}: {problem}"),
                hint=N_("`aiplatform training logs {run_id}` shows what it printed."),
                reason="train.failed",
                run_id=self.run_id,
                state=str(seen.state),
                problem=seen.run.message,
            )
        return seen


def run(
    spec: TrainSpec | Mapping[str, Any] | str | Path,
    *,
    working_dir: str | Path | None = None,
    run_id: str | None = None,
    env: Mapping[str, str] | None = None,
    client: Client | None = None,
) -> TrainingHandle:
    """Begin a training run as a job on the tenant's Ray cluster, acting as you.

    Args:
        spec: A YAML file, or what would stand in one.
        working_dir: Folder with the code; by default the one that the file lies in. Without either, the entrypoint must
            be installed on the cluster.
        run_id: Your own id: beginning it again answers with the first run.
        env: Further variables of the job; no secrets.
        client: By default one made from the environment.
    """
    client = client or Client()
    folder = working_dir
    if isinstance(spec, str | Path):
        folder = folder if folder is not None else Path(spec).resolve().parent
        parsed = read_spec(Path(spec))
    else:
        parsed = spec if isinstance(spec, TrainSpec) else parse_spec(spec)
    body = {
        "spec": parsed.document(),
        "run_id": run_id,
        "working_dir": jobs_api.upload_folder(folder, client=client) if folder is not None else None,
        "env": dict(env or {}),
    }
    return _handle(client.post("/api/v1/training-runs", body, idempotent=run_id is not None), client)


def get(run_id: str, *, client: Client | None = None) -> TrainingHandle:
    """One training run."""
    client = client or Client()
    return _handle(client.get(f"/api/v1/training-runs/{run_id}"), client)


def list(*, limit: int = 50, client: Client | None = None) -> tuple[TrainingHandle, ...]:  # noqa: A001 - a verb on a noun
    """The newest training runs of the project."""
    client = client or Client()
    items = client.get("/api/v1/training-runs", limit=limit)["items"]
    return tuple(_handle(item, client) for item in items)


def cancel(run_id: str, *, client: Client | None = None) -> TrainingHandle:
    """Stop a training run with its job; nothing happens where it has ended."""
    client = client or Client()
    return _handle(client.post(f"/api/v1/training-runs/{run_id}:cancel", idempotent=True), client)


def _handle(item: Mapping[str, Any], client: Client) -> TrainingHandle:
    fields = {**item, "state": TrainingState(item["state"]), "datasets": tuple(item["datasets"])}
    return TrainingHandle(TrainingRun(**fields), client)
