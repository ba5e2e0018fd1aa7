"""The GAN against its papers, and its training against interruptions."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.models.backend import keras, ops, tf
from synthlib.models.conditions import Condition
from synthlib.models.drawing import Sampler
from synthlib.models.encoding import SpanEncoder
from synthlib.models.gan import Adversaries
from synthlib.models.networks import Layout, gradient_penalty, log_truncated_density
from synthlib.models.training import CheckpointError

SMALL = {"num_steps": 60, "batch_size": 64, "hidden_dim": 16, "critic_dim": 32, "entry_dim": 8}


@pytest.fixture(scope="module")
def adversaries(cohort, cohort_schema):
    gan = sl.TabularGAN(cohort_schema, **SMALL)
    gan.encoder_ = SpanEncoder(cohort_schema).fit(cohort)
    states, positions = gan.encoder_.encode(cohort, np.random.default_rng(0))
    return Adversaries(gan, Layout(gan.encoder_), states, positions, gan.num_steps)


def test_penalty_of_a_linear_critic_is_its_slope_less_one_squared():
    weights = np.array([[3.0], [4.0]], dtype=np.float32)  # ‖w‖ = 5
    real, fake = np.random.default_rng(0).normal(size=(2, 6, 2)).astype(np.float32)
    penalty = gradient_penalty(
        lambda x: ops.matmul(x, weights), tf.constant(real), tf.constant(fake), tf.fill((6, 1), 0.3)
    )
    assert float(penalty) == pytest.approx(16.0, rel=1e-5)


def test_densities_inside_a_state_sum_to_one():
    places = np.linspace(-1, 1, 4001, dtype=np.float32)
    rng = np.random.default_rng(0)
    for centre, half in ((0.0, 1.0), (0.7, 0.05), (-0.9, 0.1)):
        parameters = tf.constant(np.tile(rng.normal(0, 2, 7).astype(np.float32), (4001, 1)))
        density = np.exp(log_truncated_density(parameters, centre, half, places, 2))
        assert np.trapezoid(density, places) / 2 == pytest.approx(1, abs=0.01)


def disturb(generator, seed=0):
    """Give a generator weights under which every column depends on all before it."""
    rng = np.random.default_rng(seed)
    for variable in generator.trainable_variables:
        if "bias" not in variable.name:
            variable.assign(rng.normal(0, 0.4, variable.shape))
    return generator


@pytest.fixture
def disturbed(cohort_schema, adversaries):
    return disturb(adversaries.gan._build_generator(adversaries.layout))


def test_a_column_is_not_seen_by_itself_or_the_ones_before_it(disturbed, adversaries):
    states, positions = adversaries.states[:50], adversaries.positions[:50]
    before = disturbed.log_likelihood(states, positions).numpy()
    for column in range(states.shape[1]):
        other = states.numpy()
        other[:, column] = (other[:, column] + 1) % adversaries.layout.num_states[column]
        logits = disturbed.distributions(states, positions)[0].numpy()
        changed = disturbed.distributions(tf.constant(other), positions)[0].numpy()
        np.testing.assert_array_equal(changed[: column + 1], logits[: column + 1])
        if column + 1 < states.shape[1]:
            assert np.abs(changed[column + 1] - logits[column + 1]).max() > 0.01
    assert np.isfinite(before).all()


def test_a_given_column_is_seen_by_the_ones_before_it(disturbed, adversaries):
    states, positions = adversaries.states[:50], adversaries.positions[:50]
    last = tf.one_hot(tf.fill(50, states.shape[1] - 1), states.shape[1])
    free = disturbed.distributions(states, positions)[0].numpy()
    given = disturbed.distributions(states, positions, last)[0].numpy()
    assert np.abs(given[0] - free[0]).max() > 0.01
    other = tf.concat([states[:, :-1], 1 - states[:, -1:]], axis=1)
    assert np.abs(disturbed.distributions(other, positions, last)[0].numpy()[0] - given[0]).max() > 0.01


@pytest.mark.parametrize("conditioned", [False, True])
def test_drawn_rows_follow_the_distributions_of_the_masked_pass(disturbed, adversaries, conditioned):
    """The sampler's own numbers, column by column, give back its uniform noise under the masked pass."""
    layout, size = adversaries.layout, 4000
    condition = None
    if conditioned:
        condition = Condition.nothing(size, layout.num_columns)
        condition.mask[:, -1] = True
        condition.states[:, -1] = np.arange(size) % 2
    states, positions = Sampler(disturbed).draw(size, np.random.default_rng(0), condition)
    given = None if condition is None else tf.constant(condition.mask.astype(np.float32))
    logits, _ = disturbed.distributions(tf.constant(states), tf.constant(positions), given)
    chances = np.exp(logits - np.logaddexp.reduce(logits.numpy(), axis=-1, keepdims=True))
    below = np.cumsum(chances, axis=-1) - chances
    uniform = np.random.default_rng(0).random((2, layout.num_columns, 2048), dtype=np.float32)[0]
    for column in range(layout.num_columns - conditioned):
        picked = states[:2048, column, None]
        low = np.take_along_axis(below[column, :2048], picked, axis=1)[:, 0]
        high = low + np.take_along_axis(chances[column, :2048], picked, axis=1)[:, 0]
        assert (low - 1e-4 <= uniform[column]).all()
        assert (uniform[column] <= high + 1e-4).all()


