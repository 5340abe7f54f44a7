"""Large files of a project over HTTP, streamed both ways."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Any, BinaryIO, Final

from anyio import from_thread, to_thread
from fastapi import Request
from fastapi.responses import StreamingResponse

from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes

CHUNK_BYTES: Final = 1 << 20


def build_artifact_routes(files: ArtifactStore) -> Routes:
    """The routes of artifacts."""
    routes = Routes(tags=["artifacts"])

    @routes.put(
        "/api/v1/artifacts/{path:path}", permission=Permission.ARTIFACTS_WRITE, status_code=201, max_body_bytes=None
    )
    async def put_artifact(path: str, request: Request, caller: CallerDep) -> dict[str, Any]:
        """Keep the request's body as a file, over an older one once it is whole."""
        chunks = _from_loop(request.stream())
        stored = await to_thread.run_sync(files.store, caller.scope, path, chunks)
        return asdict(stored)

    @routes.get("/api/v1/artifacts/{path:path}", permission=Permission.ARTIFACTS_READ, response_class=StreamingResponse)
    def get_artifact(path: str, caller: CallerDep) -> StreamingResponse:
        """A file's content."""
        stream = files.open(caller.scope, path)
        size_bytes = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        headers = {
            "content-length": str(size_bytes),
            # Never drawn by a browser as a page of ours: it is somebody's upload.
            "content-disposition": "attachment",
            "x-content-type-options": "nosniff",
        }
        return StreamingResponse(_chunks(stream), media_type="application/octet-stream", headers=headers)

    return routes


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _from_loop(stream: AsyncIterator[bytes]) -> Iterator[bytes]:
    """A request's body, for code in a worker thread."""

    async def following() -> bytes | None:
        return await anext(stream, None)

    while (chunk := from_thread.run(following)) is not None:
        if chunk:
            yield chunk
