"""What tracing costs an application, in microseconds of CPU a span: ours beside MLflow's client, in one run.

    python benchmarks/sdk.py [--traces 1500] [--repeats 5] [--no-mlflow]

Each client runs in a process of its own and sends to a sink that takes everything: traces of 8 spans, each span a
traced function with a 2 KB prompt and a 1 KB answer, with a short pause after every trace as an application has it.
`caller` is the CPU of the thread that makes the spans; `total` that of the whole process until the last span has left.
Work that is not tracing is measured by running the same functions untraced, and taken off. The least of the repeats
counts: whatever else the machine does can only add.
"""

from __future__ import annotations

import argparse
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SPANS_A_TRACE = 8
PROMPT = "How do I return an order that arrived late? " * 46
ANSWER = "You can return it within thirty days of arrival. " * 21
PAUSE_S = 0.0005


class _Sink(socketserver.StreamRequestHandler):
    """HTTP just enough for a client: every request is answered 200 with an empty body or an empty object."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline()) not in {b"\r\n", b""}:
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            body = b"" if b"/v1/traces" in line else b"{}"
            kind = b"application/x-protobuf" if b"/v1/traces" in line else b"application/json"
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (kind, len(body), body)
            )


@contextmanager
def sink() -> Iterator[str]:
    """The address of a sink in this process."""
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Sink) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def work(traced: Callable[[str], Callable[[Callable[..., Any]], Callable[..., Any]]]) -> Callable[[], None]:
    """One trace of 8 spans: an agent, and seven calls of a model below it."""

    @traced("LLM")
    def chat(prompt: str) -> str:
        return ANSWER

    @traced("AGENT")
    def answer(prompt: str) -> str:
        for _ in range(SPANS_A_TRACE - 1):
            chat(prompt)
        return ANSWER

    return lambda: answer(PROMPT)


def measure(make: Callable[[], None], flush: Callable[[], Any], num_traces: int) -> tuple[float, float]:
    """CPU a span in microseconds: the caller's, and the whole process's."""
    for _ in range(50):
        make()
    flush()
    process = time.process_time()
    caller = 0.0
    for _ in range(num_traces):
        began = time.thread_time()
        make()
        caller += time.thread_time() - began
        time.sleep(PAUSE_S)
    flush()
    spans = num_traces * SPANS_A_TRACE
    return caller / spans * 1e6, (time.process_time() - process) / spans * 1e6


def client(kind: str, url: str, num_traces: int) -> tuple[float, float]:
    """Run one client in this process."""
    if kind == "none":
        return measure(work(lambda kind: lambda function: function), lambda: None, num_traces)
    if kind == "ours":
        import aiplatform as aip

        aip.init(url=url, key="k")
        found = measure(work(lambda kind: aip.trace(kind=kind.lower())), lambda: aip.flush(60), num_traces)
        stats = aip.tracing_stats()
        assert stats.sent == stats.made == (num_traces + 50) * SPANS_A_TRACE, stats
        return found
    if kind == "otel":
        return _otel(url, num_traces)
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "true"
    os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = f"{url}/v1/traces"
    os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
    os.environ["MLFLOW_TRACKING_URI"] = url
    import mlflow

    provider = mlflow.tracing.provider

    def flush() -> None:
        for one in provider.provider.get()._active_span_processor._span_processors:
            one.force_flush()

    return measure(work(lambda kind: lambda f: mlflow.trace(f, span_type=kind)), flush, num_traces)


def _otel(url: str, num_traces: int) -> tuple[float, float]:
    """OpenTelemetry by hand, without a decorator: the floor of whatever is built on it."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces"), max_queue_size=16_384)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("bench")

    def traced(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(prompt: str) -> Any:
                with tracer.start_as_current_span(function.__name__) as span:
                    span.set_attribute("openinference.span.kind", kind)
                    span.set_attribute("input.value", json.dumps({"prompt": prompt}))
                    result = function(prompt)
                    span.set_attribute("output.value", result)
                    return result

            return call

        return decorate

    return measure(work(traced), processor.force_flush, num_traces)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=1_500, help="traces of 8 spans a run; MLflow gets a fifth")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-mlflow", action="store_true")
    parser.add_argument("--client", nargs=2, metavar=("KIND", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        kind, url = options.client
        print(json.dumps(client(kind, url, options.traces)))
        return
    best = compare(["ours", "otel"] + ([] if options.no_mlflow else ["mlflow"]), options.traces, options.repeats)
    print(f"{'client':10}{'caller us':>12}{'total us':>12}{'ratio of total':>18}")
    ours = best["ours"][1]
    for kind, (caller, total) in best.items():
        print(f"{kind:10}{caller:>12.1f}{total:>12.1f}{total / ours:>17.1f}x")
    print(f"\nAgain: python benchmarks/sdk.py --traces {options.traces} --repeats {options.repeats}")


def compare(kinds: list[str], num_traces: int, repeats: int) -> dict[str, tuple[float, float]]:
    """CPU a span in microseconds by client, the caller's and the whole process's; other work is taken off."""
    best: dict[str, tuple[float, float]] = {}
    with sink() as url, tempfile.TemporaryDirectory() as spill:
        for _ in range(repeats):
            for kind in ["none", *kinds]:
                wanted = num_traces // (5 if kind == "mlflow" else 1)
                command = [sys.executable, __file__, "--client", kind, url, "--traces", str(wanted)]
                done = subprocess.run(
                    command, env={**os.environ, "AIPLATFORM_SPILL_DIR": spill}, stdout=subprocess.PIPE, check=True
                )
                caller, total = json.loads(done.stdout.splitlines()[-1])
                known = best.get(kind, (caller, total))
                best[kind] = (min(caller, known[0]), min(total, known[1]))
    base_caller, base_total = best.pop("none")
    return {kind: (caller - base_caller, total - base_total) for kind, (caller, total) in best.items()}


if __name__ == "__main__":
    main()
