"""Classes that the platform brings to run models with: MLflow's own flavours, and another OpenAI endpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_


class MlflowModel:
    """A registered version in any flavour that MLflow's `pyfunc` loads, for `infer`."""

    def __init__(self, model_path: Path, **_params: Any) -> None:
        from mlflow import pyfunc

        self._model = pyfunc.load_model(str(model_path))

    def infer(self, inputs: Mapping[str, Any]) -> Any:
        """The model's prediction: one array goes in as it is, several go in by name."""
        return self._model.predict(next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs))


class Upstream:
    """Another endpoint that speaks OpenAI's protocol, behind this platform's keys and traces.

    Args:
        model: The upstream's name of the model.
        base_url: Its address; by default `$OPENAI_BASE_URL`.
        key_variable: Environment variable that holds its key; the key itself is never part of a deployment.
    """

    def __init__(self, model: str, base_url: str | None = None, key_variable: str = "OPENAI_API_KEY") -> None:
        from openai import OpenAI  # noqa: PLC0415 - only replicas of such models need it

        address = base_url or os.environ.get("OPENAI_BASE_URL")
        if not address:
            raise ConfigError(
                N_("No upstream address is known for the model {model!r}."),
                hint=N_("Set OPENAI_BASE_URL before `aiplatform up`, or give base_url."),
                reason="upstream.no_address",
                model=model,
            )
        self._model = model
        self._client = OpenAI(base_url=address, api_key=os.environ.get(key_variable) or "none")

    def chat(
        self, messages: Sequence[Mapping[str, Any]], *, stream: bool = False, **options: Any
    ) -> dict[str, Any] | Iterator[dict[str, Any]]:
        """The upstream's own answer, or its chunks."""
        request: dict[str, Any] = {"model": self._model, "messages": list(messages), **options}
        if not stream:
            answer: dict[str, Any] = self._client.chat.completions.create(**request).model_dump(exclude_unset=True)
            return answer
        chunks = self._client.chat.completions.create(stream=True, **request)
        return (chunk.model_dump(exclude_unset=True) for chunk in chunks)

    def embed(self, inputs: Sequence[str]) -> list[list[float]]:
        """The upstream's embeddings."""
        answer = self._client.embeddings.create(model=self._model, input=list(inputs), encoding_format="float")
        return [one.embedding for one in answer.data]
