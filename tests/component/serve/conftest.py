from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


@pytest.fixture
def run_together() -> Callable[..., None]:
    """A function that runs its arguments at the same time and raises what one of them raised."""

    def run(*work: Callable[[], Any]) -> None:
        with ThreadPoolExecutor(len(work)) as pool:
            for done in [pool.submit(one) for one in work]:
                done.result()

    return run
