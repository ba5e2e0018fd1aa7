"""Per-column metrics on four-row tables with the answers worked out, and against scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import synthlib as sl
from synthlib.evaluation.fidelity import columns

FUNCTIONS = [
    columns.standardized_mean_difference,
    columns.variance_ratio,
    columns.quantile_difference,
    columns.missing_rate_difference,
    columns.kolmogorov_smirnov,
    columns.total_variation,
    columns.wasserstein,
]


def score(metric, train, holdout, synthetic, schema=None, seed=0):
    tables = [pd.DataFrame(values) for values in (train, holdout, synthetic)]
    if schema is None:
        schema = sl.Schema.infer(pd.concat(tables, ignore_index=True))
    found = metric(*tables, schema, np.random.default_rng(seed))
    return {one.metric: one for one in found}


def with_lab(*labs):
    """Tables whose first column is given and whose second says nothing."""
    return [{"lab": np.array(lab, dtype=float), "ward": ["a", "b"] * (len(lab) // 2)} for lab in labs]


FOUR, TWO_MORE = [1, 2, 3, 4], [3, 4, 5, 6]


def test_smd_of_four_rows():
    # means 4.5 and 2.5, both standard deviations √(5/3) = 1.29099: 2 / 1.29099 = 1.54919
    found = score(columns.standardized_mean_difference, *with_lab(FOUR, FOUR, TWO_MORE))["smd[lab]"]
    assert found.value == pytest.approx(1.54919, abs=1e-5)
    assert found.reference == 0
    assert found.low < 0 < found.high  # four rows prove nothing


def test_variance_ratio_of_four_rows():
    # 2, 4, 6, 8 varies four times as much as 1, 2, 3, 4
    found = score(columns.variance_ratio, *with_lab(FOUR, TWO_MORE, [2, 4, 6, 8]))["variance_ratio[lab]"]
    assert (found.value, found.reference) == pytest.approx((4, 1))


def test_quantile_difference_of_four_rows():
    # medians 4.5 and 2.5, in standard deviations of 1.29099
    found = score(columns.quantile_difference, *with_lab(FOUR, FOUR, TWO_MORE))
    assert found["quantile_difference[lab,0.5]"].value == pytest.approx(1.54919, abs=1e-5)
    assert np.isnan(found["quantile_difference[lab,0.95]"].high)  # four rows do not bound a 95% quantile


def test_missing_rate_difference_of_four_rows():
    # lab: 3/4 against 1/4 missing; ward: none; mean of .5 and 0
    nan = np.nan
    tables = with_lab([1, 2, 3, nan], [1, nan, nan, 3], [nan, nan, nan, 3])
    found = score(columns.missing_rate_difference, *tables)
    assert found["missing_rate_difference[lab]"].value == 0.5
    assert found["missing_rate_difference[lab]"].reference == 0.25
    assert found["missing_rate_difference[ward]"].value == 0
    assert found["missing_rate_difference"].value == 0.25


def test_ks_of_four_rows():
    # below 3: two of four training values, no synthetic one; below 2.5: two of train, one of the holdout
    found = score(columns.kolmogorov_smirnov, *with_lab(FOUR, [1, 3, 4, 5], TWO_MORE))["ks[lab]"]
    assert found.value == 0.5
    assert found.reference == 0.25


def test_ks_of_disjoint_rows_is_one_and_not_certain():
    found = score(columns.kolmogorov_smirnov, *with_lab(FOUR, FOUR, [7, 8, 9, 9]))["ks[lab]"]
    assert (found.value, found.high) == (1, 1)
    assert found.low < 0.5


def test_tv_of_four_rows():
    # a, b: train ½ ½, synthetic ¾ ¼, holdout 0 1
    found = score(
        columns.total_variation,
        {"ward": list("aabb"), "lab": FOUR},
        {"ward": list("bbbb"), "lab": FOUR},
        {"ward": list("aaab"), "lab": FOUR},
    )["tv[ward]"]
    assert (found.value, found.reference) == (0.25, 0.5)


def test_tv_counts_levels_outside_the_schema():
    train = pd.DataFrame({"ward": list("aabb"), "lab": FOUR})
    synthetic = train.assign(ward=list("aabz"))
    found = score(columns.total_variation, train, train, synthetic, sl.Schema.infer(train))
    assert found["tv[ward]"].value == 0.25


def test_wasserstein_of_four_rows():
    # every value moves by 2, in standard deviations of 1.29099
    found = score(columns.wasserstein, *with_lab(FOUR, FOUR, TWO_MORE))["wasserstein[lab]"]
    assert found.value == pytest.approx(1.54919, abs=1e-5)
    assert found.reference == 0


@pytest.mark.parametrize("metric", FUNCTIONS)
def test_train_against_itself(metric, cohort, cohort_schema):
    found = metric(cohort, cohort, cohort, cohort_schema, np.random.default_rng(0))
    for one in found:
        same = 1 if one.metric.startswith("variance_ratio") else 0
        assert one.value == pytest.approx(same, abs=1e-12)
        assert one.reference == pytest.approx(same, abs=1e-12)
        assert not one.low > one.value and not one.high < one.value


def test_distances_are_scipys(cohort, cohort_schema):
    real, other = cohort[:300], cohort[300:]
    tables = (real, other, other, cohort_schema)
    ks = {one.metric: one.value for one in columns.kolmogorov_smirnov(*tables, np.random.default_rng(0))}
    moved = {one.metric: one.value for one in columns.wasserstein(*tables, np.random.default_rng(0))}
    for name in ("age", "lab"):
        x, y = other[name].dropna(), real[name].dropna()
        assert ks[f"ks[{name}]"] == pytest.approx(stats.ks_2samp(x, y).statistic)
        expected = stats.wasserstein_distance(x, y) / y.std()
        assert moved[f"wasserstein[{name}]"] == pytest.approx(expected)


def test_distances_compare_equal_sizes(cohort, cohort_schema):
    """A synthetic table of fresh rows scores as the holdout does, although it is four times as large."""
    from conftest import make_cohort

    rng = np.random.default_rng(0)
    values, references = [], []
    for seed in range(8):
        train, holdout = make_cohort(400, seed=100 + seed), make_cohort(100, seed=200 + seed)
        fresh = make_cohort(400, seed=300 + seed)
        found = columns.kolmogorov_smirnov(train, holdout, fresh, cohort_schema, rng)
        values += [one.value for one in found]
        references += [one.reference for one in found]
    assert np.mean(values) == pytest.approx(np.mean(references), rel=0.15)


def test_dates_count_as_days():
    days = pd.to_datetime(["2001-01-01", "2001-01-02", "2001-01-03", "2001-01-04"])
    train = {"day": days, "lab": FOUR}
    found = score(columns.wasserstein, train, train, {"day": days + pd.Timedelta(days=2), "lab": FOUR})
    assert found["wasserstein[day]"].value == pytest.approx(1.54919, abs=1e-5)


@pytest.mark.parametrize("metric", FUNCTIONS)
def test_a_column_without_values_gives_nan(metric, cohort, cohort_schema):
    empty = cohort.assign(lab=np.nan, disease=None)
    scores = metric(cohort, cohort, empty, cohort_schema, np.random.default_rng(0))
    found = {one.metric: one for one in scores}
    gone = [one for name, one in found.items() if "[lab" in name or "[disease" in name]
    if metric is columns.missing_rate_difference:
        assert found["missing_rate_difference[disease]"].value == 1
    else:
        assert gone and all(np.isnan(one.value) for one in gone)


def test_a_constant_column_is_told_from_a_varying_one(cohort, cohort_schema):
    frozen = cohort.assign(age=60)
    rng = np.random.default_rng(0)
    ratio = {s.metric: s for s in columns.variance_ratio(cohort, cohort, frozen, cohort_schema, rng)}
    back = {s.metric: s for s in columns.variance_ratio(frozen, frozen, cohort, cohort_schema, rng)}
    assert ratio["variance_ratio[age]"].value == 0
    assert np.isnan(back["variance_ratio[age]"].value)


def test_intervals_cover(cohort_schema):
    """Of 120 intervals for a known difference, about 95% hold it: age is drawn 12 wide, and moved by 6."""
    from conftest import make_cohort

    rng, held = np.random.default_rng(0), 0
    big = make_cohort(40_000, seed=9)["age"]
    truth = 6 / np.sqrt((big.var() + big.var()) / 2)
    for seed in range(120):
        train, holdout = make_cohort(150, seed=1000 + seed), make_cohort(50, seed=2000 + seed)
        moved = make_cohort(150, seed=3000 + seed)
        moved["age"] += 6
        found = columns.standardized_mean_difference(train, holdout, moved, cohort_schema, rng)
        one = next(s for s in found if s.metric == "smd[age]")
        held += one.low <= truth <= one.high
    assert 106 <= held <= 120
