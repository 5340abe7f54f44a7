"""No text that a person sees goes past the catalogue: errors, lines of the terminal, pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment

from aiplatform.core import errors
from scripts import messages

ROOT = Path(__file__).resolve().parents[2]
CODE = [path for path in sorted((ROOT / "aiplatform").rglob("*.py")) if "testing" not in path.parts]
TEMPLATES = sorted((ROOT / "aiplatform").rglob("templates/**/*.html"))
ERRORS = frozenset(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.AIPlatformError)
)
SHOWN_BY = frozenset({"N_", "tr", "say", "translate"})
WORD = re.compile(r"[A-Za-z]{2,}")
FIELD = re.compile(r"\{\w+[^{}]*\}")
SHOWN_ATTRIBUTES = frozenset({"alt", "aria-label", "aria-description", "placeholder", "title"})
NOT_PROSE = frozenset({"code", "kbd", "pre", "samp", "script", "style"})
VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "source", "wbr", "path", "rect", "line", "circle", "use"})
NAMES = frozenset(
    {"aiplatform", "English", "API", "CSV", "GPU", "JSON", "Ray", "Python", "MLflow", "OpenAI", "UTC", "aip_"}
)
"""Names that are written alike in both languages."""


def bare_texts(tree: ast.AST, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Literal texts of errors and of terminal lines that the catalogue does not hold."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in ERRORS:
            shown = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "hint")]
        elif name in SHOWN_BY:
            shown = node.args[:1]
        else:
            continue
        for value in shown:
            is_made = isinstance(value, ast.JoinedStr) and any(_is_prose(part) for part in value.values)
            if is_made or (_is_prose(value) and ast.literal_eval(value) not in known):
                yield value.lineno, ast.unparse(value)


def _is_prose(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(WORD.search(FIELD.sub("", node.value)))
    )


class Prose(HTMLParser):
    """Collects words between tags and in the attributes that a reader meets."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(tag)
        self.found += [value for name, value in attrs if value and name in SHOWN_ATTRIBUTES and _has_words(value)]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if value and name in SHOWN_ATTRIBUTES and _has_words(value)]

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if not NOT_PROSE & set(self._open) and _has_words(data):
            self.found.append(" ".join(data.split()))


def _has_words(text: str) -> bool:
    return any(word not in NAMES for word in re.findall(r"[A-Za-z]\w+", re.sub(r"&\w+;", " ", text)))


def bare_prose(template: str) -> list[str]:
    """Words of a template that are neither an expression's nor in a `trans` block."""
    kept, in_trans, block = [], False, ""
    for _line, kind, value in Environment(autoescape=True).lex(template):
        if kind == "data":
            kept.append("" if in_trans else value)
        elif kind == "name" and block == "block_begin":
            in_trans = value == "trans" or (in_trans and value != "endtrans")
        elif kind == "variable_begin":
            kept.append("§")
        block = kind if kind != "whitespace" else block
    parser = Prose()
    parser.feed("".join(kept))
    return parser.found


@pytest.fixture(scope="module")
def known() -> frozenset[str]:
    return frozenset(message.id for message in messages.gathered() if isinstance(message.id, str))


def test_texts_of_errors_and_of_the_terminal_are_in_the_catalogue(known: frozenset[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in CODE
        for line, text in bare_texts(ast.parse(path.read_text(encoding="utf-8")), known)
    ]
    assert found == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_words_of_a_page_come_from_the_catalogue(path: Path) -> None:
    assert bare_prose(path.read_text(encoding="utf-8")) == []


def test_the_hunt_finds_what_it_looks_for() -> None:
    code = 'raise NotFoundError("No such thing.", hint=f"Look for {name} elsewhere.")\nsay("Done here.")\nsay("Known.")'
    assert [line for line, _ in bare_texts(ast.parse(code), frozenset({"Known."}))] == [1, 1, 2]
    page = '<p title="Bare title">Bare {{ _("marked") }}</p><code>x = y</code>{% trans %}marked{% endtrans %}<b>API</b>'
    assert bare_prose(page) == ["Bare title", "Bare §"]
    assert TEMPLATES
