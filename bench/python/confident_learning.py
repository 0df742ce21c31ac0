"""Wrong labels by cleanlab (Northcutt, Jiang and Chuang, Confident learning, JAIR 2021) from cross-validated
probabilities, which need no trusted samples; those join in the last training alone.

python confident_learning.py FOLDER SEED prints a list of results as JSON, one for each way to choose the issues.
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
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from jax import Array
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from problem import BATCH, REGULARIZATION, Problem, Samples, load, logits, losses

FOLDS = 5
FOLD_STEPS = 500
STEPS = 1500
RATE = 0.1
MOMENTUM = 0.9
FILTERS = ("prune_by_noise_rate", "predicted_neq_given")
"""cleanlab's default, and the one that suits this noise."""


def objective(theta: Array, x: Array, y: Array) -> Array:
    return jnp.mean(losses(theta, x, y)) + REGULARIZATION * jnp.sum(theta**2)


def train(samples: Samples, rows: Array, count: Array, steps: Array, key: Array) -> Array:
    """A softmax regression by SGD with momentum on the first `count` of the rows."""
    theta = jnp.zeros((samples.labels.shape[1], samples.features.shape[1] + 1))

    def step(_: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        theta, velocity, key = state
        key, batch_key = jax.random.split(key)
        x, y = samples.take(rows[jax.random.randint(batch_key, (BATCH,), 0, count)])
        velocity = MOMENTUM * velocity + jax.grad(objective)(theta, x, y)
        return theta - RATE * velocity, velocity, key

    return jax.lax.fori_loop(0, steps, step, (theta, jnp.zeros_like(theta), key))[0]


def trainer(samples: Samples, key: Array) -> Callable[[np.ndarray, int], Array]:
    """(rows, steps) -> theta, compiled once for any number of rows."""
    size = len(samples.labels)
    compiled = jax.jit(train).lower(samples, jnp.zeros(size, jnp.int32), 1, 1, key).compile()

    def run(rows: np.ndarray, steps: int) -> Array:
        padded = np.zeros(size, np.int32)
        padded[: len(rows)] = rows
        return compiled(samples, padded, len(rows), steps, key)

    return run


def results(problem: Problem, truth: np.ndarray, seed: int) -> list[dict]:
    """Cross-validates, asks cleanlab, and trains once more on what it kept and the trusted samples."""
    given = np.argmax(np.asarray(problem.train.labels), axis=1)
    both = zip(problem.train, problem.trusted, strict=True)
    samples = Samples(*(jnp.concatenate(parts) for parts in both))
    fit = trainer(samples, jax.random.key(seed))
    predict = jax.jit(lambda theta, x: jax.nn.softmax(logits(theta, x.astype(jnp.float32) / 255)))
    predict = predict.lower(jnp.zeros((10, 785)), problem.train.features).compile()
    test = np.asarray(problem.test.features, np.float32) / 255
    test_labels = np.argmax(np.asarray(problem.test.labels), axis=1)
    out = []
    cpu, wall = time.process_time(), time.perf_counter()

    probabilities = np.zeros(problem.train.labels.shape, np.float32)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, unseen in folds.split(np.zeros(len(given)), given):
        probabilities[unseen] = predict(fit(seen, FOLD_STEPS), problem.train.features)[unseen]
    score = 1 - get_label_quality_scores(given, probabilities)
    shared_cpu, shared_wall = time.process_time() - cpu, time.perf_counter() - wall

    for name in FILTERS:
        cpu, wall = time.process_time(), time.perf_counter()
        flagged = find_label_issues(given, probabilities, filter_by=name, n_jobs=1)
        kept = np.concatenate([np.flatnonzero(~flagged), np.arange(len(given), len(samples.labels))])
        theta = jax.block_until_ready(fit(kept, STEPS))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        out.append(
            {
                "filter": name,
                "accuracy": float(np.mean(np.argmax(logits(theta, test), axis=1) == test_labels)),
                "auc": float(roc_auc_score(given != truth, score)),
                "f1": float(f1_score(given != truth, flagged)),
                "cpu": shared_cpu + cpu,
                "wall": shared_wall + wall,
            }
        )
    return out


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    print(json.dumps(results(load(folder), np.load(folder / "truth.npy"), seed)))


if __name__ == "__main__":
    main()
