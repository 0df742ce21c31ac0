"""TorchOpt (Ren, Feng, Liu, Pan, Fu, Mai and Yang, TorchOpt: An efficient library for differentiable optimization,
JMLR 2023): implicit differentiation of a solver at its root, the linear system by conjugate gradients."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad
from torchopt.diff.implicit import custom_root
from torchopt.linear_solve import solve_cg

from torch_problem import INNER_STEPS, LINEAR_STEPS, Problem, State, f, g

Theta = tuple[Tensor, Tensor]


def torchopt(problem: Problem, rate: float, outer_rate: float) -> tuple[State, Callable[[State], State]]:
    """H and L come from one batch, and the linear system starts from its last solution."""
    train, trusted = problem.train, problem.trusted
    solution = None

    def solve(matvec: Callable[[Theta], Theta], b: Theta) -> Theta:
        nonlocal solution
        solution = solve_cg(init=solution, maxiter=LINEAR_STEPS, rtol=0.0)(matvec, b)
        return solution

    def stationarity(theta: Theta, v: Tensor, rows: Tensor) -> Theta:
        return grad(g, argnums=(0, 1))(*theta, v[rows], *train.take(rows))

    @custom_root(stationarity, argnums=1, solve=solve)
    @torch.enable_grad()
    def train_inner(theta: Theta, v: Tensor, _: Tensor) -> Theta:
        weight, bias = (p.detach().clone().requires_grad_() for p in theta)
        optimizer = torch.optim.SGD((weight, bias), lr=rate)
        for _ in range(INNER_STEPS):
            rows = train.draw()
            optimizer.zero_grad()
            g(weight, bias, v.detach()[rows], *train.take(rows)).backward()
            optimizer.step()
        return weight, bias

    v = torch.zeros(len(train.labels), requires_grad=True)
    optimizer = torch.optim.SGD([v], lr=outer_rate)

    def step(state: State) -> State:
        weight, bias = train_inner((state.weight, state.bias), v, train.draw())
        optimizer.zero_grad()
        f(weight, bias, *trusted.take(trusted.draw())).backward()
        optimizer.step()
        return State(weight.detach(), bias.detach(), v.detach())

    return State(torch.zeros(10, train.features.shape[1]), torch.zeros(10), v.detach()), step
