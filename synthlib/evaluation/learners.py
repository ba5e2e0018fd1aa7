"""The learners that metrics use: two that most metrics take, and a wider choice of families to rank."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from synthlib.evaluation.features import DenseEncoder, tree_matrix, unordered
from synthlib.schema import Column

CLASSIFIERS = ("boosting", "logistic")
REGRESSORS = ("boosting", "ridge")
# What an analyst chooses between. The first is the one that scores without a learner in their name speak of.
CLASSIFIER_FAMILIES = (*CLASSIFIERS, "forest", "neural", "neighbours")
REGRESSOR_FAMILIES = (*REGRESSORS, "forest", "neural", "neighbours")
NUM_NEIGHBOURS = 25


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy and scikit-learn use one thread: the same bits on any number of cores, no busy waiting.

    For small tables more threads only wait for each other, and where other processes want the cores too,
    for most of the time.
    """
    import sklearn.ensemble  # noqa: F401  (the limit reaches only libraries that are loaded)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def fit_classifier(
    learner: str, table: pd.DataFrame, labels: np.ndarray, columns: Sequence[Column], rng: np.random.Generator
) -> Callable[[pd.DataFrame], np.ndarray]:
    """Learn to tell labels from columns; missing values are information to every learner.

    Args:
        learner: `"boosting"` or `"forest"` (trees); or, on ranks, missing flags and levels, `"logistic"`
            (regression), `"neural"` (one hidden layer of 32) or `"neighbours"` (25, weighted by nearness).
        table: rows to learn from, shape (num_rows, num_columns).
        labels: integers of shape (num_rows,), at least two different ones.
        columns: the features.
        rng: seeds the learner.

    Returns:
        Function from a table to probabilities of shape (num_rows, num_labels), labels in ascending order.
    """
    from sklearn.linear_model import LogisticRegression

    _refuse_unknown(learner, CLASSIFIER_FAMILIES)
    model = LogisticRegression(max_iter=500) if learner == "logistic" else _make(learner, len(table), rng, 0)
    fitted, features = _fit(learner, model, table, labels, columns)
    return one_thread()(lambda rows: fitted.predict_proba(features(rows)))


def fit_regressor(
    learner: str, table: pd.DataFrame, target: np.ndarray, columns: Sequence[Column], rng: np.random.Generator
) -> Callable[[pd.DataFrame], np.ndarray]:
    """As `fit_classifier`, for a number: `"ridge"` for `"logistic"`, predictions of shape (num_rows,)."""
    from sklearn.linear_model import Ridge

    _refuse_unknown(learner, REGRESSOR_FAMILIES)
    model = Ridge() if learner == "ridge" else _make(learner, len(table), rng, 1)
    if learner != "neural":
        fitted, features = _fit(learner, model, table, target, columns)
        return one_thread()(lambda rows: fitted.predict(features(rows)))
    mean, spread = float(np.mean(target)), float(np.std(target)) or 1.0  # gradients need a scale near 1
    fitted, features = _fit(learner, model, table, (target - mean) / spread, columns)
    return one_thread()(lambda rows: mean + spread * fitted.predict(features(rows)))


def _make(learner: str, num_rows: int, rng: np.random.Generator, kind: int):
    """An unfitted learner: `kind` 0 classifies, 1 predicts a number."""
    from sklearn import ensemble, neighbors, neural_network

    if learner == "neighbours":
        model = (neighbors.KNeighborsClassifier, neighbors.KNeighborsRegressor)[kind]
        return model(min(NUM_NEIGHBOURS, num_rows), weights="distance", algorithm="brute")
    seed = int(rng.integers(2**31))
    if learner == "forest":
        model = (ensemble.RandomForestClassifier, ensemble.RandomForestRegressor)[kind]
        return model(60, min_samples_leaf=5, max_features="sqrt", random_state=seed)
    if learner == "neural":
        model = (neural_network.MLPClassifier, neural_network.MLPRegressor)[kind]
        settings = {"hidden_layer_sizes": (32,), "alpha": 0.1, "learning_rate_init": 0.005, "max_iter": 15}
        return model(**settings, random_state=seed)
    model = (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor)[kind]
    return model(early_stopping=False, random_state=seed)


def _refuse_unknown(learner: str, known: tuple[str, ...]) -> None:
    if learner not in known:
        raise ValueError(f"expected one of {', '.join(known)}, got {learner!r}")


@one_thread()
def _fit(learner, model, table, truth, columns):
    if learner not in ("boosting", "forest"):
        encoder = DenseEncoder(columns).fit(table)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the network stops after a fixed number of passes, and says so
            return model.fit(encoder.transform(table), truth), encoder.transform

    known = ~np.isnan(tree_matrix(table, columns)).all(axis=0)  # (num_columns,); trees refuse empty columns

    def features(rows: pd.DataFrame) -> np.ndarray:
        return np.where(known, tree_matrix(rows, columns), 0.0)

    if learner == "boosting":
        model.set_params(categorical_features=unordered(columns))
    return model.fit(features(table), truth), features
