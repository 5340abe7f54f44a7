from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError
from aiplatform.eval.gate_language import parse_gate
from aiplatform.eval.gate_nodes import Limit, judges_of
from aiplatform.eval.gates import Contrasted, GateFacts, check, facts_of
from aiplatform.eval.model import (
    Calibration,
    CallSums,
    ForestRow,
    GateResult,
    MetricComparison,
    MetricKind,
    MetricValue,
    Outcome,
    Status,
    Unit,
)
from tests.unit.eval.examples import planted

HIT = MetricValue(
    name="hit@1", kind=MetricKind.PROPORTION, value=0.573, low=0.51, high=0.63, n=269, scored=269, failed=31
)
LATENCY = MetricValue(
    name="p95_latency", kind=MetricKind.QUANTILE, value=1240.0, n=300, scored=300, unit=Unit.MILLISECONDS
)
EMPTY = MetricValue(name="citation", kind=MetricKind.MEAN, value=None)


def contrasted(
    low: float, high: float, *, lower_is_better: bool = False, p_adjusted: float | None = None
) -> Contrasted:
    """A difference with this interval; settled wherever it leaves out zero, unless a corrected p says otherwise."""
    is_open = low <= 0 <= high if p_adjusted is None else p_adjusted >= 0.05
    is_better = (low > 0) != lower_is_better
    row = ForestRow(
        run_id="eval-b",
        name="v3",
        label="",
        status=Status.OPEN if is_open else Status.BETTER if is_better else Status.WORSE,
        p_adjusted=p_adjusted,
        value=0.5,
        low=None,
        high=None,
        coverage=1.0,
        n=269,
        difference=(low + high) / 2,
        difference_low=low,
        difference_high=high,
    )
    metric = MetricComparison(
        name="hit@1",
        kind=MetricKind.PROPORTION,
        unit=Unit.NONE,
        lower_is_better=lower_is_better,
        is_primary=True,
        rows=(row,),
    )
    return Contrasted(metric=metric, row=row)


def facts(compared: Contrasted | None = None) -> GateFacts:
    metrics = {metric.name: metric for metric in (HIT, LATENCY, EMPTY)}
    lower = replace(HIT, value=0.55)
    slices = {"language=zh": {"hit@1": lower}, "language=en": {"hit@1": HIT}, "topic=a": {"hit@1": HIT}, "topic=b": {}}
    return GateFacts(
        metrics=metrics,
        slices=slices,
        contrasts={"hit@1": compared} if compared else {},
        calibrations={"relevance": Calibration(judge="relevance", kappa=0.74, low=0.62, high=0.83, n=120)},
    )


def judged(gate: str, compared: Contrasted | None = None) -> GateResult:
    return check(parse_gate(gate), facts(compared), run_id="eval-b", name="v3")


@pytest.mark.parametrize(
    ("gate", "outcome"),
    [
        ("hit@1 >= 0.5", Outcome.PASS),
        ("hit@1 >= 57%", Outcome.PASS),
        ("hit@1 > 0.6", Outcome.FAIL),
        ("hit@1 == 0.573", Outcome.PASS),
        ("hit@1 != 0.573", Outcome.FAIL),
        ("p95_latency <= 2s", Outcome.PASS),
        ("p95_latency < 900 ms", Outcome.FAIL),
        ("p95_latency <= 0.1 min", Outcome.PASS),
        ('coverage("hit@1") >= 0.9', Outcome.FAIL if 269 / 300 < 0.9 else Outcome.PASS),
        ('lower("hit@1") >= 0.5', Outcome.PASS),
        ("upper('hit@1') < 0.6", Outcome.FAIL),
        ('slice("language=zh", "hit@1") >= 0.5', Outcome.PASS),
        ('slice("language=fr", "hit@1") >= 0.5', Outcome.UNKNOWN),
        ("citation >= 0.5", Outcome.UNKNOWN),
        ("p50_latency <= 1s", Outcome.UNKNOWN),
        ("cost <= $5", Outcome.UNKNOWN),
        ("low('hit@1') >= 0.5", Outcome.PASS),
        ("high('hit@1') < 0.6", Outcome.FAIL),
        ("count('hit@1') >= 269", Outcome.PASS),
        ('min_over("language", "hit@1") >= 0.5', Outcome.PASS),
        ('min_over("language", "hit@1") >= 0.6', Outcome.FAIL),
        ('max_over("language", "hit@1") <= 0.6', Outcome.PASS),
        ('min_over("topic", "hit@1") >= 0.5', Outcome.UNKNOWN),
        ('min_over("topic", "hit@1") >= 0.9', Outcome.FAIL),
        ('calibrated("relevance")', Outcome.PASS),
        ('calibrated("relevance", 0.75)', Outcome.UNKNOWN),
        ('calibrated("relevance", 0.9)', Outcome.FAIL),
        ('calibrated("groundedness")', Outcome.UNKNOWN),
        ('kappa("relevance") >= 0.7', Outcome.PASS),
        ('kappa("groundedness") >= 0.7', Outcome.UNKNOWN),
        ('not calibrated("groundedness")', Outcome.UNKNOWN),
        ("not hit@1 > 0.6", Outcome.PASS),
        ("hit@1 > 0.6 or p95_latency < 2s", Outcome.PASS),
        ("hit@1 > 0.6 or citation > 0.1", Outcome.UNKNOWN),
        ("not (hit@1 > 0.6 or p95_latency < 2s)", Outcome.FAIL),
        ("(hit@1 > 0.5 and (p95_latency < 2s))", Outcome.PASS),
        ("hit@1 >= 0.5 and citation > 0.1", Outcome.UNKNOWN),
        ("hit@1 >= 0.9 and citation > 0.1", Outcome.FAIL),
    ],
)
def test_gates_have_three_answers(gate: str, outcome: Outcome) -> None:
    assert judged(gate).outcome is outcome


