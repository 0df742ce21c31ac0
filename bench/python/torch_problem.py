"""The problem of problem.py for PyTorch: theta is a linear layer's weight (classes, pixels) and bias (classes)."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

BATCH = 1024
INNER_STEPS = 10
LINEAR_STEPS = 10
REGULARIZATION = 1e-4


class Samples(NamedTuple):
    """Bytes (n, pixels), which are widened as they are gathered, and labels (n)."""

    features: Tensor
    labels: Tensor

    def draw(self) -> Tensor:
        """Rows of a batch, drawn uniformly."""
        return torch.randint(len(self.labels), (BATCH,))

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Features in [0, 1] and labels of these rows."""
        return self.features.index_select(0, rows).float().div_(255), self.labels[rows]


class Problem(NamedTuple):
    """The samples of the inner objective, with labels as given, of the outer one, and of the test."""

    train: Samples
    trusted: Samples
    test: Samples


class State(NamedTuple):
    """The tensors that a method updates in place, without gradients."""

    weight: Tensor
    bias: Tensor
    v: Tensor


def load(folder: Path) -> Problem:
    """Reads what bench/python/data.ts wrote."""

    def samples(name: str) -> Samples:
        features, labels = (torch.from_numpy(np.load(folder / file)) for file in (f"{name}.npy", f"{name}Labels.npy"))
        return Samples(features, labels.long())

    return Problem(samples("train"), samples("trusted"), samples("test"))


def g(weight: Tensor, bias: Tensor, v: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The inner objective on a batch, whose logits are v."""
    losses = cross_entropy(linear(x, weight, bias), y, reduction="none")
    penalty = weight.square().sum() + bias.square().sum()
    return torch.mean(torch.sigmoid(v) * losses) + REGULARIZATION * penalty


def f(weight: Tensor, bias: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The outer objective on a batch."""
    return cross_entropy(linear(x, weight, bias), y)


@torch.no_grad()
def look(problem: Problem, state: State) -> tuple[float, float]:
    """f over all trusted samples, and accuracy on the test set."""
    (x, y), trusted = (set.take(torch.arange(len(set.labels))) for set in (problem.test, problem.trusted))
    right = linear(x, state.weight, state.bias).argmax(dim=1) == y
    return f(state.weight, state.bias, *trusted).item(), right.float().mean().item()
