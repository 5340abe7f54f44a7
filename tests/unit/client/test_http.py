"""The client against a real server on loopback: retries, errors as they were answered, keys as they are renewed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aiplatform.client.credentials import Credentials, find_credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, NotFoundError, RemoteError, TransientError, UnauthenticatedError


class Scripted(ThreadingHTTPServer):
    """Answers each request with the next of its answers, and remembers what it was asked."""

    answers: list[tuple[int, dict[str, str], Any]]
    asked: list[tuple[str, str, dict[str, str]]]


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        status, headers, body = self.server.answers.pop(0)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Scripted]:
    server = Scripted(("127.0.0.1", 0), Handler)
    server.answers, server.asked = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(server: Scripted) -> Iterator[Client]:
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with Client(Credentials(url=url, project_id="docs", key="aip_x")) as client:
        yield client


def test_a_request_says_who_asks_and_for_which_project(server: Scripted, client: Client) -> None:
    server.answers = [(200, {}, {"ok": True})]
    assert client.get("/api/v1/me", verbose=None, limit=3) == {"ok": True}
    method, path, headers = server.asked[0]
    assert (method, path) == ("GET", "/api/v1/me?limit=3")
    assert headers["authorization"] == "Bearer aip_x"
    assert headers["x-aiplatform-project"] == "docs"


def test_reading_is_tried_again_and_writing_is_not(server: Scripted, client: Client) -> None:
    busy = (503, {"retry-after": "0"}, {"error": {"code": "unavailable", "message": "busy", "hint": None}})
    server.answers = [busy, busy, (200, {}, {"n": 1})]
    assert client.get("/x") == {"n": 1}
    server.answers = [busy, (200, {}, {"n": 2})]
    with pytest.raises(TransientError, match="busy"):
        client.post("/x", {"a": 1})
    assert client.post("/x", {"a": 1}, idempotent=True) == {"n": 2}


def test_an_error_is_raised_as_it_was_answered(server: Scripted, client: Client) -> None:
    body = {"error": {"code": "registry.no_model", "message": "There is no model 'qa'.", "hint": "List them."}}
    server.answers = [(404, {}, body)]
    with pytest.raises(NotFoundError, match="There is no model 'qa'") as caught:
        client.get("/x")
    assert (caught.value.full_code, caught.value.hint) == ("registry.no_model", "List them.")


@pytest.mark.parametrize(("status", "kind"), [(400, InvalidError), (500, RemoteError)])
def test_an_answer_that_is_no_error_body_is_still_told(
    server: Scripted, client: Client, status: int, kind: type[Exception]
) -> None:
    server.answers = [(status, {}, b"<h1>oops</h1>")]
    with pytest.raises(kind, match="oops"):
        client.post("/x")


def test_streams_raise_errors_too(server: Scripted, client: Client) -> None:
    server.answers = [(404, {}, {"error": {"code": "x", "message": "gone"}}), (200, {}, b"abc")]
    with pytest.raises(NotFoundError, match="gone"), client.stream("GET", "/x"):
        pass
    with client.stream("GET", "/x") as response:
        assert b"".join(response.iter_bytes()) == b"abc"


def test_nobody_there_is_a_sentence_with_a_remedy() -> None:
    client = Client(Credentials(url="http://127.0.0.1:1", project_id="p", key="k"))
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:1 cannot be reached") as caught:
        client.post("/x")
    assert "aiplatform up" in str(caught.value.hint)


def test_a_renewed_key_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("one\n")
    credentials = find_credentials(environment={"AIPLATFORM_KEY_FILE": str(file)})
    assert credentials.current_key() == "one"
    file.write_text("two\n")
    assert credentials.current_key() == "two"


def test_no_key_is_a_sentence_with_a_remedy(tmp_path: Path) -> None:
    credentials = find_credentials(environment={"AIPLATFORM_KEY_FILE": str(tmp_path / "none")})
    with pytest.raises(UnauthenticatedError) as caught:
        credentials.current_key()
    assert caught.value.full_code == "client.no_key"


def test_arguments_win_over_environment_over_what_up_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "aiplatform").mkdir()
    (tmp_path / "aiplatform" / "url").write_text("http://left:1/\n")
    (tmp_path / "aiplatform" / "key").write_text("left\n")
    left = find_credentials(environment={})
    assert (left.url, left.current_key(), left.project_id) == ("http://left:1", "left", "default")
    environment = {"AIPLATFORM_URL": "http://env:2", "AIPLATFORM_API_KEY": "env", "AIPLATFORM_PROJECT": "p"}
    said = find_credentials(environment=environment)
    assert (said.url, said.current_key(), said.project_id) == ("http://env:2", "env", "p")
    assert find_credentials(url="http://arg:3", key="arg", environment=environment).current_key() == "arg"
