"""Ways to find passages, each against a computation of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tour.bm25 import BM25, K1, B, terms
from aiplatform.tour.model import CHINESE, ENGLISH, Retriever
from aiplatform.tour.retrieval import ByLanguage, Dense, Hybrid, Lexical, adapted, best, reciprocal_rank_fusion
from tests.unit.tour.examples import NUM_DIMENSIONS, PASSAGES, HashedWords

TEXTS = st.lists(
    st.lists(st.sampled_from(["file", "copy", "open", "sort", "软件包", "安装"]), max_size=8).map(" ".join),
    min_size=1,
    max_size=8,
)


def textbook_bm25(texts: list[str], query: str) -> list[float]:
    """The formula as it is written down, text by text, with nothing prepared."""
    split = [terms(text) for text in texts]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for words in split:
        score = 0.0
        for term in terms(query):
            num_texts = sum(term in other for other in split)
            if term in words:
                idf = math.log(1 + (len(split) - num_texts + 0.5) / (num_texts + 0.5))
                times = words.count(term)
                score += idf * times * (K1 + 1) / (times + K1 * (1 - B + B * len(words) / mean))
        scores.append(score)
    return scores


@given(TEXTS, st.lists(st.sampled_from(["file", "copy", "软件包", "unknown"]), max_size=4).map(" ".join))
def test_bm25_is_the_textbooks(texts: list[str], query: str) -> None:
    index = BM25(texts)
    assert index.scores(query) == pytest.approx(textbook_bm25(texts, query))
    assert index.scores(query).max() <= index.ceiling(query) + 1e-9


def test_no_text_shares_a_word_with_a_query_without_words() -> None:
    assert BM25(["a file", ""]).scores("?!").tolist() == [0.0, 0.0]
    assert BM25([]).scores("file").tolist() == []


def dense(adapter: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None = None) -> Dense:
    encoder = HashedWords()
    return Dense(PASSAGES, encoder.encode([one.text for one in PASSAGES]), encoder, adapter=adapter)


def retrievers() -> dict[str, Retriever]:
    lexical = Lexical(PASSAGES)
    return {
        "lexical": lexical,
        "dense": dense(),
        "hybrid": Hybrid(PASSAGES, lexical, dense()),
        "by language": ByLanguage({ENGLISH: dense(), CHINESE: lexical}),
    }


@pytest.mark.parametrize("name", ["lexical", "dense", "hybrid", "by language"])
def test_every_way_finds_what_shares_the_words_in_the_questions_language(name: str) -> None:
    way = retrievers()[name]
    english = way.search("copy a file to a destination", ENGLISH, 3)
    chinese = way.search("构建二进制包", CHINESE, 3)
    assert english.hits[0].passage.passage_id == "tutorial/files#copy/0"
    assert chinese.hits[0].passage.passage_id == "debian-faq/pkg#source/0"
    for language, found in ((ENGLISH, english), (CHINESE, chinese)):
        assert {hit.passage.language for hit in found.hits} == {language}
        assert 0 < found.confidence <= 1
        scores = [hit.score for hit in found.hits]
        assert scores == sorted(scores, reverse=True)


def test_words_that_nobody_wrote_find_nothing_and_are_not_sure() -> None:
    found = Lexical(PASSAGES).search("zebra", ENGLISH)
    assert (found.hits, found.confidence) == ((), 0.0)


def test_a_router_asks_the_languages_own() -> None:
    lexical, by_meaning = Lexical(PASSAGES), dense()
    router = ByLanguage({ENGLISH: by_meaning, CHINESE: lexical})
    assert router.search("copy a file", ENGLISH) == by_meaning.search("copy a file", ENGLISH)
    assert router.search("安装软件包", CHINESE) == lexical.search("安装软件包", CHINESE)


def test_an_adapter_of_nothing_changes_nothing_and_never_the_confidence() -> None:
    nothing = np.zeros((NUM_DIMENSIONS, NUM_DIMENSIONS), dtype=np.float32)
    plain, same = dense().search("copy a file", ENGLISH), dense(nothing).search("copy a file", ENGLISH)
    assert [hit.passage for hit in same.hits] == [hit.passage for hit in plain.hits]
    assert same.confidence == pytest.approx(plain.confidence)
    turned = dense(-2 * np.eye(NUM_DIMENSIONS, dtype=np.float32)).search("copy a file", ENGLISH)
    assert turned.hits[0].passage != plain.hits[0].passage
    assert 0 <= turned.confidence < plain.confidence


@given(st.integers(0, 2**32 - 1))
def test_moved_vectors_keep_unit_length(seed: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.standard_normal((3, 5)).astype(np.float32)
    moved = adapted(vectors, draw.standard_normal((5, 5)).astype(np.float32))
    assert np.linalg.norm(moved, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_fused_ranks_are_summed_by_hand() -> None:
    fused = reciprocal_rank_fusion([np.array([0.9, 0.5, 0.1]), np.array([1.0, 3.0, 2.0])], k=60)
    assert fused == pytest.approx([1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 63 + 1 / 62])


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, -1.0, 2.0]), max_size=12), st.integers(1, 12))
def test_the_best_are_the_highest_above_zero_and_ties_keep_their_order(scores: list[float], limit: int) -> None:
    wanted = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])
    assert best(np.array(scores), limit) == wanted[:limit]
