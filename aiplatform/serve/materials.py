"""What a replica fetches before its model is made: the version's files, and the user's own modules.

Everything comes through the platform's HTTP interface, with the cluster's own key: replicas know no database.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.serve.model import VersionRef

MAX_CODE_BYTES: Final = 256 * 1024 * 1024


class Materials:
    """Fetches into a local folder, each thing once: what was fetched never changes.

    Args:
        project_id: The project that the model belongs to.
        folder: Where things are kept; by default a folder of the user's cache.
        client: By default one with the credentials of this process.
    """

    def __init__(self, project_id: str, *, folder: Path | None = None, client: Client | None = None) -> None:
        self._client = client or Client(find_credentials(project=project_id))
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        platform = hashlib.sha256(self._client.credentials.url.encode()).hexdigest()[:12]
        self._folder = (folder or cache / "aiplatform" / "models") / platform / project_id

    def version(self, ref: VersionRef) -> Path:
        """The folder with a registered version's files."""
        from aiplatform.registry import models_api  # noqa: PLC0415 - registered versions alone need it

        found = models_api.get(f"{ref.name}@{ref.version}", client=self._client)
        # Number and name come again when a platform is made anew at the same address; source and time do not.
        mark = _digest(f"{found.source}\0{found.created_ns}".encode())
        place = self._folder / "versions" / f"{found.name}@{found.version}-{mark}"
        return self._once(place, lambda draft: models_api.download(found, draft, client=self._client))

    def code(self, path: str) -> Path:
        """The folder with the user's modules, from the zip at an artifact's path.

        Raises:
            InvalidError: The artifact is no zip, or reaches out of its folder.
        """
        content = self._client.request("GET", f"/api/v1/artifacts/{quote(path)}").content
        return self._once(self._folder / "code" / _digest(content), lambda draft: unpack(path, content, draft))

    @staticmethod
    def _once(place: Path, fetch: Callable[[Path], object]) -> Path:
        """`place`, filled by `fetch` where it was not before; two that fetch at a time do not disturb each other."""
        if place.is_dir():
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        try:
            fetch(draft)
            try:
                draft.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return place


def unpack(path: str, content: bytes, folder: Path) -> None:
    """Unpack the zip at an artifact's `path` into `folder`.

    Raises:
        InvalidError: It is no zip, a member would land elsewhere, or all together are larger than 256 MiB.
    """
    root = folder.resolve()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            is_large = sum(member.file_size for member in members) > MAX_CODE_BYTES
            if is_large or not all((root / one.filename).resolve().is_relative_to(root) for one in members):
                raise InvalidError(
                    N_("The zip {path!r} cannot be unpacked: it exceeds 256 MiB, or reaches out of its folder."),
                    reason="deployment.code",
                    path=path,
                )
            archive.extractall(root)
    except zipfile.BadZipFile:
        raise InvalidError(
            N_("The artifact {path!r} is no zip of modules."), reason="deployment.code", path=path
        ) from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
