"""Registered models, versions and aliases through MLflow's REST interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.core.errors import ConflictError
from aiplatform.registry.mlflow_rest import MlflowRest
from aiplatform.registry.model import RegisteredModel

KEY_TAG: Final = "aiplatform.key"
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A model version as MLflow keeps it."""

    name: str
    version: int
    aliases: tuple[str, ...]
    description: str
    source: str
    mlflow_run_id: str | None
    tags: Mapping[str, str]
    created_ms: int


class MlflowModels:
    """Registered models of one project."""

    def __init__(self, rest: MlflowRest) -> None:
        self._rest = rest

    def models(self) -> list[RegisteredModel]:
        """Every model by name, prompts left out."""
        items = self._pages("registered-models/search", "registered_models")
        return sorted((_model(item) for item in items), key=lambda model: model.name)

    def model(self, name: str) -> RegisteredModel:
        """One model.

        Raises:
            NotFoundError: There is none.
        """
        return _model(self._rest.get("registered-models/get", name=name)["registered_model"])

    def ensure(self, name: str) -> bool:
        """Make the model where there is none; whether it was made."""
        try:
            self._rest.post("registered-models/create", name=name)
        except ConflictError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Take a model away with all its versions."""
        self._rest.change("DELETE", "registered-models/delete", name=name)

    def versions(self, name: str) -> list[StoredVersion]:
        """Every version of a model, the newest first."""
        items = self._pages("model-versions/search", "model_versions", filter=f"name='{name}'")
        return sorted((_version(item) for item in items), key=lambda one: -one.version)

    def version(self, name: str, version: int) -> StoredVersion:
        """One version, with its aliases.

        Raises:
            NotFoundError: There is none.
        """
        return _version(self._rest.get("model-versions/get", name=name, version=str(version))["model_version"])

    def aliased(self, name: str, alias: str) -> StoredVersion:
        """The version that an alias points at.

        Raises:
            NotFoundError: The alias points at none.
        """
        return _version(self._rest.get("registered-models/alias", name=name, alias=alias)["model_version"])

    def create(
        self, name: str, *, source: str, description: str, tags: Mapping[str, str], mlflow_run_id: str | None
    ) -> StoredVersion:
        """A new version."""
        answer = self._rest.post(
            "model-versions/create",
            name=name,
            source=source,
            run_id=mlflow_run_id,
            description=description,
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        return _version(answer["model_version"])

    def point(self, name: str, alias: str, version: int) -> None:
        """Let an alias point at a version."""
        self._rest.post("registered-models/alias", name=name, alias=alias, version=str(version))

    def unpoint(self, name: str, alias: str) -> None:
        """Take an alias away; nothing happens where there is none."""
        self._rest.change("DELETE", "registered-models/alias", name=name, alias=alias)

    def _pages(self, path: str, field: str, **params: Any) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            answer = self._rest.get(path, max_results=_PAGE, page_token=token, **params)
            yield from answer.get(field, ())
            token = answer.get("next_page_token") or None
            if token is None:
                return


def _model(item: Mapping[str, Any]) -> RegisteredModel:
    latest = [int(version["version"]) for version in item.get("latest_versions", ())]
    return RegisteredModel(
        name=item["name"],
        description=item.get("description", ""),
        aliases={entry["alias"]: int(entry["version"]) for entry in item.get("aliases", ())},
        latest_version=max(latest, default=None),
        created_ns=int(item.get("creation_timestamp", 0)) * 1_000_000,
        updated_ns=int(item.get("last_updated_timestamp", 0)) * 1_000_000,
    )


def _version(item: Mapping[str, Any]) -> StoredVersion:
    return StoredVersion(
        name=item["name"],
        version=int(item["version"]),
        aliases=tuple(sorted(item.get("aliases", ()))),
        description=item.get("description", ""),
        source=item.get("source", ""),
        mlflow_run_id=item.get("run_id") or None,
        tags={tag["key"]: tag["value"] for tag in item.get("tags", ())},
        created_ms=int(item.get("creation_timestamp", 0)),
    )
