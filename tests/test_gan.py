"""The GAN against its papers, and its training against interruptions."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.models.backend import keras, ops, tf
from synthlib.models.encoding import SpanEncoder
from synthlib.models.gan import Adversaries, draw_noise
from synthlib.models.networks import (
    Layout,
    gradient_penalty,
    kernel_discrepancy,
    kernel_loss,
    straight_through,
)
from synthlib.models.training import CheckpointError

SMALL = {"num_steps": 60, "batch_size": 64, "hidden_dim": 32, "critic_dim": 32, "latent_dim": 16}


@pytest.fixture(scope="module")
def adversaries(cohort, cohort_schema):
    gan = sl.TabularGAN(cohort_schema, **SMALL)
    gan.encoder_ = SpanEncoder(cohort_schema).fit(cohort)
    states, positions = gan.encoder_.encode(cohort, np.random.default_rng(0))
    return Adversaries(gan, Layout(gan.encoder_), states, positions)


def test_penalty_of_a_linear_critic_is_its_slope_less_one_squared():
    weights = np.array([[3.0], [4.0]], dtype=np.float32)  # ‖w‖ = 5
    real, fake = np.random.default_rng(0).normal(size=(2, 6, 2)).astype(np.float32)
    penalty = gradient_penalty(
        lambda x: ops.matmul(x, weights), tf.constant(real), tf.constant(fake), tf.fill((6, 1), 0.3)
    )
    assert float(penalty) == pytest.approx(16.0, rel=1e-5)


def test_discrepancy_of_two_tables_worked_out_by_hand():
    # kernel (1 + x·y)³ on fake rows (1, 0), (1, 0) and real rows (0, 1), (0, 1): 8 + 8 - 2·1
    fake = tf.constant([[1.0, 0.0], [1.0, 0.0]])
    real = tf.constant([[0.0, 1.0], [0.0, 1.0]])
    assert float(kernel_discrepancy(fake, real, 1.0)) == pytest.approx(14.0)
    assert float(kernel_loss(fake, real, 1.0)) == pytest.approx(6.0)
    assert float(kernel_discrepancy(fake, fake, 1.0)) == pytest.approx(0.0)


def test_straight_through_draws_by_softmax_and_passes_gradients():
    logits = tf.Variable(np.log([[0.1, 0.2, 0.7]]).astype(np.float32))
    uniform = tf.random.stateless_uniform((20000, 3), (0, 1), 1e-7, 1.0)
    with tf.GradientTape() as tape:
        drawn = straight_through(tf.repeat(logits, 20000, axis=0), uniform, 0.7)
        mean = ops.mean(drawn[:, 2])
    assert np.isin(np.round(drawn.numpy(), 6), [0, 1]).all()
    np.testing.assert_allclose(drawn.numpy().mean(axis=0), [0.1, 0.2, 0.7], atol=0.02)
    assert tape.gradient(mean, logits).numpy()[0, 2] > 0


def test_an_untrained_generator_draws_the_columns_own_frequencies(adversaries):
    layout, size = adversaries.layout, 20000
    onehot, positions = adversaries.generator(draw_noise(layout, 16, size, 0, 0))
    np.testing.assert_allclose(onehot.numpy().mean(axis=0), layout.shares, atol=0.03)
    assert (
        np.abs(np.histogram(positions, bins=8, range=(-1, 1))[0] / positions.numpy().size - 1 / 8).max()
        < 0.01
    )


def test_conditions_hold_in_every_generated_row(adversaries):
    onehot, positions, mask = adversaries.real_batch(tf.constant(3))
    mask = tf.ones_like(mask)
    fake, fake_positions = adversaries.fake_batch(tf.constant(3), onehot, positions, mask)
    np.testing.assert_allclose(fake, onehot, atol=1e-6)
    np.testing.assert_allclose(fake_positions, positions, atol=1e-6)


def test_training_by_sampling_shows_rare_levels_more_often(cohort, cohort_schema, adversaries):
    seen = [adversaries.real_batch(tf.constant(step)) for step in range(60)]
    conditioned = np.concatenate([mask.numpy().sum(axis=1) for _, _, mask in seen])
    assert abs(conditioned.mean() - adversaries.gan.condition_share) < 0.03
    onehot = np.concatenate([onehot.numpy() for onehot, _, _ in seen])
    under_disease = np.concatenate([mask.numpy()[:, 0] for _, _, mask in seen]) == 1
    states = onehot[under_disease, 0].argmax(axis=1)
    disease = adversaries.gan.encoder_.spans_[0]
    rare = next(state for state, levels in enumerate(disease.values) if levels == ("rare",))
    assert (states == rare).mean() > 3 * disease.shares[rare]


def test_a_batch_depends_on_its_step_alone(adversaries):
    for one, two in zip(
        adversaries.real_batch(tf.constant(5)), adversaries.real_batch(tf.constant(5)), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(
        adversaries.real_batch(tf.constant(5))[0], adversaries.real_batch(tf.constant(6))[0]
    )


def test_relations_are_learnt():
    train = make_cohort(1500, seed=1)
    schema = sl.Schema.infer(train, target="died")
    synthetic = (
        sl.TabularGAN(schema, num_steps=300, batch_size=256).fit(train, progress=False).sample(3000, seed=1)
    )
    wrong = (synthetic["group"] == "chronic") != (synthetic["disease"] == "cancer")
    assert wrong.mean() < 0.1  # 0.42 if the two were independent
    gap = synthetic.groupby("disease")["lab"].mean()
    assert gap["sepsis"] - gap["failure"] > 0.5  # 1.0 in truth
    missing = synthetic["lab"].isna().groupby(synthetic["disease"]).mean()
    assert missing["cancer"] > missing["sepsis"] + 0.25  # 0.45 in truth


class Kill(keras.callbacks.Callback):
    """Stops the process's training the hard way after some epochs."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.after:
            raise KeyboardInterrupt


