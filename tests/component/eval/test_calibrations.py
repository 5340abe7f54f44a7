"""Judges against people behind the real routes: what is joined, kept, listed, and whom it is shown to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiplatform.cli.judges import read_labels
from aiplatform.client.http import Client
from aiplatform.core.errors import ConfigError, ConflictError, InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.eval.judging import api as judges
from aiplatform.eval.judging.builtin import Correctness
from aiplatform.eval.judging.pairwise import Pairwise
from aiplatform.eval.model import Outcome
from aiplatform.tenancy.permissions import Role
from tests.component.eval.conftest import House, evaluated, records
from tests.component.eval.judged import judged_run
from tests.testing.chat_server import ChatServer, chat_server
from tests.testing.scripted_judge import ScriptedJudge

FALSE_PASSES = 0.15
FLIPS = 0.10


@pytest.fixture(scope="module")
def running() -> Iterator[ChatServer]:
    with chat_server() as server:
        yield server


@pytest.fixture
def server(running: ChatServer) -> ChatServer:
    running.counts.clear()
    running.script = ScriptedJudge(false_pass=FALSE_PASSES, flips=FLIPS)
    return running


def rows(n: int = 300) -> list[dict[str, Any]]:
    """Answers of which two in three are right."""
    return [
        {"id": f"q{k:03}", "input": f"question {k}", "expected": "x", "output": "x" if k % 3 else "y"} for k in range(n)
    ]


def people(n: int = 300) -> dict[str, bool]:
    return {f"q{k:03}": bool(k % 3) for k in range(n)}


def test_a_judge_with_planted_errors_is_found_out_over_http(house: House, server: ChatServer) -> None:
    api = house.platform.api()
    judge = Correctness(model="m", url=server.url)
    runs = [judged_run(api, f"v{n}", judge, rows()) for n in range(3)]
    found = judges.calibrate(runs[0], people=people(200), repeats=runs[1:], client=api)
    known = found.calibration
    assert (known.n, known.identity, known.run_id) == (200, judge.identity.digest, runs[0].run_id)
    assert known.data.rows_hash == runs[0].run.data.rows_hash
    assert known.judge["model"] == "m"
    for estimate, truth in (
        (known.false_passes, FALSE_PASSES * (1 - FLIPS) + (1 - FALSE_PASSES) * FLIPS),
        (known.false_fails, FLIPS),
        (known.corrected_rate, 2 / 3),
    ):
        assert estimate is not None
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= truth <= estimate.high
    assert known.inconsistency is not None
    assert known.inconsistency.low is not None
    assert known.inconsistency.low > 0.1
    assert "people would pass" in str(found)
    assert judges.calibration(found.calibration_id, client=api).calibration == known
    listed = judges.list(client=api)
    assert [(each.identity, each.runs, each.calibrations) for each in listed] == [(judge.identity.digest, 3, 1)]
    assert judges.get(judge.identity.digest[:8], client=api).latest == known
    assert house.judges.calibration_of(house.platform.caller().scope, judge.identity.digest) == known
    assert house.judges.calibrations_of_run(house.platform.caller().scope, runs[1].run) == {"correctness": known}


def test_a_gate_asks_whether_the_very_judge_was_compared_with_people(house: House, server: ChatServer) -> None:
    api = house.platform.api()
    run = judged_run(api, "v1", Correctness(model="m", url=server.url), rows())
    other = judged_run(api, "v2", Correctness(model="n", url=server.url), rows())
    gate = 'correctness >= 0.1 and calibrated("correctness", 0.5)'
    assert run.check(gate).outcome is Outcome.UNKNOWN
    judges.calibrate(run, people=people(), client=api)
    assert run.check(gate).outcome is Outcome.PASS
    assert run.check('calibrated("correctness", 0.95)').outcome is Outcome.FAIL
    assert other.check(gate).outcome is Outcome.UNKNOWN


def test_a_preference_for_the_first_place_is_found(house: House, server: ChatServer) -> None:
    server.script = ScriptedJudge(position=0.4)
    api = house.platform.api()
    pairs = [{**row, "baseline": "z"} for row in rows(120)]
    run = judged_run(api, "pairs", Pairwise(model="m", url=server.url), pairs)
    labels = {f"q{k:03}": "win" if k % 3 else "tie" for k in range(120)}
    known = judges.calibrate(run, people=labels, client=api).calibration
    assert known.position is not None
    assert known.position.is_found
    assert known.position.estimate.low is not None
    assert known.position.estimate.low > 0.1
    told = judges.report(run, "pairwise")
    assert told.pairs == 120
    assert told.favoured["first"] > told.favoured["second"] == 0


def test_calibrations_come_newest_first_in_pages(house: House, server: ChatServer) -> None:
    api = house.platform.api()
    run = judged_run(api, "v", Correctness(model="m", url=server.url), rows(30))
    made = []
    for n in range(3):
        house.clock.advance(1)
        made.append(judges.calibrate(run, people=people(10 + n), client=api).calibration_id)
    page = api.get("/api/v1/calibrations", limit=2)
    rest = api.get("/api/v1/calibrations", limit=2, after=page["next"])
    assert [each["calibration_id"] for each in (*page["items"], *rest["items"])] == made[::-1]
    assert rest["next"] is None
    assert judges.calibrations("0" * 64, client=api) == ()


def test_what_cannot_be_calibrated_says_why(house: House, server: ChatServer) -> None:
    api = house.platform.api()
    run = judged_run(api, "v", Correctness(model="m", url=server.url), rows(12))
    other = judged_run(api, "w", Correctness(model="n", url=server.url), rows(12))
    code = evaluated(api, "code", records({}))
    with pytest.raises(ConflictError, match="not scored by the same judge"):
        judges.calibrate(run, people=people(), repeats=[other], client=api)
    with pytest.raises(InvalidError, match="no item in common"):
        judges.calibrate(run, people={"elsewhere": True}, client=api)
    with pytest.raises(InvalidError, match="Say which scorer"):
        judges.calibrate(code, people=people(), client=api)
    with pytest.raises(InvalidError, match="one of the two"):
        judges.calibrate(run, client=api)
    with pytest.raises(NotFoundError):
        judges.calibrate("eval-0", people=people(), client=api)
    with pytest.raises(NotFoundError):
        judges.calibration("cal-0", client=api)
    with pytest.raises(NotFoundError):
        judges.get("ffff", client=api)
    # What is no model can be compared with people as well, where it is named.
    assert judges.calibrate(code, scorer="hit@1", people={"q000": 1, "q001": 0}, client=api).calibration.n == 2


def test_another_tenant_sees_no_judge_and_no_calibration(house: House, server: ChatServer) -> None:
    api = house.platform.api()
    run = judged_run(api, "v", Correctness(model="m", url=server.url), rows(12))
    known = judges.calibrate(run, people=people(), client=api)
    stranger: Client = house.platform.api(tenant="beta")
    assert judges.list(client=stranger) == ()
    assert judges.calibrations(client=stranger) == ()
    with pytest.raises(NotFoundError):
        judges.calibration(known.calibration_id, client=stranger)
    with pytest.raises(NotFoundError):
        judges.calibrate(run, people=people(), client=stranger)
    with pytest.raises(PermissionDeniedError):
        judges.calibrate(run, people=people(), client=house.platform.api(Role.VIEWER))


def test_labels_are_read_from_csv_and_json(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("row_id,label,who\na,pass,ann\na,fail,bob\nb,pass,ann\n", encoding="utf-8")
    assert read_labels(table) == {"a": ["pass", "fail"], "b": ["pass"]}
    document = tmp_path / "labels.json"
    document.write_text('{"a": [true, false], "b": 1}', encoding="utf-8")
    assert read_labels(document) == {"a": [True, False], "b": [1]}
    for wrong in ("id,label\na,pass\n", ""):
        table.write_text(wrong, encoding="utf-8")
        if wrong:
            with pytest.raises(ConfigError, match="cannot be read"):
                read_labels(table)
    document.write_text("[1]", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_labels(document)