def test_positions_are_drawn_from_the_density_that_is_learnt(disturbed, adversaries):
    states, positions = Sampler(disturbed).draw(40000, np.random.default_rng(0))
    # E[1 / p] over draws from p is the length of the interval: 2 times the uniform density of 1/2
    state_only = disturbed.log_likelihood(tf.constant(states), tf.constant(positions))
    centred = disturbed.distributions(tf.constant(states), tf.constant(positions))[0]
    shares = -tf.nn.sparse_softmax_cross_entropy_with_logits(tf.transpose(tf.constant(states)), centred)
    ratio = np.exp(-(state_only - shares).numpy())
    for column in adversaries.layout.ranked:
        inside = adversaries.layout.half_widths[column][states[:, column]] > 0
        assert ratio[column][inside].mean() == pytest.approx(1, abs=0.05)


def test_an_untrained_generator_draws_the_columns_own_frequencies(adversaries):
    layout = adversaries.layout
    generator = adversaries.gan._build_generator(layout)
    states, _ = Sampler(generator).draw(20000, np.random.default_rng(0))
    for column in range(layout.num_columns):
        drawn = np.bincount(states[:, column], minlength=layout.width) / 20000
        np.testing.assert_allclose(drawn, layout.shares[column], atol=0.05)


def test_the_critic_raises_the_likelihood_of_what_it_rewards(cohort, cohort_schema):
    settings = SMALL | {"adversarial_share": 1.0, "patience": 100}
    with_critic = sl.TabularGAN(cohort_schema, **settings).fit(cohort, progress=False)
    without = sl.TabularGAN(cohort_schema, **settings | {"adversarial_weight": 0.0}).fit(
        cohort, progress=False
    )
    assert (with_critic.history_["critic_loss"] != 0).all()
    assert (without.history_["critic_loss"] == 0).all()
    assert not with_critic.sample(100).equals(without.sample(100))


def test_training_by_sampling_shows_rare_levels_more_often(cohort, cohort_schema, adversaries):
    seen = [adversaries.real_batch(tf.constant(step)) for step in range(200)]
    states = np.concatenate([states[-adversaries.num_given :] for states, _, _ in seen])
    mask = np.concatenate([mask for _, _, mask in seen])
    assert (mask.sum(axis=1) >= 1).all()
    alone = (mask.sum(axis=1) == 1) & (mask[:, 0] == 1)
    disease = adversaries.gan.encoder_.spans_[0]
    rare = next(state for state, levels in enumerate(disease.values) if levels == ("rare",))
    assert (states[alone, 0] == rare).mean() > 3 * disease.shares[rare]


def test_larger_tables_get_more_steps_and_wider_ones_narrower_networks(cohort_schema):
    gan = sl.TabularGAN(cohort_schema)
    assert gan.settings(8000, 20)["num_steps"] > gan.settings(1000, 20)["num_steps"]
    assert gan.settings(1000, 20)["hidden_dim"] > gan.settings(1000, 100)["hidden_dim"]
    assert sl.TabularGAN(cohort_schema, num_steps=7).settings(8000, 20)["num_steps"] == 7


def test_values_next_to_each_other_enter_alike(adversaries):
    """A step on the ladder is shared by all states above it, and the positions of a state lead up to it."""
    layout = adversaries.layout
    generator = adversaries.gan._build_generator(layout)
    generator.entries.assign(np.zeros(generator.entries.shape))
    flat, tilt = np.split(generator.entry_table().numpy(), 2, axis=-1)
    for column in layout.ranked:
        moved = np.flatnonzero(layout.half_widths[column] > 0)
        for low, high in pairwise(moved):
            if high == low + 1:  # the highest position of a state is where the next one begins
                np.testing.assert_allclose(
                    flat[column, low] + tilt[column, low], flat[column, high] - tilt[column, high], atol=1e-5
                )


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
        sl.TabularGAN(schema, num_steps=300, batch_size=256, learning_rate=4e-3)
        .fit(train, progress=False)
        .sample(3000, seed=1)
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


def test_an_interrupted_fit_leaves_no_model_behind(cohort, cohort_schema):
    gan = sl.TabularGAN(cohort_schema, **SMALL | {"num_steps": 20}).fit(cohort, progress=False)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(cohort, callbacks=[Kill(0)], progress=False)
    with pytest.raises(RuntimeError, match="call fit"):
        gan.sample(10)


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


@pytest.mark.parametrize("options", [{"batch_size": 62}, {"num_steps": 0}, {"validation_fraction": 0.9}])
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
