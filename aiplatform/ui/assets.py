"""Static files under an address that holds their hash, so that browsers keep them for a year.

One hash stands for the whole tree: modules and stylesheets may name each other by relative paths, and a release changes
all addresses at once.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

STATIC_FOLDER: Final = Path(__file__).parent / "static"
PREFIX: Final = "/static"
YEAR_S: Final = 31_536_000
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".css": "text/css; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file, ready to be sent."""

    content: bytes
    packed: bytes
    media_type: str


class Assets:
    """The static files of the package, read once."""

    def __init__(self, folder: Path = STATIC_FOLDER) -> None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        hasher = hashlib.sha256()
        self._files: dict[str, Asset] = {}
        for path in files:
            content = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            hasher.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
            self._files[name] = Asset(
                content=content, packed=gzip.compress(content, 6, mtime=0), media_type=_media_type(path)
            )
        self.version = hasher.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file.

        Raises:
            KeyError: There is none of this name; a template is wrong.
        """
        if name not in self._files:
            raise KeyError(f"no static file {name!r}")
        return f"{PREFIX}/{self.version}/{name}"

    def respond(self, request: Request, version: str, name: str) -> Response:
        """The file, packed where the browser unpacks; an older page's address answers too, without being kept."""
        asset = self._files.get(name)
        if asset is None:
            return Response(status_code=404, media_type="text/plain")
        lasting = f"public, max-age={YEAR_S}, immutable" if version == self.version else "no-cache"
        headers = {"cache-control": lasting, "vary": "Accept-Encoding", "x-content-type-options": "nosniff"}
        if "gzip" in request.headers.get("accept-encoding", "") and len(asset.packed) < len(asset.content):
            return Response(asset.packed, media_type=asset.media_type, headers={**headers, "content-encoding": "gzip"})
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _media_type(path: Path) -> str:
    return _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
