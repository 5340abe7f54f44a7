"""Why a model that is deployed could not be asked: the errors that every host raises."""

from __future__ import annotations

from aiplatform.core.errors import AIPlatformError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.serve.ports import ModelCall


def unreachable(call: ModelCall, error: BaseException | None = None) -> AIPlatformError:
    """None of its replicas answers, or the one that was asked is gone."""
    return TransientError(
        N_("No replica of the model {name!r} can be reached."),
        hint=N_("It is being restored. Try again in a moment."),
        reason="model.unreachable",
        retry_after_s=2.0,
        name=_name(call),
        problem=type(error).__name__ if error is not None else "",
    )


def busy(call: ModelCall) -> AIPlatformError:
    """It has more requests waiting than it may have."""
    return TransientError(
        N_("The model {name!r} has more requests than it can take."),
        hint=N_("Try again in a moment, or give it more replicas."),
        reason="model.busy",
        retry_after_s=1.0,
        name=_name(call),
    )


def refused(call: ModelCall) -> AIPlatformError:
    """Its replica does not know this door: the secret was replaced, or the clocks differ."""
    return RemoteError(
        N_("A replica of the model {name!r} does not accept this door's signature."),
        hint=N_("Apply the deployment again: its replicas then read the door's secret anew."),
        reason="model.refused",
        name=_name(call),
    )


def _name(call: ModelCall) -> str:
    return call.application.rsplit(".", 1)[-1]
