"""Handwritten digits: scikit-learn's 1,797 small pictures, a small network, two workers that train together."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import torch
from ray.train import Checkpoint
from ray.train.torch import prepare_data_loader, prepare_model
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SPLIT_SEED = 7
"""The held-out pictures are the same in every run, whatever its own seed."""


def network(hidden: int) -> nn.Sequential:
    """8 x 8 pixels in, ten scores out."""
    return nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, 10))


def pictures() -> tuple[TensorDataset, TensorDataset]:
    """Pictures to learn from, and a quarter of them held out."""
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(pixels / 16.0, labels, test_size=0.25, random_state=SPLIT_SEED, stratify=labels)
    x_train, x_test, y_train, y_test = parts
    return _tensors(x_train, y_train), _tensors(x_test, y_test)


def train(config: dict[str, Any]) -> None:
    """The loop that every worker runs: data-parallel, one report and one checkpoint an epoch."""
    learn, held_out = pictures()
    loader = prepare_data_loader(DataLoader(learn, batch_size=config["batch_size"], shuffle=True))
    model = prepare_model(network(config["hidden"]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config["lr"])
    is_first = ray.train.get_context().get_world_rank() == 0
    for epoch in range(config["epochs"]):
        if ray.train.get_context().get_world_size() > 1:
            loader.sampler.set_epoch(epoch)
        model.train()
        total = 0.0
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        metrics = {"epoch": epoch, "loss": total / len(loader), "accuracy": accuracy(model, held_out)}
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = save(model, config, Path(folder)) if is_first else None
            ray.train.report(metrics, checkpoint=checkpoint)  # every worker reports: it is a meeting point


def accuracy(model: nn.Module, held_out: TensorDataset) -> float:
    """Share of the held-out pictures that are read rightly."""
    model.eval()
    x, y = held_out.tensors
    with torch.inference_mode():
        return float((model(x).argmax(dim=1) == y).float().mean())


def save(model: nn.Module, config: dict[str, Any], folder: Path) -> Checkpoint:
    """Weights and what is needed to build the network again."""
    inner = model.module if hasattr(model, "module") else model
    torch.save(inner.state_dict(), folder / "model.pt")
    (folder / "config.json").write_text(json.dumps({"hidden": config["hidden"]}))
    return Checkpoint.from_directory(folder)


class Digits:
    """Reads digits with a trained network: what the platform serves."""

    def __init__(self, model_path: Path) -> None:
        """Load what `save` kept."""
        config = json.loads((model_path / "config.json").read_text())
        self._model = network(config["hidden"])
        self._model.load_state_dict(torch.load(model_path / "model.pt", weights_only=True))
        self._model.eval()

    def infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The digit of each row of 64 `pixels` from 0 to 16."""
        pixels = np.asarray(inputs["pixels"], dtype=np.float32).reshape(-1, 64) / 16.0
        with torch.inference_mode():
            return {"digit": self._model(torch.as_tensor(pixels)).argmax(dim=1).numpy()}


def _tensors(pixels: np.ndarray, labels: np.ndarray) -> TensorDataset:
    return TensorDataset(torch.as_tensor(pixels, dtype=torch.float32), torch.as_tensor(labels, dtype=torch.long))
