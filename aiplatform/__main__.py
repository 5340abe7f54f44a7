"""`python -m aiplatform` is the `aiplatform` command."""

from aiplatform.cli.main import run

run()
