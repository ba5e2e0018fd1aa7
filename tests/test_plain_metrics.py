"""Metrics beside slow, plain versions of themselves, on tables of several qualities: the figures are equal.

The plain ones are loops over rows and counters, or other libraries' functions. They share no code with the
metrics but the learners' predictions.
"""

from collections import Counter
from itertools import combinations
from math import log, sqrt

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from scipy import stats
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

import synthlib as sl
from synthlib.evaluation.fidelity import association, columns
from synthlib.evaluation.fidelity import tables as fidelity
from synthlib.evaluation.leakage import privacy
from synthlib.evaluation.learners import one_thread
from synthlib.evaluation.usefulness import utility

NUM_ROWS = 120  # in each table: metrics then look at all rows of each, in no parts
LEVELS, NUMBERS = ["disease", "group", "died"], ["age", "lab"]


def make_tables() -> dict[str, pd.DataFrame]:
    train, rng = make_cohort(NUM_ROWS), np.random.default_rng(0)
    fresh = make_cohort(NUM_ROWS, seed=2)
    noisy = train.assign(lab=np.round(train["lab"] + rng.normal(0, 0.3, NUM_ROWS), 2))
    leaking = fresh.copy()
    leaking[:40] = train[:40]
    return {
        "fresh": fresh,
        "copies": train.iloc[rng.integers(0, NUM_ROWS, NUM_ROWS)].reset_index(drop=True),
        "independent": train.apply(lambda column: column.to_numpy()[rng.permutation(NUM_ROWS)]),
        "noisy copies": noisy,
        "a third of copies": leaking,
        "gaps": fresh.assign(lab=fresh["lab"].where(rng.random(NUM_ROWS) < 0.4)),
        "another outcome": fresh.assign(died=1 - fresh["died"]),
    }


TABLES = make_tables()
TRAIN, HOLDOUT = make_cohort(NUM_ROWS), make_cohort(NUM_ROWS, seed=1)
SCHEMA = sl.Schema.infer(pd.concat([TRAIN, HOLDOUT, *TABLES.values()]), target="died")
EACH = pytest.mark.parametrize("synthetic", TABLES.values(), ids=TABLES)


def score(metric, synthetic, **options):
    with one_thread():
        found = metric(TRAIN, HOLDOUT, synthetic, SCHEMA, np.random.default_rng(0), **options)
    return {one.metric: one for one in ([found] if isinstance(found, sl.Score) else found)}


def cells(table):
    """Each row's bins: tenths of train's numbers, levels, or missing."""
    edges = {name: sorted({TRAIN[name].quantile(at / 10) for at in range(1, 10)}) for name in NUMBERS}

    def of(name, value):
        if pd.isna(value):
            return "missing"
        return value if name in LEVELS else sum(value >= edge for edge in edges[name])

    return [{name: of(name, row[name]) for name in table} for _, row in table.iterrows()]


@EACH
def test_marginal_accuracy(synthetic):
    real, made = cells(TRAIN), cells(synthetic)
    found = score(fidelity.marginal_accuracy, synthetic)
    for way in (1, 2, 3):
        accuracies = []
        for names in combinations(TRAIN, way):
            a, b = (Counter(tuple(row[name] for name in names) for row in rows) for rows in (real, made))
            accuracies.append(1 - sum(abs(a[cell] - b[cell]) for cell in a | b) / NUM_ROWS / 2)
        assert found[f"marginal_accuracy_{way}way"].value == pytest.approx(np.mean(accuracies))


@EACH
def test_single_columns(synthetic):
    found = {}
    for metric in (columns.kolmogorov_smirnov, columns.wasserstein, columns.total_variation):
        found |= score(metric, synthetic)
    for name in ("age",):  # lab's values are not as many in each table
        real, made = TRAIN[name].dropna(), synthetic[name].dropna()
        assert found[f"ks[{name}]"].value == pytest.approx(stats.ks_2samp(real, made).statistic)
        moved = stats.wasserstein_distance(real, made) / real.std()
        assert found[f"wasserstein[{name}]"].value == pytest.approx(moved)
    for name in LEVELS:
        a, b = Counter(TRAIN[name]), Counter(synthetic[name])
        distance = sum(abs(a[level] - b[level]) for level in a | b) / NUM_ROWS / 2
        assert found[f"tv[{name}]"].value == pytest.approx(distance)
    missing = score(columns.missing_rate_difference, synthetic)["missing_rate_difference"].value
    assert missing == pytest.approx((TRAIN.isna().mean() - synthetic.isna().mean()).abs().mean())


@EACH
def test_moments_and_quantiles(synthetic):
    found = {}
    for metric in (
        columns.standardized_mean_difference,
        columns.variance_ratio,
        columns.quantile_difference,
    ):
        found |= score(metric, synthetic)
    for name in NUMBERS:
        real, made = TRAIN[name], synthetic[name]
        difference = (made.mean() - real.mean()) / sqrt((made.var() + real.var()) / 2)
        assert found[f"smd[{name}]"].value == pytest.approx(difference)
        assert found[f"variance_ratio[{name}]"].value == pytest.approx(made.var() / real.var())
        for level in (0.05, 0.5, 0.95):
            difference = (made.quantile(level) - real.quantile(level)) / real.std()
            assert found[f"quantile_difference[{name},{level}]"].value == pytest.approx(difference)


