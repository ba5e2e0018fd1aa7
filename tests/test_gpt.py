"""The language model of records: its training, likelihood and draws, and what interrupts them."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.models.backend import keras, tf
from synthlib.models.encoding import SpanEncoder
from synthlib.models.gpt import Learner, split_rows
from synthlib.models.synthesizer import SAMPLE_BATCH
from synthlib.models.training import CheckpointError

SMALL = {"num_epochs": 4, "batch_size": 64, "hidden_dim": 8, "num_layers": 1, "num_heads": 2}
DISEASES = ("sepsis", "cancer", "failure")
RISK = {"sepsis": 0.707, "cancer": 0.444, "failure": 0.444}  # of dying; means of 200,000 rows of make_cohort


@pytest.fixture(scope="module")
def odd_cohort():
    """2,000 patients, of whom four have a disease and four a lab value like nobody else's."""
    table = make_cohort(2000, seed=1)
    table.loc[:3, "disease"], table.loc[:3, "group"] = "unheard", "acute"
    table.loc[4:7, "lab"] = [41.0, 42.0, -7.0, -9.0]
    return table


@pytest.fixture(scope="module")
def schema(odd_cohort):
    return sl.Schema.infer(odd_cohort, target="died")


MEDIUM = {"hidden_dim": 32, "num_layers": 2, "num_heads": 2, "num_epochs": 20, "batch_size": 64}


@pytest.fixture(scope="module")
def gpt(odd_cohort, schema):
    options = MEDIUM | {"max_states": 16, "validation_fraction": 0}  # to the end: for what can be learnt
    return sl.TabularGPT(schema, **options).fit(odd_cohort, progress=False)


@pytest.fixture(scope="module")
def free(gpt):
    return gpt.sample(20_000, seed=1)


def test_relations_are_learnt(free):
    wrong = (free["group"] == "chronic") != (free["disease"] == "cancer")
    assert wrong.mean() < 0.03  # 0.42 if the two were independent
    lab = free.groupby("disease")["lab"].mean()
    assert lab["sepsis"] - lab["failure"] > 0.7  # 1.0 in truth
    missing = free["lab"].isna().groupby(free["disease"]).mean()
    assert missing["cancer"] > missing["sepsis"] + 0.35  # 0.45 in truth
    assert np.corrcoef(free["age"], free["died"])[0, 1] > 0.15  # 0.27 in truth


@pytest.mark.parametrize("disease", DISEASES)
def test_draws_follow_what_is_given(gpt, disease):
    drawn = gpt.sample(4000, given={"disease": disease}, seed=2)
    assert (drawn["disease"] == disease).all()
    assert abs(drawn["died"].mean() - RISK[disease]) < 0.08
    assert abs((drawn["group"] == "chronic").mean() - (disease == "cancer")) < 0.03
    assert abs(drawn["lab"].isna().mean() - (0.5 if disease == "cancer" else 0.05)) < 0.1


def test_what_comes_later_in_the_table_decides_what_comes_earlier(gpt, odd_cohort):
    truth = (odd_cohort["disease"] == "sepsis").groupby(odd_cohort["died"]).mean()
    for died in (0, 1):
        drawn = gpt.sample(4000, given={"died": died}, seed=3)
        assert abs((drawn["disease"] == "sepsis").mean() - truth[died]) < 0.08  # 0.25 and 0.52
    drawn = gpt.sample(3000, given={"group": "chronic"}, seed=3)
    assert (drawn["disease"] == "cancer").mean() > 0.95


def test_early_stopping_waits_for_conditions_to_be_learnt(odd_cohort, schema):
    stopped = sl.TabularGPT(schema, max_states=16, **MEDIUM).fit(odd_cohort, progress=False)
    assert len(stopped.history_) < 20
    truth = (odd_cohort["disease"] == "sepsis").groupby(odd_cohort["died"]).mean()
    for died in (0, 1):
        drawn = stopped.sample(4000, given={"died": died}, seed=3)
        assert abs((drawn["disease"] == "sepsis").mean() - truth[died]) < 0.08  # 0.27 and 0.51


