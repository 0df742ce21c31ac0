"""The clock that every rival runs against, whatever it is written in."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import f1_score, roc_auc_score

INTERVAL = 0.1
"""CPU seconds between looks."""


class State(Protocol):
    """v: one logit a training sample."""

    v: ArrayLike


S = TypeVar("S", bound=State)


def race(
    step: Callable[[S], S], state: S, look: Callable[[S], tuple[float, float]], wrong: np.ndarray, budget: float
) -> dict:
    """Steps until the budget of CPU seconds is used up; `look` gives f over all trusted samples and the accuracy.

    Seconds are CPU time of all threads, or wall time, without the looks.
    """
    curve = []
    steps, cpu, wall, looked = 0, 0.0, 0.0, 0.0
    while cpu < budget:
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        state = step(state)
        cpu += time.process_time() - cpu_start
        wall += time.perf_counter() - wall_start
        steps += 1
        if cpu - looked >= INTERVAL or cpu >= budget or steps == 1:
            looked = cpu
            f, accuracy = look(state)
            curve.append({"step": steps, "cpu": cpu, "wall": wall, "f": f, "accuracy": accuracy})
    last, v = curve[-1], np.asarray(state.v)
    return {
        "accuracy": last["accuracy"],
        "outerLoss": last["f"],
        "auc": float(roc_auc_score(wrong, -v)),
        "f1": float(f1_score(wrong, v < 0)),
        "steps": steps,
        "cpu": cpu,
        "wall": wall,
        "curve": curve,
    }
