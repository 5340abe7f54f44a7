"""Reports: what they hold, in which language, and that nothing a row brings along is ever markup."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.eval.comparing import compare
from aiplatform.eval.model import (
    CallSums,
    Change,
    CompareOptions,
    ConditionResult,
    GateResult,
    Outcome,
    RowChange,
    RowResult,
    RowScore,
    RowSide,
    ScorerRef,
    ScoreState,
    message,
)
from aiplatform.eval.reporting.content import ComparisonReport, Regressions, ReportFormat, RunReport
from aiplatform.eval.reporting.html import render_html
from aiplatform.eval.reporting.junit import junit
from aiplatform.eval.reporting.markdown import markdown
from aiplatform.eval.reporting.pdf import render_pdf
from aiplatform.eval.reporting.service import render
from tests.unit.eval.examples import planted

HOSTILE = "</p><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)> | `a` [b](javascript:1)"
MADE_NS = 1_790_000_000_000_000_000
GATE = 'hit@1 >= 0.5 and not worse_than(baseline, "hit@1", 0.01)'


def report(text: str = "the answer") -> ComparisonReport:
    """v3 and v5 against v2, with everything a report tells; `text` is wherever a person or a model can write."""
    refs = (ScorerRef(name="hit@1", version="7"), ScorerRef(name="mrr", parameters={"identity": "c0ffee"}))
    runs = [
        planted(name, rate, seed, scorers=refs, code_version="abc123", environment={"python": "3.11.9"})
        for name, rate, seed in (("v2", 0.57, 1), ("v3", 0.5, 2), ("v5", 0.75, 4))
    ]
    runs = [replace(each, run=replace(each.run, label=text)) for each in runs]
    signed = replace(runs[0].run.metrics[1], details={"signature": "nrefs:1|case:mixed|tok:13a"})
    runs[0] = replace(runs[0], run=replace(runs[0].run, metrics=(runs[0].run.metrics[0], signed)))
    options = CompareOptions(metrics=("mrr",), gate=GATE, draws=400)
    comparison = compare(runs[0], runs[1:], options, comparison_id="cmp-1", name=text)
    change = RowChange(
        row_id="q1",
        change=Change.WORSE,
        input=text,
        expected=text,
        baseline=RowSide(output=f"the old {text}", state=ScoreState.SCORED, value=1.0),
        candidate=RowSide(output=f"the new {text}", state=ScoreState.SCORED, value=0.0, reason=text, trace_id="a" * 32),
    )
    return ComparisonReport(
        comparison=comparison,
        runs=tuple(each.run for each in runs),
        regressions=(Regressions(name="v3", total=3, rows=(change,)), Regressions(name="v5", total=0, rows=())),
        made_ns=MADE_NS,
    )


def run_report(text: str = "the answer") -> RunReport:
    score = RowScore(name="hit@1", state=ScoreState.SCORED, value=0.0, reason=text)
    row = RowResult(row_id="q1", input=text, expected=text, output=text, scores=(score,))
    data = planted("v2", 0.57, 1, code_version="abc123", calls=CallSums(paid=7, cached=3, cost=0.0125, currency="USD"))
    return RunReport(run=replace(data.run, label=text), rows=(row,), made_ns=MADE_NS)


class _Elements(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Elements()
    parser.feed(html)
    return parser.found


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_a_report_holds_what_is_needed_to_trust_and_repeat_it(locale: str) -> None:
    made = report()
    html = render_html(made, locale)
    text = re.sub(r"\s+", " ", html)
    row = made.comparison.primary.rows[2]
    for fact in (
        made.comparison.verdict.headline_text(locale),
        "faq@3", made.runs[0].data.rows_hash, "abc123", "3.11.9", "identity=c0ffee", "nrefs:1|case:mixed|tok:13a",
        f"{row.value:.3f}", f"{(row.difference or 0) * 100:+.1f}", "+7.1, +23.9",
        "100 %",
    ):  # fmt: skip
        assert fact in text.replace("&#34;", '"'), fact
    assert {metric.name for run in made.runs for metric in run.metrics} <= {*re.findall(r"[\w@]+", text)}
    assert ('<html lang="zh-CN">' in html) is (locale == "zh_CN")


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_a_report_needs_nothing_from_anywhere(locale: str) -> None:
    for html in (render_html(report(), locale), render_html(run_report(), locale)):
        assert not re.search(r"@import|url\(", html)
        for tag, attributes in elements(html):
            assert tag not in {"script", "link", "img", "iframe", "object", "base"}
            assert not attributes.keys() & {"src", "href", "srcset", "data", "style"}
        assert "default-src 'none'" in html


def test_what_rows_and_names_hold_is_never_markup() -> None:
    for made in (report(HOSTILE), run_report(HOSTILE)):
        html = render_html(made, "en")
        kinds = {tag for tag, _ in elements(html)}
        assert not kinds & {"script", "img"}
        assert not [name for _, attributes in elements(html) for name in attributes if name.startswith("on")]
        assert "&lt;script&gt;" in html


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=80))
def test_any_text_leaves_the_page_as_it_is(text: str) -> None:
    assert [tag for tag, _ in elements(render_html(run_report(text), "en"))] == [
        tag for tag, _ in elements(render_html(run_report("x"), "en"))
    ]


def test_a_report_tells_what_the_calls_cost() -> None:
    html = render_html(run_report(), "en")
    assert "7 + 3" in html
    assert "0.0125 USD" in html


def test_regressions_show_what_changed_word_by_word() -> None:
    html = render_html(report(), "en")
    assert "the <del>old</del><ins>new</ins> the answer" in html
    assert "3 rows got worse" in html
    assert "No row got worse." in html


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_the_pdf_tells_the_same_numbers_and_can_be_searched(locale: str) -> None:
    made = report()
    pages = PdfReader(io.BytesIO(render_pdf(render_html(made, locale)))).pages
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))
    row = made.comparison.primary.rows[2]
    for fact in (f"{row.value:.3f}", f"{(row.difference or 0) * 100:+.1f}", "faq@3", "abc123", "c0ffee", "hit@1"):
        assert fact in text, fact
    if locale == "zh_CN":
        verdict = made.comparison.verdict.headline_text(locale)
        assert verdict.replace(" ", "") in text.replace(" ", "")


def test_a_pdf_fetches_nothing_and_hostile_rows_break_nothing() -> None:
    pages = PdfReader(io.BytesIO(render_pdf(render_html(run_report(HOSTILE), "en")))).pages
    assert "alert('x')" in " ".join(page.extract_text() for page in pages)


@pytest.mark.parametrize(
    ("error", "reason", "told"),
    [
        (ImportError("no module"), "report.no_weasyprint", "aiplatform[reports]"),
        (OSError("cannot load library 'libpango-1.0-0'\nmore"), "report.no_pango", "libpango-1.0-0"),
    ],
)
def test_what_a_pdf_lacks_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, told: str
) -> None:
    import builtins

    real = builtins.__import__

    def without_weasyprint(name: str, *args: object, **options: object) -> object:
        if name == "weasyprint":
            raise error
        return real(name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_weasyprint)
    with pytest.raises(ConfigError) as caught:
        render_pdf("<p>x</p>")
    assert caught.value.full_code == f"config.{reason}" or caught.value.full_code == reason
    assert told in (caught.value.localized_hint("en") or "")


def test_junit_counts_what_does_not_pass_and_tells_the_two_apart() -> None:
    root = Xml.fromstring(junit(report().gates, name="release"))
    assert root.attrib == {"name": "release", "tests": "4", "failures": "2", "errors": "0", "skipped": "0"}
    suites = {suite.get("name"): suite for suite in root}
    assert [failure.get("type") for failure in suites["v3"].iter("failure")] == ["fail", "unknown"]
    assert not [*suites["v5"].iter("failure")]
    assert [case.get("name") for case in suites["v5"]] == ["hit@1 >= 0.5", 'not worse_than(baseline, "hit@1", 0.01)']


@given(st.text(max_size=60), st.sampled_from(Outcome))
def test_any_gate_is_well_formed_xml(text: str, outcome: Outcome) -> None:
    condition = ConditionResult(text=text, outcome=outcome, detail=message("{found}", found=text))
    gate = GateResult(run_id="eval-a", name=text, gate=text, outcome=outcome, conditions=(condition,))
    (suite,) = Xml.fromstring(junit([gate], name=text).encode())
    assert suite.get("failures") == ("0" if outcome is Outcome.PASS else "1")


def test_junit_without_a_gate_says_what_to_do() -> None:
    with pytest.raises(InvalidError, match="no") as caught:
        render(run_report(), ReportFormat.JUNIT, "en")
    assert "accuracy >= 0.9" in (caught.value.localized_hint("en") or "")


def test_the_summary_begins_with_the_verdict_and_shows_every_condition() -> None:
    text = markdown(report())
    assert text.startswith("## Promote v5: 15.6 points better than v2, established.")
    assert "- ❌ `hit@1 >= 0.5` — " in text
    assert "### ✅ Gate · v5: passes" in text
    assert re.search(r"\| v5 \| 0\.691 .* \| 0\.00\d \| better \|", text)


def test_the_summary_reads_no_markup_of_a_name() -> None:
    text = markdown(report(HOSTILE))
    assert "<script>" not in text
    run = markdown(replace(run_report(), run=replace(run_report().run, name=HOSTILE)))
    assert "<script>" not in run
    assert "](javascript" not in run
    assert re.search(r"(?<!\\)\|", run.splitlines()[0]) is None
