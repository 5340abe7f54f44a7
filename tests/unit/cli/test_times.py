import pytest

from aiplatform.cli.times import seconds_of, when
from aiplatform.core.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("12H", 43_200), ("1.5d", 129_600), ("1w", 604_800)]
)
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "d", "-1d", "1 fortnight"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        seconds_of(text)


def test_a_moment_shows_its_offset_and_none_stays_none() -> None:
    shown = when(1_790_000_000_000_000_000)
    assert shown is not None
    assert shown[-5] in "+-"
    assert when(None) is None