def test_rare_levels_and_extremes_are_never_drawn(free, odd_cohort, gpt):
    assert "unheard" in set(odd_cohort["disease"]) and "unheard" not in set(free["disease"])
    ordered = np.sort(odd_cohort["lab"].dropna())
    assert free["lab"].min() >= ordered[gpt.min_count - 1]
    assert free["lab"].max() <= ordered[-gpt.min_count]
    assert set(free["disease"]) == {"sepsis", "cancer", "failure", "rare"}


def test_numbers_show_no_grid_of_states(free, gpt):
    lab = gpt.schema.names.index("lab")
    assert free["lab"].nunique() > 8 * gpt.encoder_.spans_[lab].num_states


def test_a_record_is_likelier_than_one_put_together_from_several(gpt, odd_cohort):
    fresh = make_cohort(800, seed=5)
    fresh["lab"] = fresh["lab"].clip(odd_cohort["lab"].min(), odd_cohort["lab"].max())
    fresh["age"] = fresh["age"].clip(odd_cohort["age"].min(), odd_cohort["age"].max())
    rng = np.random.default_rng(0)
    shuffled = fresh.apply(lambda column: rng.permutation(column)).astype(fresh.dtypes)
    nats = gpt.log_likelihood(fresh)
    assert nats.shape == (800,) and nats.dtype == np.float64
    assert nats.mean() > gpt.log_likelihood(shuffled).mean() + 1
    np.testing.assert_allclose(gpt.column_nats(fresh).sum(axis=1), -nats)
    assert list(gpt.column_nats(fresh).columns) == gpt.schema.names


def test_likelihood_is_that_of_what_is_drawn(gpt):
    """Mean nats of draws are the entropy, by sums over the states' and places' own distributions.

    Draws are taken as states and positions: decoding rounds, and values near the end of a state cross it.
    """
    states, positions = gpt._draw(4000, None, 1, 0)
    hidden, onehot = gpt.network_(states, positions, tf.range(5))
    heads, num_places = gpt.network_.heads, gpt.num_places
    chances = tf.nn.softmax(heads.state_logits(hidden)).numpy().astype(float)
    inside = tf.nn.softmax(heads.place_logits(hidden, onehot)).numpy().astype(float)
    entropy = -(chances * np.log(np.maximum(chances, 1e-300))).sum(axis=2)
    local = -(inside * np.log(np.maximum(inside, 1e-300))).sum(axis=2) - np.log(num_places)
    has_place = gpt.encoder_.has_position()[np.arange(5), states].T
    nats = gpt.network_.negative_log_likelihood(states, positions, tf.range(5)).numpy()
    surprise = (nats - entropy - has_place * local).sum(axis=0)  # of mean 0
    assert abs(surprise.mean()) < 4 * surprise.std() / np.sqrt(4000) < 0.15


def test_entropies_say_how_much_each_column_owes_the_others(gpt, odd_cohort):
    entropies = gpt.column_entropies(odd_cohort)
    assert list(entropies.columns) == ["marginal", "in_order", "given_others"]
    assert list(entropies.index) == gpt.schema.names
    assert entropies["in_order"].sum() == pytest.approx(-gpt.log_likelihood(odd_cohort).mean(), rel=1e-6)
    group, disease = entropies.loc["group"], entropies.loc["disease"]
    counts = odd_cohort["group"].value_counts(normalize=True)
    assert group["marginal"] == pytest.approx(-(counts * np.log(counts)).sum(), abs=1e-5)
    assert group["given_others"] < 0.1 < group["marginal"]  # it follows from the disease
    assert group["in_order"] < 0.1
    assert disease["given_others"] < disease["marginal"] - 0.4
    assert (entropies["given_others"] <= entropies["marginal"] + 0.02).all()


