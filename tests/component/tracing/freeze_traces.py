"""Moves cold spans in a process of its own, for a test that kills it: `DATABASE_URL INDEX_PATH FOLDER NOW_NS`."""

from __future__ import annotations

import sys
from pathlib import Path

from aiplatform.core.scope import Scope
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.testing.clock import FakeClock
from aiplatform.tracing.cold import moving
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.service import Traces


def main() -> None:
    url, index_path, folder, now_ns = sys.argv[1:]
    clock = FakeClock()
    clock.advance((int(now_ns) - clock.now_ns()) / 1e9)
    moving.GROUP_SPANS, moving.FILE_SPANS = 8, 20  # type: ignore[misc]
    service = Traces(Database(url), ArtifactStore(folder), index_path=Path(index_path), clock=clock)
    scope = Scope(tenant_id="default", project_id="default")
    while service.cold._moving.freeze(scope, int(now_ns) // DAY_NS):
        service.update_index()
    print("done", flush=True)


if __name__ == "__main__":
    main()
