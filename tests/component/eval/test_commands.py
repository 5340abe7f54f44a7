"""`aiplatform evaluations gate`, `resume` and `get --follow` against real routes on a socket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from aiplatform.cli.console import ExitCode
from tests.component.eval.conftest import House, evaluated, records

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_gate_leaves_its_findings_for_ci_whatever_it_says(house: House, tmp_path: Path) -> None:
    run = evaluated(house.platform.api(), "v1", records({}))
    files = ["--junit", str(tmp_path / "gate.xml"), "--markdown", str(tmp_path / "gate.md")]
    with house.platform.listen() as url:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIPLATFORM_", "LC_"))}
        own = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "AIPLATFORM_URL": url}
        own["AIPLATFORM_API_KEY"] = house.platform.key()

        def command(*arguments: str) -> subprocess.CompletedProcess[str]:
            line = [sys.executable, "-m", "aiplatform", "evaluations", *arguments]
            return subprocess.run(line, env={**kept, **own}, capture_output=True, text=True, check=False)

        failed = command("gate", "v1", "--gate", "hit@1 >= 0.9 and mrr >= 0.5", *files)
        assert failed.returncode == ExitCode.GATE_NOT_PASSED, failed.stderr
        suites = Xml.parse(tmp_path / "gate.xml").getroot()
        assert (suites.get("tests"), suites.get("failures")) == ("2", "1")
        assert "hit@1 >= 0.9" in (tmp_path / "gate.md").read_text(encoding="utf-8")
        assert command("gate", run.run_id, "--gate", "mrr >= 0.5", *files).returncode == ExitCode.DONE
        assert Xml.parse(tmp_path / "gate.xml").getroot().get("failures") == "0"
        resumed = command("resume", run.run_id)
        assert (resumed.returncode, "v1" in resumed.stdout) == (ExitCode.DONE, True), resumed.stderr
        assert command("get", "--follow", run.run_id).returncode == ExitCode.DONE
