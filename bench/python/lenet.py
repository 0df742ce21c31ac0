"""A gradient step of LeNet-5 on 256 images of 28 x 28 in PyTorch: python lenet.py THREADS STEPS prints the ms of each
variant, the faster of its two layouts in memory."""

import json
import statistics
import sys
import time

import torch
from torch import nn

BATCH = 256


def lenet5(activation: type[nn.Module], pooling: type[nn.Module]) -> nn.Sequential:
    """The network of ts: two convolutions with pooling, then 400-120-84-10."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), activation(), pooling(2)),
        *(nn.Conv2d(6, 16, 5), activation(), pooling(2), nn.Flatten()),
        *(nn.Linear(400, 120), activation(), nn.Linear(120, 84), activation(), nn.Linear(84, 10)),
    )


def milliseconds(network: nn.Module, layout: torch.memory_format, steps: int) -> float:
    """The median of some forward and backward passes."""
    network = network.to(memory_format=layout)
    x = torch.rand(BATCH, 1, 28, 28).to(memory_format=layout)
    y = torch.randint(10, (BATCH,))
    loss, times = nn.CrossEntropyLoss(), []
    for _ in range(steps):
        start = time.perf_counter()
        network.zero_grad()
        loss(network(x), y).backward()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    threads, steps = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    networks = {"relu, max": (nn.ReLU, nn.MaxPool2d), "tanh, average": (nn.Tanh, nn.AvgPool2d)}
    layouts = (torch.contiguous_format, torch.channels_last)
    times = {
        name: min(milliseconds(lenet5(*layers), layout, steps) for layout in layouts)
        for name, layers in networks.items()
    }
    print(json.dumps({"version": torch.__version__, "times": times}))


if __name__ == "__main__":
    main()
