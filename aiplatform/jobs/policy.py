"""Decisions about jobs: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.jobs.model import Resources

RESERVED: Final = ("AIPLATFORM_", "MLFLOW_TRACKING_", "OTEL_EXPORTER_OTLP_")


def check_fits(wanted: Resources, capacity: Resources) -> None:
    """Nothing, where the cluster could ever run this.

    Raises:
        InvalidError: It asks for more than the whole cluster has, so that it would wait for ever.
    """
    pairs = (
        (N_("CPUs"), wanted.num_cpus, capacity.num_cpus),
        (N_("GPUs"), wanted.num_gpus, capacity.num_gpus),
        (N_("bytes of memory"), wanted.memory_bytes, capacity.memory_bytes),
    )
    for what, asked, there in pairs:
        if asked > there:
            raise InvalidError(
                N_("This needs {asked:g} {what}, and the whole cluster has {there:g}."),
                hint=N_("Ask for less, or give the cluster more; it would wait for ever otherwise."),
                reason="jobs.resources",
                asked=asked,
                what=what,
                there=there,
            )


def job_environment(
    own: Mapping[str, str], *, job_id: str, url: str, project_id: str, key_file: str, traceparent: str | None
) -> dict[str, str]:
    """The variables of a job: the user's own, and over them what leads it to the platform.

    No database address and no secret is among them: the key lies in a file that is renewed while the job lives.
    """
    kept = {name: value for name, value in own.items() if not name.startswith(RESERVED)}
    given = {
        "AIPLATFORM_URL": url,
        "AIPLATFORM_KEY_FILE": key_file,
        "AIPLATFORM_PROJECT": project_id,
        "AIPLATFORM_JOB_ID": job_id,
        "MLFLOW_TRACKING_URI": f"{url}/mlflow",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "PYTHONUNBUFFERED": "1",
        "RAY_COLOR_PREFIX": "0",
    }
    return {**kept, **given, **({"TRACEPARENT": traceparent} if traceparent else {})}
