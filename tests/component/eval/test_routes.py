from __future__ import annotations

from typing import Any

import pytest

from aiplatform.core.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    PermissionDeniedError,
    RemoteError,
)
from aiplatform.eval import api as evaluations
from aiplatform.eval.model import Change, Outcome, RunStatus, RunUpdate, Status
from aiplatform.eval.run_service import SILENT_AFTER_NS
from aiplatform.jobs.model import JobState
from aiplatform.tenancy.permissions import Role
from tests.component.eval.conftest import House, evaluated, records

SPEC = {"name": "v2", "data": {"dataset": "faq@3"}, "scorers": ["hit@1"]}
WORSE = {n: n % 5 == 0 for n in range(40)}


def test_a_run_is_recorded_completed_listed_and_read(house: House) -> None:
    api = house.platform.api()
    run = evaluated(api, "v2", records({}), label="MiniLM")
    again = evaluations.get(run.run_id, client=api)
    assert again.run == run.run
    assert (again.status, again.run.label, again.run.data.label) == (RunStatus.COMPLETED, "MiniLM", "faq@3")
    assert again.metrics["hit@1"].value == 0.5
    assert [one.name for one in evaluations.list(client=api)] == ["v2"]
    assert evaluations.list(data="faq@2", client=api) == ()
    shown = api.get(f"/api/v1/evaluations/{run.run_id}")
    assert {metric["name"]: metric["coverage"] for metric in shown["metrics"]}["hit@1"] == 1.0


def test_rows_come_in_pages_and_by_slice_and_state(house: House) -> None:
    api = house.platform.api()
    run = evaluated(api, "v2", records({}))
    assert [row.row_id for row in run.rows()] == [f"q{n:03}" for n in range(60)]
    assert len([*run.rows(in_slice="language=zh")]) == 20
    assert len([*run.rows(metric="hit@1", state="not_applicable")]) == 20
    page = api.get(f"/api/v1/evaluations/{run.run_id}/rows", limit=7, after="56")
    assert (len(page["items"]), page["total"], page["next"]) == (4, 60, None)
    first = next(iter(run.rows()))
    assert (first.output["answer"], first.latency_ms, first.trace_id) == ("answer 0", 100.0, "0" * 32)
    with pytest.raises(InvalidError, match="no slice"):
        next(run.rows(in_slice="language"))


def test_pages_of_runs_follow_each_other_without_gaps(house: House) -> None:
    api = house.platform.api()
    made = [api.post("/api/v1/evaluations", {"name": f"v{n}"})["run_id"] for n in range(5)]
    seen: list[str] = []
    after: str | None = None
    for _ in range(3):
        page = api.get("/api/v1/evaluations", limit=2, after=after)
        seen += [item["run_id"] for item in page["items"]]
        after = page["next"]
    assert (sorted(seen), after) == (sorted(made), None)


def test_recording_a_run_again_changes_nothing(house: House) -> None:
    api = house.platform.api()
    body = {"name": "v2", "run_id": "eval-mine"}
    assert api.post("/api/v1/evaluations", body) == api.post("/api/v1/evaluations", body)
    with pytest.raises(ConflictError, match="another evaluation run's"):
        api.post("/api/v1/evaluations", {**body, "name": "v3"})


def test_a_run_that_has_ended_stays_as_it_ended(house: House) -> None:
    api = house.platform.api()
    run = evaluated(api, "v2", records({}))
    path = f"/api/v1/evaluations/{run.run_id}"
    changes: tuple[dict[str, Any], ...] = ({"done_rows": 1}, {"status": "failed", "error": "late"}, {"metrics": []})
    for change in changes:
        assert api.request("PATCH", path, json=change).json()["metrics"] != []
    assert evaluations.cancel(run, client=api).run == run.run


def test_progress_only_grows(house: House) -> None:
    api = house.platform.api()
    run_id = api.post("/api/v1/evaluations", {"name": "v2", "total_rows": 60})["run_id"]
    for done, expected in ((20, 20), (10, 20), (60, 60)):
        answer = api.request("PATCH", f"/api/v1/evaluations/{run_id}", json={"done_rows": done}).json()
        assert answer["done_rows"] == expected


