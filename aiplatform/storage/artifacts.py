"""Large files of tenants' projects: a folder on this machine, or any store that fsspec speaks (S3, GCS, Azure, …).

A file lies at `<root>/<tenant>/<project>/<path>`. It is there whole or not at all: its bytes go to a file of their own
first, which takes the wanted name only when the last of them is on the disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast
from urllib.parse import unquote, urlsplit

from aiplatform.core.errors import ConfigError, ConflictError, InvalidError, NotFoundError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope

MAX_PATH_BYTES: Final = 1024
MAX_NAME_BYTES: Final = 255
STALE_AFTER_S: Final = 86_400.0
_CHUNK_BYTES: Final = 1 << 20
_INCOMING: Final = ".incoming"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """What was just stored."""

    path: str
    size_bytes: int
    sha256: str
    """Of the content, in hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """One file of a listing."""

    path: str
    size_bytes: int


class _Files(Protocol):
    """Where files rest, by their path below the root."""

    def take(self, source: Path, path: str) -> None:
        """Move a whole local file to its place, over an older one."""

    def open(self, path: str) -> BinaryIO: ...

    def find(self, folder: str) -> Iterator[FileInfo]: ...

    def delete(self, path: str) -> None: ...

    def delete_folder(self, folder: str) -> None: ...


