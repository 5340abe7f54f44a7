"""openai/evals: a registry file in YAML with samples in JSONL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.eval import checks
from aiplatform.eval.importing.imported import Evaluation, Imported, Note

_CHECKS: Final = {"Match": "match", "Includes": "includes", "FuzzyMatch": "fuzzy_match", "JsonMatch": "json_match"}
_TAKEN_ARGS: Final = frozenset({"samples_jsonl", "ignore_case", "few_shot_jsonl", "num_few_shot"})

NO_MODEL: Final = N_("The model is no part of an eval there: say `model` before you run it.")
NO_CLASS: Final = N_("The class {kind} has no counterpart; known are {known}.")
JUDGED: Final = N_("{kind} asks a model to judge by {spec!r}: add a judge to `scorers` for it.")
NO_ARGUMENT: Final = N_("The argument {name!r} is not taken over.")


def is_registry(document: Mapping[str, Any]) -> bool:
    """Whether a document is a registry file."""
    return any(isinstance(entry, Mapping) and ("class" in entry or "id" in entry) for entry in document.values())


def imported(document: Mapping[str, Any], path: Path, name: str | None) -> Imported:
    """The evals of a registry file.

    Args:
        document: What the file holds.
        path: The file; samples are looked for beside it, and in the registry's folder `data`.
        name: Which eval, by its name or that of its version; by default all.

    Raises:
        InvalidError: There is none of that name.
        NotFoundError: There is no file of samples.
    """
    classes = {key: entry for key, entry in document.items() if isinstance(entry, Mapping) and "class" in entry}
    aliases = {key: str(entry["id"]) for key, entry in document.items() if isinstance(entry, Mapping) and "id" in entry}
    wanted = [aliases.get(name, name)] if name is not None else [*classes]
    if name is not None and wanted[0] not in classes:
        raise InvalidError(
            N_("The file has no eval {name!r}."),
            hint=N_("It has {known}."),
            reason="import.no_eval",
            name=name,
            known=", ".join([*aliases, *classes]),
        )
    importer = _Importer(path)
    found = [importer.evaluation(key, classes[key]) for key in wanted]
    return Imported(evaluations=tuple(each for each in found if each is not None), notes=tuple(importer.notes))


@dataclass(slots=True)
class _Importer:
    path: Path
    notes: list[Note] = field(default_factory=list)

    def evaluation(self, name: str, entry: Mapping[str, Any]) -> Evaluation | None:
        """One eval; None where nothing of it can be taken over."""
        kind = str(entry["class"]).rpartition(":")[2]
        args = entry.get("args") or {}
        if kind == "ModelBasedClassify":
            self._note(name, JUDGED, kind=kind, spec=args.get("modelgraded_spec", ""))
        elif kind not in _CHECKS:
            self._note(name, NO_CLASS, kind=kind, known=", ".join(_CHECKS))
            return None
        for argument in args:
            if argument not in _TAKEN_ARGS and argument != "modelgraded_spec":
                self._note(f"{name}.args", NO_ARGUMENT, name=argument)
        self._note(name, NO_MODEL)
        rows = self._rows(kind, args)
        if kind == "ModelBasedClassify":
            return Evaluation(name=name, spec={"name": name, "scorers": ["exact_match"]}, rows=rows)
        return Evaluation(name=name, spec={"name": name, "scorers": [checks.name_of(_CHECKS[kind])]}, rows=rows)

    def _rows(self, kind: str, args: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        shots = (
            self._samples(args["few_shot_jsonl"])[: int(args.get("num_few_shot", 0))]
            if (args.get("num_few_shot") and args.get("few_shot_jsonl"))
            else []
        )
        rows: list[dict[str, Any]] = []
        for place, sample in enumerate(self._samples(str(args.get("samples_jsonl", ""))), 1):
            ideal = sample.get("ideal")
            more = {key: value for key, value in sample.items() if key not in {"input", "ideal"}}
            row: dict[str, Any] = {"row_id": f"s{place:05}", "input": _with_shots(sample.get("input"), shots), **more}
            if ideal is not None:
                row["expected"] = ideal
                check = {"kind": _CHECKS.get(kind, "match"), "value": ideal}
                if args.get("ignore_case"):
                    check["ignore_case"] = True
                row[checks.COLUMN] = [check]
            rows.append(row)
        return tuple(rows)

    def _samples(self, name: str) -> list[dict[str, Any]]:
        registry = self.path.parent.parent
        for file in (self.path.parent / name, registry / "data" / name, Path(name)):
            if file.is_file():
                return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        raise NotFoundError(
            N_("There is no file {path!r}."),
            hint=N_("Samples lie in the registry's folder `data`, beside `evals`."),
            reason="import.no_samples",
            path=name,
        )

    def _note(self, where: str, text: str, **fields: Any) -> None:
        self.notes.append(Note(where=where, text=text, fields=fields))


def _with_shots(asked: Any, shots: list[dict[str, Any]]) -> Any:
    """Examples go between the instructions and the question, as there."""
    if not shots or not isinstance(asked, list):
        return asked
    examples = [message for shot in shots for message in shot.get("sample", [])]
    return [*asked[:-1], *examples, asked[-1]]
