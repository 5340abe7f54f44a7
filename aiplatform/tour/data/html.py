"""A small reader of documentation pages: sections, their headings and their blocks of text.

It knows the two dialects that the tour's packages are written in: Sphinx (`<section id>`) and DocBook (`<div
class="section">` with an `<a id>` in its title page).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS: Final = frozenset({"p", "pre", "dt", "li", "td", "th", "tr", "figcaption"})
_SKIPPED: Final = frozenset({"script", "style", "nav", "head", "footer", "svg"})
_SKIPPED_CLASSES: Final = frozenset(
    {"toc", "navheader", "navfooter", "headerlink", "contents", "titlepage", "sphinxsidebar"}
)
_SECTION_CLASSES: Final = frozenset({"section", "chapter"})


@dataclass(slots=True)
class Node:
    """One element, with its children in order."""

    tag: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    @property
    def classes(self) -> frozenset[str]:
        """What the element's `class` names."""
        return frozenset(self.attributes.get("class", "").split())

    def elements(self) -> Iterator[Node]:
        """The element and everything under it, in order."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.elements()

    def text(self) -> str:
        """The text, permalinks left out, blanks as written."""
        if "headerlink" in self.classes:
            return ""
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of a page: its own blocks, not those of the sections inside it."""

    anchor: str
    heading: str
    level: int
    ancestors: tuple[str, ...]
    """Headings around it, outermost first."""

    blocks: tuple[str, ...]
    is_leaf: bool
    """Whether no section lies inside it."""


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("root", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parse(source: str) -> Node:
    """The tree of a page."""
    builder = _Builder()
    builder.feed(source)
    builder.close()
    return builder.root


def sections(source: str) -> list[Section]:
    """Every section of a page in order, outer ones before inner ones."""
    found: list[Section] = []
    for node in _outermost(parse(source)):
        _collect(node, (), 1, found)
    return found


def squeeze(text: str) -> str:
    """`text` with runs of blanks as one, and none at its ends."""
    return re.sub(r"\s+", " ", text).strip()


def _is_section(node: Node) -> bool:
    return node.tag == "section" or (node.tag == "div" and bool(node.classes & _SECTION_CLASSES))


def _outermost(node: Node) -> Iterator[Node]:
    for child in node.children:
        if isinstance(child, Node):
            if _is_section(child):
                yield child
            else:
                yield from _outermost(child)


def _collect(node: Node, ancestors: tuple[str, ...], level: int, found: list[Section]) -> None:
    heading_node = _heading(node)
    heading = squeeze(heading_node.text()) if heading_node is not None else ""
    inner = list(_outermost(node))
    anchor = node.attributes.get("id") or _docbook_anchor(node)
    found.append(
        Section(
            anchor=anchor,
            heading=heading,
            level=level,
            ancestors=ancestors,
            blocks=tuple(block for block in _blocks(node, top=True) if block),
            is_leaf=not inner,
        )
    )
    for child in inner:
        _collect(child, (*ancestors, heading), level + 1, found)


def _heading(node: Node) -> Node | None:
    for child in node.children:
        if isinstance(child, Node):
            if child.tag in _HEADINGS:
                return child
            if not _is_section(child) and (found := _heading(child)) is not None:
                return found
    return None


def _docbook_anchor(node: Node) -> str:
    heading = _heading(node)
    if heading is not None:
        for element in heading.elements():
            if element.tag == "a" and element.attributes.get("id"):
                return element.attributes["id"]
    return ""


def _blocks(node: Node, *, top: bool = False) -> Iterator[str]:
    """Texts of a section's own blocks: paragraphs squeezed, code with its lines."""
    if not top and (
        _is_section(node) or node.tag in _SKIPPED or node.tag in _HEADINGS or node.classes & _SKIPPED_CLASSES
    ):
        return
    if node.tag == "pre":
        yield node.text().strip("\n").rstrip()
        return
    if not any(isinstance(child, Node) and _holds_blocks(child) for child in node.children):
        if node.tag in _BLOCKS or node.tag in {"dd", "blockquote", "div"}:
            yield squeeze(node.text())
        return
    loose: list[str] = []
    for child in node.children:
        if isinstance(child, Node) and (_holds_blocks(child) or _is_section(child) or child.tag in _HEADINGS):
            if joined := squeeze("".join(loose)):
                yield joined
            loose = []
            yield from _blocks(child)
        elif not top:
            loose.append(child if isinstance(child, str) else child.text())
    if joined := squeeze("".join(loose)):
        yield joined


def _holds_blocks(node: Node) -> bool:
    return any(
        element.tag in _BLOCKS or element.tag in {"dd", "blockquote", "div", "dl", "ul", "ol", "table"}
        for element in node.elements()
    )
