"""Parquet cells as JSON."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from aiplatform.registry.cells import json_cell


def test_every_kind_of_cell_becomes_json() -> None:
    cells = {
        "time": datetime(2026, 1, 2, tzinfo=UTC),
        "nan": float("nan"),
        "bytes": b"\xff",
        "nested": [{"x": float("inf")}, (1, None)],
        "decimal": Decimal("1.50"),
        "span": timedelta(seconds=2),
        "yes": True,
    }
    assert json.loads(json.dumps(json_cell(cells), allow_nan=False)) == {
        "time": "2026-01-02T00:00:00+00:00",
        "nan": None,
        "bytes": "/w==",
        "nested": [{"x": None}, [1, None]],
        "decimal": "1.50",
        "span": 2.0,
        "yes": True,
    }
