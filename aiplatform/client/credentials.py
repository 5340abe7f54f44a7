"""Where a client finds the platform's address and its key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiplatform.core.errors import UnauthenticatedError
from aiplatform.core.folders import default_config_dir
from aiplatform.core.i18n import N_

URL_VARIABLE: Final = "AIPLATFORM_URL"
KEY_VARIABLE: Final = "AIPLATFORM_API_KEY"
KEY_FILE_VARIABLE: Final = "AIPLATFORM_KEY_FILE"
PROJECT_VARIABLE: Final = "AIPLATFORM_PROJECT"
DEFAULT_URL: Final = "http://127.0.0.1:8000"
DEFAULT_PROJECT: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to reach the platform. A key from a file is read again when it was renewed."""

    url: str
    project_id: str
    key: str | None = None
    key_file: Path | None = None

    def page(self, path: str) -> str:
        """Short address of a page of the project, such as `/traces/<id>`; it leads to the reader's tenant."""
        return self.url + self.page_path(path)

    def page_path(self, path: str) -> str:
        """The same without the platform's address."""
        return path if self.project_id == DEFAULT_PROJECT else f"{path}?project={self.project_id}"

    def current_key(self) -> str:
        """The key as it is now.

        Raises:
            UnauthenticatedError: None was given and none was found.
        """
        if self.key:
            return self.key
        if self.key_file is not None:
            try:
                key = self.key_file.read_text(encoding="utf-8").strip()
            except OSError:
                key = ""
            if key:
                return key
        raise UnauthenticatedError(
            N_("No API key was found for {url}."),
            hint=N_("Start the platform here with `aiplatform up`, or set AIPLATFORM_API_KEY."),
            reason="client.no_key",
            url=self.url,
        )


def find_credentials(
    *,
    url: str | None = None,
    key: str | None = None,
    project: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Credentials:
    """What the arguments say, then the environment, then what `aiplatform up` left for its owner.

    Args:
        url: Address of the platform.
        key: API key.
        project: Project inside the key's tenant.
        environment: By default the process's own.
    """
    environment = os.environ if environment is None else environment
    config_dir = default_config_dir()
    key = key or environment.get(KEY_VARIABLE)
    key_file = Path(environment[KEY_FILE_VARIABLE]) if environment.get(KEY_FILE_VARIABLE) else config_dir / "key"
    return Credentials(
        url=(url or environment.get(URL_VARIABLE) or _written(config_dir / "url") or DEFAULT_URL).rstrip("/"),
        project_id=project or environment.get(PROJECT_VARIABLE) or DEFAULT_PROJECT,
        key=key,
        key_file=None if key else key_file,
    )


def _written(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def openai_url() -> str:
    """Base address for OpenAI clients: `openai.OpenAI(base_url=aip.openai_url(), api_key=aip.api_key())`."""
    return f"{find_credentials().url}/v1"


def api_key() -> str:
    """The key that this process acts with.

    Raises:
        UnauthenticatedError: None was found.
    """
    return find_credentials().current_key()