def test_partial_rows_keep_cells_and_order_and_the_rest_follows(gpt, odd_cohort):
    rng = np.random.default_rng(1)
    whole = odd_cohort[8:1508].reset_index(drop=True)
    partial = whole.astype(object).mask(rng.random(whole.shape) < 0.5)
    drawn = gpt.sample(given=partial, seed=4)
    assert (drawn.dtypes == whole.dtypes).all()
    for name in partial:
        given = partial[name].notna()
        assert drawn.loc[given, name].tolist() == partial.loc[given, name].tolist(), name
    told = partial["disease"].notna() | partial["group"].notna()
    wrong = (drawn["group"] == "chronic") != (drawn["disease"] == "cancer")
    assert wrong[told].mean() < 0.04


def test_a_row_depends_on_its_own_condition_alone(gpt, odd_cohort):
    rng = np.random.default_rng(2)
    partial = odd_cohort[["age", "lab", "disease"]][:200].astype(object)
    partial = partial.mask(rng.random(partial.shape) < 0.4)
    changed = partial.copy()
    changed.loc[::2] = [60, 3.0, "sepsis"]
    one, other = (gpt.sample(given=rows, seed=5) for rows in (partial, changed))
    pd.testing.assert_frame_equal(one[1::2], other[1::2])
    assert not one[::2].equals(other[::2])


def test_a_sample_is_its_batches_with_partial_rows_too(gpt, odd_cohort):
    partial = pd.concat([odd_cohort[["died", "disease"]]] * 5, ignore_index=True)
    partial = partial.mask(np.random.default_rng(3).random(partial.shape) < 0.3)
    batches = list(gpt.sample_batches(given=partial, seed=6))
    assert [len(batch) for batch in batches] == [SAMPLE_BATCH, 10_000 - SAMPLE_BATCH]
    drawn = gpt.sample(given=partial, seed=6)
    pd.testing.assert_frame_equal(drawn, pd.concat(batches, ignore_index=True))
    given = partial["disease"].notna()
    assert (drawn["disease"] == partial["disease"])[given].all()
    alike = batches[1]["age"].to_numpy() == batches[0]["age"][: len(batches[1])].to_numpy()
    assert alike.mean() < 0.2  # another batch, other numbers


def test_rules_hold_in_every_row_with_given_cells_unchanged(gpt, odd_cohort):
    pairs = tuple(set(zip(odd_cohort["disease"], odd_cohort["group"], strict=True)))
    held = sl.TabularGPT(
        gpt.schema.with_rules(sl.Combinations(("disease", "group"), pairs)), **gpt.parameters
    )
    for name in ("encoder_", "network_", "settings_"):
        setattr(held, name, getattr(gpt, name))
    assert gpt.encoder_ is held.encoder_
    hot = {"temperature": 20.0}  # so hot that relations are lost
    assert held.schema.find_violations(at(gpt, **hot).sample(2000))["violations"].sum() > 100
    for given in (None, {"group": "chronic"}, odd_cohort[["age", "disease"]]):
        drawn = at(held, **hot).sample(2000, given=given, seed=7)
        assert held.schema.find_violations(drawn)["violations"].sum() == 0
    assert (drawn["disease"] == odd_cohort["disease"]).all() and (drawn["age"] == odd_cohort["age"]).all()


def at(model, **options):
    """The same fitted model with other options of drawing."""
    other = sl.TabularGPT(model.schema, **model.parameters | options)
    for name in ("encoder_", "network_", "settings_"):
        setattr(other, name, getattr(model, name))
    return other


def test_near_temperature_zero_the_mode_is_drawn_and_top_p_leaves_the_tail_out(gpt, free):
    cold = at(gpt, temperature=1e-3, top_p=0.5).sample(200, seed=8)
    assert cold[["disease", "group", "died"]].drop_duplicates().shape[0] == 1
    assert cold.loc[0, "disease"] == "sepsis"  # 0.4 of all
    assert free["disease"].value_counts()["rare"] > 0
    assert "rare" not in set(at(gpt, top_p=0.9).sample(5000, seed=8)["disease"])  # 0.02 of all


