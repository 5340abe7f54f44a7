"""What becomes of spans while the platform is slow, away, or says no: none vanishes uncounted."""

from __future__ import annotations

import email.utils
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from aiplatform.client.credentials import Credentials
from aiplatform.testing.platform import free_port
from aiplatform.tracing.sdk import export
from aiplatform.tracing.sdk.delivery import Target
from aiplatform.tracing.sdk.export import Exporter
from aiplatform.tracing.sdk.stats import TracingStats
from tests.component.tracing.scripted import Reply, Scripted, scripted_server


@pytest.fixture
def spill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "spill"
    monkeypatch.setenv("AIPLATFORM_SPILL_DIR", str(folder))
    return folder


@pytest.fixture
def server(spill: Path) -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script


class App:
    """An application with an exporter of its own."""

    def __init__(self, url: str, key: str = "k", *, project: str = "default") -> None:
        self.exporter = Exporter(Target(Credentials(url=url, project_id=project, key=key)))
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(self.exporter)
        self._tracer = self._provider.get_tracer("t")
        self.exporter.start()

    def make(self, *names: str) -> None:
        for name in names:
            self._tracer.start_span(name).end()

    @property
    def stats(self) -> TracingStats:
        found = self.exporter.stats()
        assert found.made == (
            found.queued + found.sent + found.spilled + found.dropped + found.rejected + found.refused
        )
        return found


def files_of(spill: Path, suffix: str = ".spans") -> list[Path]:
    return sorted(spill.rglob(f"*{suffix}"))


def test_spans_leave_by_themselves_and_are_counted(server: Scripted) -> None:
    app = App(server.url, "secret")
    app.make("a", "b")
    assert app.exporter.flush(30)
    assert server.names == ["a", "b"]
    assert server.keys == ["Bearer secret"]
    assert app.stats == TracingStats(made=2, sent=2)
    app.exporter.close()
    app.make("late")
    assert app.stats == TracingStats(made=3, sent=2, dropped=1)


def test_spans_wait_on_disk_while_the_platform_is_away_and_leave_when_it_is_back(spill: Path) -> None:
    port = free_port()
    app = App(f"http://127.0.0.1:{port}")
    app.make("a", "b")
    assert not app.exporter.flush(30)
    assert app.stats == TracingStats(made=2, spilled=2, on_disk=2)
    (file,) = files_of(spill)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with scripted_server(port) as server:
        app.make("c")
        assert app.exporter.flush(30)
        assert sorted(server.names) == ["a", "b", "c"]
    assert app.stats == TracingStats(made=3, sent=1, spilled=2, replayed=2)
    app.exporter.close()


def test_the_next_process_sends_what_the_last_left_without_being_asked(spill: Path) -> None:
    port = free_port()
    first = App(f"http://127.0.0.1:{port}")
    first.make("a")
    first.exporter.close()
    assert [one.name for one in files_of(spill, ".ledger")] == []
    with scripted_server(port) as server:
        second = App(server.url)
        deadline = time.monotonic() + 30
        while second.stats.replayed == 0 and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        assert server.names == ["a"]
        second.exporter.close()


@pytest.mark.parametrize("other", [{"key": "other"}, {"project": "lab"}])
def test_spans_never_leave_with_another_key_or_for_another_project(other: dict[str, str], spill: Path) -> None:
    port = free_port()
    first = App(f"http://127.0.0.1:{port}")
    first.make("mine")
    first.exporter.close()
    with scripted_server(port) as server:
        second = App(server.url, **other)
        second.make("theirs")
        assert second.exporter.flush(30)
        assert server.names == ["theirs"]
        assert second.stats.on_disk == 0
        second.exporter.close()
    assert len(files_of(spill)) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_come_again_comes_again(status: int, server: Scripted) -> None:
    server.replies = [Reply(status, headers={"retry-after": "1"})]
    app = App(server.url)
    app.make("a")
    assert app.exporter.flush(30)
    assert server.names == ["a"]
    app.exporter.close()


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_that_the_platform_asks_for_is_kept_even_by_a_flush(form: str, server: Scripted) -> None:
    header = "60" if form == "seconds" else email.utils.formatdate(time.time() + 60, usegmt=True)
    server.replies = [Reply(503, headers={"retry-after": header})]
    app = App(server.url)
    app.make("a")
    assert not app.exporter.flush(5)
    app.make("b")
    assert not app.exporter.flush(5)
    assert server.num_requests == 1
    assert app.stats.on_disk == 2
    app.exporter.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 302])
