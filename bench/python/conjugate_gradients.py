"""Implicit differentiation by conjugate gradients: Pedregosa, Hyperparameter optimization with approximate gradient
(ICML 2016), with a fixed number of steps from the last solution."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.sparse.linalg import cg

from problem import Method, Problem, draw, hessian_product, inner_loop, outer_gradient, outer_step_end

LINEAR_STEPS = 10


class State(NamedTuple):
    theta: Array
    v: Array
    u: Array
    key: Array


def conjugate_gradients(problem: Problem, key: Array, rate: float, outer_rate: float) -> Method:
    """H from one batch an outer step."""

    def step(problem: Problem, state: State) -> State:
        key, inner_key, outer_key, linear_key, cross_key = jax.random.split(state.key, 5)
        theta, _ = inner_loop(problem, state.theta, state.v, inner_key, rate)
        target = outer_gradient(problem, theta, outer_key)
        product = hessian_product(problem, theta, state.v, draw(linear_key, problem.train))
        u, _ = cg(product, target, x0=state.u, tol=0.0, maxiter=LINEAR_STEPS)
        v = outer_step_end(problem, theta, state.v, u, cross_key, outer_rate)
        return State(theta, v, u, key)

    theta, v = problem.start()
    return Method(State(theta, v, jnp.zeros_like(theta), key), step)