def test_every_condition_is_reported_by_itself() -> None:
    found = judged('hit@1 >= 0.5 and p95_latency <= 1s and not worse_than(baseline, "hit@1", 0.01)')
    assert [(condition.text, condition.outcome) for condition in found.conditions] == [
        ("hit@1 >= 0.5", Outcome.PASS),
        ("p95_latency <= 1s", Outcome.FAIL),
        ('not worse_than(baseline, "hit@1", 0.01)', Outcome.UNKNOWN),
    ]
    assert str(found.conditions[0].detail) == "hit@1 is 0.573 [0.510, 0.630], n = 269."
    assert "not compared" in str(found.conditions[2].detail)


@pytest.mark.parametrize(
    ("gate", "told", "column"),
    [
        ("hit1 >= 0.5", "There is no metric 'hit1' (column 1). Did you mean 'hit@1'?", 1),
        ("hit@1 >= 0.5 and zebra < 1", "There is no metric 'zebra' (column 18). There are: hit@1, p95", 18),
        ('hit@1 > 0.9 or coverage("hit1") > 1', "Did you mean 'hit@1'?", 16),
        ('not worse_than(baseline, "hit1")', "Did you mean 'hit@1'?", 5),
        ('min_over("lang", "hit@1") >= 0.5', "not sliced by 'lang' (column 1). Did you mean 'language'?", 1),
        ('slice("colour=red", "hit@1") >= 0.5', "not sliced by 'colour' (column 1). It is by: language, topic", 1),
    ],
)
def test_a_name_that_was_mistyped_is_an_error_with_what_was_meant(gate: str, told: str, column: int) -> None:
    with pytest.raises(InvalidError) as caught:
        judged(gate)
    assert told in str(caught.value)
    assert caught.value.fields["column"] == column


def test_what_a_run_has_cost_can_be_capped_and_what_has_no_price_cannot_be_told() -> None:
    run = planted("v2", 0.6, 1, calls=CallSums(paid=40, cached=2, input_tokens=900, output_tokens=80, cost=0.42)).run
    outcomes = {
        gate: check(parse_gate(gate), facts_of(run), run_id=run.run_id, name=run.name).outcome
        for gate in ("cost <= $0.5", "cost <= $0.4", "output_tokens < 100")
    }
    assert [*outcomes.values()] == [Outcome.PASS, Outcome.FAIL, Outcome.PASS]
    free = replace(run, calls=replace(run.calls, cost=None))
    assert check(parse_gate("cost <= $1"), facts_of(free), run_id="a", name="a").outcome is Outcome.UNKNOWN


def test_the_slice_that_decides_is_named() -> None:
    (condition,) = judged('min_over("language", "hit@1") >= 0.6').conditions
    assert str(condition.detail) == "On language=zh hit@1 is 0.550 [0.510, 0.630], n = 269."


def test_the_gate_says_which_judges_it_asks_for() -> None:
    gate = parse_gate('not (calibrated("a") or kappa("b") > 0.5) and hit@1 > 0.5 and calibrated("a", 0.7)')
    assert {*judges_of(gate)} == {"a", "b"}


