"""The message catalogue's upkeep.

`update` gathers texts from the code, `compile` writes what the program reads, `check` compares. From the repository's
root: `python scripts/messages.py update`, translate the empty entries of
`aiplatform/core/locale/zh_CN/LC_MESSAGES/aiplatform.po`, then `python scripts/messages.py compile`.
"""

from __future__ import annotations

import io
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from aiplatform.train.spec import TrainSpec

ROOT = Path(__file__).resolve().parent.parent
PO = ROOT / "aiplatform/core/locale/zh_CN/LC_MESSAGES/aiplatform.po"
MO = PO.with_suffix(".mo")
KEYWORDS = {"N_": None, "_": None, "gettext": None, "ngettext": (1, 2)}


def gathered() -> Catalog:
    """Every text that the code and the templates mark."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    catalog = Catalog(project="aiplatform", charset="utf-8")
    found = extract_from_dir(ROOT, methods, options, KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True)
    for filename, _line, message, comments, context in found:
        catalog.add(message, None, [(filename, 0)], auto_comments=comments, context=context)
    for meaning in sorted(set(_meanings(TrainSpec.model_json_schema()))):
        catalog.add(meaning, None, [("aiplatform/train/spec.py", 0)])
    return catalog


def translated() -> Catalog:
    """The Chinese catalogue as it stands."""
    if not PO.exists():
        return Catalog(locale="zh_CN", project="aiplatform", charset="utf-8")
    with PO.open("rb") as file:
        return read_po(file, locale="zh_CN")


def compiled(catalog: Catalog) -> bytes:
    """The catalogue in gettext's binary form."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def fields_of(text: str) -> set[str]:
    """Names of the `{field}` and `%(field)s` places of a text; a text that is no template has none."""
    try:
        braces = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    except ValueError:
        braces = set()
    return braces | set(re.findall(r"%\((\w+)\)", text))


def problems() -> list[str]:
    """What is missing, stale, fuzzy or not compiled; nothing where all is well."""
    code, chinese = gathered(), translated()
    found = [f"missing: {m.id!r}" for m in _texts(code) if m.id not in chinese]
    found += [f"empty: {m.id!r}" for m in _texts(chinese) if m.id in code and not _is_translated(m)]
    found += [f"fuzzy: {m.id!r}" for m in _texts(chinese) if m.fuzzy]
    found += [f"stale: {m.id!r}" for m in _texts(chinese) if m.id not in code]
    if not MO.exists() or MO.read_bytes() != compiled(chinese):
        found.append("not compiled: run `python scripts/messages.py compile`")
    return found


def update() -> None:
    """Bring new texts into the Chinese catalogue and drop stale ones; translations are kept."""
    chinese = translated()
    chinese.update(gathered(), no_fuzzy_matching=True)
    chinese.obsolete.clear()
    PO.parent.mkdir(parents=True, exist_ok=True)
    with PO.open("wb") as file:
        write_po(file, chinese, width=120, omit_header=False, sort_output=True, include_lineno=False)
    write_compiled()


def write_compiled() -> None:
    """Write the binary form beside the text."""
    MO.write_bytes(compiled(translated()))


def _meanings(schema: dict[str, Any]) -> Iterator[str]:
    """What the fields of a specification mean: texts that a command shows and that stand in docstrings."""
    for part in (schema, *schema["$defs"].values()):
        yield from (field["description"] for field in part["properties"].values() if "description" in field)


def _texts(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def _is_translated(message: Message) -> bool:
    return all(message.string) if isinstance(message.string, list | tuple) else bool(message.string)


def main() -> int:
    """Do what the first argument says."""
    action = sys.argv[1] if len(sys.argv) == 2 else ""
    if action == "update":
        update()
    elif action == "compile":
        write_compiled()
    elif action == "check":
        found = problems()
        sys.stdout.write("\n".join(found) + "\n" if found else "")
        return bool(found)
    else:
        sys.stderr.write("usage: messages.py update|compile|check\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
