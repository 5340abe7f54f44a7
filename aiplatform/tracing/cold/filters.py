"""What may occur in a group of spans: a Bloom filter over its words and attributes, so that most groups stay shut.

A filter says "no" with certainty and "perhaps" otherwise. It lies in the database beside the file, 14 bits for each
different word or attribute: about 2 in 1,000 answers are "perhaps" where nothing is found.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from aiplatform.tracing.attribute_values import AttributeValue, name_in_index
from aiplatform.tracing.query.tree import (
    MAX_TEXT,
    TAG,
    Between,
    Compare,
    Every,
    Exists,
    Node,
    OneOf,
    Op,
    Space,
    Span,
    Words,
)
from aiplatform.tracing.query.values import storable
from aiplatform.tracing.textindex.changes import SpanText
from aiplatform.tracing.words import read_query, words_of

_BITS: Final = 14
_HASHES: Final = 6
_MIN_BITS: Final = 1024
_LENGTH: Final = struct.Struct(">I")


def tokens_of(texts: Iterable[SpanText]) -> set[str]:
    """What some spans say, as a filter keeps it."""
    words: set[str] = set()
    values: set[AttributeValue] = set()
    for text in texts:
        words.update(words_of(text.body))
        values.update(text.values)
    found = {f"w{word}" for word in words}
    found.update(f"n{value.name}" for value in values)
    found.update(f"v{value.name}\0{value.text}" for value in values if value.text is not None)
    return found


def tokens_needed(node: Node) -> set[str]:
    """What a trace must say if it is to meet a query; empty where nothing can be told beforehand."""
    match node:
        case Every(of=several):
            return set().union(*(tokens_needed(each) for each in several))
        case Span(where=where, other=other):
            return tokens_needed(where) | (tokens_needed(other) if other is not None else set())
        case Words():
            return {f"w{word}" for word in _whole_words(node.text)}
        case Compare() | Between() | OneOf() | Exists() if _is_indexed(node):
            return {_named(node)}
        case _:
            return set()


def make_filter(tokens: Iterable[str]) -> bytes:
    """The filter of a group."""
    distinct = set(tokens)
    num_bits = max(len(distinct) * _BITS, _MIN_BITS)
    bits = bytearray((num_bits + 7) // 8)
    for token in distinct:
        for place in _places(token, num_bits):
            bits[place >> 3] |= 1 << (place & 7)
    return _LENGTH.pack(num_bits) + bytes(bits)


def join_filters(filters: Iterable[bytes]) -> bytes:
    """Filters of a file's groups as one value."""
    return b"".join(filters)


def split_filters(joined: bytes) -> list[bytes]:
    """The filters that `join_filters` put together."""
    found: list[bytes] = []
    place = 0
    while place < len(joined):
        (num_bits,) = _LENGTH.unpack_from(joined, place)
        end = place + _LENGTH.size + (num_bits + 7) // 8
        found.append(joined[place:end])
        place = end
    return found


def may_hold(filter_: bytes, tokens: Iterable[str]) -> bool:
    """Whether all of some tokens may occur in a group."""
    (num_bits,) = _LENGTH.unpack_from(filter_)
    start = _LENGTH.size
    return all(
        filter_[start + (place >> 3)] >> (place & 7) & 1 for token in tokens for place in _places(token, num_bits)
    )


def _places(token: str, num_bits: int) -> Iterator[int]:
    digest = blake2b(token.encode(errors="surrogatepass"), digest_size=16).digest()
    first, step = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big") | 1
    for number in range(_HASHES):
        yield (first + number * step) % num_bits


def _whole_words(text: str) -> Iterator[str]:
    for term in read_query(storable(text)):
        for phrase in term.phrases:
            # Of a single CJK character only the beginning of a word is known.
            yield from phrase[:-1] if term.is_prefix and phrase is term.phrases[-1] else phrase


def _is_indexed(leaf: Compare | Between | OneOf | Exists) -> bool:
    return leaf.name.space in {Space.ATTRIBUTES, Space.METADATA} or leaf.name == TAG


def _named(leaf: Compare | Between | OneOf | Exists) -> str:
    """The one token that a condition on an attribute needs: its very value where that is a text, else its name."""
    name = name_in_index(leaf.name.space, leaf.name.name)
    if isinstance(leaf, Compare) and leaf.op is Op.EQUAL and isinstance(leaf.value, str):
        return f"v{name}\0{storable(leaf.value)[:MAX_TEXT]}"
    return f"n{name}"