@given(
    st.recursive(
        st.sampled_from(["hit@1 >= 0.5", "hit@1 > 0.6", "citation > 0.1", 'calibrated("groundedness")']),
        lambda inner: st.one_of(
            inner.map(lambda gate: f"not ({gate})"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        ),
        max_leaves=8,
    )
)
def test_gates_follow_the_logic_of_three_answers(gate: str) -> None:
    """Whatever an undecided condition may turn out to be, a decided gate keeps its answer."""
    found = judged(gate).outcome

    def settled(citation: str, calibrated: str) -> bool:
        text = gate.replace("hit@1 >= 0.5", "True").replace("hit@1 > 0.6", "False")
        text = text.replace("citation > 0.1", citation).replace('calibrated("groundedness")', calibrated)
        return bool(eval(text))

    answers = {settled(a, b) for a in ("True", "False") for b in ("True", "False")}
    if found is not Outcome.UNKNOWN:
        assert answers == {found is Outcome.PASS}


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.151, -0.026, Outcome.FAIL),  # established to be worse by more than the margin
        (-0.004, 0.121, Outcome.PASS),  # not worse by more than the margin, though not better either
        (-0.05, 0.06, Outcome.UNKNOWN),
        (-0.02, -0.005, Outcome.UNKNOWN),
    ],
)
def test_not_worse_than_is_decided_by_the_interval(low: float, high: float, outcome: Outcome) -> None:
    gate = 'not worse_than(baseline, "hit@1", 0.01)'
    assert judged(gate, contrasted(low, high)).outcome is outcome
    assert judged(gate, contrasted(-high, -low, lower_is_better=True)).outcome is outcome


def test_better_than_wants_the_whole_interval_beyond_the_margin() -> None:
    assert judged('better_than(baseline, "hit@1")', contrasted(0.01, 0.1)).outcome is Outcome.PASS
    assert judged('better_than(baseline, "hit@1", 0.05)', contrasted(0.01, 0.1)).outcome is Outcome.UNKNOWN
    assert judged('better_than(baseline, "hit@1")', contrasted(-0.1, -0.01)).outcome is Outcome.FAIL


@pytest.mark.parametrize(("p_adjusted", "outcome"), [(0.04, Outcome.PASS), (0.071, Outcome.UNKNOWN)])
def test_what_the_correction_leaves_open_passes_no_gate(p_adjusted: float, outcome: Outcome) -> None:
    found = judged('better_than(baseline, "hit@1")', contrasted(0.002, 0.05, p_adjusted=p_adjusted))
    assert found.outcome is outcome
    assert ("p = 0.071 after correction" in str(found.conditions[0].detail)) is (outcome is Outcome.UNKNOWN)


def test_the_gate_says_which_metrics_it_compares() -> None:
    gate = parse_gate(
        'a > 1 and (not worse_than(baseline, "b") or better_than(baseline, "c")) and worse_than(baseline, "b")'
    )
    assert gate.compared_metrics == ("b", "c")


@pytest.mark.parametrize(
    ("gate", "column", "told"),
    [
        ("", 1, "empty"),
        ("hit@1 >= ", 10, "number"),
        ("hit@1 0.5", 7, ">="),
        ("hit@1 >= 0.5 extra", 14, "unit"),
        ("hit@1 >= 0.5 and", 17, "metric"),
        ("hit@1 >= 5 light_years", 12, "unit"),
        ("median('x') > 1", 1, "no function"),
        ("worse_than(champion, 'x')", 12, "baseline"),
        ("worse_than(baseline, 'x', -1)", 27, "negative"),
        ("worse_than(baseline 'x')", 21, ","),
        ("(hit@1 > 1", 11, ")"),
        ("hit@1 > 1; import os", 10, "does not belong"),
        ("__import__('os') > 1", 1, "no function"),
        ("cost <= $", 10, "number"),
        ("min_over('x') > 1", 13, ","),
        ("calibrated() and a > 1", 12, "name"),
    ],
)
def test_mistakes_are_pointed_at_by_column(gate: str, column: int, told: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_gate(gate)
    assert f"column {column}" in str(caught.value)
    assert told in str(caught.value)
    hint = caught.value.localized_hint("en")
    assert hint is not None
    source, _, pointer = hint.partition("\n")
    assert source == gate
    assert pointer.index("^") == column - 1


@pytest.mark.parametrize(("gate", "told"), [("p95_latency <= 2", "needs a unit"), ("hit@1 >= 2s", "no unit of time")])
def test_durations_have_units_and_nothing_else_has(gate: str, told: str) -> None:
    with pytest.raises(InvalidError, match=told):
        judged(gate)


def test_deep_nesting_and_endless_texts_are_refused() -> None:
    with pytest.raises(InvalidError, match="nested"):
        parse_gate("(" * 100 + "a > 1" + ")" * 100)
    with pytest.raises(InvalidError, match="characters"):
        parse_gate("a > 1 and " * 1000 + "a > 1")


@given(st.text(max_size=60))
def test_any_text_is_a_gate_or_an_error_with_a_column(text: str) -> None:
    outcome: object
    try:
        outcome = parse_gate(text).conditions
    except InvalidError as error:
        outcome = 1 <= error.fields["column"] <= len(text) + 1
    assert outcome


@given(st.floats(0, 1e6), st.sampled_from([">=", "<=", ">", "<", "==", "!="]))
def test_numbers_are_read_as_they_are_written(number: float, compare: str) -> None:
    (condition,) = parse_gate(f"metric {compare} {number!r}").conditions
    assert isinstance(condition.node, Limit)
    assert (condition.node.number, condition.node.compare) == (number, compare)
