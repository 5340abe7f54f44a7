"""Small documentation made up for tests, and an encoder that needs no model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from aiplatform.tour.bm25 import terms
from aiplatform.tour.model import CHINESE, ENGLISH, Passage, Question, Vectors

NUM_DIMENSIONS = 64


def passage(passage_id: str, text: str, *, language: str = ENGLISH, title: str = "Guide / Files") -> Passage:
    page = passage_id.partition("#")[0]
    return Passage(
        passage_id=passage_id,
        language=language,
        collection=page.partition("/")[0],
        page=page,
        url=f"https://docs.example/{page}#{passage_id.partition('#')[2]}",
        title=title,
        text=text,
    )


PASSAGES = [
    passage("tutorial/files#copy/0", "To copy a file, call shutil.copyfile. It takes a source and a destination."),
    passage("tutorial/files#open/0", "The open function returns a file object. Close it when you are done."),
    passage(
        "howto/sorting#keys/0", "A key function is called once for each record while sorting.", title="Sorting / Keys"
    ),
    passage("reference/lexical#names/0", "Names are case sensitive.", title="Lexical analysis / Names"),
    passage("debian-faq/pkg#install/0", "使用 apt 安装软件包。软件包来自镜像站点。", language=CHINESE, title="软件包"),
    passage("debian-faq/pkg#source/0", "源码包可以构建二进制包。", language=CHINESE, title="软件包"),
]


def question(question_id: str, text: str, *expected: str, language: str = ENGLISH) -> Question:
    return Question(
        question_id=question_id,
        language=language,
        question=text,
        expected=expected,
        answerable=bool(expected),
        source="made up",
    )


class HashedWords:
    """Embeds a text as the sum of one fixed direction for each of its terms: texts that share words are close."""

    def __init__(self) -> None:
        self.num_texts = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.num_texts += len(texts)
        rows = np.stack([sum((_direction(term) for term in terms(text)), np.zeros(NUM_DIMENSIONS)) for text in texts])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        vectors: Vectors = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
        return vectors


def _direction(term: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(zlib.crc32(term.encode())).standard_normal(NUM_DIMENSIONS)
