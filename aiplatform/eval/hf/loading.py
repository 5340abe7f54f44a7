"""Opening a metric of `evaluate`: an instance, a folder on this machine, or a name of the hub where that is allowed.

A name makes `evaluate` download Python code and run it. So a name needs to be allowed, pinned to a revision, and where
the hub cannot be reached that is said at once, rather than after its own retries and in its own words.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.core.i18n import N_

REACHED_WITHIN_S: Final = 0.8
_OFFLINE: Final = ("HF_EVALUATE_OFFLINE", "HF_HUB_OFFLINE")
_HUB: Final = "https://huggingface.co"


def package() -> Any:
    """The package `evaluate`.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import evaluate  # noqa: PLC0415 - an extra, and heavy
    except ModuleNotFoundError as error:
        raise ConfigError(
            N_("Metrics of Hugging Face need the package {module!r}."),
            hint=N_('Install it with `pip install "aiplatform[platform,hf]"`.'),
            reason="hf.extra",
            module=error.name,
        ) from None
    return evaluate


def opened(given: Any, *, config_name: str | None = None, allow_hub: bool = False, revision: str | None = None) -> Any:
    """The metric, which keeps its rows in memory and writes no file.

    Args:
        given: An `evaluate.Metric`, a folder or file with one, or a name of the hub.
        config_name: Which of the metric's configurations, such as `mrpc` of GLUE.
        allow_hub: Whether code may be fetched from the hub and run.
        revision: Of the hub: the commit or tag of that code.

    Raises:
        ConfigError: A name is not allowed or not pinned, the hub cannot be reached, or the metric needs more packages.
        InvalidError: It is no metric.
    """
    evaluate = package()
    if isinstance(given, evaluate.EvaluationModule):
        return given
    if not isinstance(given, str | Path):
        raise InvalidError(
            N_("{kind!r} is no metric of Hugging Face."),
            hint=N_("Give an `evaluate.Metric`, a folder, or a name with allow_hub=True and a revision."),
            reason="hf.kind",
            kind=type(given).__name__,
        )
    options: dict[str, Any] = {"config_name": config_name, "keep_in_memory": True}
    if not Path(given).exists():
        check_hub(str(given), allow_hub=allow_hub, revision=revision)
        options["revision"] = revision
    try:
        return evaluate.load(str(given), **options)
    except (ImportError, OSError, ValueError) as error:
        raise ConfigError(
            N_("The metric {name!r} cannot be loaded: {problem}"),
            hint=N_("Install what it imports, or give a metric that needs nothing from the network."),
            reason="hf.load",
            name=str(given),
            problem=str(error)[:500],
        ) from None


def check_hub(name: str, *, allow_hub: bool, revision: str | None) -> None:
    """Nothing, where a name may be fetched from the hub.

    Raises:
        ConfigError: It may not, or the hub cannot be reached.
    """
    if not allow_hub:
        raise ConfigError(
            N_("The metric {name!r} is a name of the hub, whose code would be downloaded and run."),
            hint=N_("Give a folder or an `evaluate.Metric`, or allow it: allow_hub=True, revision=..."),
            reason="hf.not_allowed",
            name=name,
        )
    if not revision:
        raise ConfigError(
            N_("The metric {name!r} has no revision: what is run would change by itself."),
            hint=N_("Pin it: revision=..., a commit of its repository."),
            reason="hf.not_pinned",
            name=name,
        )
    endpoint = os.environ.get("HF_ENDPOINT") or _HUB
    switch = next((one for one in _OFFLINE if os.environ.get(one, "").upper() in {"1", "ON", "YES", "TRUE"}), None)
    if switch is not None or not _answers(endpoint):
        raise ConfigError(
            N_("The metric {name!r} needs the hub at {endpoint}, which cannot be reached: {problem}."),
            hint=N_("Copy its folder here and give the path, or use a metric of the platform."),
            reason="hf.offline",
            name=name,
            endpoint=endpoint,
            problem=f"{switch} is set" if switch else f"no answer within {REACHED_WITHIN_S} s",
        )


def _answers(endpoint: str) -> bool:
    where = urlsplit(endpoint)
    port = where.port or (443 if where.scheme == "https" else 80)
    try:
        with socket.create_connection((where.hostname or "", port), timeout=REACHED_WITHIN_S):
            return True
    except OSError:
        return False
