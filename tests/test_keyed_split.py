"""Under a key each patient's side is their own: one patient more or less moves nobody else."""

from collections import Counter

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training_evidence import outcomes, said

import synthlib as sl
from synthlib import Schema, split
from synthlib.chain.commitments import commit
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.training_evidence import SPLIT
from synthlib.chain.verification import verify
from synthlib.preregistration import write_protocol
from synthlib.release import write_release
from synthlib.scores import Score, to_report
from synthlib.splitting import KEYED

pytest_plugins = ["chain_fixtures"]

KEY, OTHER = sl.StewardKey(bytes(range(32))), sl.StewardKey(bytes(32))


def make_table(num_rows, seed=0):
    """Few different rows, many copies of each."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"x": rng.integers(0, 3, num_rows), "y": rng.choice(["a", "b"], num_rows)})
    return table.assign(z=np.where(rng.random(num_rows) < 0.2, np.nan, rng.integers(0, 2, num_rows) / 2))


SCHEMA = Schema.infer(make_table(200), target="y").replace("z", nullable=True)


def rows(table):
    return Counter(map(str, table.itertuples(index=False, name=None)))


@settings(max_examples=80, deadline=None)
@given(st.integers(20, 60), st.integers(0, 10**6), st.floats(0.3, 0.7), st.data())
def test_one_patient_less_takes_one_row_from_one_side(num_rows, seed, fraction, data):
    table = make_table(num_rows, seed)
    gone = data.draw(st.integers(0, num_rows - 1))
    whole = split(table, SCHEMA, fraction, seed, KEY)
    fewer = split(table.drop(index=gone), SCHEMA, fraction, seed, KEY)
    lost = [rows(one) - rows(other) for one, other in zip(whole, fewer, strict=True)]
    won = [rows(other) - rows(one) for one, other in zip(whole, fewer, strict=True)]
    assert sum(sum(side.values()) for side in lost) == 1 and not any(won)
    assert sum(len(side) for side in fewer) == num_rows - 1


def test_without_a_key_others_move():
    """What the key is for: random ranks within strata are handed on."""
    table = make_table(60).assign(n=range(60))
    schema = Schema((*SCHEMA.columns, Schema.infer(table, identifiers=["n"])["n"]), "y")
    kept = [set(split(part, schema, 0.5, 0)[0]["n"]) for part in (table, table.drop(index=5))]
    assert len(kept[0] ^ kept[1]) > 1


def test_sides_hang_on_key_and_seed_and_have_about_their_share():
    table = make_table(3000).assign(n=range(3000))
    schema = Schema((*SCHEMA.columns, Schema.infer(table, identifiers=["n"])["n"]), "y")
    ways = [(key, seed) for key in (KEY, OTHER) for seed in (0, 1)]
    sides = {way: set(split(table, schema, 0.2, way[1], way[0])[1]["n"]) for way in ways}
    for side in sides.values():
        assert 500 < len(side) < 700
    assert max(len(one & other) for one in sides.values() for other in sides.values() if one != other) < 200
    assert sides[KEY, 0] == set(split(table.sample(frac=1), schema, 0.2, 0, KEY)[1]["n"])


def test_rows_of_a_patient_stay_together():
    table = pd.DataFrame({"patient": np.arange(200) // 4, "lab": np.arange(200) % 7})
    schema = Schema.infer(table, patient_id="patient")
    train, holdout = split(table, schema, 0.3, 0, KEY)
    assert not set(train["patient"]) & set(holdout["patient"])
    less = split(table[table["patient"] != 3], schema, 0.3, 0, KEY)
    assert set(train["patient"]) - {3} == set(less[0]["patient"])


def publish(path, cohort, schema, train, **sections):
    model = sl.IndependentMarginals(schema)
    protocol = write_protocol(schema, [model], 0.25, 3, key=KEY, **sections)
    study = Study.open(Ledger.in_process(), protocol, commit(cohort, KEY).hex())
    sl.fit_attempt(study, model, train, KEY)
    report = to_report([Score("dcr_share", 0.5, 0.4, 0.6, 0.5)])
    removed = pd.DataFrame({"column": ["name"], "action": ["dropped"], "reason": ["identifier"]})
    table = sl.sample_attempt(study, model, 40, seed=1)
    bundle = write_release(path, model, table, train, report, removed, KEY, 1, study=study)
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    return verify(path, key=KEY, dataset=cohort, schema=schema), protocol


def test_a_verifier_divides_again_under_the_key(cohort, cohort_schema, tmp_path):
    train, _ = split(cohort, cohort_schema, 0.25, 3, KEY)
    found, protocol = publish(tmp_path / "keyed", cohort, cohort_schema, train, keyed_split=True)
    assert protocol.split["assignment"] == KEYED
    assert outcomes(found)[SPLIT] == "matched" and f"{len(train)} rows" in said(found, SPLIT)
    stratified, _ = split(cohort, cohort_schema, 0.25, 3)
    found, _ = publish(tmp_path / "other", cohort, cohort_schema, stratified, keyed_split=True)
    assert outcomes(found)[SPLIT] == "differs"
    found, _ = publish(tmp_path / "unsaid", cohort, cohort_schema, train)
    assert outcomes(found)[SPLIT] == "differs"


def test_a_division_that_is_not_known_is_not_judged(cohort, cohort_schema, tmp_path, monkeypatch):
    monkeypatch.setattr("synthlib.preregistration.KEYED", "by moonlight")
    train, _ = split(cohort, cohort_schema, 0.25, 3, KEY)
    found, _ = publish(tmp_path / "odd", cohort, cohort_schema, train, keyed_split=True)
    assert outcomes(found)[SPLIT] == "unchecked" and "not known here" in said(found, SPLIT)
