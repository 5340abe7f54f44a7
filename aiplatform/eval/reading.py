"""Row results read back from the artifact store, the latest runs kept at hand."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Final

import pyarrow as pa

from aiplatform.core.errors import RemoteError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.eval import rows
from aiplatform.eval.contrasts import RunData
from aiplatform.eval.corpus_contrasts import CORPUS, MAX_ROWS
from aiplatform.eval.model import EvaluationRun
from aiplatform.eval.ports import RowFiles

MAX_KEPT_BYTES: Final = 128 * 1024 * 1024


class RunReader:
    """Reads the rows of completed runs. Thread safe; what a run came to never changes."""

    def __init__(self, files: RowFiles, *, max_kept_bytes: int = MAX_KEPT_BYTES) -> None:
        self._files = files
        self._max_kept_bytes = max_kept_bytes
        self._kept: OrderedDict[tuple[str, ...], pa.Table] = OrderedDict()
        self._lock = Lock()  # protects _kept

    def table(self, scope: Scope, run: EvaluationRun) -> pa.Table | None:
        """All rows with their texts, in the order of their ids; None where there are none.

        Raises:
            RemoteError: A file is not what the run recorded.
            NotFoundError: A file is gone.
        """
        key = (scope.tenant_id, scope.project_id or "", run.run_id, *(file.sha256 for file in run.files))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        table = rows.read_table(self._contents(scope, run))
        if table is not None and table.nbytes <= self._max_kept_bytes:
            self._keep(key, table)
        return table

    def data(self, scope: Scope, run: EvaluationRun) -> RunData:
        """The run with what comparison needs of its rows.

        Raises:
            RemoteError: A file is not what the run recorded.
            NotFoundError: A file is gone.
        """
        has_corpus = any(metric.measure == CORPUS for metric in run.metrics)
        needs_answers = has_corpus and run.data.num_rows <= MAX_ROWS
        return RunData(run=run, rows=rows.read_run_rows(self._contents(scope, run), answers=needs_answers))

    def _contents(self, scope: Scope, run: EvaluationRun) -> list[bytes]:
        contents: list[bytes] = []
        for file in run.files:
            with self._files.open(scope, file.path) as stream:
                content = stream.read()
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise RemoteError(
                    N_("The rows of evaluation run {run_id!r} are not those that it recorded ({path!r})."),
                    hint=N_("The file was replaced or damaged. Evaluate again."),
                    reason="evaluation.rows_changed",
                    run_id=run.run_id,
                    path=file.path,
                )
            contents.append(content)
        return contents

    def _keep(self, key: tuple[str, ...], table: pa.Table) -> None:
        with self._lock:
            self._kept[key] = table
            while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self._max_kept_bytes:
                self._kept.popitem(last=False)