def train_until(epoch, train, schema, checkpoint):
    sl.TabularGAN(schema, **SMALL).fit(train, checkpoint, callbacks=[Kill(epoch)], progress=False)


def test_a_killed_training_resumes_to_the_same_bytes(cohort, cohort_schema, tmp_path):
    whole = sl.TabularGAN(cohort_schema, **SMALL).fit(cohort, progress=False)
    file = tmp_path / "training.npz"
    with pytest.raises(KeyboardInterrupt):
        train_until(2, cohort, cohort_schema, file)
    assert file.stat().st_mode & 0o077 == 0
    resumed = sl.TabularGAN(cohort_schema, **SMALL).fit(cohort, checkpoint=file, progress=False)
    assert resumed.sample(100, seed=1).equals(whole.sample(100, seed=1))
    assert resumed.history_.equals(whole.history_)
    assert not file.exists()


def test_a_checkpoint_of_another_training_is_refused(cohort, cohort_schema, tmp_path):
    file = tmp_path / "training.npz"
    with pytest.raises(KeyboardInterrupt):
        train_until(1, cohort, cohort_schema, file)
    with pytest.raises(CheckpointError, match="learning_rate"):
        sl.TabularGAN(cohort_schema, **SMALL, learning_rate=0.1).fit(cohort, checkpoint=file, progress=False)
    other = cohort.assign(died=1 - cohort["died"])
    with pytest.raises(CheckpointError, match="another table"):
        sl.TabularGAN(cohort_schema, **SMALL).fit(other, checkpoint=file, progress=False)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot be read"):
        sl.TabularGAN(cohort_schema, **SMALL).fit(cohort, checkpoint=file, progress=False)


def test_history_and_early_stopping(cohort, cohort_schema):
    gan = sl.TabularGAN(cohort_schema, **SMALL | {"num_steps": 200, "learning_rate": 0.0, "patience": 2})
    gan.fit(cohort, progress=False)
    assert len(gan.history_) == 3  # the first score is the best one; two more without improvement
    assert {"step", "generator_loss", "critic_loss", "validation"} <= set(gan.history_.columns)


@pytest.mark.parametrize("options", [{"batch_size": 60}, {"num_steps": 0}, {"validation_fraction": 0.9}])
def test_hyperparameters_out_of_range_are_refused(cohort, cohort_schema, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        sl.TabularGAN(cohort_schema, **options).fit(cohort)


def test_the_number_of_threads_does_not_change_a_byte(tmp_path, cohort, cohort_schema):
    cohort.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "schema.json").write_text(cohort_schema.to_json())
    script = (
        "import sys, pathlib, synthlib as sl; folder = pathlib.Path(sys.argv[1]); "
        "schema = sl.Schema.from_json((folder / 'schema.json').read_text()); "
        "train = schema.conform(sl.read_table(folder / 'train.csv')); "
        "gan = sl.TabularGAN(schema, num_steps=40, batch_size=512).fit(train, progress=False); "
        "print(gan.sample(500, seed=1).to_csv(index=False))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            env=os.environ | {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert printed[0] == printed[1]