def test_files_outside_the_runs_folder_are_refused(house: House) -> None:
    api = house.platform.api()
    run_id = api.post("/api/v1/evaluations", {"name": "v2"})["run_id"]
    for path in ("models/secret.bin", f"evaluations/{run_id}/../other/x.parquet"):
        files = [{"path": path, "num_rows": 1, "sha256": "0"}]
        with pytest.raises(InvalidError, match="cannot lie at"):
            api.request("PATCH", f"/api/v1/evaluations/{run_id}", json={"files": files})


def test_runs_are_compared_gated_and_their_rows_put_side_by_side(house: House) -> None:
    api = house.platform.api()
    base, worse = evaluated(api, "v2", records({})), evaluated(api, "v3", records(WORSE))
    found = evaluations.compare(
        base,
        worse,
        metrics=["mrr", "abstention_auc", "p95_latency"],
        gate='hit@1 >= 0.5 and not worse_than(baseline, "hit@1", 0.01)',
        client=api,
    )
    row = found.comparison.primary.rows[1]
    assert (row.status, row.n, row.wins, row.losses) == (Status.WORSE, 40, 4, 16)
    assert found.comparison.verdict.headline_text() == "v3 is worse than v2. Nothing is established to be better."
    assert found.comparison.outcome is Outcome.FAIL
    assert evaluations.comparison(found.comparison_id, client=api).comparison == found.comparison
    assert [one.comparison_id for one in evaluations.comparisons(client=api)] == [found.comparison_id]

    rows = [*found.rows()]
    assert [each.change for each in rows[:17]] == [Change.WORSE] * 16 + [Change.BETTER]
    assert (rows[0].baseline.value, rows[0].candidate.value) == (1.0, 0.0)
    assert rows[0].candidate.output["retrieved"] == ["x", "p"]
    assert rows[0].baseline.trace_id == f"{int(rows[0].row_id[1:]):032x}"
    assert len([*found.rows(change="better", in_slice="language=zh")]) == 1
    page = api.get(f"/api/v1/comparisons/{found.comparison_id}/rows", limit=1)
    assert page["counts"] == {"run_id": worse.run_id, "worse": 16, "better": 4, "same": 20, "missing": 0}
    assert found.comparison.counts[0].worse == 16
    assert "v3 is worse than v2" in str(found)


def test_a_gate_can_be_checked_on_a_run_and_on_a_comparison_afterwards(house: House) -> None:
    api = house.platform.api()
    base, same = evaluated(api, "v2", records({})), evaluated(api, "v2b", records({}))
    assert same.passes("hit@1 >= 0.5 and p95_latency <= 2s")
    assert not same.passes('not worse_than(baseline, "hit@1", 0.01)')
    assert same.check('not worse_than(baseline, "mrr", 0.1)', baseline=base).outcome is Outcome.PASS
    found = evaluations.compare(base, same, client=api)
    assert found.passes('not worse_than(baseline, "mrr", 0.1)')
    assert not found.passes("hit@1 > 0.99")
    with pytest.raises(InvalidError, match="column 8") as caught:
        found.passes("hit@1 >> 0.5")
    assert caught.value.full_code == "gate.syntax"


def test_metrics_of_the_whole_corpus_are_compared_and_gated(house: House) -> None:
    api = house.platform.api()

    def rows(right: int) -> list[dict[str, Any]]:
        return [
            {
                "id": f"q{n:03}",
                "input": n,
                "expected": "abc"[n % 3],
                "output": "abc"[n % 3] if n % 10 < right else "abc"[(n + 1) % 3],
                "language": "zh" if n % 2 else "en",
            }
            for n in range(200)
        ]

    runs = [evaluated(api, f"v{right}", rows(right), by=(), metrics=["f1_macro", "mcc"]) for right in (6, 9, 6)]
    comparison = evaluations.compare(*runs, on="f1_macro", metrics=["mcc"], client=api).comparison
    _, better, same = comparison.metrics[0].rows
    values = [run.metrics["f1_macro"].value or 0.0 for run in runs]
    assert better.difference == pytest.approx(values[1] - values[0])
    assert (better.status, better.interval, better.test) == (Status.BETTER, "jackknife", "jackknife")
    assert (same.difference, same.status) == (0.0, Status.OPEN)
    assert comparison.verdict.promote == runs[1].run_id
    assert {part.row.status for part in comparison.slices if part.run_id == runs[1].run_id} == {Status.BETTER}
    gate = 'f1_macro >= 0.5 and not worse_than(baseline, "f1_macro", 0.01)'
    assert runs[1].passes(gate, baseline=runs[0])
    assert not runs[0].passes(gate, baseline=runs[1])


