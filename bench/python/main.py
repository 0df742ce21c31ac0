"""Runs one method: python main.py FOLDER METHOD SEED BUDGET prints its curve and its end as JSON.

Seconds are CPU time of all threads, or wall time, without compilation and without evaluation.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from sklearn.metrics import f1_score, roc_auc_score

from amigo import amigo
from conjugate_gradients import conjugate_gradients
from kronecker import kronecker
from problem import Method, Problem, load, logits, losses
from soba import soba

INTERVAL = 0.1
"""CPU seconds between looks."""

METHODS: dict[str, Callable[[Problem, Array], Method]] = {
    "kronecker": lambda problem, key: kronecker(problem, key, rate=0.3, outer_rate=1e5),
    "amigo": lambda problem, key: amigo(problem, key, rate=0.3, outer_rate=3e4, trajectory=False),
    "amigoTrajectory": lambda problem, key: amigo(problem, key, rate=0.3, outer_rate=1e5, trajectory=True),
    "conjugateGradients": lambda problem, key: conjugate_gradients(problem, key, rate=0.3, outer_rate=3e3),
    "soba": lambda problem, key: soba(problem, key, rate=2.0, linear_rate=0.3, outer_rate=1e5),
}


def evaluation(problem: Problem) -> Callable[[Array], tuple[float, float]]:
    """theta -> f over all trusted samples and accuracy on the test set, compiled."""

    @jax.jit
    def evaluate(theta: Array, problem: Problem) -> tuple[Array, Array]:
        f = jnp.mean(losses(theta, *problem.trusted.take(jnp.arange(len(problem.trusted.labels)))))
        x, y = problem.test.take(jnp.arange(len(problem.test.labels)))
        return f, jnp.mean(jnp.argmax(logits(theta, x), axis=1) == jnp.argmax(y, axis=1))

    compiled = evaluate.lower(problem.start()[0], problem).compile()
    return lambda theta: tuple(float(value) for value in compiled(theta, problem))


def run(problem: Problem, method: Method, wrong: np.ndarray, budget: float) -> dict:
    """Steps until the budget of CPU seconds is used up."""
    state, evaluate = method.state, evaluation(problem)
    step = jax.jit(method.step, donate_argnums=1).lower(problem, state).compile()
    curve = []
    steps, cpu, wall, looked = 0, 0.0, 0.0, 0.0
    while cpu < budget:
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        state = jax.block_until_ready(step(problem, state))
        cpu += time.process_time() - cpu_start
        wall += time.perf_counter() - wall_start
        steps += 1
        if cpu - looked >= INTERVAL or cpu >= budget or steps == 1:
            looked = cpu
            f, accuracy = evaluate(state.theta)
            curve.append({"step": steps, "cpu": cpu, "wall": wall, "f": f, "accuracy": accuracy})
    last = curve[-1]
    return {
        "accuracy": last["accuracy"],
        "outerLoss": last["f"],
        "auc": float(roc_auc_score(wrong, -state.v)),
        "f1": float(f1_score(wrong, state.v < 0)),
        "steps": steps,
        "cpu": cpu,
        "wall": wall,
        "curve": curve,
    }


def main() -> None:
    folder, name, seed, budget = sys.argv[1:]
    problem = load(Path(folder))
    wrong = np.load(f"{folder}/trainLabels.npy") != np.load(f"{folder}/truth.npy")
    method = METHODS[name](problem, jax.random.key(int(seed)))
    print(json.dumps(run(problem, method, wrong, float(budget))))


if __name__ == "__main__":
    main()
