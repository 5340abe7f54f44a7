"""What the benchmarks share: load over HTTP that costs the server's machine little, and CPU of a tree of processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

SETTLE_S = 2.0
"""After the last answer: what the requests left to do in the background counts as theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One request, to be sent again and again."""

    host: str
    port: int
    request: bytes

    @staticmethod
    def post(port: int, path: str, body: bytes, *, key: str | None = None, more: str = "") -> Load:
        """A POST with a JSON body."""
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\n{more}"
        if key:
            head += f"authorization: Bearer {key}\r\n"
        return Load(host="127.0.0.1", port=port, request=head.encode() + b"\r\n" + body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run cost."""

    num_requests: int
    wall_s: float
    cpu_s: float
    """Of the server's processes, less what they take when nobody asks."""

    p50_ms: float
    p99_ms: float

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a request."""
        return self.cpu_s / self.num_requests * 1000


def run(
    load: Load, processes: list[psutil.Process], *, num_requests: int, connections: int, idle_rate: float
) -> Result:
    """Send the request so often, and count.

    Args:
        load: The request.
        processes: The server's.
        num_requests: How often, over all connections.
        connections: How many at once.
        idle_rate: CPU seconds a second that the processes take by themselves.
    """
    before, began = cpu_s(processes), time.perf_counter()
    times = asyncio.run(_drive(load, num_requests, connections))
    wall_s = time.perf_counter() - began
    time.sleep(SETTLE_S)
    spent = cpu_s(processes) - before - idle_rate * (wall_s + SETTLE_S)
    times.sort()
    return Result(
        num_requests=num_requests,
        wall_s=wall_s,
        cpu_s=spent,
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[int(len(times) * 0.99)] * 1000,
    )


def cpu_s(processes: list[psutil.Process]) -> float:
    """CPU seconds that the processes have taken so far."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def idle_rate(find: Callable[[], list[psutil.Process]], seconds: float = 10.0) -> float:
    """CPU seconds a second that processes take when nobody asks."""
    found = find()
    before = cpu_s(found)
    time.sleep(seconds)
    return (cpu_s(found) - before) / seconds


async def _drive(load: Load, num_requests: int, connections: int) -> list[float]:
    share = num_requests // connections
    spent = await asyncio.gather(*(_one(load, share) for _ in range(connections)))
    return [value for part in spent for value in part]


async def _one(load: Load, count: int) -> list[float]:
    reader, writer = await asyncio.open_connection(load.host, load.port)
    times: list[float] = []
    while len(times) < count:
        began = time.perf_counter()
        writer.write(load.request)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            # HAProxy closes idle connections when it takes a new configuration, as every client must expect.
            writer.close()
            reader, writer = await asyncio.open_connection(load.host, load.port)
            continue
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode() + (await reader.read(500)).decode())
        length = next(
            int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        await reader.readexactly(length)
        times.append(time.perf_counter() - began)
    writer.close()
    return times
