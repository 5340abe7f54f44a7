"""promptfoo: a configuration's prompts, providers and tests as specifications, one a prompt and provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval import checks
from aiplatform.eval.importing.assertions import check_of, rubric_of
from aiplatform.eval.importing.cases import Case, cases_of, expanded
from aiplatform.eval.importing.imported import Evaluation, Imported, Note
from aiplatform.eval.importing.material import opened
from aiplatform.eval.importing.prompts import Prompt, prompts_of
from aiplatform.eval.importing.providers import Provider, providers_of
from aiplatform.eval.importing.templates import Templates

_READ: Final = frozenset({
    "$schema", "description", "prompts", "providers", "targets", "tests", "defaultTest", "scenarios",
    "assertionTemplates", "evaluateOptions",
})  # fmt: skip
_CONCURRENCY: Final = "maxConcurrency"

NOT_READ: Final = N_("{name!r} is not taken over.")
NO_CHECKS: Final = N_("No assertion could be taken over: name scorers of your own in `scorers`.")


def is_config(document: Mapping[str, Any]) -> bool:
    """Whether a document is a configuration of promptfoo."""
    return "prompts" in document or ("tests" in document and ("providers" in document or "targets" in document))


def imported(document: Mapping[str, Any], folder: Path) -> Imported:
    """The specifications of a configuration.

    Args:
        document: The configuration.
        folder: Where the files lie that it names.
    """
    return _Importer(document, folder).imported()


@dataclass(slots=True)
class _Importer:
    document: Mapping[str, Any]
    folder: Path
    notes: list[Note] = field(default_factory=list)

    def imported(self) -> Imported:
        for name in self.document:
            if name not in _READ:
                self.told(str(name), NOT_READ, name=name)
        in_flight = self._in_flight()
        templates = Templates(self.told)
        prompts = list(prompts_of(self.document.get("prompts"), self.folder, self.told))
        providers = list(providers_of(self.document, self.told))
        tests = list(cases_of(self.document, self.folder, self.told))
        evaluations = tuple(
            self._evaluation(prompt, provider, tests, templates, in_flight, len(prompts) * len(providers) > 1)
            for prompt in prompts
            for provider in providers
        )
        unique = {(note.where, note.text, str(sorted(note.fields.items()))): note for note in self.notes}
        return Imported(evaluations=evaluations, notes=tuple(unique.values()))

    def told(self, where: str, text: str, **fields: Any) -> None:
        """Note what could not be taken over."""
        self.notes.append(Note(where=where, text=text, fields=fields))

    def _evaluation(
        self,
        prompt: Prompt,
        provider: Provider,
        tests: Sequence[Case],
        templates: Templates,
        in_flight: int | None,
        is_one_of_several: bool,
    ) -> Evaluation:
        name = str(self.document.get("description") or self.folder.name or "promptfoo")
        if is_one_of_several:
            name = f"{name} · {prompt.label} · {provider.label}"
        wanted = [test for test in tests if test.is_for(prompt.label, provider.label)]
        rows = tuple(row for test in wanted for row in self._rows(test, prompt, provider, templates))
        kinds = dict.fromkeys(kind for row in rows for kind in _kinds(row.get(checks.COLUMN, ())))
        if not kinds:
            self.told("tests", NO_CHECKS)
        spec: dict[str, Any] = {"name": name[:200], "label": prompt.label[:200]}
        if provider.model is not None:
            spec["model"] = dict(provider.model)
        if in_flight is not None:
            spec["in_flight"] = in_flight
        spec["scorers"] = [checks.ALL, *(checks.name_of(kind) for kind in kinds)]
        return Evaluation(name=name, spec=spec, rows=rows)

    def _rows(self, test: Case, prompt: Prompt, provider: Provider, templates: Templates) -> Iterator[dict[str, Any]]:
        variants = list(expanded(test))
        for place, variables in enumerate(variants, 1):
            where = test.where
            known = templates.settled(variables, where)
            said = prompt.filled(templates, known, where, prefix=test.prefix, suffix=test.suffix)
            row_id = test.row_id if len(variants) == 1 else f"{test.row_id}.{place}"
            row: dict[str, Any] = {"row_id": row_id, "input": said}
            if provider.echoes or test.output is not None:
                row["output"] = test.output if test.output is not None else said
            if test.description:
                row["description"] = test.description
            self._add_checks(row, test, templates, known)
            row["vars"] = known
            if test.metadata:
                row["metadata"] = dict(test.metadata)
            yield row

    def _add_checks(self, row: dict[str, Any], test: Case, templates: Templates, known: Mapping[str, Any]) -> None:
        found: list[dict[str, Any]] = []
        rubrics: list[dict[str, Any]] = []
        for where, assertion in test.assertions:

            def filled(value: Any, where: str = where) -> Any:
                return templates.filled(opened(value, self.folder, where, self.told), known, where)

            check = check_of(assertion, where, filled, self.told)
            if check is not None:
                found.append(check)
            rubric = rubric_of(assertion, filled)
            if rubric is not None:
                rubrics.append(rubric)
        expected = next((each["value"] for each in found if each["kind"] == "equals" and "negated" not in each), None)
        if expected is not None:
            row["expected"] = expected
        if found:
            row[checks.COLUMN] = found
        if rubrics:
            row["rubrics"] = rubrics
        if test.threshold is not None:
            row["checks_threshold"] = test.threshold

    def _in_flight(self) -> int | None:
        options = self.document.get("evaluateOptions")
        for name in options if isinstance(options, Mapping) else ():
            if name != _CONCURRENCY:
                self.told(f"evaluateOptions.{name}", NOT_READ, name=name)
        found = options.get(_CONCURRENCY) if isinstance(options, Mapping) else None
        return int(found) if found else None


def _kinds(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Kinds of checks that scorers look at; those inside a set count in the whole alone."""
    for check in found:
        if check["kind"] in checks.CHECKS:
            yield str(check["kind"])