def test_draws_follow_the_network_and_the_options_of_the_moment(gpt):
    model = at(gpt)
    drawn = model.sample(300, seed=9)
    pd.testing.assert_frame_equal(drawn, model.sample(300, seed=9))
    model.temperature = 5.0
    pd.testing.assert_frame_equal(model.sample(300, seed=9), at(gpt, temperature=5.0).sample(300, seed=9))
    model.temperature, model.network_ = 1.0, gpt.build_network()
    assert not drawn.equals(model.sample(300, seed=9))


def test_a_second_fit_draws_from_the_second_network(small, cohort, cohort_schema):
    model = sl.TabularGPT(cohort_schema, **SMALL).fit(cohort[::-1].reset_index(drop=True), progress=False)
    before = model.sample(200, seed=1)
    after = model.fit(cohort, progress=False).sample(200, seed=1)
    assert after.equals(small.sample(200, seed=1)) and not after.equals(before)


@pytest.fixture(scope="module")
def learner(cohort, cohort_schema):
    gpt = sl.TabularGPT(cohort_schema, **SMALL)
    gpt.encoder_ = SpanEncoder(cohort_schema).fit(cohort)
    gpt.settings_ = gpt.settings(len(cohort), 5)
    return Learner(gpt, *gpt.encoder_.encode(cohort, np.random.default_rng(0)))


def test_muon_moves_the_blocks_matrices_and_adam_the_rest(learner):
    """Muon's update of a matrix is orthogonal, whatever the gradient's sizes (Jordan et al. 2024)."""
    updater, variables = learner.updater, learner.network.trainable_variables
    assert isinstance(updater, keras.optimizers.Muon)
    by_muon = {variable.path for variable in variables if not updater._should_use_adamw(variable)}
    matrices = {weight.path for block in learner.network.blocks for weight in (block.enter, block.leave)}
    assert by_muon == matrices
    before = [variable.numpy() for variable in variables]
    averages = [variable.numpy() for variable in learner.averaged.trainable_variables]
    for step in range(3):
        learner.train_step(tf.constant(step, tf.int64))
    moved = [not np.array_equal(old, new) for old, new in zip(before, variables, strict=True)]
    assert all(moved)
    assert any(
        not np.array_equal(old, new)
        for old, new in zip(averages, learner.averaged.trainable_variables, strict=True)
    )


def test_an_epoch_shows_each_row_once_in_an_order_of_its_own(learner):
    size, steps = learner.batch_size, learner.steps_per_epoch
    epochs = [
        np.concatenate(
            [learner.choose_batch(tf.constant(epoch * steps + step, tf.int64)) for step in range(steps)]
        )
        for epoch in range(2)
    ]
    for rows in epochs:
        assert len(set(rows.tolist())) == size * steps and rows.max() < learner.num_rows
    assert not np.array_equal(*epochs)


def test_orders_put_a_random_set_first_and_keep_the_others_as_they_are(learner):
    orders = np.stack([learner.choose_orders(tf.constant(step, tf.int64)) for step in range(200)])
    assert orders.shape == (200, 4, 5)
    assert (np.sort(orders, axis=2) == np.arange(5)).all()
    assert (orders[:, 3] == np.arange(5)).all()  # a fourth of the batch is in the table's order
    after_sets = orders[:, :3].reshape(-1, 5)
    num_turns = (np.diff(after_sets) < 0).sum(axis=1)
    assert 0.05 < (num_turns == 0).mean() < 0.5  # a set may be empty, or in order
    assert set(after_sets[:, 0]) == set(range(5))
    for order in after_sets:
        assert any((np.diff(order[size:]) > 0).all() for size in range(5))


