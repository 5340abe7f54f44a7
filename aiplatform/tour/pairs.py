"""What the adapter is trained on: headings beside passages of their sections. No FAQ is among them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiplatform.tour.model import ENGLISH, Passage

COLLECTIONS: Final = frozenset({"tutorial", "howto", "reference"})
HELD_OUT_SHARE: Final = 5
"""Every fifth page, by its hash, is kept from training: its headings choose the checkpoint."""


def heading_of(passage: Passage) -> str:
    """The innermost heading above a passage."""
    return passage.title.rsplit(" / ", 1)[-1]


def training_passages(passages: Sequence[Passage]) -> list[Passage]:
    """The passages that headings are paired with."""
    return [p for p in passages if p.language == ENGLISH and p.collection in COLLECTIONS and heading_of(p)]


def pair_rows(passages: Sequence[Passage], vectors: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the data set `docs-pairs`.

    Args:
        passages: All passages.
        vectors: Text -> embedding, of headings and passages.
    """
    return [
        {
            "passage_id": passage.passage_id,
            "heading": heading_of(passage),
            "section": passage.passage_id.rsplit("/", 1)[0],
            "held_out": zlib.crc32(passage.page.encode()) % HELD_OUT_SHARE == 0,
            "heading_vector": vectors[heading_of(passage)],
            "passage_vector": vectors[passage.text],
        }
        for passage in training_passages(passages)
    ]