def test_what_is_refused_is_counted_and_said_once(
    status: int, server: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    server.replies = [Reply(status), Reply(status)]
    app = App(server.url)
    for name in "ab":
        app.make(name)
        assert app.exporter.flush(30)
    app.make("c")
    assert app.exporter.flush(30)
    assert app.stats == TracingStats(made=3, sent=1, refused=2)
    assert [record.getMessage() for record in caplog.records] == [f"the platform refuses spans: status {status}"]
    app.exporter.close()


def test_a_partial_success_is_counted_and_said_once(server: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    server.replies = [Reply(rejected=1), Reply(rejected=1)]
    app = App(server.url)
    for _ in range(2):
        app.make("old", "new")
        assert app.exporter.flush(30)
    assert app.stats == TracingStats(made=4, sent=2, rejected=2)
    assert [(record.levelno, "too old" in record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, True)
    ]
    app.exporter.close()


def test_a_request_that_is_too_large_goes_in_parts_and_what_is_too_large_alone_is_refused(server: Scripted) -> None:
    server.max_bytes = 700
    app = App(server.url)
    names = [f"{number:0100d}" for number in range(20)]
    app.make(*names, "x" * 1_000)
    assert app.exporter.flush(60)
    assert sorted(server.names) == names
    found = app.stats
    assert (found.made, found.sent, found.rejected + found.refused) == (21, 20, 1)
    app.exporter.close()


def test_broken_files_are_set_aside_and_the_others_go_out(spill: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    app = App(f"http://127.0.0.1:{port}")
    for name in "abc":
        app.make(name)
        assert not app.exporter.flush(30)
    first, second, _ = files_of(spill)
    first.write_bytes(first.read_bytes()[:-3])
    data = bytearray(second.read_bytes())
    data[-1] ^= 1
    second.write_bytes(bytes(data))
    with scripted_server(port) as server:
        assert app.exporter.flush(30)
        assert server.names == ["c"]
    assert app.stats == TracingStats(made=3, spilled=3, replayed=1, lost_before=2)
    assert len(files_of(spill)) == 2
    assert {file.parent.name for file in files_of(spill)} == {"corrupt"}
    assert caplog.text.count("set aside") == 1
    app.exporter.close()


def test_a_full_disk_drops_and_counts(spill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIPLATFORM_SPILL_BYTES", "2000")
    app = App(f"http://127.0.0.1:{free_port()}")
    for number in range(30):
        app.make(f"{number:0100d}")
        assert not app.exporter.flush(30)
    found = app.stats
    assert found.spilled + found.dropped == 30
    assert found.spilled == found.on_disk > 0
    assert found.dropped > 0
    assert sum(file.stat().st_size for file in files_of(spill)) < 2_000 + 30 * 56
    app.exporter.close()


def test_a_folder_that_cannot_be_used_costs_spans_but_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("AIPLATFORM_SPILL_DIR", str(tmp_path / "file" / "below"))
    app = App(f"http://127.0.0.1:{free_port()}")
    app.make("a")
    app.exporter.flush(30)
    assert app.stats == TracingStats(made=1, dropped=1)
    app.exporter.close()


def test_a_full_queue_drops_the_newest_and_holds_nobody_up(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "QUEUE_SPANS", 100)
    monkeypatch.setattr(export, "BATCH_SPANS", 50)
    hang = threading.Event()
    server.always = Reply(hang=hang)
    app = App(server.url)
    app.make(*(f"s{number}" for number in range(1_000)))
    assert app.stats.dropped >= 1_000 - 100 - 50
    hang.set()
    assert app.exporter.flush(60)
    assert app.stats.sent == len(server.names) == 1_000 - app.stats.dropped
    assert server.names[0] == "s0"
    app.exporter.close()


def test_the_end_does_not_wait_for_a_platform_that_hangs_and_loses_nothing(spill: Path) -> None:
    hang = threading.Event()
    with scripted_server() as server:
        server.always = Reply(hang=hang)
        app = App(server.url)
        app.make("a")
        while server.num_requests == 0:
            threading.Event().wait(0.01)
        app.make("b")
        app.exporter.close(patience_s=0.2)
        found = app.stats
        assert (found.made, found.spilled, found.queued, found.dropped) == (2, 2, 0, 0)
        hang.set()
    assert len(files_of(spill)) == 2


def test_what_ended_before_a_new_aim_goes_where_it_was_to_go(spill: Path) -> None:
    with scripted_server() as one, scripted_server() as two:
        app = App(one.url)
        app.make("first")
        app.exporter.aim(Target(Credentials(url=two.url, project_id="default", key="k")))
        app.make("second")
        assert app.exporter.flush(30)
        assert (one.names, two.names) == (["first"], ["second"])
        app.exporter.close()


def test_a_forked_child_sends_its_own_spans_and_not_its_parents(server: Scripted) -> None:
    app = App(server.url)
    app.make("parent")
    child = os.fork()
    if child == 0:
        app.make("child")
        is_sent = app.exporter.flush(20)
        os._exit(0 if is_sent and app.stats == TracingStats(made=1, sent=1) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert app.exporter.flush(30)
    assert sorted(server.names) == ["child", "parent"]
    assert app.stats == TracingStats(made=1, sent=1)
    app.exporter.close()
