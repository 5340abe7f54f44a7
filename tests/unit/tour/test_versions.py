"""Versions of the assistant: their files, thresholds and training pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiplatform.core.errors import ConfigError
from aiplatform.eval.statistics.hashing import is_held_out
from aiplatform.tour import vectors as store
from aiplatform.tour.bundle import CONFIG, VECTORS, VERSIONS, Bundle, Method, read, write
from aiplatform.tour.corpus import PASSAGES_FILE, load_passages
from aiplatform.tour.model import ENGLISH, Found, Question
from aiplatform.tour.pairs import heading_of, pair_rows, training_passages
from aiplatform.tour.thresholds import choose_threshold, confidence
from tests.unit.tour.examples import PASSAGES, HashedWords, passage, question

NUM_PASSAGES = len(load_passages())


def unit_rows(num_rows: int, num_dimensions: int = 8) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    rows = np.random.default_rng(0).standard_normal((num_rows, num_dimensions)).astype(np.float32)
    scaled: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_version_read_back_is_the_one_written(version: object, tmp_path: Path) -> None:
    [known] = [each for each in VERSIONS if each is version]
    made = Bundle(
        version=known,
        threshold=0.53125,
        passages=load_passages(),
        vectors=unit_rows(NUM_PASSAGES),
        adapter=unit_rows(8),
    )
    again = read(write(made, tmp_path / "deep" / "folder", PASSAGES_FILE))
    assert (again.version, again.threshold) == (known, made.threshold)
    assert list(again.passages) == list(made.passages)
    assert (again.vectors is not None, again.adapter is not None) == (known.has_vectors, known.has_adapter)
    if again.vectors is not None and made.vectors is not None:
        assert np.linalg.norm(again.vectors, axis=1) == pytest.approx(np.ones(NUM_PASSAGES), abs=1e-6)
        assert np.abs(again.vectors - made.vectors).max() < 1e-3
    if again.adapter is not None:
        assert np.array_equal(again.adapter, unit_rows(8))


@pytest.mark.parametrize("broken", ["missing", "not JSON", "no threshold", "unknown method", "no vectors"])
def test_a_folder_that_holds_no_version_is_one_sentence(tmp_path: Path, broken: str) -> None:
    made = Bundle(version=VERSIONS[1], threshold=0.5, passages=PASSAGES, vectors=unit_rows(len(PASSAGES)))
    write(made, tmp_path, PASSAGES_FILE)
    config = tmp_path / CONFIG
    match broken:
        case "missing":
            config.unlink()
        case "not JSON":
            config.write_text("{")
        case "no threshold":
            config.write_text('{"name": "v1", "label": "", "method": "bm25"}')
        case "unknown method":
            config.write_text('{"name": "v1", "label": "", "method": "magic", "threshold": 1}')
        case _:
            (tmp_path / VECTORS).unlink()
    with pytest.raises(ConfigError, match="holds no version"):
        read(tmp_path)


def test_only_methods_that_embed_make_an_encoder() -> None:
    made: list[HashedWords] = []

    def make() -> HashedWords:
        made.append(HashedWords())
        return made[-1]

    for version in VERSIONS:
        vectors = HashedWords().encode([each.text for each in PASSAGES])
        bundle = Bundle(version=version, threshold=0.0, passages=PASSAGES, vectors=vectors, adapter=unit_rows(64, 64))
        assert bundle.retriever(make).search("copy a file", ENGLISH).hits
    assert len(made) == sum(version.method is not Method.BM25 for version in VERSIONS)


class Sure:
    """Is as sure of a question as the test says."""

    def __init__(self, known: dict[str, float]) -> None:
        self._known = known
        self.asked: list[str] = []

    def search(self, query: str, language: str, limit: int = 10) -> Found:
        del language, limit
        self.asked.append(query)
        return Found(query=query, hits=(), confidence=self._known.get(query, 0.0))


def questions_of_half(*, held_out: bool, num: int, answerable: bool) -> list[Question]:
    expected = ["somewhere"] if answerable else []
    names = (f"{'with' if answerable else 'without'} {number}" for number in range(1000))
    return [question(name, name, *expected) for name in names if is_held_out(name) is held_out][:num]


def test_the_threshold_parts_the_half_that_is_set_aside_and_never_looks_at_the_other() -> None:
    good = questions_of_half(held_out=True, num=8, answerable=True)
    bad = questions_of_half(held_out=True, num=8, answerable=False)
    others = questions_of_half(held_out=False, num=8, answerable=False)
    known = {each.question: 0.8 + 0.01 * place for place, each in enumerate(good)}
    known |= {each.question: 0.3 + 0.01 * place for place, each in enumerate(bad)}
    known |= {each.question: 1.0 for each in others}  # as sure as can be, and wrong: it must not count
    retriever = Sure(known)
    threshold = choose_threshold(retriever, [*others, *good, *bad])
    assert max(known[each.question] for each in bad) < threshold <= min(known[each.question] for each in good)
    assert not {each.question for each in others} & set(retriever.asked)


def test_confidence_is_that_of_the_question_as_asked_or_as_rewritten() -> None:
    asked = question("q", "How do I copy a file?")
    assert confidence(Sure({"copy file": 0.9, "How do I copy a file?": 0.4}), asked) == 0.9
    assert confidence(Sure({"copy file": 0.2, "How do I copy a file?": 0.4}), asked) == 0.4


def test_pairs_are_headings_beside_passages_and_no_faq_is_among_them() -> None:
    shipped = load_passages()
    used = training_passages(shipped)
    vectors = dict.fromkeys([heading_of(each) for each in used] + [each.text for each in used], 0)
    rows = pair_rows(shipped, vectors)
    assert len(rows) == len(used) > 1000
    assert {row["passage_id"].split("/")[0] for row in rows} == {"tutorial", "howto", "reference"}
    assert all(row["heading"] for row in rows)
    pages: dict[str, set[bool]] = {}
    for row in rows:
        assert row["passage_id"].startswith(f"{row['section']}/")
        pages.setdefault(row["section"].split("#")[0], set()).add(row["held_out"])
    assert all(len(halves) == 1 for halves in pages.values()), "a page is held out whole"
    held_out = sum(row["held_out"] for row in rows)
    assert 0.05 * len(rows) < held_out < 0.5 * len(rows)


def test_a_passage_without_heading_or_in_chinese_is_no_pair() -> None:
    assert training_passages([passage("tutorial/a#b/0", "text", title=""), PASSAGES[4], PASSAGES[0]]) == [PASSAGES[0]]
    assert heading_of(PASSAGES[2]) == "Keys"


def test_known_vectors_are_not_computed_again() -> None:
    model = HashedWords()
    kept = dict(zip(["copy", "open"], model.encode(["copy", "open"]), strict=True))
    encoder = store.KnownVectors(kept, lambda: model)
    model.num_texts = 0
    found = encoder.encode(["open", "sort", "copy", "sort"])
    assert model.num_texts == 1
    assert np.allclose(found, model.encode(["open", "sort", "copy", "sort"]))


def test_the_key_of_a_block_says_what_is_in_it() -> None:
    texts = [f"text {number}" for number in range(300)]
    blocks = store.blocks_of(texts)
    assert [text for block in blocks for text in block] == texts
    assert [len(block) for block in blocks] == [128, 128, 44]
    keys = {store.block_key(block) for block in [["a", "b"], ["ab"], ["b", "a"], ["a"], []]}
    assert len(keys) == 5
    assert store.block_key(["a", "b"]) == store.block_key(["a", "b"])
