"""The private language model: what it spends, what it refuses, and that its secrets stay where they are."""

import json

import numpy as np
import pytest

import synthlib as sl
from synthlib.models import private_fit
from synthlib.models.accounting import PrivacyError, Queries, SampledTraining
from synthlib.models.private_checks import check_private_step
from synthlib.models.private_fit import encode_alone
from synthlib.models.private_gpt import PrivateTabularGPT, make_step
from synthlib.models.secrecy import SecretRandom

SMALL = {
    "hidden_dim": 16, "num_layers": 1, "num_heads": 2, "num_epochs": 3, "tree_rows": 2000, "num_steps": 3,
    "epsilon": 8.0, "public_schema": True, "expected_batch": 60, "training_share": 0.2,
}  # fmt: skip


@pytest.fixture(scope="module")
def asked():
    return []


@pytest.fixture(scope="module")
def fitted(cohort, cohort_schema, asked):
    plain = private_fit.add_noise

    def listen(exact, scale, random):
        asked.append((np.shape(exact), scale))
        return plain(exact, scale, random)

    private_fit.add_noise = listen
    try:
        return PrivateTabularGPT(cohort_schema, **SMALL).fit(cohort, progress=False)
    finally:
        private_fit.add_noise = plain


def test_samples_are_tables_of_the_schema_with_the_relations_that_were_paid_for(fitted, cohort_schema):
    drawn = fitted.sample(2000, seed=1)
    cohort_schema.check(drawn)
    assert drawn.equals(fitted.sample(2000, seed=1))
    wrong = (drawn["group"] == "chronic") != (drawn["disease"] == "cancer")
    assert wrong.mean() < 0.25  # 0.42 if the two were independent
    given = fitted.sample(100, given={"disease": "cancer"})
    assert (given["disease"] == "cancer").all()


def test_the_spend_is_the_budget_and_names_all_that_was_asked(fitted, cohort, asked):
    spend = fitted.spend_
    assert 7.8 < spend.epsilon <= 8.0 and spend.delta == 1e-5 and spend.num_patients == len(cohort)
    assert [part.name for part in spend.parts] == ["ranges", "tables", "scores", "edges", "patients"]
    assert isinstance(spend.parts[-1], SampledTraining) and spend.parts[-1].sampling_rate == 60 / 600
    queries = {part.name: part for part in spend.parts if isinstance(part, Queries)}
    by_scale = {scale: sum(scale == one for _, one in asked) for _, scale in asked}
    assert by_scale.pop(queries["ranges"].noise_multiplier) == 5
    assert by_scale.pop(queries["tables"].noise_multiplier) <= queries["tables"].num_queries
    assert by_scale.pop(queries["edges"].noise_multiplier) <= queries["edges"].num_queries
    assert by_scale == {
        queries["scores"].noise_multiplier * 6**0.5: 1
    }  # four columns beside the hub, 6 pairs


def test_the_step_that_is_taken_is_the_one_that_is_accounted_for(fitted, cohort):
    states, positions = encode_alone(fitted.encoder_, cohort)
    training = SampledTraining("patients", 1.0, 0.1, 5)
    network = fitted.build_network()

    def make(random):
        return make_step(fitted, network, states[:100], positions[:100], training, random)

    assert check_private_step(make, num_draws=60) == []


def test_a_step_has_one_order_that_its_number_and_the_seed_fix(fitted, cohort):
    states, positions = encode_alone(fitted.encoder_, cohort)
    training = SampledTraining("patients", 1.0, 0.1, 5)
    step = make_step(fitted, fitted.network_, states, positions, training, SecretRandom())
    fewer = make_step(fitted, fitted.network_, states[:9], positions[:9], training, SecretRandom())
    orders = []
    for number in range(60):
        step.begin(number)
        fewer.begin(number)
        orders.append(step.order.numpy())
        assert np.array_equal(orders[-1], fewer.order.numpy())
    assert (np.sort(orders, axis=1) == np.arange(5)).all() and len(np.unique(orders, axis=0)) > 8
    assert 0.2 < (np.array(orders) == np.arange(5)).all(axis=1).mean() < 0.7


