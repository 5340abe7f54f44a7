"""Which project of the caller's tenant a request's spans go to, where the request names one.

The tenant is the credential's alone; a name only ever chooses inside it. A name that the key cannot reach is refused in
the same words whether nobody has such a project or another tenant does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from aiplatform.core.errors import ConflictError, InvalidError
from aiplatform.tenancy.credentials import PROJECT_HEADER
from aiplatform.tenancy.model import Caller, Project
from aiplatform.tenancy.permissions import Permission

FOREIGN_HEADERS: Final = ("x-project-name", "langsmith-project", "x-mlflow-experiment-id")
"""Headers of other platforms' exporters that name a project. Our own is the authentication layer's affair."""

_NO_NAME: Final = re.compile(r"[^a-z0-9]+")
_MAX_NAME: Final = 40


class ProjectDirectory(Protocol):
    """Where projects are looked up and made."""

    def projects(self, caller: Caller) -> list[Project]:
        """The projects that the caller can work in."""
        ...

    def create_project(self, caller: Caller, project_id: str, *, name: str | None = None) -> Project:
        """Make a project; ConflictError where it is there, InvalidError where the id cannot be one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A project as somebody named it."""

    name: str
    is_label: bool
    """Whether it is another platform's attribute, which a key that belongs to one project overrules."""


class ProjectChoice:
    """Names to projects. Thread safe.

    Args:
        directory: Where projects are.
    """

    def __init__(self, directory: ProjectDirectory) -> None:
        self._directory = directory

    def known(self, caller: Caller, wish: Wish) -> str | None:
        """The project, where the caller's key already tells it; it never blocks."""
        if wish.is_label and caller.is_project_bound:
            return caller.project_id
        return next((name for name in spellings(wish.name) if name in caller.project_ids), None)

    def resolve(self, caller: Caller, wish: Wish) -> str | None:
        """The project; made, where there is none and the caller may. None refuses. It may ask the database."""
        found = self.known(caller, wish)
        if found is not None or caller.is_project_bound:
            return found
        names = spellings(wish.name)
        there = {project.project_id for project in self._directory.projects(caller)}
        found = next((name for name in names if name in there), None)
        if found is not None or not names or not caller.may(Permission.PROJECTS_WRITE):
            return found
        shown = wish.name.strip()[:200]
        try:
            return self._directory.create_project(
                caller, names[-1], name=shown if shown.isprintable() else None
            ).project_id
        except ConflictError:
            return names[-1]  # somebody else made it a moment ago
        except InvalidError:
            return None


def named_by_headers(headers: Mapping[str, str]) -> Wish | None:
    """The project that other platforms' headers name; None where the platform's own header says it already.

    Args:
        headers: Names in lower case.
    """
    if headers.get(PROJECT_HEADER):
        return None
    for header in FOREIGN_HEADERS:
        name = headers.get(header, "").strip()
        # An MLflow experiment's number means an experiment inside a project.
        if name and not (header == "x-mlflow-experiment-id" and name.isdigit()):
            return Wish(name=name, is_label=False)
    return None


def spellings(name: str) -> tuple[str, ...]:
    """A name as it was sent, and as a project's id can be written: `My App` is `my-app`."""
    written = _NO_NAME.sub("-", name.lower())[:_MAX_NAME].strip("-")
    return tuple(_distinct((name, written)))


def _distinct(names: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(name for name in names if name)
