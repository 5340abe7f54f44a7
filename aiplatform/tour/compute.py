"""The embedding model, its work on Ray Data, and the training loop of the adapter on Ray Train."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import ray.data
import ray.train
import ray.train.torch
import torch
import torch.distributed
from torch.nn import functional

from aiplatform.eval.embeddings import MiniLM
from aiplatform.tour.vectors import VectorStore, block_key, blocks_of

EMBED_CPUS: Final = 0.5

logger = logging.getLogger(__name__)


class EmbedBlock:
    """Embeds blocks of texts on Ray Data; a block that was embedded before is fetched instead."""

    def __init__(self) -> None:
        self._store = VectorStore()
        self._model: MiniLM | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Texts in, texts with vectors out."""
        texts = [str(text) for text in batch["text"]]
        key = block_key(texts)
        vectors = self._store.get(key)
        if vectors is None:
            self._model = self._model or MiniLM()
            vectors = self._model.encode(texts)
            self._store.put(key, vectors)
        return {"text": np.array(texts, dtype=object), "vector": vectors}


def embed(texts: Iterable[str], *, told: Callable[[int, int], None] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """The vector of every text, computed by Ray Data on two actors where it was not computed before.

    Args:
        texts: Repeats are embedded once.
        told: Is called with texts done and texts in all, as blocks come back.
    """
    wanted = sorted(set(texts), key=lambda text: (len(text), text))
    blocks = blocks_of(wanted)
    data = ray.data.from_arrow([pa.table({"text": block}) for block in blocks]).map_batches(
        EmbedBlock, batch_size=None, num_cpus=EMBED_CPUS, concurrency=min(2, len(blocks))
    )
    found: dict[str, np.ndarray[Any, Any]] = {}
    for batch in data.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
        vectors = np.asarray([np.asarray(vector, dtype=np.float32) for vector in batch["vector"]])
        found.update(zip((str(text) for text in batch["text"]), vectors, strict=True))
        if told is not None:
            told(len(found), len(wanted))
    return found


def train_adapter(params: dict[str, Any]) -> None:
    """The loop of one Ray Train worker: a residual linear map of questions, trained by contrast (InfoNCE).

    Passages stay where they are, so that an index never has to be embedded anew. Every rank sees all pairs and takes
    its share of each batch against the batch's passages, so that two workers learn what one would.

    Args:
        params: `epochs`, `report_every` (epochs between two reports), `batch_size`, `learning_rate`, `temperature`,
            `decay` (weight of the map's squared size).
    """
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(1)
    pairs = _Pairs(_gathered(world_size))
    num_dimensions = pairs.headings.shape[1]
    adapter = torch.nn.Linear(num_dimensions, num_dimensions, bias=False)
    torch.nn.init.zeros_(adapter.weight)  # at first it changes nothing
    model = ray.train.torch.prepare_model(adapter, move_to_device=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=params["learning_rate"], weight_decay=0.0)
    generator = torch.Generator().manual_seed(0)
    for epoch in range(params["epochs"]):
        losses = []
        for batch in pairs.batches(params["batch_size"], generator):
            own = batch[rank::world_size]
            loss = pairs.loss(model, own, batch, temperature=params["temperature"])
            penalty = params["decay"] * adapter.weight.square().sum()
            optimizer.zero_grad()
            (loss + penalty).backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        if (epoch + 1) % params["report_every"] == 0 or epoch + 1 == params["epochs"]:
            metrics = {"epoch": epoch + 1, "loss": float(np.mean(losses)), **pairs.validation(adapter)}
            _report(metrics, adapter if rank == 0 else None)


def moved(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    """Vectors with the map's answer added, back to unit length; shape (vectors, dimensions)."""
    return functional.normalize(vectors + model(vectors), dim=1)


class _Pairs:
    """Headings beside passages of their sections; tensors of shape (pairs, dimensions) and (pairs,)."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        rows.sort(key=lambda row: str(row["passage_id"]))
        numbers = {section: number for number, section in enumerate(sorted({str(row["section"]) for row in rows}))}
        self.headings = torch.tensor(np.stack([row["heading_vector"] for row in rows]), dtype=torch.float32)
        self.passages = torch.tensor(np.stack([row["passage_vector"] for row in rows]), dtype=torch.float32)
        self._sections = torch.tensor([numbers[str(row["section"])] for row in rows])
        held_out = torch.tensor([bool(row["held_out"]) for row in rows])
        self._training = torch.nonzero(~held_out).flatten()
        self._validation = self._one_per_section(torch.nonzero(held_out).flatten())

    def batches(self, size: int, generator: torch.Generator) -> list[torch.Tensor]:
        """Places of the training pairs in random order; the incomplete last batch is left out."""
        order = self._training[torch.randperm(len(self._training), generator=generator)]
        size = min(size, len(order))
        return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]

    def loss(self, model: Any, own: torch.Tensor, batch: torch.Tensor, *, temperature: float) -> torch.Tensor:
        """Cross entropy of each heading's own passage against the batch's, other passages of its section left out."""
        scores = moved(model, self.headings[own]) @ self.passages[batch].T / temperature
        is_own_place = own[:, None] == batch[None]
        is_near = self._sections[own][:, None] == self._sections[batch][None]
        scores = scores.masked_fill(is_near & ~is_own_place, float("-inf"))
        return functional.cross_entropy(scores, is_own_place.int().argmax(1))

    def validation(self, adapter: torch.nn.Linear) -> dict[str, float]:
        """How well headings of pages that were not trained on find their sections among all passages."""
        with torch.inference_mode():
            scores = moved(adapter, self.headings[self._validation]) @ self.passages.T
        is_right = self._sections[None] == self._sections[self._validation][:, None]
        best_right = scores.masked_fill(~is_right, float("-inf")).amax(1, keepdim=True)
        ranks = 1 + (scores > best_right).sum(1)
        return {"val_hit_at_1": float((ranks == 1).float().mean()), "val_mrr": float((1.0 / ranks).mean())}

    def _one_per_section(self, places: torch.Tensor) -> torch.Tensor:
        first: dict[int, int] = {}
        for place in places.tolist():
            first.setdefault(int(self._sections[place]), place)
        return torch.tensor(sorted(first.values()), dtype=torch.long)


def _gathered(world_size: int) -> list[dict[str, Any]]:
    """The rows of every worker's shard, in one list."""
    shard = ray.train.get_dataset_shard("pairs")
    own = [row for batch in shard.iter_batches(batch_size=None, batch_format="numpy") for row in _rows(batch)]
    if world_size == 1:
        return own
    everybody: list[list[dict[str, Any]]] = [[] for _ in range(world_size)]
    torch.distributed.all_gather_object(everybody, own)
    return [row for rows in everybody for row in rows]


def _rows(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]


def _report(metrics: Mapping[str, float], adapter: torch.nn.Linear | None) -> None:
    if adapter is None:
        ray.train.report(dict(metrics))
        return
    with tempfile.TemporaryDirectory() as folder:
        weight = adapter.weight.detach().numpy()
        np.save(
            Path(folder) / "adapter.npy", np.ascontiguousarray(weight.T)
        )  # rows in, columns out: `vectors @ adapter`
        ray.train.report(dict(metrics), checkpoint=ray.train.Checkpoint.from_directory(folder))
