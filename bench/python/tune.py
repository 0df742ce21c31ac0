"""Penalised linear models by scikit-learn, for tune.ts.

python tune.py data SET SEED FOLDER writes train and test parts as NPY files; a SET is sparse, dense, diabetes, cancer or
digits. python tune.py fit NAME FOLDER fits a rival on them and prints its loss on the test part, and CPU seconds, as JSON.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV, LassoCV, LogisticRegressionCV, RidgeCV
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

CORRELATION = 0.3
SIGNAL_TO_NOISE = 3
RELEVANT = 20
TEST = 2000


def synthetic(relevant: int, seed: int, n: int = 200, d: int = 1000) -> tuple[np.ndarray, ...]:
    """Neighbouring features are correlated; `relevant` of them matter."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((n + TEST, d))
    x = noise.copy()
    for j in range(1, d):
        x[:, j] = CORRELATION * x[:, j - 1] + np.sqrt(1 - CORRELATION**2) * noise[:, j]
    theta = np.zeros(d)
    theta[random.choice(d, relevant, replace=False)] = random.standard_normal(relevant)
    signal = x @ theta
    y = signal + np.sqrt(signal.var() / SIGNAL_TO_NOISE) * random.standard_normal(n + TEST)
    return x[:n], x[n:], y[:n], y[n:]


def data(name: str, seed: int) -> tuple[np.ndarray, ...]:
    if name in ("sparse", "dense"):
        return synthetic(RELEVANT if name == "sparse" else 1000, seed)
    load = {"diabetes": load_diabetes, "cancer": load_breast_cancer, "digits": load_digits}[name]
    x, y = load(return_X_y=True)
    stratify = None if name == "diabetes" else y
    return tuple(train_test_split(x.astype(float), y, test_size=0.25, random_state=seed, stratify=stratify))


def rival(name: str) -> Pipeline:
    logistic = {"cv": 5, "scoring": "neg_log_loss", "n_jobs": 1}
    models = {
        "RidgeCV": lambda: RidgeCV(np.logspace(-2, 5, 50)),
        "LassoCV": lambda: LassoCV(cv=5, n_jobs=1, max_iter=5000),
        "ElasticNetCV": lambda: ElasticNetCV(l1_ratio=[0.1, 0.5, 0.9, 1.0], cv=5, n_jobs=1, max_iter=5000),
        "LogisticRegressionCV l2": lambda: LogisticRegressionCV(max_iter=1000, **logistic),
        "LogisticRegressionCV l1": lambda: LogisticRegressionCV(
            l1_ratios=[1.0], solver="saga", max_iter=300, tol=1e-3, **logistic
        ),
    }
    return make_pipeline(StandardScaler(), models[name]())


def main() -> None:
    match sys.argv[1:]:
        case ["data", name, seed, folder]:
            names = ("x", "x_test", "y", "y_test")
            for part, values in zip(names, data(name, int(seed)), strict=True):
                kind = np.float64 if part.startswith("x") or name in ("sparse", "dense", "diabetes") else np.int32
                np.save(Path(folder) / f"{part}.npy", np.ascontiguousarray(values.astype(kind)))
        case ["fit", name, folder]:
            x, x_test, y, y_test = (np.load(Path(folder) / f"{part}.npy") for part in ("x", "x_test", "y", "y_test"))
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", FutureWarning)
            model = rival(name)
            start = time.process_time()
            model.fit(x, y)
            cpu = time.process_time() - start
            classes = name.startswith("Logistic")
            loss = log_loss(y_test, model.predict_proba(x_test)) if classes else mean_squared_error(y_test, model.predict(x_test))
            print(json.dumps({"loss": float(loss), "cpu": cpu}))


if __name__ == "__main__":
    main()
