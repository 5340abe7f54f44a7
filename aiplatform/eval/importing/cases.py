"""promptfoo's tests: variables and assertions, from lists, files and scenarios, with their defaults."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.importing.assertions import KINDS
from aiplatform.eval.importing.material import NOT_THERE, PREFIX, opened

_READ: Final = frozenset({
    "description", "vars", "assert", "threshold", "metadata", "options", "prompts", "providers", "providerOutput",
})  # fmt: skip
_OPTIONS: Final = frozenset({"prefix", "suffix", "disableVarExpansion"})
_OTHER_KINDS: Final = frozenset({"javascript", "python", "llm-rubric", "similar", "factuality", "answer-relevance"})
_REFERENCE: Final = "#/assertionTemplates/"

NOT_READ: Final = N_("{name!r} is not taken over.")
NO_TEMPLATE: Final = N_("There is no assertion template {name!r}.")
NO_TESTS: Final = N_("{address} cannot be read here: give the tests in a YAML, JSON, JSONL or CSV file.")
ODD_EXPECTED: Final = N_("The column {name!r} holds {value!r}, which cannot be taken over.")

Told = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test with its defaults."""

    where: str
    row_id: str
    description: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    assertions: Sequence[tuple[str, Mapping[str, Any]]] = ()
    """Each with its place in the configuration."""

    threshold: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""
    suffix: str = ""
    output: Any = None
    is_expanded: bool = True
    prompts: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()

    def is_for(self, prompt: str, provider: str) -> bool:
        """Whether the test is meant for a prompt and a provider."""
        return (not self.prompts or prompt in self.prompts) and (not self.providers or provider in self.providers)


def cases_of(document: Mapping[str, Any], folder: Path, told: Told) -> Iterator[Case]:
    """The tests of a configuration; without any, one with the defaults."""
    default = opened(document.get("defaultTest") or {}, folder, "defaultTest", told)
    default = default if isinstance(default, Mapping) else {}
    templates = document.get("assertionTemplates") or {}
    listed = [*_listed(document.get("tests"), folder, "tests", told)]
    listed += _scenarios(document.get("scenarios") or (), folder, told)
    for place, (where, test) in enumerate(listed or [("defaultTest", {})], 1):
        yield _test(where, f"t{place:04}", test, default, templates, folder, told)


def expanded(test: Case) -> Iterator[dict[str, Any]]:
    """Every combination of the values of variables that are lists, as promptfoo makes one test of each."""
    names = [*test.variables]
    choices = [value if isinstance(value, list) and test.is_expanded else [value] for value in test.variables.values()]
    for values in itertools.product(*choices):
        yield dict(zip(names, values, strict=True))


def _test(
    where: str,
    row_id: str,
    test: Mapping[str, Any],
    default: Mapping[str, Any],
    templates: Mapping[str, Any],
    folder: Path,
    told: Told,
) -> Case:
    for source, given in ((where, test), ("defaultTest", default)):
        for name in given:
            if name not in _READ:
                told(source, NOT_READ, name=name)
        for name in given.get("options") or {}:
            if name not in _OPTIONS:
                told(f"{source}.options", NOT_READ, name=name)
    options = {**(default.get("options") or {}), **(test.get("options") or {})}
    variables = {**_variables(default, "defaultTest", folder, told), **_variables(test, where, folder, told)}
    threshold = test.get("threshold", default.get("threshold"))
    return Case(
        where=where,
        row_id=row_id,
        description=str(test.get("description") or default.get("description") or ""),
        variables=variables,
        assertions=[
            *_assertions(default, "defaultTest", templates, told),
            *_assertions(test, where, templates, told),
        ],
        threshold=float(threshold) if threshold is not None else None,
        metadata={**(default.get("metadata") or {}), **(test.get("metadata") or {})},
        prefix=str(options.get("prefix", "")),
        suffix=str(options.get("suffix", "")),
        output=test.get("providerOutput"),
        is_expanded=not options.get("disableVarExpansion"),
        prompts=tuple(test.get("prompts") or ()),
        providers=tuple(test.get("providers") or ()),
    )


def _variables(test: Mapping[str, Any], where: str, folder: Path, told: Told) -> dict[str, Any]:
    given = opened(test.get("vars") or {}, folder, f"{where}.vars", told)
    if not isinstance(given, Mapping):
        told(f"{where}.vars", NOT_READ, name="vars")
        return {}
    return {name: opened(value, folder, f"{where}.vars.{name}", told) for name, value in given.items()}


