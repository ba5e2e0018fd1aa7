"""Metrics that learn or attack, worked by hand on a handful of rows; and that every metric has such a test.

What a learner says is put in by hand, so that the figure follows from the rows.
"""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthlib as sl
from synthlib.evaluation.fairness.representation import group_fidelity
from synthlib.evaluation.fidelity import tables as fidelity
from synthlib.evaluation.leakage import privacy
from synthlib.evaluation.report import METRICS
from synthlib.evaluation.usefulness import augmentation, utility

WORKED = {
    "marginal_accuracy": "test_fidelity.test_marginal_accuracy_of_four_rows",
    "association_distance": "test_association.test_distance_of_four_rows",
    "classifier_two_sample_test": "test_metric_examples.test_two_sample_test_of_four_rows",
    "sdmetrics_quality": "test_metric_examples.test_sdmetrics_quality_of_four_rows",
    "invalid_share": "test_fidelity.test_invalid_share_of_four_rows",
    "train_on_synthetic": "test_metric_examples.test_training_on_synthetic_of_four_patients",
    "model_ranking": "test_ranking.test_rankings_by_hand",
    "importance_agreement": "test_importance.test_rank_correlation_by_hand",
    "augmentation_gain": "test_metric_examples.test_augmentation_of_four_patients",
    "inference_scores": "test_inference_agreement.test_two_intervals_by_hand",
    "fairness": "test_fairness.test_two_groups_by_hand",
    "representation": "test_representation.test_shares_by_hand",
    "group_fidelity": "test_metric_examples.test_fidelity_of_two_groups",
    "exact_copies": "test_privacy.test_exact_copies_of_four_rows",
    "dcr_share": "test_privacy.test_dcr_share_of_four_rows",
    "membership_attack": "test_metric_examples.test_membership_of_four_rows",
    "missing_rate_difference": "test_columns.test_missing_rate_difference_of_four_rows",
    "standardized_mean_difference": "test_columns.test_smd_of_four_rows",
    "variance_ratio": "test_columns.test_variance_ratio_of_four_rows",
    "quantile_difference": "test_columns.test_quantile_difference_of_four_rows",
    "kolmogorov_smirnov": "test_columns.test_ks_of_four_rows",
    "wasserstein": "test_columns.test_wasserstein_of_four_rows",
    "total_variation": "test_columns.test_tv_of_four_rows",
}
NUMBER = sl.Schema((sl.Column("x", "continuous", "float64", low=0, high=20),))
OUTCOME = sl.Schema(
    (
        sl.Column("x", "continuous", "float64", low=0, high=20),
        sl.Column("died", "boolean", "int64", categories=(0, 1)),
    ),
    target="died",
)
PATIENTS = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "died": [1, 1, 0, 0]})


def by_name(scores):
    return {one.metric: one for one in ([scores] if isinstance(scores, sl.Score) else scores)}


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_every_metric_is_worked_by_hand(metric):
    module, _, name = WORKED[metric.__name__].partition(".")
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text())
    assert name in [part.name for part in tree.body if isinstance(part, ast.FunctionDef)]


def test_two_sample_test_of_four_rows(monkeypatch):
    # a learner that calls a row synthetic by its x; four folds hold a real and a synthetic row each
    monkeypatch.setattr(
        fidelity,
        "fit_classifier",
        lambda *_: lambda rows: np.column_stack([-rows["x"], rows["x"]]),
    )
    real, made = (pd.DataFrame({"x": values}) for values in ([5.0] * 4, [6.0, 6.0, 6.0, 5.0]))
    found = by_name(fidelity.classifier_two_sample_test(real, real, made, NUMBER, rng(), ["boosting"]))
    one = found["c2st_boosting"]
    assert one.value == pytest.approx((1 + 1 + 1 + 0.5) / 4)  # above in three folds, a tie in one
    assert one.reference == 0.5
    assert one.low < 0.5 < one.value < one.high <= 1


