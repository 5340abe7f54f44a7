"""One version of the assistant as a folder of files: what a registered model version holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.tour.corpus import load_passages
from aiplatform.tour.model import CHINESE, ENGLISH, Encoder, Passage, Retriever, Vectors
from aiplatform.tour.retrieval import ByLanguage, Dense, Hybrid, Lexical

CONFIG: Final = "assistant.json"
PASSAGES: Final = "passages.parquet"
VECTORS: Final = "vectors.npy"
ADAPTER: Final = "adapter.npy"


class Method(StrEnum):
    """How passages are found."""

    BM25 = "bm25"
    EMBEDDINGS = "embeddings"
    HYBRID = "hybrid"
    ADAPTER = "adapter"
    BY_LANGUAGE = "by_language"
    """BM25 for Chinese, embeddings with the adapter for English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the assistant."""

    name: str
    """`v4`."""

    label: str
    """What it is, in a few words."""

    method: Method

    @property
    def has_vectors(self) -> bool:
        """Whether it embeds questions."""
        return self.method is not Method.BM25

    @property
    def has_adapter(self) -> bool:
        """Whether it moves them by the trained adapter."""
        return self.method in {Method.ADAPTER, Method.BY_LANGUAGE}


VERSIONS: Final = (
    Version(name="v1", label="BM25", method=Method.BM25),
    Version(name="v2", label="MiniLM", method=Method.EMBEDDINGS),
    Version(name="v3", label="BM25 + MiniLM", method=Method.HYBRID),
    Version(name="v4", label="MiniLM + adapter", method=Method.ADAPTER),
    Version(name="v5", label="routed by language", method=Method.BY_LANGUAGE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A version that was read from its folder."""

    version: Version
    threshold: float
    """Confidence from which on it answers."""

    passages: Sequence[Passage]
    vectors: Vectors | None = None
    adapter: Vectors | None = None

    def retriever(self, make_encoder: Callable[[], Encoder]) -> Retriever:
        """What finds its passages; the encoder is made only where the method embeds."""
        if self.version.method is Method.BM25:
            return Lexical(self.passages)
        assert self.vectors is not None, "every other method has vectors"  # noqa: S101 - `read` checked it
        encoder = make_encoder()
        adapter = self.adapter if self.version.has_adapter else None
        dense = Dense(self.passages, self.vectors, encoder, adapter=adapter)
        match self.version.method:
            case Method.HYBRID:
                return Hybrid(self.passages, Lexical(self.passages), dense)
            case Method.BY_LANGUAGE:
                return ByLanguage({ENGLISH: dense, CHINESE: Lexical(self.passages)})
            case _:
                return dense


def write(bundle: Bundle, folder: Path, passages_file: Path) -> Path:
    """Write a version's files into `folder`; returns it.

    Args:
        bundle: The version.
        folder: Is made where it is missing.
        passages_file: The Parquet file that its passages were read from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {**asdict(bundle.version), "threshold": bundle.threshold}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / PASSAGES).write_bytes(passages_file.read_bytes())
    if bundle.version.has_vectors and bundle.vectors is not None:
        np.save(folder / VECTORS, bundle.vectors.astype(np.float16))
    if bundle.version.has_adapter and bundle.adapter is not None:
        np.save(folder / ADAPTER, bundle.adapter.astype(np.float32))
    return folder


def read(folder: Path) -> Bundle:
    """The version in a folder.

    Raises:
        ConfigError: A file is missing or malformed.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        threshold = float(config.pop("threshold"))
        version = Version(**{**config, "method": Method(config["method"])})
        return Bundle(
            version=version,
            threshold=threshold,
            passages=load_passages(folder / PASSAGES),
            vectors=_unit(np.load(folder / VECTORS)) if version.has_vectors else None,
            adapter=np.load(folder / ADAPTER) if version.has_adapter else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            N_("{folder!r} holds no version of the documentation assistant: {problem}."),
            hint=N_("`aiplatform tour` makes and registers them."),
            reason="tour.bundle",
            folder=str(folder),
            problem=str(error),
        ) from error


def _unit(vectors: Vectors) -> Vectors:
    """Unit length again: half precision rounds it away."""
    wide = vectors.astype(np.float32)
    scaled: Vectors = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return scaled
