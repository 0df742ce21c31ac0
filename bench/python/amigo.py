"""AmIGO: Arbel and Mairal, Amortized implicit differentiation for stochastic bilevel optimization (ICLR 2022),
Algorithms 1 to 3."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from problem import (
    Method,
    Problem,
    draw,
    hessian_product,
    inner_loop,
    outer_gradient,
    outer_step_end,
    outer_step_trajectory,
)

LINEAR_STEPS = 10


class State(NamedTuple):
    theta: Array
    v: Array
    u: Array
    key: Array


def amigo(problem: Problem, key: Array, rate: float, outer_rate: float, trajectory: bool) -> Method:
    """Ten SGD steps on 1/2 u^T H u - u^T grad f from the last u; L from the inner trajectory or from one more batch."""

    def step(problem: Problem, state: State) -> State:
        key, inner_key, outer_key, linear_key, cross_key = jax.random.split(state.key, 5)
        theta, path = inner_loop(problem, state.theta, state.v, inner_key, rate)
        target = outer_gradient(problem, theta, outer_key)

        def linear_step(u: Array, key: Array) -> tuple[Array, None]:
            product = hessian_product(problem, theta, state.v, draw(key, problem.train))(u)
            return u - rate * (product - target), None

        u, _ = jax.lax.scan(linear_step, state.u, jax.random.split(linear_key, LINEAR_STEPS))
        if trajectory:
            v = outer_step_trajectory(problem, state.v, u, path, outer_rate)
        else:
            v = outer_step_end(problem, theta, state.v, u, cross_key, outer_rate)
        return State(theta, v, u, key)

    theta, v = problem.start()
    return Method(State(theta, v, jnp.zeros_like(theta), key), step)
