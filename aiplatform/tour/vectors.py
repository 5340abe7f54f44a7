"""Embeddings that were computed once are kept in the artifact store, under the hash of what they were computed from."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from aiplatform.client.http import Client
from aiplatform.core.errors import NotFoundError
from aiplatform.eval.embeddings import MODEL_NAME
from aiplatform.tour.model import Encoder, Vectors

BLOCK_SIZE: Final = 128
"""Texts embedded, kept and fetched together: an interrupted run loses one block a worker."""


class VectorStore:
    """Blocks of embeddings in the artifact store of the project."""

    def __init__(self, client: Client | None = None) -> None:
        self._client = client or Client()

    def get(self, key: str) -> Vectors | None:
        """The block of that key; None where it was not computed yet."""
        try:
            answer = self._client.request("GET", _path(key))
        except NotFoundError:
            return None
        vectors: Vectors = np.load(io.BytesIO(answer.content), allow_pickle=False)
        return vectors

    def put(self, key: str, vectors: Vectors) -> None:
        """Keep a block; keeping it again changes nothing."""
        buffer = io.BytesIO()
        np.save(buffer, vectors)
        self._client.request("PUT", _path(key), content=buffer.getvalue())


class KnownVectors:
    """An encoder that knows some texts already and asks another for the rest."""

    def __init__(self, known: Mapping[str, np.ndarray[Any, Any]], make: Callable[[], Encoder]) -> None:
        """Keep what is known.

        Args:
            known: Text -> vector.
            make: Makes the encoder for texts that are not known; called when the first one comes.
        """
        self._known = dict(known)
        self._make = make
        self._encoder: Encoder | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, in order."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        fresh: dict[str, np.ndarray[Any, Any]] = {}
        if missing:
            self._encoder = self._encoder or self._make()
            fresh = dict(zip(missing, self._encoder.encode(missing), strict=True))
        return np.stack([fresh[text] if text in fresh else self._known[text] for text in texts]).astype(np.float32)


def blocks_of(texts: Sequence[str]) -> list[list[str]]:
    """Texts in blocks of equal size, in order."""
    return [list(texts[start : start + BLOCK_SIZE]) for start in range(0, len(texts), BLOCK_SIZE)]


def block_key(texts: Sequence[str]) -> str:
    """Hash of a block: the model's name and every text."""
    found = hashlib.sha256(MODEL_NAME.encode())
    for text in texts:
        found.update(b"\0" + text.encode())
    return found.hexdigest()


def _path(key: str) -> str:
    return f"/api/v1/artifacts/embeddings/{MODEL_NAME}/{key}.npy"
