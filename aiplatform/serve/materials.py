"""What a replica fetches before its model is made: the version's files, and the user's own modules.

Everything comes through the platform's HTTP interface, with the cluster's own key: replicas know no database.
"""

from __future__ import annotations

import hashlib
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
        from aiplatform.registry.models_api import download  # noqa: PLC0415 - registered versions alone need it

        reference = f"{ref.name}@{ref.version}"
        return self._once(
            self._folder / "versions" / reference,
            lambda draft: download(reference, draft, client=self._client),
        )

    def code(self, path: str) -> Path:
        """The folder with the user's modules, from the zip at an artifact's path.

        Raises:
            InvalidError: The artifact is no zip, or reaches out of its folder.
        """
        place = self._folder / "code" / hashlib.sha256(path.encode()).hexdigest()
        return self._once(place, lambda draft: self._unpack(path, draft))

    def _unpack(self, path: str, folder: Path) -> None:
        with tempfile.TemporaryFile() as packed:
            with self._client.stream("GET", f"/api/v1/artifacts/{quote(path)}") as response:
                for part in response.iter_bytes():
                    packed.write(part)
            try:
                with zipfile.ZipFile(packed) as archive:
                    extract(archive, folder)
            except zipfile.BadZipFile:
                raise InvalidError(
                    N_("The artifact {path!r} is no zip of modules."), reason="deployment.code", path=path
                ) from None

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


def extract(archive: zipfile.ZipFile, folder: Path) -> None:
    """Unpack into `folder`.

    Raises:
        InvalidError: A member would land elsewhere, or all together are larger than 256 MiB.
    """
    root = folder.resolve()
    members = archive.infolist()
    size_bytes = sum(member.file_size for member in members)
    outside = next((one for one in members if not (root / one.filename).resolve().is_relative_to(root)), None)
    if outside is not None or size_bytes > MAX_CODE_BYTES:
        raise InvalidError(
            N_("The zip of modules cannot be unpacked: it is larger than 256 MiB, or reaches out of its folder."),
            reason="deployment.code",
        )
    archive.extractall(root)
