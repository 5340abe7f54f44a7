"""A server of the tracing endpoint in a process of its own, for tests that kill it: `DATABASE_URL INDEX_PATH PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from aiplatform.storage.database import Database
from aiplatform.tracing.endpoint import OtlpEndpoint
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import TRACES
from tests.component.tracing.conftest import KeyNamesCaller


def main() -> None:
    url, index_path, port = sys.argv[1:]
    service = Traces(Database(url), index_path=Path(index_path))
    app = KeyNamesCaller(OtlpEndpoint(SignalEntry(service, TRACES)))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
