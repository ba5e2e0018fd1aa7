"""What is said of a study before anything is fitted, and that every fit is an attempt."""

from dataclasses import replace

import pytest

import synthlib as sl
from synthlib.preregistration import describe_model, write_protocol

KEY = sl.StewardKey.for_public_data("tests")


@pytest.fixture
def study(tiny, tiny_schema):
    model = sl.IndependentMarginals(tiny_schema)
    return sl.preregister(sl.Ledger.in_process(), [model], tiny, KEY, holdout_fraction=0.2, seed=0)


def test_a_protocol_names_columns_and_no_value_of_them(tiny, tiny_schema):
    protocol = write_protocol(tiny_schema, [sl.IndependentMarginals(tiny_schema)], 0.2, 3)
    text = protocol.to_json().decode()
    assert protocol.cohort["columns"]["creatinine"] == "continuous" and protocol.split["seed"] == 3
    assert "female" not in text and "2.4" not in text
    assert protocol.models == [describe_model(sl.IndependentMarginals(tiny_schema))]


def test_a_protocol_depends_on_settings_and_not_on_the_rows(tiny, tiny_schema):
    model = sl.IndependentMarginals(tiny_schema)
    digest = write_protocol(tiny_schema, [model], 0.2, 0).digest
    assert write_protocol(tiny_schema, [model], 0.2, 0).digest == digest
    assert write_protocol(tiny_schema, [model], 0.3, 0).digest != digest
    assert write_protocol(tiny_schema, [replace(model, max_states=7)], 0.2, 0).digest != digest


def test_preregister_registers_and_approves_and_has_no_attempt(study):
    track = study.track
    assert track.is_approved and track.is_revealed and track.digest == study.protocol.digest
    assert track.attempts == 0 and track.open_releases_left == 1


def test_the_chain_sees_a_commitment_and_no_digest_of_the_table(study, tiny):
    from synthlib.chain.commitments import table_digest

    told = b"".join(study.ledger.journal.lines).decode()
    assert study.registration.dataset in told
    assert table_digest(tiny).hex() not in told


def test_a_fit_is_logged_before_it_is_made(study, tiny, tiny_schema):
    seen = []

    class Watching(sl.IndependentMarginals):
        def fit(self, train):
            seen.append(study.track.attempts)
            return super().fit(train)

    fitted = sl.fit_attempt(study, Watching(tiny_schema), tiny, KEY)
    assert seen == [1] and len(fitted.sample(3)) == 3
    assert study.attempts[0]["outcome"] == "fitted"


def test_a_failed_fit_is_an_attempt(study, tiny, tiny_schema):
    class Failing(sl.IndependentMarginals):
        def fit(self, train):
            raise RuntimeError("a row of a patient")

    with pytest.raises(RuntimeError):
        sl.fit_attempt(study, Failing(tiny_schema), tiny, KEY)
    assert study.track.attempts == 1
    assert study.attempts[0]["outcome"] == "failed: RuntimeError"  # and no word of its text


def test_the_same_fit_again_is_another_attempt_once_the_first_is_settled(study, tiny, tiny_schema):
    for rows in (tiny, tiny.head(7), tiny):
        sl.fit_attempt(study, sl.IndependentMarginals(tiny_schema), rows, KEY)
    assert study.track.attempts == 3
    assert [entry["outcome"] for entry in study.attempts] == ["fitted"] * 3


def test_an_interrupted_fit_that_goes_on_is_one_attempt(study, tiny, tiny_schema):
    class Interrupted(sl.IndependentMarginals):
        stop = True

        def fit(self, train):
            if self.stop:
                raise KeyboardInterrupt
            return super().fit(train)

    model = Interrupted(tiny_schema)
    with pytest.raises(KeyboardInterrupt):
        sl.fit_attempt(study, model, tiny, KEY)
    assert study.attempts[0]["outcome"] is None
    model.stop = False
    sl.fit_attempt(study, model, tiny, KEY)
    assert study.track.attempts == 1 and study.attempts[0]["outcome"] == "fitted"
