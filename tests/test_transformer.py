"""The transformer against its theory: what sees what, and that all sums to one."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

import synthlib as sl
from synthlib.models.backend import keras, tf
from synthlib.models.encoding import SpanEncoder
from synthlib.models.transformer import RecordTransformer, Tokens

ORDERS = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]]


def build(train, schema, max_states=12, num_places=4, dropout=0.0, seed=0):
    """A network whose weights are all far from where they start, and what encodes its tables."""
    encoder = SpanEncoder(schema, max_states).fit(train)
    keras.utils.set_random_seed(seed)
    network = RecordTransformer(Tokens(encoder), 16, 2, 2, num_places, dropout)
    rng = np.random.default_rng(seed)
    for variable in network.trainable_variables:
        variable.assign(variable + rng.normal(0, 0.15, variable.shape).astype(np.float32))
    return encoder, network


@pytest.fixture(scope="module")
def built(cohort, cohort_schema):
    return build(cohort, cohort_schema)


@pytest.fixture(scope="module")
def encoded(built, cohort):
    return built[0].encode(cohort[:120], np.random.default_rng(0))


def hidden_vectors(network, states, positions, order):
    return network(tf.constant(states), tf.constant(positions), tf.constant(order))[0].numpy()


@pytest.mark.parametrize("order", ORDERS)
def test_a_value_moves_what_comes_after_it_and_nothing_else(built, encoded, order):
    encoder, network = built
    states, positions = encoded
    before = hidden_vectors(network, states, positions, order)
    nats = network.negative_log_likelihood(states, positions, tf.constant(order)).numpy()
    for place, column in enumerate(order):
        other_states, other_positions = states.copy(), positions.copy()
        other_states[:, column] = (states[:, column] + 1) % encoder.spans_[column].num_states
        other_positions[:, column] = -0.9 * positions[:, column] + 0.05
        after = hidden_vectors(network, other_states, other_positions, order)
        moved = np.abs(after - before).max(axis=(1, 2)) > 0
        assert not moved[order[: place + 1]].any()  # its own vector is that of the columns before it
        assert moved[order[place + 1 :]].all()
        np.testing.assert_array_equal(after[order[: place + 1]], before[order[: place + 1]])
        other_nats = network.negative_log_likelihood(other_states, other_positions, tf.constant(order))
        np.testing.assert_array_equal(other_nats.numpy()[order[:place]], nats[order[:place]])


def test_parts_of_a_batch_in_orders_of_their_own_are_as_each_alone(built, encoded):
    _, network = built
    together = hidden_vectors(network, *encoded, np.int32(ORDERS))
    for part, order in enumerate(ORDERS):
        rows = slice(40 * part, 40 * (part + 1))
        alone = hidden_vectors(network, encoded[0][rows], encoded[1][rows], np.int32(order))
        np.testing.assert_allclose(together[:, rows], alone, atol=1e-5)


def test_a_position_alone_moves_the_columns_after_it(built, encoded):
    encoder, network = built
    states, positions = encoded
    lab = [span.name for span in encoder.spans_].index("lab")
    inside = encoder.spans_[lab].has_position[states[:, lab]]
    turned = positions.copy()
    turned[:, lab] -= np.sign(positions[:, lab])
    order = [lab, *(column for column in range(5) if column != lab)]
    change = hidden_vectors(network, states, turned, order) - hidden_vectors(
        network, states, positions, order
    )
    moved = np.abs(change).max(axis=2)
    assert (moved[order[1:]][:, inside] > 0).all() and inside.any()
    assert not moved[:, ~inside].any() and (~inside).any()  # without a position there is nothing to see


def enumerate_cells(encoder, num_places):
    """Every state of every column up to the width; where one has a position, the middle of every place."""
    middles = (np.arange(num_places) + 0.5) * 2 / num_places - 1
    cells = [
        [
            (state, place)
            for state in range(encoder.width)
            for place in (middles if encoder.has_position()[span.index, state] else [0.0])
        ]
        for span in encoder.spans_
    ]
    rows = np.array(list(product(*cells)))  # (rows, columns, 2)
    return rows[..., 0].astype(np.int32), rows[..., 1].astype(np.float32)


def levels_only(rng):
    return pd.DataFrame(
        {
            "a": rng.choice(["x", "y"], 200),
            "b": rng.choice(["p", "q", None], 200),
            "c": rng.choice(["1", "2", "3", "4"], 200),
        }
    )


def with_numbers(rng):
    lab = rng.normal(size=200).round(4)
    lab[:60] = np.nan
    return pd.DataFrame({"a": rng.choice(["x", "y"], 200), "lab": lab, "b": rng.choice(["p", "q"], 200)})


@pytest.mark.parametrize("make", [levels_only, with_numbers])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_the_chances_of_all_records_add_up_to_one(make, order):
    train = make(np.random.default_rng(0))
    encoder, network = build(train, sl.Schema.infer(train), max_states=5)
    states, positions = enumerate_cells(encoder, network.num_places)
    nats = network.negative_log_likelihood(states, positions, tf.constant(order)).numpy().sum(axis=0)
    has_position = encoder.has_position()[np.arange(3), states]
    chances = np.exp(-nats.astype(float)) / np.prod(np.where(has_position, network.num_places, 1.0), axis=1)
    assert chances.sum() == pytest.approx(1, abs=1e-4)
    num_states = np.array([span.num_states for span in encoder.spans_])
    real = (states < num_states).all(axis=1)
    assert (chances[real] > 0).all()
    assert not chances[~real].any() and (~real).any()  # states that do not exist have no mass at all


def test_states_start_at_their_frequencies_and_places_uniform(cohort, cohort_schema):
    encoder = SpanEncoder(cohort_schema).fit(cohort)
    keras.utils.set_random_seed(0)
    network = RecordTransformer(Tokens(encoder), 16, 1, 2, 4, 0.0)
    states, positions = encoder.encode(cohort, np.random.default_rng(0))
    hidden, onehot = network(states, positions, tf.range(5))
    chances = tf.nn.softmax(network.heads.state_logits(hidden)).numpy()
    np.testing.assert_allclose(chances.mean(axis=1), encoder.shares(), atol=0.05)
    places = tf.nn.softmax(network.heads.place_logits(hidden, onehot)).numpy()
    np.testing.assert_allclose(places.mean(axis=1), 0.25, atol=0.05)


def test_dropout_is_of_its_seed_and_off_without_one(cohort, cohort_schema):
    encoder, network = build(cohort, cohort_schema, dropout=0.5)
    states, positions = encoder.encode(cohort[:20], np.random.default_rng(0))
    plain, again, first, second, same = (
        network(states, positions, tf.range(5), seed)[0].numpy()
        for seed in (None, None, tf.constant([1, 2]), tf.constant([1, 300]), tf.constant([1, 2]))
    )
    np.testing.assert_array_equal(plain, again)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - plain).max() > 0.1 and np.abs(first - second).max() > 0.1