def test_a_leaderboard_ranks_the_runs_of_a_data_set_or_those_that_were_named(house: House) -> None:
    api = house.platform.api()
    evaluated(api, "v1", records({}, num_rows=30))
    house.clock.advance(1)
    base, worse = evaluated(api, "v2", records({})), evaluated(api, "v3", records(WORSE))
    found = evaluations.leaderboard(data="faq@3", on="hit@1", client=api)
    assert [entry.name for entry in found] == ["v2", "v3"]
    assert "v1 is left out" in str(found)
    named = evaluations.leaderboard(worse, base.run_id, metrics=["mrr"], client=api)
    assert [(entry.name, entry.band) for entry in named] == [("v2", "1"), ("v3", "2")]
    assert named.leaderboard.metrics == ("hit@1", "mrr")
    assert "v2" in str(named)
    with pytest.raises(NotFoundError):
        evaluations.leaderboard(base, "eval-none", client=api)
    with pytest.raises(NotFoundError):
        evaluations.leaderboard(base, worse, client=house.platform.api(tenant="globex"))


def test_runs_on_different_rows_are_refused_unless_forced(house: House) -> None:
    api = house.platform.api()
    base, other = evaluated(api, "v2", records({})), evaluated(api, "v3", records({}, num_rows=30))
    with pytest.raises(ConflictError, match="different rows"):
        evaluations.compare(base, other, client=api)
    found = evaluations.compare(base, other, force=True, client=api)
    assert found.comparison.options.force
    assert found.comparison.primary.rows[1].missing > 0


def test_what_is_not_there_is_not_found(house: House) -> None:
    api = house.platform.api()
    run = evaluated(api, "v2", records({}))
    other = evaluated(api, "v3", records({}))
    found = evaluations.compare(run, other, client=api)
    for missing in (
        lambda: evaluations.get("eval-none", client=api),
        lambda: evaluations.comparison("cmp-none", client=api),
        lambda: evaluations.compare(run, "eval-none", client=api),
        lambda: evaluations.compare(run, other, on="f1", client=api),
        lambda: next(found.rows(candidate="eval-none")),
        lambda: next(found.rows(metric="f1")),
    ):
        with pytest.raises(NotFoundError):
            missing()


def test_damaged_rows_are_told_and_never_shown(house: House) -> None:
    api = house.platform.api()
    run = evaluated(api, "v2", records({}))
    api.request("PUT", f"/api/v1/artifacts/{run.run.files[0].path}", content=b"PAR1 other PAR1")
    with pytest.raises(RemoteError, match="not those that it recorded"):
        next(run.rows())


def test_another_tenant_sees_nothing_and_scores_stored_answers_of_its_own(house: House) -> None:
    ours, theirs = house.platform.api(), house.platform.api(tenant="globex")
    run, other = evaluated(ours, "v2", records({})), evaluated(ours, "v3", records({}))
    comparison = evaluations.compare(run, other, client=ours)
    assert evaluations.list(client=theirs) == ()
    assert evaluations.comparisons(client=theirs) == ()
    for path in (
        f"/api/v1/evaluations/{run.run_id}",
        f"/api/v1/evaluations/{run.run_id}/rows",
        f"/api/v1/comparisons/{comparison.comparison_id}",
        f"/api/v1/comparisons/{comparison.comparison_id}/rows",
    ):
        with pytest.raises(NotFoundError):
            theirs.get(path)
    with pytest.raises(NotFoundError):
        theirs.request("PATCH", f"/api/v1/evaluations/{run.run_id}", json={"status": "failed"})
    own = [evaluated(theirs, name, records({})) for name in ("a", "b")]
    assert evaluations.compare(*own, client=theirs).comparison.primary.rows[1].status is Status.OPEN


