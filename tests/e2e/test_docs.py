"""Every Python block of the README and the guides runs against a real platform, as a reader would run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from aiplatform.testing.platform import RunningPlatform

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
CHINESE = {
    "README.md": "README.zh-CN.md",
    "docs/trace.md": "docs/zh/trace.md",
    "docs/evaluate.md": "docs/zh/evaluate.md",
    "docs/judge.md": "docs/zh/judge.md",
    "docs/evaluate-compare.md": "docs/zh/evaluate-compare.md",
    "docs/evaluate-ways.md": "docs/zh/evaluate-ways.md",
    "docs/metrics.md": "docs/zh/metrics.md",
    "docs/serve.md": "docs/zh/serve.md",
}


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


# A Chinese page with the very code of the English one need not run twice.
PAGES = [*CHINESE, *(zh for en, zh in CHINESE.items() if python_blocks(zh) != python_blocks(en))]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs_from_top_to_bottom(page: str, platform: RunningPlatform, tmp_path: Path) -> None:
    program = tmp_path / "page.py"
    program.write_text("\n".join(python_blocks(page)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program)],
        env=platform.client_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readmes_trace_arrives(platform: RunningPlatform, tmp_path: Path) -> None:
    program = tmp_path / "trace.py"
    program.write_text(python_blocks("README.md")[0], encoding="utf-8")
    subprocess.run([sys.executable, str(program)], env=platform.client_environment(), cwd=tmp_path, check=True)
    traces = platform.run_json("traces", "list")
    assert "answer" in {trace["name"] for trace in traces}
