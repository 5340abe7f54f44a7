"""Reports through the API: every format and language, and nobody else's."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from pypdf import PdfReader

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.eval import api as evaluations
from aiplatform.eval.api import ComparisonHandle
from tests.component.eval.conftest import House, evaluated, records

GATE = 'hit@1 >= 0.5 and not worse_than(baseline, "hit@1", 0.01)'


def compared(house: House) -> ComparisonHandle:
    api = house.platform.api()
    worse = dict.fromkeys(range(0, 20, 2), False)
    base, other = evaluated(api, "v2", records({}), seed=7), evaluated(api, "v3", records(worse))
    return evaluations.compare(base, other, gate=GATE, client=api)


def test_a_comparison_is_written_in_every_format(house: House, tmp_path: Path) -> None:
    found = compared(house)
    html = found.report(tmp_path / "report.html").read_text()
    assert "v3 is worse than v2." in html
    assert "<del>" in html or "question 0" in html
    assert found.comparison.data.rows_hash in html
    chinese = found.report(tmp_path / "chinese.html", lang="zh-CN").read_text()
    assert found.comparison.verdict.headline_text("zh_CN") in chinese
    assert found.report(tmp_path / "report.md").read_text().startswith("## v3 is worse than v2.")
    junit = Xml.fromstring(found.report(tmp_path / "gate.xml").read_text())
    assert (junit.get("tests"), junit.get("failures")) == ("2", "2")
    other = Xml.fromstring(found.report(tmp_path / "gate.xml", gate="p95_latency <= 1 min").read_text())
    assert (other.get("tests"), other.get("failures")) == ("1", "0")
    pages = PdfReader(io.BytesIO(found.report(tmp_path / "report.pdf").read_bytes())).pages
    assert "v3 is worse than v2." in pages[0].extract_text()


def test_a_run_is_written_with_the_rows_that_did_worst(house: House, tmp_path: Path) -> None:
    run = evaluated(house.platform.api(), "v2", records({}))
    html = run.report(tmp_path / "run.html").read_text()
    assert "question 1<" in html
    assert run.run.data.rows_hash in html
    gated = run.report(tmp_path / "run.md", gate="hit@1 >= 0.1", lang="zh").read_text()
    assert "- ✅ `hit@1 >= 0.1`" in gated
    with pytest.raises(InvalidError, match="there is none"):
        run.report(tmp_path / "run.xml")
    with pytest.raises(InvalidError, match="cannot be written to"):
        run.report(tmp_path / "run.docx")


def test_reports_are_files_to_keep_in_the_readers_language(house: House) -> None:
    found = compared(house)
    api = house.platform.api()
    path = f"/api/v1/comparisons/{found.comparison_id}/report"
    answer = api.request("GET", path, headers={"accept-language": "zh-CN,en;q=0.5"})
    assert answer.headers["content-disposition"] == f'attachment; filename="{found.comparison_id}.html"'
    assert answer.headers["content-language"] == "zh-CN"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    with pytest.raises(InvalidError):
        api.request("GET", path, params={"format": "docx"})


def test_another_tenants_report_is_not_found(house: House) -> None:
    found = compared(house)
    stranger = house.platform.api(tenant="globex")
    for path in (
        f"/api/v1/comparisons/{found.comparison_id}/report",
        f"/api/v1/evaluations/{found.comparison.baseline.run_id}/report",
    ):
        with pytest.raises(NotFoundError):
            stranger.request("GET", path)
