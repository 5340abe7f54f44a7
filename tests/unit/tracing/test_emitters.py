"""What six emitters really sent for six calls, normalised: one identical record, but for what is never sent."""

from __future__ import annotations

import pytest

from tests.emitters import coverage
from tests.emitters.emitters import CALLS, EMITTERS, capture_file, captured
from tests.emitters.records import EXPECTED, NO_SPAN, details_in, model_call, record_of, unknown_to

PAIRS = [(emitter, call) for emitter in EMITTERS for call in CALLS]


@pytest.mark.parametrize(("emitter", "call"), PAIRS, ids=[f"{emitter}-{call}" for emitter, call in PAIRS])
def test_an_emitters_call_gives_the_one_record(emitter: str, call: str) -> None:
    unknown = unknown_to(emitter, call)
    if unknown >= NO_SPAN:
        assert not capture_file(emitter, call).exists()
        return
    found = model_call(details_in(captured(emitter, call), captured(emitter, call, "logs")))
    assert found is not None
    record = record_of(found)
    expected = {name: value for name, value in EXPECTED[call].items() if name not in unknown}
    assert {name: record[name] for name in expected} == expected


def test_the_table_claims_no_ignorance_that_is_none() -> None:
    """What every call of an emitter is said to lack, at least one of its calls does; what one call lacks, that one."""
    for emitter in EMITTERS:
        lacking: dict[str, set[str]] = {
            call: set(missing) for call in CALLS if (missing := coverage.differences(emitter, call)) is not None
        }
        anywhere = set().union(*lacking.values())
        for call, fields in lacking.items():
            assert fields <= unknown_to(emitter, call)
        assert {name for call in lacking for name in unknown_to(emitter, call)} <= anywhere


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_coverage_is_that_of_the_captures(language: str) -> None:
    assert coverage.file_of(language).read_text("utf-8") == coverage.page(language)
