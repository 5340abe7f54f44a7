"""A real HTTP server that answers `/v1/traces` as a test tells it to, and remembers what it took."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(slots=True)
class Reply:
    status: int = 200
    rejected: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    hang: threading.Event | None = None


@dataclass
class Scripted:
    """Replies are used up one by one, then all is taken."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    always: Reply | None = None
    max_bytes: int = 2**30
    names: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    num_requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, length: int) -> Reply:
        with self.lock:
            self.num_requests += 1
            if length > self.max_bytes:
                return Reply(413)
            if self.always is not None:
                return self.always
            return self.replies.pop(0) if self.replies else Reply()


@contextmanager
def scripted_server(port: int = 0) -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            reply = script.next(len(body))
            if reply.hang is not None:
                reply.hang.wait(60)
            content = b""
            if reply.status == 200:
                request = ExportTraceServiceRequest.FromString(body)
                names = [s.name for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
                with script.lock:
                    script.names += names[reply.rejected :]
                    script.keys.append(self.headers["authorization"])
                answer = ExportTraceServiceResponse()
                if reply.rejected:
                    answer.partial_success.rejected_spans = reply.rejected
                    answer.partial_success.error_message = "too old"
                content = answer.SerializeToString()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
