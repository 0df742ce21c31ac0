"""Implicit differentiation with a Kronecker-factored preconditioner (K-FAC: Martens and Grosse, ICML 2015) and one
correction by a Hessian product, warm-started."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from problem import (
    REGULARIZATION,
    Method,
    Problem,
    draw,
    hessian_product,
    inner_loop,
    logits,
    outer_gradient,
    outer_step_trajectory,
)

SAMPLES = 8192
EVERY = 50
AVERAGE = 0.5
DAMPING = 0.03
CORRECTION = 0.5


class Factors(NamedTuple):
    """F is about outputs (x) inputs; their eigenvalues and eigenvectors beside them."""

    inputs: Array
    outputs: Array
    input_values: Array
    input_vectors: Array
    output_values: Array
    output_vectors: Array

    def solve(self, b: Array) -> Array:
        """(F + damping + D)^-1 b, damped jointly."""
        values = jnp.outer(self.output_values, self.input_values) + DAMPING + 2 * REGULARIZATION
        rotated = self.output_vectors.T @ b @ self.input_vectors
        return self.output_vectors @ (rotated / values) @ self.input_vectors.T


class State(NamedTuple):
    theta: Array
    v: Array
    u: Array
    key: Array
    k: Array
    factors: Factors


def observed(problem: Problem, theta: Array, v: Array, key: Array) -> tuple[Array, Array]:
    """The factors of the expected Fisher, weighted, from fresh samples."""
    rows = draw(key, problem.train, SAMPLES)
    x, _ = problem.train.take(rows)
    p = jax.nn.softmax(logits(theta, x))
    w = jax.nn.sigmoid(v[rows])
    scaled = jnp.sqrt(w / w.sum())[:, None] * jnp.pad(x, ((0, 0), (0, 1)), constant_values=1.0)
    outputs = (jnp.diag(w @ p) - (w[:, None] * p).T @ p) / SAMPLES
    return scaled.T @ scaled, outputs


def decomposed(inputs: Array, outputs: Array) -> Factors:
    return Factors(inputs, outputs, *jnp.linalg.eigh(inputs), *jnp.linalg.eigh(outputs))


def kronecker(problem: Problem, key: Array, rate: float, outer_rate: float) -> Method:
    """u <- u + 1/2 A (grad f - H u), then L from the inner trajectory."""

    def refreshed(problem: Problem, state: State, key: Array) -> Factors:
        inputs, outputs = observed(problem, state.theta, state.v, key)
        share = jnp.where(state.k == 0, 1.0, AVERAGE)
        mixed = [
            share * new + (1 - share) * old
            for new, old in ((inputs, state.factors.inputs), (outputs, state.factors.outputs))
        ]
        return decomposed(*mixed)

    def step(problem: Problem, state: State) -> State:
        key, inner_key, outer_key, factor_key, linear_key = jax.random.split(state.key, 5)
        factors = jax.lax.cond(
            state.k % EVERY == 0, lambda: refreshed(problem, state, factor_key), lambda: state.factors
        )
        theta, path = inner_loop(problem, state.theta, state.v, inner_key, rate)
        target = outer_gradient(problem, theta, outer_key)
        product = hessian_product(problem, theta, state.v, draw(linear_key, problem.train))
        u = state.u + CORRECTION * factors.solve(target - product(state.u))
        v = outer_step_trajectory(problem, state.v, u, path, outer_rate)
        return State(theta, v, u, key, state.k + 1, factors)

    theta, v = problem.start()
    classes, inputs = theta.shape
    factors = decomposed(jnp.eye(inputs), jnp.eye(classes))
    return Method(State(theta, v, jnp.zeros_like(theta), key, jnp.zeros((), jnp.int32), factors), step)
