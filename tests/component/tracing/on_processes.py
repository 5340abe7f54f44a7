"""An application that spreads over threads and processes of every sort: one trace. It prints the trace's id.

Run by `test_sdk_context.py`; as `on_processes.py child NAME` it is a program that another one starts.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import aiplatform as aip


def work(name: str) -> str:
    with aip.span(name, input="mail jo@example.com"):
        return name


class OwnProcess(multiprocessing.get_context("spawn").Process):  # type: ignore[misc]
    """A process by inheritance."""

    def run(self) -> None:
        work("own process")


def hide(name: str, value: Any) -> Any:
    return value.replace("mail", "post") if isinstance(value, str) else value


async def on_loop() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(loop.run_in_executor(None, work, "executor"), asyncio.to_thread(work, "to thread"))


def threads() -> None:
    thread = threading.Thread(target=work, args=("thread",))
    thread.start()
    thread.join()
    timer = threading.Timer(0, work, ["timer"])
    timer.start()
    timer.join()
    asyncio.run(on_loop())


def processes() -> None:
    for method in ("fork", "spawn"):
        context: Any = multiprocessing.get_context(method)
        process = context.Process(target=work, args=(f"{method} process",))
        process.start()
        process.join()
        assert process.exitcode == 0
    own = OwnProcess()
    own.start()
    own.join()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(work, ["pool map"]) == ["pool map"]
        assert pool.apply(work, ("pool apply",)) == "pool apply"
        assert list(pool.imap(work, ["pool imap"])) == ["pool imap"]
        pool.close()
        pool.join()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert executor.submit(work, "process pool").result() == "process pool"
        with aip.span("nearer"):
            assert executor.submit(work, "process pool again").result()


def programs() -> None:
    command = [sys.executable, __file__, "child"]
    assert subprocess.run([*command, "program"], check=True).returncode == 0
    assert subprocess.run([*command, "program env"], env={**ENVIRONMENT}, check=True).returncode == 0


ENVIRONMENT: dict[str, str] = {}


def main() -> None:
    import os

    ENVIRONMENT.update(os.environ)
    aip.init(mask=hide, mask_patterns=["email"], service_name="parent")
    if sys.argv[1:2] == ["child"]:
        work(sys.argv[2])
        return
    with ThreadPoolExecutor(1) as pool:
        with aip.span("driver") as root:
            assert pool.submit(work, "thread pool").result()
            threads()
            processes()
            programs()
        # The pool's thread was made inside the span, and outlives it.
        assert pool.submit(work, "outside").result()
    print("TRACE", root.trace_id, flush=True)


if __name__ == "__main__":
    main()
