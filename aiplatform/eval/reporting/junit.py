"""Gates as JUnit XML, which every pipeline reads: a suite a version, a case a condition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as Xml

from aiplatform.core.i18n import DEFAULT_LOCALE, translate
from aiplatform.eval.model import OUTCOME_NAMES, GateResult, Outcome

# Characters that XML 1.0 cannot hold, escaped or not.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(gates: Sequence[GateResult], *, name: str = "gate", locale: str = DEFAULT_LOCALE) -> str:
    """What became of gates, as JUnit XML.

    What does not hold and what cannot be told are both failures, told apart by their type: only a pass lets through.

    Args:
        gates: One result a version.
        name: What all of it is called.
        locale: Language of what was found.
    """
    root = Xml.Element("testsuites", {"name": _clean(name), **_counts(gates)})
    for gate in gates:
        suite = Xml.SubElement(root, "testsuite", {"name": _clean(gate.name), "id": gate.run_id, **_counts([gate])})
        for condition in gate.conditions:
            case = Xml.SubElement(suite, "testcase", name=_clean(condition.text), classname=_clean(gate.name))
            detail = _clean(condition.detail.localized(locale))
            if condition.outcome is Outcome.PASS:
                Xml.SubElement(case, "system-out").text = detail
            else:
                told = f"{translate(OUTCOME_NAMES[condition.outcome], locale)}: {detail}"
                failure = Xml.SubElement(case, "failure", type=str(condition.outcome), message=_clean(told))
                failure.text = detail
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _counts(gates: Sequence[GateResult]) -> dict[str, str]:
    conditions = [condition for gate in gates for condition in gate.conditions]
    failures = [condition for condition in conditions if condition.outcome is not Outcome.PASS]
    return {"tests": str(len(conditions)), "failures": str(len(failures)), "errors": "0", "skipped": "0"}


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
