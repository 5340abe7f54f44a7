"""A driver on a Ray of its own: one trace through tasks, actors, a generator, threads and a Serve deployment.

Run by `test_ray_context.py` as `on_ray.py TEMP_DIR`; it prints the trace's id.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray import serve

import aiplatform as aip
from aiplatform.tracing.sdk import carry_to, carrying


def remote(**options: Any) -> Callable[[Any], Any]:
    decorate: Callable[[Any], Any] = ray.remote(num_cpus=0, **options)
    return decorate


@remote()
def leaf(text: str) -> str:
    with aip.span(f"leaf {text}"):
        return text


@remote()
def task(text: str, *, times: int = 1) -> str:
    with aip.span(f"task {text}"):
        return str(ray.get(leaf.remote(text))) * times


@remote(num_returns="streaming")
def stream(count: int) -> Iterator[int]:
    for number in range(count):
        with aip.span(f"item {number}"):
            yield number


class Counter:
    def __init__(self, start: int) -> None:
        self._count = start

    def add(self, number: int) -> int:
        with aip.span(f"add {number}"):
            self._count += number
            return self._count

    @staticmethod
    def version() -> int:
        return 1


class AsyncWorker:
    async def work(self, name: str) -> str:
        with aip.span(f"work {name}"):
            await asyncio.sleep(0)
            return name


@carrying
class Model:
    async def answer(self, question: str) -> str:
        with aip.span("model answer", kind="llm") as span:
            span.set_input(question)
            return question.upper()


OnRay: Any = remote()(Counter)
AsyncOnRay: Any = remote()(AsyncWorker)
Served: Any = serve.deployment(ray_actor_options={"num_cpus": 0})(Model)


def traced() -> str:
    with aip.span("driver") as root:
        assert ray.get(task.remote("one", times=2)) == "oneone"
        assert ray.get(task.options(name="named").remote(text="two")) == "two"
        assert [ray.get(item) for item in stream.remote(2)] == [0, 1]
        counter = OnRay.remote(40)
        assert ray.get(counter.add.remote(2)) == 42
        assert ray.get(counter.version.remote()) == 1
        worker = AsyncOnRay.remote()
        assert ray.get([worker.work.remote("a"), worker.work.options(name="x").remote("b")]) == ["a", "b"]
        handle: Any = serve.get_app_handle("model")
        assert carry_to(handle).answer.remote("hi").result(timeout_s=60) == "HI"
        assert handle.answer.remote("without").result(timeout_s=60) == "WITHOUT"
    return root.trace_id


def main() -> None:
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _temp_dir=sys.argv[1],
        object_store_memory=80 * 2**20,
        logging_level=logging.ERROR,
        log_to_driver=False,
        configure_logging=False,
    )
    serve.start(proxy_location="Disabled")
    serve.run(Served.bind(), name="model", route_prefix=None)
    aip.init()
    with_init_before = ray.get(task.remote("untraced"))
    assert with_init_before == "untraced"
    print("TRACE", traced(), flush=True)
    aip.flush()
    ray.get(leaf.remote("after"))
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