@EACH
def test_association_between_numbers(synthetic):
    """The matrix of numbers and of levels beside a number; Cramér's V is worked by hand elsewhere."""
    matrix = association.association_matrix(synthetic, SCHEMA, ranks=False)
    both = synthetic[NUMBERS].dropna()
    assert matrix.loc["age", "age"] == pytest.approx(1)
    # values are standardised over all present rows, which no correlation minds
    assert matrix.loc["age", "lab"] == pytest.approx(stats.pearsonr(both["age"], both["lab"]).statistic)
    of_lab = synthetic.dropna(subset="lab")
    means = of_lab.groupby("disease")["lab"].transform("mean")
    ratio = sqrt(
        ((means - of_lab["lab"].mean()) ** 2).sum() / ((of_lab["lab"] - of_lab["lab"].mean()) ** 2).sum()
    )
    assert matrix.loc["lab", "disease"] == pytest.approx(ratio)


def points(table):
    """Ranks in train and holdout, missing flags, levels: rows apart in one level are at distance 1."""
    real = pd.concat([TRAIN, HOLDOUT])
    rows = []
    for _, row in table.iterrows():
        point = []
        for name in NUMBERS:
            known = real[name].dropna()
            below, ties = (known < row[name]).sum(), (known == row[name]).sum()
            absent = pd.isna(row[name])
            point += [0.5, 1.0] if absent else [(below + ties / 2) / len(known), 0.0]
        for name in LEVELS:
            point += [(row[name] == level) / sqrt(2) for level in sorted(real[name].unique())]
        rows.append(point)
    return np.array(rows)


def distances(a, b):
    return np.round(np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2)), 6)


@EACH
def test_copies_and_nearness(synthetic):
    def as_text(table):
        return [
            tuple(
                "" if pd.isna(value) else str(float(value)) if name in NUMBERS else str(value)
                for name, value in row.items()
            )
            for _, row in table.iterrows()
        ]

    known = set(as_text(TRAIN))
    share = np.mean([row in known for row in as_text(synthetic)])
    assert score(privacy.exact_copies, synthetic)["exact_copies"].value == pytest.approx(share)
    made, train, holdout = (points(table) for table in (synthetic, TRAIN, HOLDOUT))
    to_train, to_holdout = (distances(made, other).min(axis=1) for other in (train, holdout))
    wins = np.mean((to_train < to_holdout) + (to_train == to_holdout) / 2)
    assert score(privacy.dcr_share, synthetic)["dcr_share"].value == pytest.approx(wins)


@EACH
def test_membership(synthetic):
    """The attack is repeated over many random halves of the holdout; ours must be one of what they give."""
    made, train, holdout = (points(table) for table in (synthetic, TRAIN, HOLDOUT))

    def rarity(rows, others):
        nearest = np.sort(distances(rows, others), axis=1)[:, :3]
        return np.array([np.mean([log(at + 1e-3) for at in row]) for row in nearest])

    values = []
    for seed in range(20):
        halves = np.array_split(np.random.default_rng(seed).permutation(NUM_ROWS), 2)
        for known, asked in (halves, halves[::-1]):
            scores = [rarity(rows, holdout[known]) - rarity(rows, made) for rows in (train, holdout[asked])]
            values.append(roc_auc_score(np.repeat([1, 0], list(map(len, scores))), np.concatenate(scores)))
    one = score(privacy.membership_attack, synthetic)["membership_auroc"]
    assert one.value == pytest.approx(np.mean(values), abs=4 * np.std(values) / sqrt(2) + 1e-9)
    assert one.low <= np.mean(values) <= one.high


@EACH
def test_discrimination_and_errors(synthetic):
    found = score(utility.train_on_synthetic, synthetic, learners=("logistic",))
    rng = np.random.default_rng(0)
    predicted = utility.predict_alike("logistic", (TRAIN, synthetic), HOLDOUT, SCHEMA, rng)
    for figure, plain in (
        ("auroc", roc_auc_score),
        ("auprc", average_precision_score),
        ("brier", brier_score_loss),
    ):
        real, made = (plain(HOLDOUT["died"], one) for one in predicted)
        assert found[f"tstr_{figure}_logistic"].value == pytest.approx(made)
        assert found[f"tstr_{figure}_logistic"].reference == pytest.approx(real)
    slope, intercept = plain_calibration(HOLDOUT["died"].to_numpy(), predicted[1])
    assert found["tstr_calibration_slope_logistic"].value == pytest.approx(slope, rel=1e-4)
    assert found["tstr_calibration_intercept_logistic"].value == pytest.approx(intercept, abs=1e-4)


def plain_calibration(truth, probability):
    """Slope, and intercept with the slope held at 1, by another library's regression."""
    import statsmodels.api as sm

    x = np.log(probability / (1 - probability))
    free = sm.GLM(truth, sm.add_constant(x), family=sm.families.Binomial()).fit()
    held = sm.GLM(truth, np.ones((len(x), 1)), family=sm.families.Binomial(), offset=x).fit()
    return free.params[1], held.params[0]
