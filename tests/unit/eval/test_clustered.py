"""Clustered errors and intervals against inspect_ai's: computed by `stderr` and `ci` of inspect-ai 0.3.285."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from aiplatform.core.errors import InvalidError
from aiplatform.eval.metrics import RunState
from aiplatform.eval.model import MetricKind, MetricValue, RowResult, RowScore, ScorerRef, ScoreState
from aiplatform.eval.statistics.exact import Moments
from aiplatform.eval.statistics.intervals import clustered_error, clustered_t_interval, t_interval


@dataclass(frozen=True, kw_only=True)
class Published:
    """What inspect_ai says of these values; every letter of `clusters` is the cluster of one value."""

    values: list[float] = field(repr=False)
    clusters: str
    error: float
    clustered_error: float
    interval: tuple[float, float]
    clustered_interval: tuple[float, float]
    clustered_interval_90: tuple[float, float]


PUBLISHED = [
    Published(
        values=[1.0, 0.0, 1.0, 1.0, 0.0, 1.0],
        clusters="aabbcc",
        error=0.210818510677892,
        clustered_error=0.16666666666666666,
        interval=(0.12474043250217737, 1.2085929008311558),
        clustered_interval=(-0.05044212162490924, 1.3837754549582426),
        clustered_interval_90=(0.18000240327437994, 1.1533309300589534),
    ),
    Published(
        values=[1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        clusters="aaabbbcd",
        error=0.1889822365046136,
        clustered_error=0.3227486121839514,
        interval=(0.053128020440947554, 0.9468719795590524),
        clustered_interval=(-0.5271301283802594, 1.5271301283802594),
        clustered_interval_90=(-0.25954478254674473, 1.2595447825467447),
    ),
    Published(
        values=[0.25, 0.5, 0.75, 1.0, 0.0, 0.1, 0.9],
        clusters="xxyyyzz",
        error=0.15,
        clustered_error=0.06185895741317419,
        interval=(0.1329632223282548, 0.8670367776717451),
        clustered_interval=(0.23384238802675072, 0.7661576119732493),
        clustered_interval_90=(0.3193727363378165, 0.6806272636621835),
    ),
    Published(
        values=[
            0.106,
            0.23,
            0.514,
            0.013,
            0.946,
            0.606,
            0.932,
            0.309,
            0.295,
            0.242,
            0.201,
            0.34,
            0.23,
            0.784,
            0.125,
            0.333,
            0.71,
            0.432,
            0.922,
            0.334,
        ],
        clusters="00001111222233334444",
        error=0.06491575917659505,
        clustered_error=0.09386038168471296,
        interval=(0.29432975453320975, 0.5660702454667902),
        clustered_interval=(0.16960180269948233, 0.6907981973005176),
        clustered_interval_90=(0.23010404694205194, 0.6302959530579479),
    ),
    Published(
        values=[
            0.0,
            0.0,
            1.0,
            0.0,
            1.0,
            0.0,
            1.0,
            1.0,
            1.0,
            1.0,
            0.0,
            1.0,
            0.0,
            0.0,
            0.0,
            0.0,
            1.0,
            1.0,
            0.0,
            0.0,
            1.0,
            1.0,
            0.0,
            1.0,
            1.0,
            0.0,
            1.0,
            0.0,
            1.0,
            0.0,
        ],
        clusters="456140525365516204602104002052",
        error=0.09284766908852593,
        clustered_error=0.08819171036881969,
        interval=(0.3101051949772186, 0.6898948050227813),
        clustered_interval=(0.28420265872579054, 0.7157973412742095),
        clustered_interval_90=(0.32862760750639275, 0.6713723924936073),
    ),
    Published(
        values=[2.0, 4.0, 6.0, 8.0],
        clusters="abcd",
        error=1.2909944487358056,
        clustered_error=1.2909944487358056,
        interval=(0.8914794864789624, 9.108520513521038),
        clustered_interval=(0.8914794864789624, 9.108520513521038),
        clustered_interval_90=(1.961820869813021, 8.038179130186979),
    ),
]


def moments_of(values: list[float]) -> Moments:
    moments = Moments()
    moments.add(np.array(values))
    return moments


@pytest.mark.parametrize("case", PUBLISHED)
def test_clustered_errors_equal_inspect_ais(case: Published) -> None:
    clusters: dict[str, Moments] = {}
    for value, cluster in zip(case.values, case.clusters, strict=True):
        clusters.setdefault(cluster, Moments()).merge(moments_of([value]))
    whole = moments_of(case.values)
    assert math.sqrt((whole.variance or 0.0) / whole.n) == pytest.approx(case.error, rel=1e-12)
    assert clustered_error(clusters) == pytest.approx(case.clustered_error, rel=1e-12)
    assert t_interval(whole) == pytest.approx(case.interval, rel=1e-9)
    assert clustered_t_interval(clusters) == pytest.approx(case.clustered_interval, rel=1e-9)
    assert clustered_t_interval(clusters, 0.9) == pytest.approx(case.clustered_interval_90, rel=1e-9)


def results_of(values: list[float], clusters: str) -> list[RowResult]:
    return [
        RowResult(
            row_id=f"q{place}",
            input="?",
            slices={"topic": cluster} if cluster != "-" else {},
            scores=(RowScore(name="mark", state=ScoreState.SCORED, value=value),),
        )
        for place, (value, cluster) in enumerate(zip(values, clusters, strict=True))
    ]


def metric_of(results: list[RowResult], num_blocks: int) -> MetricValue:
    states = [RunState(cluster="topic") for _ in range(num_blocks)]
    for place, state in enumerate(states):
        state.add(results[place::num_blocks])
    for state in states[1:]:
        states[0].merge(state)
    return states[0].metrics([ScorerRef(name="mark", kind=MetricKind.MEAN)])[0]


@pytest.mark.parametrize("num_blocks", [1, 5, 13])
@pytest.mark.parametrize("case", PUBLISHED)
def test_runs_report_the_same_in_any_number_of_blocks(case: Published, num_blocks: int) -> None:
    found = metric_of(results_of(case.values, case.clusters), num_blocks)
    assert (found.low, found.high) == pytest.approx(case.clustered_interval, rel=1e-9)
    assert found.interval == "clustered_t"
    assert found == metric_of(results_of(case.values, case.clusters), 1)


def test_a_row_without_its_cluster_is_an_error() -> None:
    with pytest.raises(InvalidError, match="'q1' has no value in 'topic'"):
        metric_of(results_of([1.0, 0.0, 1.0], "a-b"), 1)