def test_sdmetrics_quality_of_four_rows():
    levels = tuple(sl.Column(name, "categorical", categories=("u", "v")) for name in ("a", "b"))
    real, made = (pd.DataFrame({"a": list(rows), "b": list(rows)}) for rows in ("uuvv", "uuuv"))
    one = fidelity.sdmetrics_quality(real, real, made, sl.Schema(levels), rng())
    # each column, and the pair: 1 - (|3/4 - 1/2| + |1/4 - 1/2|) / 2
    assert one.value == pytest.approx(0.75)
    assert one.reference == pytest.approx(1)


def test_training_on_synthetic_of_four_patients(monkeypatch):
    of_train, of_synthetic = np.array([0.8, 0.7, 0.2, 0.1]), np.array([0.9, 0.4, 0.6, 0.1])
    monkeypatch.setattr(utility, "predict_alike", lambda *_: [of_train, of_synthetic])
    scores = utility.train_on_synthetic(PATIENTS, PATIENTS, PATIENTS, OUTCOME, rng(), ["boosting"])
    found = {name.removeprefix("tstr_").removesuffix("_boosting"): s for name, s in by_name(scores).items()}
    # of the pairs of one who died and one who lived, 0.4 against 0.6 alone is the wrong way round
    assert found["auroc"].value == pytest.approx(3 / 4) and found["auroc"].reference == 1
    assert found["auroc_gap"].value == pytest.approx(-1 / 4) and found["auroc_gap"].reference == 0
    assert found["brier"].value == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)
    assert found["brier"].reference == pytest.approx((0.04 + 0.09 + 0.04 + 0.01) / 4)
    # of those at 0.9 and above all died, of those at 0.4 and above two of three
    assert found["auprc"].value == pytest.approx((1 + 2 / 3) / 2) and found["auprc"].reference == 1
    # the sum of the risks is 2, as are the deaths
    assert found["calibration_intercept"].value == pytest.approx(0, abs=1e-6)
    assert np.isnan(found["calibration_slope"].reference)  # the risks of train's model separate them
    assert np.isnan([one.low for one in found.values()]).all()  # four patients have no interval


def test_augmentation_of_four_patients(monkeypatch):
    """Before: three of four pairs in order. With synthetic rows: all. With the rest of train: half."""
    said = [np.array(risks) for risks in ([0.9, 0.4, 0.6, 0.1], [0.9, 0.8, 0.6, 0.1], [0.9, 0.1, 0.6, 0.1])]
    said[2][:] = 0.5
    monkeypatch.setattr(augmentation, "predict_alike", lambda learner, tables, *_: said[: len(tables)])
    found = by_name(augmentation.augmentation_gain(PATIENTS, PATIENTS, PATIENTS, OUTCOME, rng()))
    for learner in ("boosting", "logistic"):
        whole, small = (found[f"augmentation_gain{kind}_{learner}"] for kind in ("", "_small"))
        assert (whole.value, whole.reference) == pytest.approx((1 / 4, 0))
        assert (small.value, small.reference) == pytest.approx((1 / 4, -1 / 4))


def test_fidelity_of_two_groups():
    columns = (
        sl.Column("sex", "categorical", categories=("f", "m")),
        sl.Column("ill", "boolean", "int64", categories=(0, 1)),
    )
    sex, ill = np.repeat(["f", "m"], 20), np.tile([0, 1], 20)
    real = pd.DataFrame({"sex": sex, "ill": ill})
    made = real.assign(ill=np.where(sex == "f", 0, ill))  # half of the women became healthy
    schema = sl.Schema(columns, protected=("sex",))
    found = by_name(group_fidelity(real, real, made, schema, rng()))
    assert found["group_fidelity[sex=f]"].value == pytest.approx(0.5)
    assert found["group_fidelity[sex=m]"].value == pytest.approx(1)
    assert found["group_fidelity_loss"].value == pytest.approx(0.5)


def test_membership_of_four_rows():
    """Two clusters: who released the first told all its members, who released the second none."""
    members, others = (pd.DataFrame({"x": values}) for values in ([1.0, 2, 3, 4], [11.0, 12, 13, 14]))
    for made, expected in ((members, 1), (others, 0)):
        found = by_name(privacy.membership_attack(members, others, made, NUMBER, rng()))
        assert found["membership_auroc"].value == expected
        assert found["membership_auroc_control"].value == 1
