"""Blocks that are done, kept with their rows so that a resumed run takes them as they are.

What a block came to travels inside its Parquet file. Only values of evaluation are read back: a file that names
anything else was not written here, and its block is evaluated again.
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from aiplatform.eval.rows import NOTE

logger = logging.getLogger(__name__)

_PACKAGES: Final = ("aiplatform.eval.",)
_ARRAYS: Final = frozenset(
    {
        ("numpy", "dtype"), ("numpy", "ndarray"), ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"), ("numpy._core.numeric", "_frombuffer"),
    }
)  # fmt: skip
_PLAIN: Final = frozenset(
    {
        ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "complex"), ("builtins", "bytearray"),
        ("collections", "Counter"), ("collections", "OrderedDict"), ("collections", "defaultdict"),
        ("builtins", "int"), ("builtins", "float"), ("builtins", "dict"), ("builtins", "list"),
        ("fractions", "Fraction"), ("decimal", "Decimal"),
    }
)  # fmt: skip


def block_key(plan: str, table: pa.Table) -> str:
    """What a block is known by: its run's plan and its records. Equal blocks have equal keys."""
    digest = hashlib.sha256(plan.encode())
    sink = io.BytesIO()
    plain = table.combine_chunks().replace_schema_metadata(None)
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    digest.update(sink.getbuffer())
    return digest.hexdigest()[:32]


def pack(value: Any) -> bytes:
    """What a block came to, to be kept with its rows."""
    return pickle.dumps(value)


def unpack(content: bytes) -> Any:
    """What was kept in a Parquet file of rows; None where there is nothing, or nothing of ours."""
    try:
        metadata = pq.read_schema(pa.BufferReader(content)).metadata or {}
        note = metadata.get(NOTE)
        return None if note is None else _Reader(io.BytesIO(note)).load()
    except Exception:
        logger.warning("a file of rows could not be taken over", exc_info=True)
        return None


class _Reader(pickle.Unpickler):
    """Reads values of evaluation, and calls nothing."""

    def find_class(self, module: str, name: str) -> Any:
        known = (module, name) in _ARRAYS or (module, name) in _PLAIN
        found = super().find_class(module, name) if known or module.startswith(_PACKAGES) else None
        if found is None or not (known or isinstance(found, type)):
            raise pickle.UnpicklingError(f"{module}.{name} is no value of evaluation")
        return found
