"""Evaluations of other tools as ours: promptfoo's configurations, and the registry of openai/evals."""

from aiplatform.eval.importing.imported import Imported, Note
from aiplatform.eval.importing.reading import import_file

__all__ = ["Imported", "Note", "import_file"]
