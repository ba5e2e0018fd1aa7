"""Leakage: worked tables, rows that know nothing, and copies that must be caught."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation import distances
from synthlib.evaluation.leakage import privacy


def run(metric, train, holdout, synthetic, schema, seed=0):
    found = metric(train, holdout, synthetic, schema, np.random.default_rng(seed))
    return found if isinstance(found, sl.Score) else {one.metric: one for one in found}


@pytest.fixture(scope="module")
def patients():
    """Wide enough that no two are alike."""
    rng = np.random.default_rng(0)
    table = make_cohort(1000, seed=4)
    for number in range(6):
        table[f"test_{number}"] = np.round(rng.normal(size=1000) + 0.01 * table["age"], 2)
    return table


@pytest.fixture(scope="module")
def schema(patients):
    return sl.Schema.infer(patients, target="died")


@pytest.fixture(scope="module")
def split(patients):
    return patients[:800], patients[800:]


def fresh(num_rows, seed):
    rng = np.random.default_rng(seed)
    table = make_cohort(num_rows, seed=seed)
    for number in range(6):
        table[f"test_{number}"] = np.round(rng.normal(size=num_rows) + 0.01 * table["age"], 2)
    return table


def test_exact_copies_of_four_rows():
    # whatever the identifier, (b, 2) and (b, missing) are in train; of the holdout (a, 1) alone is
    train = pd.DataFrame({"id": [1, 2, 3, 4], "ward": list("abab"), "lab": [1.0, 2.0, 3.0, np.nan]})
    synthetic = pd.DataFrame({"id": [9, 9, 9, 9], "ward": list("bbaa"), "lab": [2.0, np.nan, np.nan, 2.0]})
    holdout = pd.DataFrame({"id": [5, 6, 7, 8], "ward": list("abab"), "lab": [1.0, 3.0, 2.0, 1.0]})
    found = run(privacy.exact_copies, train, holdout, synthetic, sl.Schema.infer(train, identifiers=["id"]))
    assert (found.value, found.reference) == (0.5, 0.25)
    assert found.low < 0.5 < found.high


def test_dcr_share_of_four_rows():
    # Mid-ranks among the real 0 10 100 110 are ⅛ ⅜ ⅝ ⅞; the synthetic 1 11 101 102 lie at ¼ ½ ¾ ¾: the
    # first is closest to train, the second as close to 10 of train as to 100 of the holdout, two are closest
    # to the holdout: (1 + ½ + 0 + 0) / 4
    train, holdout = (pd.DataFrame({"lab": lab, "ward": list("aa")}) for lab in ([0, 10], [100, 110]))
    synthetic = pd.DataFrame({"lab": [1, 11, 101, 102], "ward": list("aaaa")})
    schema = sl.Schema.infer(pd.concat([train, holdout]))
    assert run(privacy.dcr_share, train, holdout, synthetic, schema).value == 0.375


def test_dcr_share_weighs_a_smaller_holdout():
    # 2 of 4 are closer to train, which is twice as large: ½ / (½ + ½·2) = ⅓
    train = pd.DataFrame({"lab": [0, 10, 20, 30], "ward": list("aaaa")})
    holdout = pd.DataFrame({"lab": [100, 110], "ward": list("aa")})
    synthetic = pd.DataFrame({"lab": [0, 20, 100, 110], "ward": list("aaaa")})
    schema = sl.Schema.infer(pd.concat([train, holdout]))
    assert run(privacy.dcr_share, train, holdout, synthetic, schema).value == pytest.approx(1 / 3)


def test_rows_that_know_nothing_are_not_accused(split, schema):
    made = fresh(800, seed=7)
    assert run(privacy.exact_copies, *split, made, schema).value == 0
    share = run(privacy.dcr_share, *split, made, schema)
    attack = run(privacy.membership_attack, *split, made, schema)["membership_auroc"]
    assert share.low < 0.5 < share.high
    assert attack.low < 0.5 < attack.high


def test_copies_are_caught(split, schema):
    copies = split[0].sample(frac=1, random_state=0)
    assert run(privacy.exact_copies, *split, copies, schema).value == 1
    assert run(privacy.dcr_share, *split, copies, schema).low > 0.9
    assert run(privacy.membership_attack, *split, copies, schema)["membership_auroc"].low > 0.95


def test_noisy_copies_are_caught_although_none_is_exact(split, schema):
    rng = np.random.default_rng(0)
    noisy = split[0].copy()
    for name in ("lab", *(f"test_{number}" for number in range(6))):
        noisy[name] = noisy[name] + rng.normal(0, 0.05, len(noisy))
    assert run(privacy.exact_copies, *split, noisy, schema).value == 0
    assert run(privacy.dcr_share, *split, noisy, schema).low > 0.8
    assert run(privacy.membership_attack, *split, noisy, schema)["membership_auroc"].low > 0.8


def test_the_control_is_caught_whatever_is_released(split, schema):
    found = run(privacy.membership_attack, *split, fresh(800, seed=7), schema)["membership_auroc_control"]
    # drawn with replacement, 1 - 1/e = 63% of the members appear: about .63 + .37/2
    assert found.value == pytest.approx(0.816, abs=0.05)
    assert found.low > 0.7


def test_dcr_share_covers_a_half(schema):
    """Over 40 cohorts and generators that know nothing, about 95% of the intervals hold ½."""
    held = 0
    for seed in range(40):
        real, made = fresh(300, seed=500 + seed), fresh(200, seed=900 + seed)
        found = run(privacy.dcr_share, real[:240], real[240:], made, schema, seed)
        held += found.low <= 0.5 <= found.high
    assert held >= 36


def test_copies_among_few_levels_are_read_against_the_holdout():
    """With two yes/no columns every row is in train; the holdout's rows are too."""
    table = pd.DataFrame({"a": [0, 0, 1, 1] * 5, "b": [0, 1, 0, 1] * 5})
    found = run(privacy.exact_copies, table, table[:4], table[4:9], sl.Schema.infer(table))
    assert found.value == found.reference == 1
    # all distances tie, and a tie is half a win: ½ / (½ + ½·5)
    share = run(privacy.dcr_share, table, table[:4], table[4:9], sl.Schema.infer(table))
    assert share.value == pytest.approx(1 / 6)


def test_too_few_others_to_attack(split, schema):
    found = run(privacy.membership_attack, split[0], split[1][:3], split[0], schema)
    assert all(np.isnan(one.value) for one in found.values())


@pytest.mark.parametrize("metric", [privacy.dcr_share, privacy.membership_attack])
def test_same_seed_same_scores(metric, split, schema):
    made = fresh(300, seed=7)
    assert run(metric, *split, made, schema) == run(metric, *split, made, schema)


def test_blocks_do_not_change_distances(monkeypatch, split, schema):
    made = fresh(300, seed=7)
    whole = run(privacy.dcr_share, *split, made, schema)
    monkeypatch.setattr(distances, "BLOCK_CELLS", 1)
    assert run(privacy.dcr_share, *split, made, schema) == whole
