from aiplatform.client.polling import poll
from aiplatform.testing.clock import FakeClock


def test_it_looks_until_the_wait_is_over() -> None:
    clock = FakeClock()
    seen = iter([1, 2, 3, 4])
    assert poll(lambda: next(seen), until=lambda count: count == 3, every_s=2.0, clock=clock) == 3
    assert next(seen) == 4


def test_what_there_is_comes_back_when_time_is_up() -> None:
    looks = iter([1, 2])
    assert poll(lambda: next(looks), until=lambda _: False, every_s=1.0, timeout_s=0.0, clock=FakeClock()) == 1