class ArtifactStore:
    """The artifact store of a platform. Thread safe.

    Args:
        url: Root: `file:///path`, a path, or an fsspec address such as `s3://bucket/prefix`.
    """

    def __init__(self, url: str) -> None:
        local = _local_root(url)
        self._files: _Files = _LocalFiles(local) if local is not None else _RemoteFiles(url)
        self._incoming = local / _INCOMING if local is not None else Path(tempfile.gettempdir())
        self._is_local = local is not None

    def store(self, scope: Scope, path: str, chunks: Iterable[bytes]) -> StoredFile:
        """Keep a file, over an older one only once it is whole.

        Args:
            scope: Tenant and project.
            path: Names with slashes between them.
            chunks: The content; where it raises, nothing is stored.

        Raises:
            InvalidError: The path could leave the project's folder, or is too long.
            ConflictError: A file stands where the path needs a folder, or the reverse.
            TransientError: The store is full or away.
        """
        place = _place(scope, path)
        digest, size_bytes = hashlib.sha256(), 0
        with _as_our_errors(path):
            handle, name = tempfile.mkstemp(prefix="aip-", dir=self._incoming)
            try:
                with os.fdopen(handle, "wb") as file:
                    for chunk in chunks:
                        file.write(chunk)
                        digest.update(chunk)
                        size_bytes += len(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                self._files.take(Path(name), place)
            finally:
                with suppress(FileNotFoundError):
                    Path(name).unlink()
        return StoredFile(path=path, size_bytes=size_bytes, sha256=digest.hexdigest())

    def write(self, scope: Scope, path: str, chunks: Iterable[bytes]) -> int:
        """As `store`; returns the size in bytes."""
        return self.store(scope, path, chunks).size_bytes

    def open(self, scope: Scope, path: str) -> BinaryIO:
        """A file, to be read and sought in; the caller closes it.

        Raises:
            InvalidError: The path could leave the project's folder.
            NotFoundError: There is no such file.
        """
        place = _place(scope, path)
        with _as_our_errors(path):
            return self._files.open(place)

    def read(self, scope: Scope, path: str) -> bytes:
        """A whole file."""
        with self.open(scope, path) as file:
            return file.read()

    def list(self, scope: Scope, folder: str = "") -> Iterator[FileInfo]:
        """Every file below a folder, by path; nothing where there is no such folder."""
        root = _place(scope, folder) if folder else _folder(scope)
        base = f"{_folder(scope)}/"
        with _as_our_errors(folder):
            found = sorted(self._files.find(root), key=lambda info: info.path)
        for info in found:
            yield FileInfo(path=info.path.removeprefix(base), size_bytes=info.size_bytes)

    def delete(self, scope: Scope, path: str) -> None:
        """Remove a file; nothing where there is none."""
        place = _place(scope, path)
        with _as_our_errors(path), suppress(FileNotFoundError, NotADirectoryError):
            self._files.delete(place)

    def delete_scope(self, scope: Scope) -> None:
        """Remove everything of a project, or of a tenant where the scope names no project."""
        with _as_our_errors(""):
            self._files.delete_folder(_folder(scope, whole_tenant=scope.project_id is None))

    def sweep(self) -> int:
        """Remove what writers that died have left behind; returns how many files."""
        if not self._is_local:
            return 0
        stale = [file for file in self._incoming.iterdir() if time.time() - file.stat().st_mtime > STALE_AFTER_S]
        for file in stale:
            file.unlink(missing_ok=True)
        return len(stale)


class _LocalFiles:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            (root / _INCOMING).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                N_("The artifact folder {path!r} cannot be used: {problem}."),
                hint=N_("Make it, and let the platform's user write there; or set artifacts.url."),
                reason="artifacts.folder",
                path=str(root),
                problem=error.strerror or str(error),
            ) from None

    def take(self, source: Path, path: str) -> None:
        target = self._root / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        source.replace(target)
        _sync_folder(target.parent)

    def open(self, path: str) -> BinaryIO:
        return os.fdopen(os.open(self._root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")

    def find(self, folder: str) -> Iterator[FileInfo]:
        for file in (self._root / folder).rglob("*"):
            if file.is_file() and not file.is_symlink():
                yield FileInfo(path=file.relative_to(self._root).as_posix(), size_bytes=file.stat().st_size)

    def delete(self, path: str) -> None:
        target = self._root / path
        target.unlink()
        _sync_folder(target.parent)

    def delete_folder(self, folder: str) -> None:
        shutil.rmtree(self._root / folder, ignore_errors=not (self._root / folder).exists())


class _RemoteFiles:
    """A store that fsspec speaks. Uploads of one object are whole or not there by themselves."""

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415 - a local folder needs none of it

        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                N_("The artifact store {url!r} cannot be used: {problem}."),
                hint=N_("Check artifacts.url; a store's driver (s3fs, gcsfs, adlfs) is installed beside the platform."),
                reason="artifacts.url",
                url=url.partition("?")[0].rpartition("@")[2],
                problem=str(error),
            ) from None
        self._root = self._root.rstrip("/")

    def take(self, source: Path, path: str) -> None:
        target = self._at(path)
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._fs.put_file(str(source), target)

    def open(self, path: str) -> BinaryIO:
        return cast("BinaryIO", self._fs.open(self._at(path), "rb"))

    def find(self, folder: str) -> Iterator[FileInfo]:
        # Another process may have written: what was listed before is not trusted.
        self._fs.invalidate_cache()
        found: dict[str, Any] = self._fs.find(self._at(folder), detail=True)
        skip = len(self._root) + 1
        for name, info in found.items():
            yield FileInfo(path=name[skip:], size_bytes=int(info["size"] or 0))

    def delete(self, path: str) -> None:
        self._fs.rm_file(self._at(path))

    def delete_folder(self, folder: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.rm(self._at(folder), recursive=True)

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


def _local_root(url: str) -> Path | None:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme else Path(url)


def _folder(scope: Scope, *, whole_tenant: bool = False) -> str:
    if whole_tenant:
        return _checked(scope.tenant_id)
    if scope.project_id is None:
        raise ValueError("artifacts belong to a project: the scope names none")
    return f"{_checked(scope.tenant_id)}/{_checked(scope.project_id)}"


def _place(scope: Scope, path: str) -> str:
    return f"{_folder(scope)}/{_checked(path)}"


def _checked(path: str) -> str:
    parts = path.split("/")
    is_odd = any(part in {"", ".", ".."} for part in parts) or "\\" in path or not path.isprintable()
    is_long = len(path.encode(errors="replace")) > MAX_PATH_BYTES
    if is_odd or is_long or any(len(part.encode(errors="replace")) > MAX_NAME_BYTES for part in parts):
        raise InvalidError(
            N_("{path!r} cannot be an artifact's path."),
            hint=N_("Write names with slashes between them, such as reports/2026/rows.parquet."),
            reason="artifacts.path",
            path=path[:MAX_PATH_BYTES],
        )
    return path


def _sync_folder(folder: Path) -> None:
    """Make a rename last: the name is an entry of the folder, which has a disk write of its own."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _as_our_errors(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFoundError(
            N_("There is no artifact {path!r}."),
            hint=N_("Check the path and the project."),
            reason="artifacts.unknown",
            path=path,
        ) from None
    except (IsADirectoryError, NotADirectoryError, FileExistsError):
        raise ConflictError(
            N_("{path!r} is in the way of another artifact."),
            hint=N_("A name is either a file or a folder: choose another path."),
            reason="artifacts.conflict",
            path=path,
        ) from None
    except OSError as error:
        raise TransientError(
            N_("The artifact store cannot be used now: {problem}."),
            hint=N_("Nothing was stored. Make room, or try again in a moment."),
            reason="artifacts.unavailable",
            retry_after_s=5.0,
            problem=error.strerror or type(error).__name__,
        ) from error
