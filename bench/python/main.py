"""Runs one method: python main.py FOLDER METHOD SEED BUDGET prints its curve and its end as JSON.

Seconds are those of race.py, without compilation.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from amigo import amigo
from conjugate_gradients import conjugate_gradients
from kronecker import kronecker
from problem import Method, Problem, load, logits, losses
from race import race
from soba import soba

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
    """Run one method against the clock, after its step is compiled."""
    evaluate = evaluation(problem)
    step = jax.jit(method.step, donate_argnums=1).lower(problem, method.state).compile()
    return race(
        lambda state: jax.block_until_ready(step(problem, state)),
        method.state,
        lambda state: evaluate(state.theta),
        wrong,
        budget,
    )


def main() -> None:
    folder, name, seed, budget = sys.argv[1:]
    problem = load(Path(folder))
    wrong = np.load(f"{folder}/trainLabels.npy") != np.load(f"{folder}/truth.npy")
    method = METHODS[name](problem, jax.random.key(int(seed)))
    print(json.dumps(run(problem, method, wrong, float(budget))))


if __name__ == "__main__":
    main()
