"""Scorers of others: installed ones, found through the entry points `aiplatform.scorers`, and MLflow's objects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.eval.scorers import Row, Score, Scorer, scorer

ENTRY_POINT_GROUP: Final = "aiplatform.scorers"
_MLFLOW: Final = "mlflow.genai.scorers"


def installed(name: str) -> Scorer | None:
    """The scorer that an installed package offers under a name; None where none does.

    Raises:
        ConfigError: Two packages offer it, or it cannot be imported.
    """
    found = [*entry_points(group=ENTRY_POINT_GROUP, name=name)]
    if not found:
        return None
    if len(found) > 1:
        raise ConfigError(
            N_("Several packages offer a scorer {name!r}: {packages}."),
            hint=N_("Give the scorer as `module:function`."),
            reason="scorer.ambiguous",
            name=name,
            packages=", ".join(sorted(point.dist.name if point.dist else point.value for point in found)),
        )
    try:
        loaded = found[0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            N_("The installed scorer {name!r} cannot be loaded: {problem}."),
            hint=N_("Reinstall the package that offers it, or leave the scorer out."),
            reason="scorer.plugin",
            name=name,
            problem=str(error),
        ) from None
    return loaded if isinstance(loaded, Scorer) else scorer(name=name)(loaded)


def adapted(given: Any) -> Scorer | None:
    """A scorer of a kind that another library makes, as ours; None where it is no such thing."""
    if any(base.__module__.startswith(_MLFLOW) for base in type(given).__mro__):
        return mlflow_scorer(given)
    return None


def mlflow_scorer(given: Any, *, outputs: Sequence[str] = ()) -> Scorer:
    """An MLflow scorer, decorated or built in, as ours.

    It is called with `inputs`, `outputs` and `expectations` as MLflow calls it: inputs and expectations that are no
    dictionaries come as `{"input": ...}` and `{"expected_response": ...}`. There is no trace to look at.

    Args:
        given: What `mlflow.genai.scorers.scorer` made, or a scorer of that package.
        outputs: Names of the feedbacks, where it returns several.
    """
    text = repr(sorted(given.model_dump().items())) if hasattr(given, "model_dump") else ""
    wrap = scorer(
        name=str(given.name), version=hashlib.sha256(text.encode()).hexdigest()[:8] if text else None, outputs=outputs
    )
    return wrap(_MlflowCall(given=given, is_several=bool(outputs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _MlflowCall:
    given: Any
    is_several: bool

    def __call__(self, row: Row) -> Any:
        value = self.given.run(
            inputs=_dictionary(row.input, "input"),
            outputs=row.output,
            expectations=_dictionary(row.expected, "expected_response"),
        )
        if self.is_several:
            return {each.name: _score(each) for each in value}
        return _score(value)


def _dictionary(value: Any, name: str) -> Mapping[str, Any] | None:
    return value if value is None or isinstance(value, Mapping) else {name: value}


def _score(value: Any) -> Any:
    """A feedback as a score; any other value as it is."""
    if not hasattr(value, "rationale"):
        return value
    error = getattr(value, "error", None)
    if error is not None:
        return RuntimeError(str(getattr(error, "error_message", None) or error))
    said = getattr(value.value, "value", value.value)  # an enumeration's member is told by its value
    return Score(said, value.rationale or "", metadata=dict(value.metadata or {}))
