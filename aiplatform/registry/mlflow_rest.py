"""MLflow's REST interface as this platform uses it: from the control plane under a seal, from jobs with their key.

Plain httpx, so that neither a job's driver nor the control plane loads MLflow for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import auth_headers
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError, TransientError, error_for_status
from aiplatform.core.i18n import N_
from aiplatform.registry.sealing import SEAL_HEADER, CallerSeal

if TYPE_CHECKING:
    from aiplatform.tenancy.model import Caller

TIMEOUT_S: Final = 60.0
CHUNK_BYTES: Final = 1 << 20
SCHEME: Final = "mlflow-artifacts:/"
_API: Final = "/api/2.0/mlflow/"
_FILES: Final = "/api/2.0/mlflow-artifacts/artifacts"
_RUN_ARTIFACT: Final = re.compile(r"/([0-9a-f]{32})/artifacts/")
_BY_CODE: Final = {"RESOURCE_ALREADY_EXISTS": ConflictError, "RESOURCE_DOES_NOT_EXIST": NotFoundError}


class MlflowRest:
    """One caller's view of the hosted MLflow. Thread safe."""

    def __init__(self, http: httpx.Client, headers: Callable[[], Mapping[str, str]]) -> None:
        """Speak through `http`, whose base address ends in `/mlflow`, with these headers on every request."""
        self._http = http
        self._headers = headers

    def close(self) -> None:
        """Give connections back; not where they are shared with other callers."""
        self._http.close()

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """The JSON answer of one reading call, such as `runs/get`."""
        return self._json("GET", path, params={key: value for key, value in params.items() if value is not None})

    def post(self, path: str, **content: Any) -> dict[str, Any]:
        """The JSON answer of one call with a body."""
        return self._json("POST", path, json={key: value for key, value in content.items() if value is not None})

    def change(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """As `post`, with another method (`PATCH`, `DELETE`)."""
        return self._json(method, path, json=content)

    def pages(self, path: str, field: str, **content: Any) -> Iterator[dict[str, Any]]:
        """Every item of a paged call with a body, fetched as it is read."""
        token: str | None = None
        while True:
            answer = self.post(path, **content, page_token=token)
            yield from answer.get(field, ())
            token = answer.get("next_page_token") or None
            if token is None:
                return

    def upload(self, local: Path, target: str) -> str:
        """Put a file, or a folder with all in it, at `target` among the project's artifacts; returns its address."""
        files = [local] if local.is_file() else sorted(file for file in local.rglob("*") if file.is_file())
        for file in files:
            inside = target if local.is_file() else str(PurePosixPath(target) / file.relative_to(local).as_posix())
            self._send("PUT", f"{_FILES}/{quote(inside)}", content=_chunks(file))
        return f"{SCHEME}{target}"

    def download(self, address: str, folder: Path) -> Path:
        """Fetch everything below an `mlflow-artifacts:` address into `folder`; returns the folder.

        Raises:
            NotFoundError: Nothing lies there.
            InvalidError: It is an address of another kind.
        """
        root = artifact_path(address)
        files = list(self._files_below(root))
        if not files:
            files = [root]
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            name = PurePosixPath(file).name if file == root else PurePosixPath(file).relative_to(root).as_posix()
            self._fetch(file, folder / name)
        return folder

    def _files_below(self, root: str) -> Iterator[str]:
        answer = self._send("GET", _FILES, params={"path": root}).json()
        for entry in answer.get("files", ()):
            path = str(PurePosixPath(root) / PurePosixPath(entry["path"]).name)
            if entry.get("is_dir"):
                yield from self._files_below(path)
            else:
                yield path

    def _fetch(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._http.stream("GET", f"{_FILES}/{quote(path)}", headers=self._headers()) as response:
            if response.is_error:
                response.read()
                _raise_for(response)
            with target.open("wb") as file:
                for chunk in response.iter_bytes(CHUNK_BYTES):
                    file.write(chunk)

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._send(method, f"{_API}{path}", **options).json()
        return answer

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, headers=self._headers(), **options)
        except httpx.TransportError as error:
            raise TransientError(
                N_("The experiment store cannot be reached: {problem}."),
                hint=N_("`aiplatform status` tells whether it runs."),
                reason="mlflow.unreachable",
                retry_after_s=2.0,
                problem=str(error) or type(error).__name__,
            ) from error
        if response.is_error:
            _raise_for(response)
        return response


class MlflowDoor:
    """The way of control-plane processes to the hosted MLflow, for any caller they have authenticated."""

    def __init__(self, base_url: str, seal: CallerSeal, *, transport: httpx.BaseTransport | None = None) -> None:
        """`base_url` is the platform's inner address; `/mlflow` follows it."""
        self._http = httpx.Client(base_url=f"{base_url.rstrip('/')}/mlflow", timeout=TIMEOUT_S, transport=transport)
        self._seal = seal

    def of(self, caller: Caller) -> MlflowRest:
        """What `caller` may see and do."""
        return MlflowRest(self._http, lambda: {SEAL_HEADER: self._seal.seal(caller)})

    def close(self) -> None:
        """Give connections back."""
        self._http.close()


def mlflow_of(credentials: Credentials) -> MlflowRest:
    """The hosted MLflow, for a job or a person with a key."""
    http = httpx.Client(base_url=f"{credentials.url}/mlflow", timeout=TIMEOUT_S)
    return MlflowRest(http, lambda: auth_headers(credentials))


def artifact_path(address: str) -> str:
    """The path inside an `mlflow-artifacts:` address.

    Raises:
        InvalidError: It is an address of another kind, which the platform does not follow.
    """
    scheme, _, rest = address.partition(":")
    if scheme != "mlflow-artifacts":
        raise InvalidError(
            N_("Files at {address!r} do not lie in the platform's artifact store."),
            hint=N_("Fetch them with the tool that put them there, or register the model again from a local folder."),
            reason="registry.foreign_source",
            address=address,
        )
    if rest.startswith("//"):  # mlflow-artifacts://host:port/path: the host is ours anyway
        rest = rest[2:].partition("/")[2]
    return rest.strip("/")


def run_of_artifact(address: str) -> str | None:
    """The MLflow run among whose artifacts an address lies; None where it lies among none's."""
    found = _RUN_ARTIFACT.search(f"/{artifact_path(address)}/")
    return found.group(1) if found else None


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _raise_for(response: httpx.Response) -> None:
    try:
        body = response.json()
        code, message = body.get("error_code"), body.get("message")
        if message is None:
            message = body["error"]["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message = None, response.text[:500] or response.reason_phrase
    kind = _BY_CODE.get(code) or error_for_status(response.status_code)
    raise kind(message, reason=f"mlflow.{code.lower()}" if code else None)
