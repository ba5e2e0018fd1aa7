"""The learners that metrics use: boosted trees, which find interactions, and a linear model, which cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from synthlib.evaluation.features import DenseEncoder, tree_matrix, unordered
from synthlib.schema import Column

CLASSIFIERS = ("boosting", "logistic")
REGRESSORS = ("boosting", "ridge")


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
    """Learn to tell labels from columns; missing values are information to both learners.

    Args:
        learner: `"boosting"`, or `"logistic"` for logistic regression on ranks, missing flags and levels.
        table: rows to learn from, shape (num_rows, num_columns).
        labels: integers of shape (num_rows,), at least two different ones.
        columns: the features.
        rng: seeds the trees' binning.

    Returns:
        Function from a table to probabilities of shape (num_rows, num_labels), labels in ascending order.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    _refuse_unknown(learner, CLASSIFIERS)
    boosted, linear = HistGradientBoostingClassifier, LogisticRegression(max_iter=500)
    fitted, features = _fit(learner, boosted, linear, table, labels, columns, rng)
    return one_thread()(lambda rows: fitted.predict_proba(features(rows)))


def fit_regressor(
    learner: str, table: pd.DataFrame, target: np.ndarray, columns: Sequence[Column], rng: np.random.Generator
) -> Callable[[pd.DataFrame], np.ndarray]:
    """As `fit_classifier`, for a number: `"ridge"` for `"logistic"`, predictions of shape (num_rows,)."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    _refuse_unknown(learner, REGRESSORS)
    fitted, features = _fit(learner, HistGradientBoostingRegressor, Ridge(), table, target, columns, rng)
    return one_thread()(lambda rows: fitted.predict(features(rows)))


def _refuse_unknown(learner: str, known: tuple[str, ...]) -> None:
    if learner not in known:
        raise ValueError(f"expected one of {', '.join(known)}, got {learner!r}")


@one_thread()
def _fit(learner, boosted, linear, table, truth, columns, rng):
    if learner != "boosting":
        encoder = DenseEncoder(columns).fit(table)
        return linear.fit(encoder.transform(table), truth), encoder.transform

    known = ~np.isnan(tree_matrix(table, columns)).all(axis=0)  # (num_columns,); trees refuse empty columns

    def features(rows: pd.DataFrame) -> np.ndarray:
        return np.where(known, tree_matrix(rows, columns), 0.0)

    seed, levels = int(rng.integers(2**31)), unordered(columns)
    model = boosted(early_stopping=False, categorical_features=levels, random_state=seed)
    return model.fit(features(table), truth), features
