"""Which tests run one after another in one process, and what starts first, when several processes share the suite.

A file is never torn apart: its fixtures are made once, and it may count on what its own tests leave. Files that share
something costly (a platform on Ray, a hosted MLflow, Chromium in front of a seeded platform) form a lane, so that it is
made once and stands beside no second one. The longest lanes start first; all else follows in random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LANES: Final[Sequence[Sequence[str]]] = (
    ("tests/e2e/", "tests/component/serve/test_on_ray.py"),  # each chooses a block of ports for a Ray while it starts
    ("tests/browser/", "tests/component/ui/"),
    ("tests/component/registry/",),
)
"""Beginnings of the paths whose tests form a lane, the longest lane first."""


def lane_of(node_id: str) -> str:
    """The lane of a test; that of most is their file."""
    for lane in LANES:
        if node_id.startswith(tuple(lane)):
            return lane[0]
    return node_id.partition("::")[0]


def rank_of(node_id: str) -> int:
    """Place of a test in the order of starting: by lane, there by folder; files alone come last, in any order."""
    order = [path for lane in LANES for path in lane]
    return next((rank for rank, path in enumerate(order) if node_id.startswith(path)), len(order))
