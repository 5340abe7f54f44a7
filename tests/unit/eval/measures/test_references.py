"""Every metric gives what its reference gives, at 1, 5 and 13 blocks and in any order."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import aiplatform as aip
from tests.unit.eval.measures.vectors import VECTORS, Vector


def measured(vector: Vector, blocks: int) -> Any:
    data = {"expected": list(vector.expected), "output": list(vector.output)}
    return aip.evaluations.measure(data, [vector.metric], blocks=blocks, draws=20)[vector.metric]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.metric)
def test_published_vectors_replay_at_any_number_of_blocks(vector: Vector) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = float(vector.reference(vector.expected, vector.output))
    found = [measured(vector, blocks) for blocks in (1, 5, 13)]
    assert found[0] == found[1] == found[2]
    value = found[0].value
    assert value is not None, found[0].details
    if vector.exact:
        assert value == wanted
    assert value == pytest.approx(wanted, abs=vector.tolerance, rel=vector.tolerance)
    if vector.printed is not None:
        assert value == pytest.approx(vector.printed, abs=0.0051)


def test_well_over_a_hundred_vectors_are_replayed() -> None:
    assert len(VECTORS) > 150
