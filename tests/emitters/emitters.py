"""The emitters, what each needs in an environment of its own, and the capture of what they send."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CAPTURED = HERE / "captured"
CALLS = ("chat", "stream", "tool-call", "embeddings", "responses", "connection-error")
CLOSED = "http://127.0.0.1:9/v1"
"""Nobody listens at the discard port: the connection is refused at once."""

_SDK = ("openai==3.57.0", "opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitter:
    """One package that people trace OpenAI's client with."""

    name: str
    package: str
    packages: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


EMITTERS = {
    emitter.name: emitter
    for emitter in (
        Emitter(
            name="genai-openai",
            package="opentelemetry-instrumentation-genai-openai 1.3b0",
            packages=(*_SDK, "opentelemetry-instrumentation-genai-openai==1.3b0"),
            environment={
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
                "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            },
        ),
        Emitter(
            name="openai-v2",
            package="opentelemetry-instrumentation-openai-v2 2.4b0",
            packages=(
                *_SDK,
                "opentelemetry-instrumentation-openai-v2==2.4b0",
                "opentelemetry-util-genai==0.4b0",
                "httpx",
            ),
            environment={"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"},
        ),
        Emitter(
            name="openinference",
            package="openinference-instrumentation-openai 0.1.66",
            packages=(*_SDK, "openinference-instrumentation-openai==0.1.66"),
        ),
        Emitter(
            name="traceloop",
            package="opentelemetry-instrumentation-openai 0.62.4",
            packages=(*_SDK, "opentelemetry-instrumentation-openai==0.62.4"),
        ),
        Emitter(name="langfuse", package="langfuse 5.0.4", packages=(*_SDK, "langfuse==5.0.4")),
        Emitter(
            name="mlflow",
            package="mlflow-skinny 3.17.2",
            packages=(*_SDK, "mlflow-skinny==3.17.2", "numpy", "pandas"),
            environment={"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        ),
    )
}


def capture_file(emitter: str, call: str, signal: str = "traces") -> Path:
    """Where the body that an emitter sent for a call is kept, gzipped."""
    ending = "" if signal == "traces" else f".{signal}"
    return CAPTURED / emitter / f"{call}{ending}.binpb.gz"


def captured(emitter: str, call: str, signal: str = "traces") -> bytes:
    """What an emitter sent of a signal for a call: several requests one after the other, which merges them, or none."""
    file = capture_file(emitter, call, signal)
    return gzip.decompress(file.read_bytes()) if file.exists() else b""


def keep(emitter: str, call: str, signal: str, body: bytes) -> None:
    """Store what was captured; the same body gives the same file."""
    file = capture_file(emitter, call, signal)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(body, mtime=0))


def environment(emitter: Emitter, folder: Path) -> Path:
    """The Python of an environment with the emitter installed; made once."""
    venv = folder / emitter.name
    python = venv / "bin" / "python"
    stamp = venv / ".installed"
    if not stamp.exists() or stamp.read_text("utf-8") != "\n".join(emitter.packages):
        subprocess.run((sys.executable, "-m", "venv", str(venv)), check=True)
        subprocess.run((str(python), "-m", "pip", "install", "--quiet", *emitter.packages), check=True)
        stamp.write_text("\n".join(emitter.packages), "utf-8")
    return python


def run_call(emitter: Emitter, python: Path, call: str, *, provider_url: str, endpoint: str, headers: str = "") -> None:
    """Let an emitter make one call and send what it saw to an OTLP endpoint.

    Raises:
        subprocess.CalledProcessError: The call could not be made.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "MLFLOW_", "LANGFUSE_"))}
    variables = kept | emitter.environment | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_HEADERS": headers,
        "OTEL_SERVICE_NAME": "shop",
        "MLFLOW_TRACKING_URI": "sqlite:///:memory:",
    }  # fmt: skip
    target = CLOSED if call == "connection-error" else provider_url
    arguments = (str(python), str(HERE / "calls.py"), emitter.name, call, target)
    subprocess.run(arguments, check=True, env=variables, cwd=python.parent, timeout=120)


@contextmanager
def sink() -> Iterator[tuple[str, Callable[[], dict[str, bytes]]]]:
    """An endpoint that takes OTLP, keeps the bodies and passes nothing on: its address, and what came by signal."""
    came: dict[str, bytes] = {}
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            with lock:
                signal = self.path.rpartition("/")[2]
                came[signal] = came.get(signal, b"") + body
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", lambda: dict(came)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def capture(folder: Path, names: list[str]) -> None:
    """Capture what the emitters send for every call, into the files that the fast tests read."""
    from tests.emitters.provider import provider

    with provider() as provider_url:
        for name in names:
            python = environment(EMITTERS[name], folder)
            for call in CALLS:
                with sink() as (endpoint, came):
                    run_call(EMITTERS[name], python, call, provider_url=provider_url, endpoint=endpoint)
                    bodies = came()
                for signal, body in bodies.items():
                    if signal in {"traces", "logs"}:
                        keep(name, call, signal, body)
                sys.stdout.write(f"{name} {call}: { ({key: len(body) for key, body in bodies.items()}) }\n")


if __name__ == "__main__":
    capture(Path(sys.argv[1]), sys.argv[2:] or list(EMITTERS))
