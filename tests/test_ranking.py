"""Which model is chosen: worked by hand, by identity, and where there is nothing to choose by."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.usefulness.ranking import NAMES, kendall, model_ranking, regret, same_winner

# three models, two resamples; the second table ranks the last two the other way around
REAL = np.array([[0.8, 0.7, 0.6], [0.8, 0.8, 0.6]])
MADE = np.array([[0.9, 0.5, 0.6], [0.5, 0.5, 0.9]])


def score(train, holdout, synthetic, schema, seed=0):
    found = model_ranking(train, holdout, synthetic, schema, np.random.default_rng(seed))
    return {one.metric: one for one in found}


def test_rankings_by_hand():
    # pairs 12, 13, 23: agree, agree, disagree; then both tie, disagree, disagree
    assert kendall(REAL, MADE) == pytest.approx([1 / 3, -2 / 3])
    # the same winner; then two tied best ones, and a third is recommended
    assert same_winner(REAL, MADE).tolist() == [1, 0]
    assert regret(REAL, MADE) == pytest.approx([0, 0.2])
    # two are recommended alike: one of them is the best, the other loses 0.1
    tied = np.array([[0.9, 0.9, 0.1]])
    assert same_winner(REAL[:1], tied) == pytest.approx([1 / 2])
    assert regret(REAL[:1], tied) == pytest.approx([0.05])


def test_a_ranking_agrees_with_itself_and_not_with_its_reverse():
    assert kendall(MADE[:1], MADE[:1]) == 1 and kendall(MADE[:1], -MADE[:1]) == -1
    assert regret(REAL, REAL) == pytest.approx([0, 0]) and same_winner(REAL, REAL).tolist() == [1, 1]


def test_what_cannot_be_ranked_recommends_nobody():
    unknown = np.full((1, 3), np.nan)
    assert kendall(REAL[:1], unknown) == 0
    assert same_winner(REAL[:1], unknown) == pytest.approx([1 / 3])
    assert regret(REAL[:1], unknown) == pytest.approx([0.1])


def test_scores_and_their_ranges(cohort, cohort_schema):
    found = score(cohort[:450], cohort[450:], make_cohort(450, seed=1), cohort_schema)
    assert tuple(found) == NAMES
    for one in found.values():
        assert one.low <= one.value <= one.high and not np.isnan(one.reference)
    assert found["model_choice_regret"].low >= 0
    assert -1 <= found["model_ranking_tau"].value <= 1


def test_a_table_with_other_relations_chooses_worse_than_real_rows():
    """Patients' risk adds up over columns; in the synthetic table it is all in the sign of a product."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 6)).round(3)
    real, made = x.sum(axis=1), 4 * x[:, 0] * x[:, 1]
    real, made = ((rng.random(1500) < 1 / (1 + np.exp(-risk))).astype(int) for risk in (real, made))
    table = pd.DataFrame(x).add_prefix("x").assign(y=real)
    schema = sl.Schema.infer(table, target="y")
    useless = score(table[:1000], table[1000:], table[:1000].assign(y=made[:1000]), schema)
    useful = score(table[:1000], table[1000:], table[:1000].iloc[::-1], schema)
    assert useful["model_ranking_tau"].value > 0.5 > useless["model_ranking_tau"].value
    assert useful["model_choice_regret"].value < 0.01 < useless["model_choice_regret"].value


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_few_synthetic_rows_choose_by_chance(rows, cohort, cohort_schema):
    found = score(cohort[:80], cohort[80:140], make_cohort(40)[:rows], cohort_schema)
    assert set(found) == set(NAMES)
    assert all(np.isfinite(one.value) for one in found.values())


def test_without_target_or_variation(cohort, cohort_schema):
    assert score(cohort[:80], cohort[80:140], cohort[:80], sl.Schema.infer(cohort)) == {}
    found = score(cohort[:80], cohort[80:140].assign(died=0), cohort[:80], cohort_schema)
    assert all(np.isnan(one.value) for one in found.values())


def test_numbers_and_many_levels_are_ranked_too(cohort):
    for target in ("lab", "disease"):
        schema = sl.Schema.infer(cohort, target=target)
        found = score(cohort[:300], cohort[300:], make_cohort(300, seed=1), schema)
        assert np.isfinite([one.value for one in found.values()]).all()
