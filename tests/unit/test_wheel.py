"""What is built and shipped: everything that runs needs is in the wheel, and alone it is light."""

from __future__ import annotations

import email.message
import email.parser
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "aiplatform"
NOT_SHIPPED = {"__pycache__"}
HEAVY = ("ray", "torch", "mlflow", "sqlalchemy", "fastapi", "pandas", "pyarrow", "numpy", "transformers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    if done.returncode != 0 and "hatchling" in done.stderr:
        pytest.skip(f"the build backend cannot be fetched here: {done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def about(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_every_file_of_the_package_is_in_the_wheel_and_nothing_else(names: set[str]) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and not NOT_SHIPPED & set(path.parts)
    }
    shipped = {name for name in names if ".dist-info/" not in name}
    assert shipped == found
    assert not [name for name in shipped if name.endswith((".pyc", ".db", ".log", ".key"))]


@pytest.mark.parametrize(
    "needed",
    [
        "aiplatform/py.typed",
        "aiplatform/core/locale/zh_CN/LC_MESSAGES/aiplatform.mo",
        "aiplatform/storage/migrations/env.py",
        "aiplatform/storage/migrations/versions/2026_11_24_0001_initial.py",
        "aiplatform/tour/adapter.yaml",
        "aiplatform/tour/data/passages.parquet",
        "aiplatform/tour/data/questions.parquet",
        "aiplatform/tour/data/build.py",
        "aiplatform/ui/static/tokens.css",
        "aiplatform/ui/static/vendor/hashes.json",
        "aiplatform/ui/templates/pages/sign_in.html",
    ],
)
def test_what_is_no_module_is_there_too(names: set[str], needed: str) -> None:
    assert needed in names


def test_every_licence_is_named_and_its_text_is_there(wheel: Path, about: email.message.Message) -> None:
    expression = set(about["License-Expression"].split(" AND "))
    assert {"Apache-2.0", "PSF-2.0", "LicenseRef-Debian-FAQ"} <= expression
    files = about.get_all("License-File", [])
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            Path(name).as_posix(): archive.read(name).decode() for name in archive.namelist() if "/licenses/" in name
        }
    assert {name.partition("/licenses/")[2] for name in texts} == set(files)
    everything = "\n".join(texts.values())
    for words in (
        "Apache License",
        "PYTHON SOFTWARE FOUNDATION LICENSE",
        "LicenseRef-Debian-FAQ",
        "Zero-Clause BSD",
        "ISC License",
        "The MIT License",
    ):
        assert words in everything, words


def test_nothing_heavy_is_asked_for_without_an_extra(about: email.message.Message) -> None:
    required = [line for line in about.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert required
    assert not [line for line in required if line.lower().startswith(HEAVY)]


@pytest.mark.slow
def test_installed_alone_it_is_the_light_client(wheel: Path, tmp_path: Path) -> None:
    """In an empty environment, with the base dependencies and nothing more."""
    venv.create(tmp_path / "empty", with_pip=True)
    python = str(tmp_path / "empty" / "bin" / "python")
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", str(wheel)], capture_output=True, text=True, timeout=280
    )
    assert installed.returncode == 0, installed.stderr
    code = (
        "import importlib.util, aiplatform, aiplatform.tracing.sdk, aiplatform.client.http;"
        f"print([name for name in {HEAVY!r} if importlib.util.find_spec(name)])"
    )
    shown = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert shown.stdout.strip() == "[]", shown.stderr
    helped = subprocess.run(
        [str(tmp_path / "empty" / "bin" / "aiplatform"), "--help"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (helped.returncode, "traces" in helped.stdout) == (0, True), helped.stderr
    refused = subprocess.run(
        [str(tmp_path / "empty" / "bin" / "aiplatform"), "up"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "platform" in refused.stderr
