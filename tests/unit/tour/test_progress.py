"""Progress lines, and what a finished tour leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import NotFoundError
from aiplatform.tour import result as results
from aiplatform.tour.progress import STEP_NAMES, Progress, Step, parse
from aiplatform.tour.result import Asked, TourResult, fetch, fingerprint, keep

TEXT = st.text(alphabet=st.characters(exclude_categories=("C", "Z"), codec="utf-8"), max_size=30)


@given(
    st.builds(
        Progress,
        step=st.sampled_from(Step),
        done=st.integers(0, 10**6),
        total=st.integers(0, 10**6),
        text=TEXT,
        elapsed_s=st.integers(0, 10**6).map(lambda tenths: tenths / 10),
    )
)
def test_a_line_read_back_is_the_progress_that_was_printed(told: Progress) -> None:
    assert parse(str(told)) == told
    assert parse(f"  {told}\n") == told


@pytest.mark.parametrize(
    "line", ["", "error: it failed", "[  1.0 s] dance     1/2", "[1.0 s] data 1", "(pid=1) [   1.0 s] data 1/2"]
)
def test_other_lines_are_no_progress(line: str) -> None:
    assert parse(line) is None


def test_every_step_has_a_name() -> None:
    assert set(STEP_NAMES) == set(Step)


def finished(**fields: Any) -> TourResult:
    given: dict[str, Any] = {
        "fingerprint": fingerprint(),
        "comparison_id": "cmp-1",
        "runs": {"v1": "tour-v1"},
        "versions": {"v1": "docs-assistant@1"},
        "datasets": {"docs-questions": "docs-questions@1"},
        "adapter": "docs-adapter@1",
        "champion": "v1",
        "refused": {},
        "asked": (Asked(question="为什么？", answer="“因为”", abstained=False, confidence=0.5, trace_id="ab"),),
        "seconds": {"data": 0.1},
    }
    return TourResult(**{**given, **fields})


class Artifacts:
    """The artifact routes, as far as a tour uses them."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def request(self, method: str, path: str, *, content: bytes = b"") -> httpx.Response:
        if method == "PUT":
            self.kept[path] = content
        elif path not in self.kept:
            raise NotFoundError("There is no such file.", hint="")
        return httpx.Response(200, content=self.kept[path])


def test_a_finished_tour_is_found_again_by_the_same_data_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts: Any = Artifacts()
    assert fetch(artifacts) is None
    keep(finished(), artifacts)
    assert fetch(artifacts) == finished()
    monkeypatch.setattr(results, "__version__", "99.0.0")
    assert fetch(artifacts) is None


def test_the_fingerprint_follows_data_training_and_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = fingerprint()
    assert len(first) == 10
    assert fingerprint() == first
    monkeypatch.setattr(results, "__version__", "99.0.0")
    second = fingerprint()
    (tmp_path / "questions.parquet").write_bytes(b"other questions")
    monkeypatch.setattr(results, "QUESTIONS_FILE", tmp_path / "questions.parquet")
    assert len({first, second, fingerprint()}) == 3


def test_showing_a_tour_loads_neither_ray_nor_torch() -> None:
    heavy = "{'ray', 'torch', 'mlflow'}"
    code = f"import sys, aiplatform.cli.tour, aiplatform.tour.assistant; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
