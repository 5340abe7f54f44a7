from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

from aiplatform.eval import shown
from aiplatform.eval.comparing import compare
from aiplatform.eval.model import CompareOptions, Outcome, Unit, message
from aiplatform.eval.terminal import comparison_summary, comparison_view, run_lines, run_view
from tests.unit.eval.examples import planted


def printed(view: object, width: int = 140) -> str:
    out = Console(file=io.StringIO(), width=width, color_system=None)
    with out.capture() as capture:
        out.print(view)
    return capture.get()


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.57312, Unit.NONE, "0.573"),
        (-12.345, Unit.NONE, "−12.35"),
        (None, Unit.NONE, "—"),
        (1240.0, Unit.MILLISECONDS, "1.24 s"),
        (87.4, Unit.MILLISECONDS, "87.4 ms"),
        (240.0, Unit.MILLISECONDS, "240 ms"),
        (90_000.0, Unit.MILLISECONDS, "1.5 min"),
    ],
)
def test_numbers_have_three_digits_and_their_unit(value: float | None, unit: Unit, text: str) -> None:
    assert shown.number(value, unit) == text


def test_differences_carry_their_sign_and_points_are_hundredths() -> None:
    assert shown.difference(0.058, in_points=True) == "+5.8"
    assert shown.difference_interval(-0.004, 0.121, in_points=True) == "[−0.4, +12.1]"
    assert shown.difference(-120.0, in_points=False, unit=Unit.MILLISECONDS) == "−120 ms"
    assert shown.difference(None, in_points=True) == "—"
    assert shown.p_value(0.0004) == "< 0.001"
    assert shown.p_value(None) == "—"


def test_the_terminal_begins_with_the_verdict_and_shows_every_version() -> None:
    found = compare(
        planted("v2", 0.57, 1, label="MiniLM"),
        [planted("v3", 0.33, 2, label="BM25"), planted("v4", 0.63, 3)],
        CompareOptions(metrics=("mrr",), gate="hit@1 >= 0.5"),
        comparison_id="cmp-1",
    )
    lines = printed(comparison_view(found)).splitlines()
    assert lines[0].rstrip() == "v3 is worse than v2. Nothing is established to be better."
    assert lines[2].rstrip() == "faq@3, 269 rows, paired"
    assert lines[3].split()[0] == "hit@1"
    assert lines[4].split() == ["v2", "MiniLM", "0.535", "baseline", "—"]
    assert lines[5].split() == ["v3", "BM25", "0.323", "−21.2", "[−29.1,", "−13.0]", "<", "0.001", "worse"]
    assert "about" in lines[6]
    assert any(line.startswith("v3: does not pass") for line in lines)


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_the_summary_is_the_verdict_the_tables_and_a_line_for_each_gate(width: int, locale: str) -> None:
    found = compare(
        planted("v2", 0.57, 1, label="MiniLM"),
        [planted("v3", 0.33, 2, label="routed by language"), planted("v4", 0.63, 3, label="MiniLM + adapter")],
        CompareOptions(metrics=("mrr",), gate='better_than(baseline, "hit@1")'),
        comparison_id="cmp-1",
    )
    text = printed(comparison_summary(found, locale), width=width)
    lines = text.splitlines()
    assert " ".join(lines).startswith(found.verdict.headline_text(locale))
    intervals = re.findall(r"[−+]\d+\.\d \[[−+]\d+\.\d, [−+]\d+\.\d\]", text)
    assert len(intervals) >= 4, "every candidate's interval on every metric stands on one line"
    gates = lines[lines.index('better_than(baseline, "hit@1")') + 1 :]
    assert [line.split(":")[0] for line in gates if line[0] in "✓✗?"] == ["✗  v3", "?  v4"]
    assert found.verdict.details_text(locale) not in text


def test_what_stopped_a_version_is_told_before_what_is_not_known() -> None:
    gate = 'better_than(baseline, "hit@1") and hit@1 >= 0.9'
    found = compare(planted("v2", 0.57, 1), [planted("v4", 0.6, 3)], CompareOptions(gate=gate), comparison_id="cmp-1")
    stopped = found.gates[0].stopped_by
    assert stopped is not None
    assert (stopped.text, stopped.outcome) == ("hit@1 >= 0.9", Outcome.FAIL)
    options = CompareOptions(gate="hit@1 >= 0")
    passing = compare(planted("v2", 0.57, 1), [planted("v4", 0.6, 3)], options, comparison_id="cmp-1")
    assert passing.gates[0].stopped_by is None


def test_a_run_shows_metrics_with_interval_n_and_coverage() -> None:
    run = planted("v2", 0.57, 1).run
    text = printed(run_view(run))
    assert "hit@1" in text
    assert "269/269" in text
    assert "language=zh (n = 122)" in text
    assert next(line for line in run_lines(run) if "hit@1" in line).split()[1:4] == ["0.535", "[0.476,", "0.594]"]


def test_sentences_join_names_as_the_language_does() -> None:
    sentence = message("{names} stay open.", names=("v3", "v4"))
    assert sentence.localized("en") == "v3, v4 stay open."
    assert "v3、v4" in sentence.localized("zh_CN")


@pytest.mark.parametrize("module", ["aiplatform.eval.api", "aiplatform.eval.model", "aiplatform.eval.terminal"])
def test_reading_evaluations_loads_nothing_heavy(module: str) -> None:
    heavy = {"ray", "numpy", "scipy", "pandas", "pyarrow", "sqlalchemy", "fastapi", "torch", "mlflow"}
    code = f"import sys, {module}; sys.exit(str({heavy!r} & set(sys.modules)) if {heavy!r} & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