def _assertions(
    test: Mapping[str, Any], where: str, templates: Mapping[str, Any], told: Told
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, assertion in enumerate(test.get("assert") or ()):
        at = f"{where}.assert[{place}]"
        reference = assertion.get("$ref") if isinstance(assertion, Mapping) else None
        if reference is None:
            yield at, assertion
            continue
        name = str(reference).removeprefix(_REFERENCE)
        if name in templates:
            yield at, {**templates[name], **{key: value for key, value in assertion.items() if key != "$ref"}}
        else:
            told(at, NO_TEMPLATE, name=name)


def _listed(given: Any, folder: Path, where: str, told: Told) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Tests with their places, those of files read in."""
    entries = given if isinstance(given, list) else [] if given is None else [given]
    for place, entry in enumerate(entries):
        at = f"{where}[{place}]"
        if isinstance(entry, Mapping) and "path" not in entry:
            yield at, entry
            continue
        address = str(entry["path"] if isinstance(entry, Mapping) else entry)
        for number, test in enumerate(_file(address, folder, at, told)):
            yield f"{address.removeprefix(PREFIX)}[{number}]", test


def _scenarios(given: Sequence[Mapping[str, Any]], folder: Path, told: Told) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every test of a scenario with every configuration of it."""
    for place, scenario in enumerate(given):
        where = f"scenarios[{place}]"
        for name in scenario:
            if name not in {"config", "tests", "description"}:
                told(where, NOT_READ, name=name)
        settings = scenario.get("config") or [{}]
        for (at, test), setting in itertools.product(
            [*_listed(scenario.get("tests") or [{}], folder, f"{where}.tests", told)], settings
        ):
            merged = {**setting, **test, "vars": {**(setting.get("vars") or {}), **(test.get("vars") or {})}}
            merged["assert"] = [*(setting.get("assert") or ()), *(test.get("assert") or ())]
            yield at, {"description": scenario.get("description", ""), **merged}


def _file(address: str, folder: Path, where: str, told: Told) -> list[Mapping[str, Any]]:
    file = folder / address.removeprefix(PREFIX)
    if file.suffix not in {".yaml", ".yml", ".json", ".jsonl", ".csv"}:
        told(where, NO_TESTS, address=address)
        return []
    if file.suffix in {".yaml", ".yml", ".json"}:
        found = opened(f"{PREFIX}{address.removeprefix(PREFIX)}", folder, where, told)
        return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return [_of_line(line, where, told) for line in csv.DictReader(io.StringIO(text))]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        told(where, NOT_THERE, address=address, problem=str(error))
        return []


def _of_line(line: Mapping[str, str], where: str, told: Told) -> dict[str, Any]:
    """A line of a CSV file: variables, and what begins with `__`."""
    test: dict[str, Any] = {"vars": {}, "assert": [], "options": {}, "metadata": {}}
    for name, value in line.items():
        if not (name or "").startswith("__"):
            test["vars"][name] = value
        elif name.startswith("__expected") and value:
            assertion = _expected(value)
            if assertion is None:
                told(where, ODD_EXPECTED, name=name, value=value)
            else:
                test["assert"].append(assertion)
        elif name in {"__prefix", "__suffix"}:
            test["options"][name[2:]] = value
        elif name in {"__description", "__threshold"}:
            test |= {name[2:]: value} if value else {}
        elif name.startswith("__metadata:"):
            test["metadata"][name.partition(":")[2]] = value
        elif value:
            told(where, NOT_READ, name=name)
    return test


def _expected(text: str) -> dict[str, Any] | None:
    """An assertion in one cell: `contains:Paris`, `similar(0.8):...`, or the very text that is expected."""
    kind, colon, value = text.partition(":")
    kind, _, threshold = kind.strip().partition("(")
    if kind == "fn" or kind == "eval":
        return {"type": "javascript", "value": value}
    if kind == "grade":
        return {"type": "llm-rubric", "value": value.strip()}
    known = kind.removeprefix("not-") in KINDS or kind in {
        "javascript",
        "python",
        "llm-rubric",
        "similar",
        "factuality",
    }
    if not known or not (colon or kind.startswith(("is-", "not-is-", "contains-json"))):
        return {"type": "equals", "value": text}
    found: dict[str, Any] = {"type": kind}
    if value.strip():
        found["value"] = value.strip()
    if threshold:
        try:
            found["threshold"] = float(threshold.rstrip(")"))
        except ValueError:
            return None
    if kind in {"latency", "cost"} and "value" in found:
        found["threshold"] = float(found.pop("value"))
    return found
