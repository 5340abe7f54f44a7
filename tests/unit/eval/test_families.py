from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import cochrans_q
from statsmodels.stats.multitest import multipletests

from aiplatform.eval.model import Correction
from aiplatform.eval.statistics.families import adjusted, cochran_q, levels

REFERENCES = {Correction.HOLM: "holm", Correction.BENJAMINI_HOCHBERG: "fdr_bh"}


@settings(max_examples=40)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12), st.sampled_from(Correction))
def test_corrections_equal_statsmodels_and_leave_out_what_has_no_p(
    p_values: list[float | None], correction: Correction
) -> None:
    known = [p for p in p_values if p is not None]
    expected = iter(multipletests(known, method=REFERENCES[correction])[1].tolist() if known else [])
    for p, found in zip(p_values, adjusted(p_values, correction), strict=True):
        assert (found is None) if p is None else found == pytest.approx(next(expected), abs=1e-12)


def test_each_p_is_tested_at_its_own_level() -> None:
    p_values = [0.04, 0.001, None]
    assert levels(p_values, 0.05, Correction.HOLM) == [0.05, 0.025, 0.05]
    assert levels(p_values, 0.05, Correction.BENJAMINI_HOCHBERG) == [0.05, 0.025, 0.05]
    assert levels([0.01, 0.02, 0.03], 0.06, Correction.BENJAMINI_HOCHBERG) == pytest.approx([0.02, 0.04, 0.06])


@given(st.integers(2, 5).flatmap(lambda k: st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=k, max_size=k),
                                                    min_size=3, max_size=40)))  # fmt: skip
def test_cochrans_q_equals_statsmodels(table: list[list[float]]) -> None:
    outcomes = np.array(table)
    found = cochran_q(outcomes)
    if found is None:
        assert all(len({*row}) == 1 for row in table)  # no row tells the versions apart, and the reference divides by 0
        return
    expected = cochrans_q(outcomes)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert found.freedom == expected.df
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-300)
    assert found.n == len(table)