def test_validation_counts_the_table_s_order_and_orders_with_a_set_first_by_their_shares(learner, cohort):
    states, positions = learner.gpt.encoder_.encode(cohort[:45], np.random.default_rng(1))
    measured = learner.validation(states, positions)()
    network, orders = learner.averaged, learner.draw_orders(learner._seed(0, 5), np.full(10, True)).numpy()
    assert len({tuple(order) for order in orders}) > 5
    in_order = network.negative_log_likelihood(states, positions, tf.range(5)).numpy().sum() / 45
    parts = zip(np.array_split(states, 10), np.array_split(positions, 10), orders, strict=True)
    after_sets = sum(network.negative_log_likelihood(*part).numpy().sum() for part in parts) / 45
    assert after_sets != pytest.approx(in_order, rel=1e-5)
    assert measured == pytest.approx(0.25 * in_order + 0.75 * after_sets, rel=1e-5)


def test_rows_are_split_by_the_tokens_that_they_hold():
    assert [(part.start, part.stop) for part in split_rows(70, 2**11)] == [(0, 32), (32, 64), (64, 70)]


def test_settings_follow_the_table_and_yield_to_those_given(cohort_schema):
    free = sl.TabularGPT(cohort_schema)
    sizes = [free.settings(num_rows, 10) for num_rows in (300, 2000, 30_000, 10**7)]
    assert [size["num_epochs"] for size in sizes] == sorted((s["num_epochs"] for s in sizes), reverse=True)
    assert [size["batch_size"] for size in sizes] == sorted(size["batch_size"] for size in sizes)
    assert [size["hidden_dim"] for size in sizes] == sorted(size["hidden_dim"] for size in sizes)
    assert all(size["num_epochs"] >= 1 for size in sizes)
    assert free.settings(30_000, 1000)["batch_size"] < sizes[2]["batch_size"]  # wide tables, fewer rows
    chosen = sl.TabularGPT(cohort_schema, **SMALL, dropout=0.2).settings(10**6, 10)
    assert chosen.items() >= {"num_epochs": 4, "batch_size": 64, "hidden_dim": 8, "dropout": 0.2}.items()


