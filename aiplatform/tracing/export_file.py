"""An export received into a file, which bears its name only once it is whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.tracing.export_model import PARQUET_MAGIC, ExportFormat

PATH: Final = "/api/v1/traces/export"


def save(
    client: Client,
    target: Path,
    format_: ExportFormat,
    params: Mapping[str, Any],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Path:
    """Receive an export beside `target`, then put it in its place.

    Raises:
        InvalidError: The query is none, or the file cannot be written.
        TransientError: The platform cannot be reached, or the export broke off.
    """
    try:
        # Readable by its owner alone, as mkstemp makes it: traces hold what people said.
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from None
    part = Path(name)
    try:
        with os.fdopen(handle, "w+b") as stream:
            receive(client, stream, format_, params, on_progress=on_progress)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        part.unlink(missing_ok=True)
    return target


def receive(
    client: Client,
    stream: BinaryIO,
    format_: ExportFormat,
    params: Mapping[str, Any],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Write an export into an empty file that can be read back.

    Raises:
        OSError: The file cannot be written.
        TransientError: The platform cannot be reached, or the export broke off.
    """
    asked = {key: value for key, value in {**params, "format": format_.value}.items() if value is not None}
    num_bytes = 0
    with client.stream("GET", PATH, params=asked) as response:
        for chunk in response.iter_bytes():
            stream.write(chunk)
            num_bytes += len(chunk)
            if on_progress is not None:
                on_progress(num_bytes)
    if format_ is ExportFormat.PARQUET:
        stream.seek(max(num_bytes - len(PARQUET_MAGIC), 0))
        if stream.read() != PARQUET_MAGIC:
            raise TransientError(
                N_("The export broke off after {size} bytes."),
                hint=N_("Nothing was kept. Make it again; the platform's log tells why."),
                reason="export.incomplete",
                size=num_bytes,
            )


def _unwritable(target: Path, error: OSError) -> InvalidError:
    return InvalidError(
        N_("The file {file!r} cannot be written: {problem}."),
        hint=N_("Choose another place."),
        reason="export.file",
        file=str(target),
        problem=error.strerror or str(error),
    )
