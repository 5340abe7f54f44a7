"""What importing the SDK costs an application, and that nothing heavy comes with it.

    python benchmarks/imports.py [--rounds 7]

Each import runs in a fresh interpreter; the best round counts, because whatever else the machine does can only add. The
interpreter's own start is taken off.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

LIMIT_MS = 150.0
HEAVY = ("ray", "torch", "mlflow", "sqlalchemy", "fastapi", "starlette", "pandas", "pyarrow", "numpy", "transformers")
STATEMENTS = (
    "import aiplatform",
    "import aiplatform as aip; aip.init",
    "import aiplatform as aip; aip.trace",
    "import aiplatform.tracing",
    "import aiplatform.client",
    "import aiplatform as aip; aip.traces",
    "import aiplatform as aip; aip.datasets",
    "import aiplatform as aip; aip.deployments",
)
PROBE = """\
import json, sys, time
before = set(sys.modules)
began, cpu = time.perf_counter(), time.process_time()
{statement}
wall, cpu = time.perf_counter() - began, time.process_time() - cpu
print(json.dumps([wall * 1000, cpu * 1000, sorted(set(sys.modules) - before)]))
"""


def main() -> None:
    """Measure, print, and fail where a promise does not hold."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=7)
    rounds = ask.parse_args().rounds
    failed = False
    print(f"{'statement':48}{'wall ms':>9}{'CPU ms':>9}{'modules':>9}")
    for statement in STATEMENTS:
        wall_ms, cpu_ms, modules = min((_once(statement) for _ in range(rounds)), key=lambda once: once[1])
        heavy = sorted({name.partition(".")[0] for name in modules} & set(HEAVY))
        print(
            f"{statement:48}{wall_ms:9.1f}{cpu_ms:9.1f}{len(modules):9}{'  LOADS ' + ', '.join(heavy) if heavy else ''}"
        )
        failed = failed or bool(heavy) or cpu_ms > LIMIT_MS
    print(f"limit: {LIMIT_MS:.0f} ms CPU, and none of {', '.join(HEAVY)}")
    sys.exit(failed)


def _once(statement: str) -> tuple[float, float, list[str]]:
    code = PROBE.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall_ms, cpu_ms, modules = json.loads(done.stdout)
    return wall_ms, cpu_ms, modules


if __name__ == "__main__":
    main()