class Kill(keras.callbacks.Callback):
    """Stops the process's training the hard way after some epochs."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def small(cohort, cohort_schema):
    return sl.TabularGPT(cohort_schema, **SMALL).fit(cohort, progress=False)


@pytest.fixture(scope="module")
def killed(cohort, cohort_schema, tmp_path_factory):
    """A model whose training was killed in its third epoch, and the checkpoint it left."""
    file = tmp_path_factory.mktemp("killed") / "training.npz"
    model = sl.TabularGPT(cohort_schema, **SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.fit(cohort, file, callbacks=[Kill(2)], progress=False)
    return model, file


def test_history_has_a_row_an_epoch(small, gpt):
    assert {"step", "nats", "validation"} <= set(small.history_.columns)
    steps = 540 // 64  # of 600 rows a tenth is set aside
    assert small.history_["step"].tolist() == [steps * epoch for epoch in range(1, 5)]
    assert np.isfinite(small.history_).all().all()
    assert gpt.history_["nats"].iloc[-1] < gpt.history_["nats"].iloc[0] - 0.5
    assert gpt.history_["validation"].isna().all()  # no rows are set aside


def test_a_killed_training_resumes_to_the_same_bytes(small, killed, cohort, cohort_schema, tmp_path):
    _, left = killed
    assert left.stat().st_mode & 0o077 == 0
    file = shutil.copy(left, tmp_path / "training.npz")
    resumed = sl.TabularGPT(cohort_schema, **SMALL).fit(cohort, checkpoint=file, progress=False)
    assert resumed.sample(200, seed=1).equals(small.sample(200, seed=1))
    np.testing.assert_array_equal(resumed.log_likelihood(cohort), small.log_likelihood(cohort))
    assert resumed.history_.equals(small.history_)
    assert not file.exists()


def test_a_checkpoint_of_another_training_is_refused(killed, cohort, cohort_schema):
    _, file = killed
    with pytest.raises(CheckpointError, match="learning_rate"):
        sl.TabularGPT(cohort_schema, **SMALL, learning_rate=0.5).fit(cohort, file, progress=False)
    shuffled = cohort.iloc[::-1].reset_index(drop=True)
    with pytest.raises(CheckpointError, match="another table"):
        sl.TabularGPT(cohort_schema, **SMALL).fit(shuffled, file, progress=False)
    assert file.exists()


def test_a_killed_training_leaves_no_half_fitted_model(killed, cohort):
    model, _ = killed
    for use in (lambda: model.sample(5), lambda: model.log_likelihood(cohort)):
        with pytest.raises(RuntimeError, match="fit"):
            use()


def test_training_stops_when_validation_stops_improving(cohort, cohort_schema):
    options = SMALL | {"num_epochs": 50, "learning_rate": 0.0, "weight_decay": 0.0, "ema": 0.0}
    still = sl.TabularGPT(cohort_schema, **options, patience=2).fit(cohort, progress=False)
    assert len(still.history_) == 3  # of 50


@pytest.mark.parametrize(
    "options",
    [
        {"num_epochs": 0}, {"hidden_dim": 0}, {"num_layers": 0}, {"num_heads": 0}, {"num_places": 0},
        {"batch_size": 0}, {"patience": 0}, {"dropout": 1.0}, {"subset_share": 1.5}, {"warm_up": -0.1},
        {"validation_fraction": 0.9}, {"ema": 2.0}, {"temperature": 0.0}, {"temperature": 1e9},
        {"top_p": 0.0}, {"learning_rate": -1.0}, {"weight_decay": -1.0}, {"min_count": 0}, {"max_states": 0},
        {"temperature": float("nan")}, {"num_epochs": 2.0}, {"hidden_dim": "64"}, {"seed": -1},
        {"num_layers": True}, {"num_heads": 7}, {"hidden_dim": 15, "num_heads": 2},
    ],
)  # fmt: skip
def test_hyperparameters_out_of_range_are_refused_by_name(cohort, cohort_schema, options):
    model = sl.TabularGPT(cohort_schema, **options)
    with pytest.raises(ValueError, match=next(iter(options))):
        model.fit(cohort, progress=False)


@pytest.mark.parametrize("options", [{"num_epochs": 1}, {"warm_up": 1.0, "ema": 1}])
def test_a_training_of_one_step_is_one(cohort, cohort_schema, options):
    model = sl.TabularGPT(cohort_schema, **(SMALL | options)).fit(cohort.head(32), progress=False)
    assert len(model.sample(3)) == 3


def test_a_table_without_rows_leaves_the_model_as_it_was(cohort, cohort_schema):
    model = sl.TabularGPT(cohort_schema, **SMALL).fit(cohort.head(40), progress=False)
    with pytest.raises(ValueError, match="at least one row"):
        model.fit(cohort.head(0), progress=False)
    assert len(model.sample(3)) == 3


def test_likelihood_before_fit_is_refused_and_of_another_table(cohort_schema, small, cohort):
    with pytest.raises(RuntimeError, match="fit"):
        sl.TabularGPT(cohort_schema).log_likelihood(cohort)
    with pytest.raises(sl.SchemaError, match="lab"):
        small.log_likelihood(cohort.drop(columns="lab"))


def test_other_processes_with_one_thread_train_and_draw_the_same_bytes(tmp_path, cohort, cohort_schema):
    cohort.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "schema.json").write_text(cohort_schema.to_json())
    script = (
        "import sys, pathlib, synthlib as sl; folder = pathlib.Path(sys.argv[1]); "
        "schema = sl.Schema.from_json((folder / 'schema.json').read_text()); "
        "train = schema.conform(sl.read_table(folder / 'train.csv')); "
        "gpt = sl.TabularGPT(schema, num_epochs=2, hidden_dim=32, batch_size=256); "
        "gpt.fit(train, progress=False); "
        "print(gpt.sample(500, given={'died': {0: 0.5, 1: 0.5}}, seed=1).to_csv(index=False)); "
        "print(gpt.log_likelihood(train).tolist())"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            env=os.environ | {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads},
            stdout=subprocess.PIPE,
            text=True,
        )
        for threads in ("1", "1")
    ]
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert printed[0] == printed[1] and len(printed[0]) > 5000