def test_another_project_of_the_tenant_sees_nothing_either(house: House) -> None:
    run = evaluated(house.platform.api(), "v2", records({}))
    with pytest.raises(NotFoundError):
        evaluations.get(run.run_id, client=house.platform.api(project="other"))


def test_what_would_run_another_tenants_code_is_refused_and_leaves_nothing(house: House) -> None:
    theirs = house.platform.api(tenant="globex")
    with pytest.raises(PermissionDeniedError, match="cannot run here"):
        theirs.post("/api/v1/evaluations", {"name": "v2", "spec": SPEC, "start": True})
    assert evaluations.list(client=theirs) == ()
    assert house.jobs.specs == []


def test_a_viewer_reads_and_writes_nothing(house: House) -> None:
    run = evaluated(house.platform.api(), "v2", records({}))
    viewer = house.platform.api(Role.VIEWER)
    assert evaluations.get(run.run_id, client=viewer).passes("hit@1 >= 0.5")
    for path, body in (
        ("/api/v1/evaluations", {"name": "x"}),
        (f"/api/v1/evaluations/{run.run_id}:cancel", None),
        ("/api/v1/comparisons", {"baseline": run.run_id, "candidates": [run.run_id]}),
    ):
        with pytest.raises(PermissionDeniedError):
            viewer.post(path, body)


def test_the_platform_starts_a_run_as_one_job(house: House) -> None:
    api = house.platform.api()
    body = {"name": "v2", "run_id": "eval-7", "spec": SPEC, "start": True}
    run = api.post("/api/v1/evaluations", body)
    assert api.post("/api/v1/evaluations", body)["job_id"] == "eval-7"
    assert (run["status"], len(house.jobs.specs)) == ("queued", 1)
    assert house.jobs.specs[0].entrypoint == "python -m aiplatform.eval --run eval-7"
    assert api.get("/api/v1/evaluations/eval-7")["spec"]["data"]["dataset"] == "faq@3"
    with pytest.raises(InvalidError, match="give `metrics` or `scorers`"):
        api.post("/api/v1/evaluations", {"name": "v2", "spec": {**SPEC, "scorers": []}, "start": True})


def test_a_job_that_dies_takes_its_run_along(house: House) -> None:
    api = house.platform.api()
    api.post("/api/v1/evaluations", {"name": "v2", "run_id": "eval-7", "spec": SPEC, "start": True})
    house.jobs.put("eval-7", JobState.FAILED, "Out of memory")
    seen = evaluations.get("eval-7", client=api)
    assert (seen.status, seen.run.error) == (RunStatus.FAILED, "Out of memory")


def test_cancelling_stops_the_job_and_the_driver_learns_of_it(house: House) -> None:
    api = house.platform.api()
    api.post("/api/v1/evaluations", {"name": "v2", "run_id": "eval-7", "spec": SPEC, "start": True})
    assert evaluations.cancel("eval-7", client=api).status is RunStatus.CANCELLED
    assert house.jobs.jobs["eval-7"].state is JobState.STOPPED
    answer = api.request("PATCH", "/api/v1/evaluations/eval-7", json={"done_rows": 5}).json()
    assert answer["status"] == "cancelled"


def test_a_driver_that_goes_silent_ends_its_run(house: House) -> None:
    caller = house.platform.caller()
    api = house.platform.api()
    silent, heard = (api.post("/api/v1/evaluations", {"name": name})["run_id"] for name in ("silent", "heard"))
    house.clock.advance(SILENT_AFTER_NS / 1e9 + 1)
    house.service.update(caller, heard, RunUpdate(done_rows=1))
    ((name, every_s, sweep),) = house.service.periodic()
    assert (name, every_s, sweep()) == ("evaluations.sweep", 15.0, 1)
    assert evaluations.get(silent, client=api).status is RunStatus.INTERRUPTED
    assert evaluations.get(heard, client=api).status is RunStatus.RUNNING


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x", "colour": "blue"},
        {"name": "x", "total_rows": -1},
        {"name": "x", "run_id": "../x"},
    ],
)
def test_malformed_runs_are_refused(house: House, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        house.platform.api().post("/api/v1/evaluations", body)
