"""The private GAN: what it spends and refuses; its generator sees patients by the critic alone."""

import numpy as np
import pytest

import synthlib as sl
from benchmarks import broken_steps
from synthlib.models import private_fit
from synthlib.models.accounting import PrivacyError, Queries, SampledTraining
from synthlib.models.backend import tf
from synthlib.models.networks import Layout, build_critic
from synthlib.models.private_checks import check_private_step
from synthlib.models.private_fit import encode_alone
from synthlib.models.private_gan import PrivateTabularGAN, make_critic_step
from synthlib.models.secrecy import SecretRandom

SMALL = {
    "hidden_dim": 8, "num_steps": 30, "tree_rows": 1000, "private_steps": 3, "epsilon": 8.0,
    "public_schema": True, "expected_batch": 60, "training_share": 0.2,
}  # fmt: skip
TRAINING = SampledTraining("patients", 1.0, 0.1, 5)


@pytest.fixture(scope="module")
def fitted(cohort, cohort_schema):
    return PrivateTabularGAN(cohort_schema, **SMALL).fit(cohort, progress=False)


@pytest.fixture(scope="module")
def make(fitted, cohort):
    """A function of a SecretRandom to the critic's step; the critic judges patients of every kind."""
    layout = Layout(fitted.encoder_)
    critic = build_critic(layout, 1, 8)
    rows = [array[:60] for array in encode_alone(fitted.encoder_, cohort)]
    rng = np.random.default_rng(0)
    fake = rng.integers(0, 2, (4, layout.num_columns * (layout.width + 2))).astype(np.float32)

    def build(random):
        step = make_critic_step(fitted, layout, critic, *rows, TRAINING, random)
        step.aim(fake, rng.random((4, 1), dtype=np.float32) * 0 + 0.3)
        return step

    return build


def test_samples_are_tables_of_the_schema_and_conditions_hold(fitted, cohort_schema):
    drawn = fitted.sample(500, seed=1)
    cohort_schema.check(drawn)
    assert drawn.equals(fitted.sample(500, seed=1))
    assert (fitted.sample(50, given={"disease": "cancer"})["disease"] == "cancer").all()


def test_the_spend_is_the_budget_and_names_all_that_was_asked(fitted, cohort):
    spend = fitted.spend_
    assert 7.8 < spend.epsilon <= 8.0 and spend.delta == 1e-5 and spend.num_patients == len(cohort)
    assert [part.name for part in spend.parts] == ["ranges", "tables", "scores", "edges", "patients"]
    steps = spend.parts[-1]
    assert isinstance(steps, SampledTraining) and (steps.sampling_rate, steps.num_steps) == (0.1, 3)


