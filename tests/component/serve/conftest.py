import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvicorn


class OnSocket:
    """An ASGI application on a socket of its own."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture
def on_socket() -> Iterator[Callable[[Any], str]]:
    """A function that puts an ASGI application on a socket and returns its address."""
    opened: list[OnSocket] = []

    def open_one(app: Any) -> str:
        opened.append(OnSocket(app))
        return opened[-1].url

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def run_together() -> Callable[..., None]:
    """A function that runs its arguments at the same time and raises what one of them raised."""

    def run(*work: Callable[[], Any]) -> None:
        with ThreadPoolExecutor(len(work)) as pool:
            for done in [pool.submit(one) for one in work]:
                done.result()

    return run
