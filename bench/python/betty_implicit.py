"""Betty (Choe, Neiswanger, Xie and Xing, Betty: An automatic differentiation library for multilevel optimization,
ICLR 2023): an engine over two implicit problems, its hypergradients by conjugate gradients or a Neumann series."""

from collections.abc import Callable

import torch
from betty.configs import Config, EngineConfig
from betty.engine import Engine
from betty.problems import ImplicitProblem
from torch import Tensor, nn

from torch_problem import INNER_STEPS, Problem, State, f, g


class Logits(nn.Module):
    """One for each training sample."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.zeros(count))

    def forward(self, rows: Tensor) -> Tensor:
        return self.v[rows]


def betty(problem: Problem, config: Config, rate: float, outer_rate: float) -> tuple[State, Callable[[State], State]]:
    """H and L come from the last batch of the inner loop, and the linear system starts from zero."""
    train, trusted = problem.train, problem.trusted

    class Inner(ImplicitProblem):
        def get_batch(self) -> tuple[Tensor, ...]:
            rows = train.draw()
            return rows, *train.take(rows)

        def training_step(self, batch: tuple[Tensor, ...]) -> Tensor:
            rows, x, y = batch
            return g(self.module.weight, self.module.bias, self.outer(rows), x, y)

    class Outer(ImplicitProblem):
        def get_batch(self) -> tuple[Tensor, ...]:
            return trusted.take(trusted.draw())

        def training_step(self, batch: tuple[Tensor, ...]) -> Tensor:
            return f(self.inner.module.weight, self.inner.module.bias, *batch)

    layer = nn.Linear(train.features.shape[1], 10)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    logits = Logits(len(train.labels))
    inner = Inner("inner", config, module=layer, optimizer=torch.optim.SGD(layer.parameters(), lr=rate))
    outer = Outer("outer", Config(), module=logits, optimizer=torch.optim.SGD(logits.parameters(), lr=outer_rate))
    engine = Engine(
        problems=[outer, inner],
        config=EngineConfig(train_iters=INNER_STEPS),
        dependencies={"u2l": {outer: [inner]}, "l2u": {inner: [outer]}},
    )

    def step(state: State) -> State:
        engine.run()
        return state

    return State(layer.weight.data, layer.bias.data, logits.v.data), step