def test_no_patient_s_encoding_moves_when_another_leaves(fitted, cohort):
    whole, fewer = encode_alone(fitted.encoder_, cohort), encode_alone(fitted.encoder_, cohort[1:])
    for one, other in zip(whole, fewer, strict=True):
        assert np.array_equal(one[1:], other)


def test_a_seed_fixes_no_noise_and_a_sealed_secret_replays_the_fit(cohort, cohort_schema, tmp_path):
    key = sl.StewardKey(b"k" * 32)
    options = SMALL | {"num_epochs": 1, "seed": 3}
    first = PrivateTabularGPT(cohort_schema, **options)
    first.fit(cohort, progress=False, seal=tmp_path / "sealed.json", key=key)
    second = PrivateTabularGPT(cohort_schema, **options).fit(cohort, progress=False)
    assert not first.sample(100).equals(second.sample(100))
    random = SecretRandom.unseal(tmp_path / "sealed.json", key)
    replayed = PrivateTabularGPT(cohort_schema, **options).replay(random, cohort, progress=False)
    assert replayed.sample(100).equals(first.sample(100))
    assert first.commitment_ == random.commit(key) and second.commitment_ is None


def test_what_is_saved_holds_the_spend_and_no_secret(fitted, cohort, cohort_schema, tmp_path, monkeypatch):
    secret = bytes(range(100, 132))
    monkeypatch.setattr(private_fit, "SecretRandom", lambda: SecretRandom(secret))
    model = PrivateTabularGPT(cohort_schema, **SMALL | {"num_epochs": 1}).fit(cohort, progress=False)
    model.save(tmp_path / "model")
    for file in (tmp_path / "model").iterdir():
        assert secret not in file.read_bytes() and secret.hex().encode() not in file.read_bytes()
    loaded = sl.load_synthesizer(tmp_path / "model")
    assert isinstance(loaded, PrivateTabularGPT) and loaded.spend_ == model.spend_
    assert loaded.sample(50).equals(model.sample(50))
    assert json.dumps(model.public_parameters) and model.public_parameters == model.parameters
    assert secret.hex() not in repr(model)


def test_the_history_is_of_rows_of_the_tree(fitted):
    assert len(fitted.history_) == 3 and fitted.history_["validation"].isna().all()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"public_schema": False}, "public schema"),
        ({"validation_fraction": 0.1}, "validation_fraction"),
        ({"delta": 1 / 600}, "delta"),
        ({"delta": 0.0}, "delta"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": float("inf")}, "epsilon"),
        ({"num_steps": 0}, "num_steps"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"training_share": 1.0}, "training_share"),
    ],
)
def test_what_cannot_be_accounted_for_is_refused(cohort, cohort_schema, options, word):
    with pytest.raises(ValueError, match=word):
        PrivateTabularGPT(cohort_schema, **SMALL | options).fit(cohort, progress=False)


def test_several_rows_a_patient_and_undeclared_ranges_are_refused(cohort, cohort_schema):
    table = cohort.assign(patient=np.arange(len(cohort)) // 2)
    with pytest.raises(PrivacyError, match="one row a patient"):
        PrivateTabularGPT(sl.Schema.infer(table, patient_id="patient"), **SMALL).fit(table, progress=False)
    with pytest.raises(PrivacyError, match="'age': expected a public range"):
        PrivateTabularGPT(cohort_schema.replace("age", low=None), **SMALL).fit(cohort, progress=False)


def test_without_private_steps_the_tree_gets_the_budget(cohort, cohort_schema):
    model = PrivateTabularGPT(cohort_schema, **SMALL | {"training_share": 0.0})
    plan = model.plan(600, 1e-5)
    assert all(isinstance(part, Queries) for part in plan)
    split = PrivateTabularGPT(cohort_schema, **SMALL).plan(600, 1e-5)
    assert all(one.noise_multiplier < other.noise_multiplier for one, other in zip(plan, split, strict=False))
    assert "ranges" not in [part.name for part in model.plan(600, 1e-5, public_ranges=True)]


def test_a_public_table_gives_the_bins(cohort, cohort_schema):
    model = PrivateTabularGPT(cohort_schema, **SMALL | {"training_share": 0.0, "num_epochs": 1})
    model.fit(cohort, public=cohort[::2].reset_index(drop=True), progress=False)
    assert [part.name for part in model.spend_.parts] == ["tables", "scores", "edges"]