def test_the_critic_s_step_is_the_one_that_is_accounted_for(make):
    assert check_private_step(make, num_draws=60) == []


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (broken_steps.NoNoise, "standard deviation"),
        (broken_steps.NoClipping, "clip norms"),
        (broken_steps.NoiseOnce, "independent"),
        (broken_steps.FixedSize, "binomial"),
        (broken_steps.WrongSign, "along the gradient"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_step_of_the_critic_is_found_out(make, kind, problem):
    found = check_private_step(lambda random: broken_steps.break_step(make(random), kind), num_draws=60)
    assert any(problem in one for one in found), found


def test_a_patient_s_part_depends_on_nobody_else(make):
    """Alone and last in a batch, a patient adds the same; and the lines move with the step alone."""
    step = make(SecretRandom())
    alone = step.clipped_sum(np.array([7]))
    among = step.clipped_sum(np.array([1, 30, 7])) - step.clipped_sum(np.array([1, 30]))
    np.testing.assert_allclose(alone, among, atol=1e-5)
    assert 0 < np.linalg.norm(alone) <= step.clip_norm
    step.aim(1 - step.rows.numpy(), step.shares.numpy())
    assert not np.allclose(step.clipped_sum(np.array([7])), alone, atol=1e-4)


def test_the_loss_is_that_of_the_paper_for_a_linear_critic(fitted, cohort):
    """Value and penalty: minus w x, and the weight times (|w| - 1) squared, wherever the line ends."""
    layout = Layout(fitted.encoder_)
    weights = tf.Variable(np.linspace(-1, 1, layout.num_columns * (layout.width + 2), dtype=np.float32))

    def critic(rows):
        return tf.matmul(rows, weights[:, None])

    critic.trainable_variables = [weights]
    rows = encode_alone(fitted.encoder_, cohort)
    step = make_critic_step(fitted, layout, critic, *rows, TRAINING, SecretRandom())
    states, positions = (array[:1] for array in rows)
    flat = layout.flatten(tf.one_hot(states, layout.width), positions)
    penalty = (np.linalg.norm(weights.numpy()) - 1) ** 2
    expected = 10 * penalty - float(tf.squeeze(critic(flat)))
    assert float(step.loss(states[0], positions[0])) == pytest.approx(expected, rel=1e-4)


def test_noise_alone_reaches_the_generator_from_patients(cohort, cohort_schema, monkeypatch):
    """Two tables that answer the same, after noise, make the same generator: nothing else looks at them."""
    told = []

    def answer(exact, scale, random):
        value = np.round(exact + scale * random.normal(np.shape(exact)))
        told.append(value)
        return value

    monkeypatch.setattr(private_fit, "add_noise", answer)
    options = SMALL | {"training_share": 0.0, "num_steps": 10}
    first = PrivateTabularGAN(cohort_schema, **options).fit(cohort, progress=False)
    asked = iter(told)
    monkeypatch.setattr(private_fit, "add_noise", lambda exact, scale, random: next(asked))
    others = cohort.iloc[np.random.default_rng(0).integers(0, 600, 600)].reset_index(drop=True)
    second = PrivateTabularGAN(cohort_schema, **options).fit(others, progress=False)
    assert first.sample(200).equals(second.sample(200))


def test_a_seed_fixes_no_noise_and_a_sealed_secret_replays_the_fit(cohort, cohort_schema, tmp_path):
    key = sl.StewardKey(b"k" * 32)
    options = SMALL | {"num_steps": 10, "seed": 3}
    first = PrivateTabularGAN(cohort_schema, **options)
    first.fit(cohort, progress=False, seal=tmp_path / "sealed.json", key=key)
    second = PrivateTabularGAN(cohort_schema, **options).fit(cohort, progress=False)
    assert not first.sample(100).equals(second.sample(100))
    random = SecretRandom.unseal(tmp_path / "sealed.json", key)
    second.replay(random, cohort, progress=False)  # a second fit forgets the first
    assert second.sample(100).equals(first.sample(100))
    first.save(tmp_path / "model")
    loaded = sl.load_synthesizer(tmp_path / "model")
    assert isinstance(loaded, PrivateTabularGAN) and loaded.spend_ == first.spend_
    assert loaded.sample(50).equals(first.sample(50)) and loaded.commitment_ == random.commit(key)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"public_schema": False}, "public schema"),
        ({"validation_fraction": 0.1}, "validation_fraction"),
        ({"packing": 4}, "packing 1"),
        ({"private_steps": 0}, "private_steps"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"delta": 1 / 600}, "delta"),
        ({"epsilon": 0.0}, "epsilon"),
    ],
)
def test_what_cannot_be_accounted_for_is_refused(cohort, cohort_schema, options, word):
    with pytest.raises(ValueError, match=word):
        PrivateTabularGAN(cohort_schema, **SMALL | options).fit(cohort, progress=False)


def test_several_rows_a_patient_are_refused(cohort):
    table = cohort.assign(patient=np.arange(len(cohort)) // 2)
    with pytest.raises(PrivacyError, match="one row a patient"):
        PrivateTabularGAN(sl.Schema.infer(table, patient_id="patient"), **SMALL).fit(table, progress=False)


def test_without_private_steps_the_tree_gets_the_budget(cohort_schema):
    plan = PrivateTabularGAN(cohort_schema, **SMALL | {"training_share": 0.0}).plan(600, 1e-5)
    assert all(isinstance(part, Queries) for part in plan)
