"""Runs one method of PyTorch's libraries: python torch_main.py FOLDER METHOD SEED BUDGET, as main.py does JAX's.

Both libraries work eagerly: torch.compile doesn't differentiate twice.
"""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from betty.configs import Config

from betty_implicit import betty
from race import race
from torch_problem import INNER_STEPS, LINEAR_STEPS, Problem, State, load, look
from torchopt_implicit import torchopt

METHODS: dict[str, Callable[[Problem], tuple[State, Callable[[State], State]]]] = {
    "bettyConjugateGradients": lambda problem: betty(
        problem,
        Config(type="cg", cg_iterations=LINEAR_STEPS, unroll_steps=INNER_STEPS),
        rate=0.3,
        outer_rate=1e4,
    ),
    "bettyNeumann": lambda problem: betty(
        problem,
        Config(type="neumann", neumann_iterations=LINEAR_STEPS, neumann_alpha=1.0, unroll_steps=INNER_STEPS),
        rate=0.3,
        outer_rate=1e5,
    ),
    "torchoptConjugateGradients": lambda problem: torchopt(problem, rate=1.0, outer_rate=1e4),
}


def main() -> None:
    folder, name, seed, budget = sys.argv[1:]
    logging.disable(logging.INFO)  # Betty's go to standard output.
    torch.manual_seed(int(seed))
    problem = load(Path(folder))
    wrong = np.load(f"{folder}/trainLabels.npy") != np.load(f"{folder}/truth.npy")
    state, step = METHODS[name](problem)
    print(json.dumps(race(step, state, lambda state: look(problem, state), wrong, float(budget))))


if __name__ == "__main__":
    main()
