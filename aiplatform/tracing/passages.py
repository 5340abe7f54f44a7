"""Retrieved documents in every shape that emitters send, read into passages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiplatform.tracing.content_model import Passage
from aiplatform.tracing.messages import unflatten
from aiplatform.tracing.semconv import INDEXED_DOCUMENTS
from aiplatform.tracing.values import number_or_none, plain_text, unwrapped

_TEXTS: Final = ("content", "page_content", "text", "passage", "document", "body")
_IDS: Final = ("id", "doc_id", "document_id", "passage_id", "doc_uri", "uri")
_SCORES: Final = ("score", "relevance_score", "similarity", "distance")
_CONTAINERS: Final = ("documents", "passages", "results", "nodes", "matches", "hits")


def read_passages(attributes: Mapping[str, Any], documents: Any, output: Any) -> tuple[Passage, ...]:
    """The passages that a retriever or reranker returned, best evidence first.

    Args:
        attributes: All of the span's, for those that spread documents over indexed names.
        documents: An attribute that holds documents and nothing else; None where there is none.
        output: What came out of a retriever or reranker, mostly a list of documents; None for other spans.
    """
    for prefix in INDEXED_DOCUMENTS:
        found = _passages(unflatten(attributes, prefix))
        if found:
            return found
    return _passages(unwrapped(documents)) or _passages(unwrapped(output))


def _passages(value: Any) -> tuple[Passage, ...]:
    if isinstance(value, Mapping):
        value = next((value[name] for name in _CONTAINERS if isinstance(value.get(name), list)), None)
    if not isinstance(value, list):
        return ()
    read = (_passage(unwrapped(item)) for item in value)
    return tuple(passage for passage in read if passage)


def _passage(item: Any) -> Passage | None:
    if isinstance(item, str):
        return Passage(text=item)
    if not isinstance(item, Mapping):
        return None
    node = item.get("node")
    inner: Mapping[str, Any] = {**node, **item} if isinstance(node, Mapping) else item
    text = _first(inner, _TEXTS)
    if isinstance(text, Mapping):
        inner = {**text, **inner}
        text = _first(text, _TEXTS)
    metadata = unwrapped(inner.get("metadata"))
    metadata = dict(metadata) if isinstance(metadata, Mapping) else {}
    passage_id = _first(inner, _IDS) or _first(metadata, _IDS)
    if text is None and passage_id is None:
        return None
    score = _first(inner, _SCORES)
    return Passage(
        text=plain_text(text),
        passage_id=None if passage_id is None else plain_text(passage_id),
        score=number_or_none(_first(metadata, _SCORES) if score is None else score),
        metadata=metadata,
    )


def _first(holder: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((holder[name] for name in names if holder.get(name) is not None), None)
