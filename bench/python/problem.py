"""Hyper-data cleaning of MNIST as a bilevel problem, and the oracles that every method here is made of.

theta: (classes, pixels + 1), the weights of a softmax regression, the bias last. v: one logit a training sample.
Inner objective g: mean sigmoid(v_i) CE_i + 1e-4 |theta|^2. Outer objective f: mean CE of the trusted samples.
The layouts are the ones that XLA's CPU backend is fastest with: theta by class, so that the gradient is a product with
the pixels as they lie, and pixels as bytes, which are widened as they are gathered.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

BATCH = 1024
INNER_STEPS = 10
REGULARIZATION = 1e-4


class Samples(NamedTuple):
    """Bytes (n, pixels), and labels as (n, classes) of zeros and ones."""

    features: Array
    labels: Array

    def take(self, rows: Array) -> tuple[Array, Array]:
        """Features in [0, 1] and labels of these rows."""
        return self.features[rows].astype(jnp.float32) / 255, self.labels[rows]


class Problem(NamedTuple):
    """The samples of the inner objective, with labels as given, of the outer one, and of the test."""

    train: Samples
    trusted: Samples
    test: Samples

    def start(self) -> tuple[Array, Array]:
        """theta and v, both zero."""
        classes = self.train.labels.shape[1]
        return jnp.zeros((classes, self.train.features.shape[1] + 1)), jnp.zeros(len(self.train.labels))


class Method(NamedTuple):
    """An initial state with fields `theta` and `v`, and `step(problem, state)`, which takes it an outer step on."""

    state: NamedTuple
    step: Callable


def load(folder: Path) -> Problem:
    """Reads what bench/python/data.ts wrote."""

    def samples(name: str) -> Samples:
        labels = np.eye(10, dtype=np.float32)[np.load(folder / f"{name}Labels.npy")]
        return Samples(jnp.asarray(np.load(folder / f"{name}.npy")), jnp.asarray(labels))

    return Problem(samples("train"), samples("trusted"), samples("test"))


def draw(key: Array, samples: Samples, count: int = BATCH) -> Array:
    """Rows of a batch, drawn uniformly."""
    return jax.random.randint(key, (count,), 0, len(samples.labels))


def logits(theta: Array, x: Array) -> Array:
    return x @ theta[:, :-1].T + theta[:, -1]


def losses(theta: Array, x: Array, y: Array) -> Array:
    """The cross-entropy of each sample."""
    z = logits(theta, x)
    return jax.nn.logsumexp(z, axis=1) - jnp.sum(z * y, axis=1)


def g(theta: Array, v: Array, x: Array, y: Array) -> Array:
    """The inner objective on a batch, whose logits are v."""
    return jnp.mean(jax.nn.sigmoid(v) * losses(theta, x, y)) + REGULARIZATION * jnp.sum(theta**2)


def hessian_product(problem: Problem, theta: Array, v: Array, rows: Array) -> Callable[[Array], Array]:
    """u -> H u on a batch, with what doesn't depend on u computed once."""
    x, y = problem.train.take(rows)
    return jax.linearize(lambda theta: jax.grad(g)(theta, v[rows], x, y), theta)[1]


def cross_product(problem: Problem, theta: Array, v: Array, rows: Array, u: Array) -> Array:
    """L^T u for the batch's entries of v, each the batch's mean: sigmoid'(v_i) (grad CE_i . u) / B."""
    x, y = problem.train.take(rows)
    return slope(v[rows]) * jax.jvp(lambda theta: losses(theta, x, y), (theta,), (u,))[1] / len(rows)


def slope(v: Array) -> Array:
    """The derivative of the sigmoid."""
    return jax.nn.sigmoid(v) * jax.nn.sigmoid(-v)


def outer_gradient(problem: Problem, theta: Array, key: Array) -> Array:
    """The gradient of f in theta on a batch of trusted samples; f doesn't depend on v."""
    x, y = problem.trusted.take(draw(key, problem.trusted))
    return jax.grad(lambda theta: jnp.mean(losses(theta, x, y)))(theta)


class Trajectory(NamedTuple):
    """The rows that each inner step looked at, and the gradient of their losses in their logits."""

    rows: Array
    residuals: Array


def inner_loop(problem: Problem, theta: Array, v: Array, key: Array, rate: float) -> tuple[Array, Trajectory]:
    """Plain SGD from where theta stands."""

    def step(theta: Array, key: Array) -> tuple[Array, Trajectory]:
        rows = draw(key, problem.train)
        x, y = problem.train.take(rows)
        residuals = jax.nn.softmax(logits(theta, x)) - y
        return theta - rate * jax.grad(g)(theta, v[rows], x, y), Trajectory(rows, residuals)

    return jax.lax.scan(step, theta, jax.random.split(key, INNER_STEPS))


def outer_step_end(problem: Problem, theta: Array, v: Array, u: Array, key: Array, rate: float) -> Array:
    """v + rate L^T u, L from one batch at the end of the inner loop."""
    rows = draw(key, problem.train)
    return v.at[rows].add(rate * cross_product(problem, theta, v, rows, u))


def outer_step_trajectory(problem: Problem, v: Array, u: Array, trajectory: Trajectory, rate: float) -> Array:
    """v + rate L^T u, L averaged over the inner loop's batches."""

    def product(at: Trajectory) -> Array:
        x, _ = problem.train.take(at.rows)
        return slope(v[at.rows]) * jnp.sum(at.residuals * logits(u, x), axis=1) / BATCH

    return v.at[trajectory.rows].add(rate / INNER_STEPS * jax.lax.map(product, trajectory))
