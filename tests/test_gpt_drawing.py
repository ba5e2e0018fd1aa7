"""Drawing in numpy against the network's full pass: a cache changes nothing, nor do the rows beside."""

import numpy as np
import pytest
from test_transformer import ORDERS, build
from threadpoolctl import threadpool_info, threadpool_limits

from synthlib.models import gpt_drawing
from synthlib.models.backend import tf
from synthlib.models.gpt_drawing import Layer, Sampler, cut_tail, draw_index


@pytest.fixture(scope="module")
def built(cohort, cohort_schema):
    return build(cohort, cohort_schema)


@pytest.fixture(scope="module")
def sampler(built):
    return Sampler(built[1])


@pytest.fixture(scope="module")
def encoded(built, cohort):
    return built[0].encode(cohort[:120], np.random.default_rng(0))


def draw_uniforms(seed, num_rows):
    return np.random.default_rng(seed).random((5, 3, num_rows), dtype=np.float32)


def logits_by_full_pass(network, states, positions, order):
    """Logits of states and of places, by column (batch, …)."""
    hidden, onehot = network(states, positions, tf.constant(order))
    return network.heads.state_logits(hidden).numpy(), network.heads.place_logits(hidden, onehot).numpy()


@pytest.mark.parametrize("num_given", [0, 2, 5])
@pytest.mark.parametrize("order", ORDERS)
def test_drawing_with_the_cache_is_inverting_the_full_pass(built, sampler, encoded, order, num_given):
    encoder, network = built
    states, positions = encoded
    uniforms = draw_uniforms(1, len(states))
    mask = np.zeros(states.shape, bool)
    mask[:, order[:num_given]] = True
    drawn_states, drawn_positions = sampler.draw(states, positions, mask, uniforms, order)
    assert drawn_states.dtype == np.int32 and drawn_positions.dtype == np.float32
    np.testing.assert_array_equal(drawn_states[mask], states[mask])
    np.testing.assert_array_equal(drawn_positions[mask], positions[mask])

    state_logits, place_logits = logits_by_full_pass(network, drawn_states, drawn_positions, order)
    for column in order[num_given:]:
        again = draw_index(state_logits[column].T, uniforms[column, 0])
        np.testing.assert_array_equal(drawn_states[:, column], again)
        places = draw_index(place_logits[column].T, uniforms[column, 1])
        expected = (places + uniforms[column, 2]) * (2 / network.num_places) - 1
        expected *= encoder.has_position()[column, drawn_states[:, column]]
        np.testing.assert_allclose(drawn_positions[:, column], expected, atol=1e-6)


@pytest.mark.parametrize("num_given", [0, 1, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_logits_are_those_of_the_full_pass(built, sampler, encoded, order, num_given, monkeypatch):
    _, network = built
    seen = []

    def watch(logits, uniform):
        seen.append(np.broadcast_to(logits, (len(logits), len(uniform))).T.copy())
        return draw_index(logits, uniform)

    monkeypatch.setattr(gpt_drawing, "draw_index", watch)
    mask = np.zeros(encoded[0].shape, bool)
    mask[:, order[:num_given]] = True
    drawn = sampler.draw(*encoded, mask, draw_uniforms(2, 120), order)
    state_logits, place_logits = logits_by_full_pass(network, *drawn, order)
    for column in order[num_given:]:
        logits, positioned = seen.pop(0), sampler.columns[column].positioned
        np.testing.assert_allclose(logits, state_logits[column][:, : logits.shape[1]], atol=2e-5)
        assert (state_logits[column][:, logits.shape[1] :] < -1e8).all()  # what is left out does not exist
        if positioned:
            inside = sampler.columns[column].has_position[drawn[0][:, column]] > 0
            np.testing.assert_allclose(seen.pop(0)[inside], place_logits[column][inside], atol=2e-5)
    assert not seen


@pytest.mark.parametrize("rows_at_once", [7, 32, 1000])
def test_many_patterns_of_given_columns_are_drawn_as_one_by_one(sampler, encoded, rows_at_once, monkeypatch):
    monkeypatch.setattr(gpt_drawing, "ROWS_AT_ONCE", rows_at_once)
    uniforms = draw_uniforms(3, 120)
    mask = np.random.default_rng(4).random(encoded[0].shape) < 0.5
    mask[:30] = [True, False, False, True, False]  # some rows have company, others none
    assert len(np.unique(mask, axis=0)) > 20
    together = sampler.draw(*encoded, mask, uniforms)
    np.testing.assert_array_equal(together[0][mask], encoded[0][mask])
    np.testing.assert_array_equal(together[1][mask], encoded[1][mask])
    for row in range(120):
        one = slice(row, row + 1)
        alone = sampler.draw(*(part[one] for part in (*encoded, mask)), uniforms[:, :, one])
        np.testing.assert_array_equal(together[0][one], alone[0])
        np.testing.assert_allclose(together[1][one], alone[1], atol=1e-6)
    assert (together[0] != encoded[0]).mean() > 0.1


@pytest.mark.parametrize("order", ORDERS)
def test_a_row_is_drawn_alike_alone_and_among_others(sampler, encoded, order):
    uniforms, nothing = draw_uniforms(5, 120), np.zeros(encoded[0].shape, bool)
    together = sampler.draw(*encoded, nothing, uniforms, order)
    for row in range(0, 120, 7):
        one = slice(row, row + 1)
        alone = sampler.draw(*(part[one] for part in (*encoded, nothing)), uniforms[:, :, one], order)
        np.testing.assert_array_equal(together[0][one], alone[0])
        np.testing.assert_allclose(together[1][one], alone[1], atol=1e-6)


def test_what_is_drawn_from_is_left_as_it_was(sampler, encoded):
    mask = np.arange(5) < 2
    given = encoded[0].copy(), encoded[1].copy(), np.tile(mask, (120, 1)), draw_uniforms(6, 120)
    kept = [part.copy() for part in given]
    for part in given:
        part.flags.writeable = False
    first, again = sampler.draw(*given), sampler.draw(*given)
    for one, other in (*zip(given, kept, strict=True), *zip(first, again, strict=True)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scale", [1, 1000])
def test_attention_is_a_softmax_even_where_exponentials_leave_their_range(built, scale):
    layer, rng = Layer(built[1].blocks[0]), np.random.default_rng(7)
    queries = rng.normal(size=(2, layer.heads, layer.width))
    keys, values = rng.normal(size=(2, 5, 2, layer.width))
    queries[0] *= scale
    absent = np.zeros((2, 1, 5))
    absent[1, 0, 3:] = -1e9  # this row has three tokens
    scores = queries @ keys.transpose(1, 2, 0) + absent
    assert (np.abs(scores[0]).max() > 100) == (scale > 1)
    chances = np.exp(scores - scores.max(axis=2, keepdims=True))
    chances /= chances.sum(axis=2, keepdims=True)
    assert not chances[1, :, 3:].any()
    expected = (chances @ values.swapaxes(0, 1)).reshape(2, -1) @ layer.leave_attention
    with np.errstate(over="ignore", invalid="ignore"):
        attended = layer.attend(*(part.astype(np.float32) for part in (queries, keys, values, absent)))
    np.testing.assert_allclose(attended, expected, atol=1e-4)


def test_numbers_stay_single_and_threads_one(sampler, encoded, monkeypatch):
    """Sums by several threads may differ in the last bits; a double anywhere halves the speed."""
    found = []

    def watch(logits, uniform):
        found.append(logits.dtype)
        found.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return draw_index(logits, uniform)

    monkeypatch.setattr(gpt_drawing, "draw_index", watch)
    with threadpool_limits(2, user_api="blas"):
        sampler.draw(*encoded, np.zeros(encoded[0].shape, bool), draw_uniforms(8, 120))
    assert set(found) == {np.dtype(np.float32), 1}


def test_draw_index_inverts_the_distribution_on_a_grid():
    chances = np.array([0.125, 0.0, 0.5, 0.0, 0.25, 0.125, 0.0])
    with np.errstate(divide="ignore"):
        logits = np.where(chances > 0, np.log(chances), -1e9).astype(np.float32)
    grid = (np.arange(800, dtype=np.float32) + 0.5) / 800
    drawn = draw_index(np.tile(logits[:, None], 800), grid)
    np.testing.assert_array_equal(np.bincount(drawn, minlength=7), 800 * chances)
    assert (np.diff(drawn) >= 0).all()
    np.testing.assert_array_equal(draw_index(logits[:, None], grid), drawn)  # one distribution for all


@pytest.mark.parametrize("size", [1, 5, 33])
def test_draw_index_never_draws_a_state_that_does_not_exist(size):
    rng = np.random.default_rng(size)
    logits = rng.normal(0, 3, (size, 4000)).astype(np.float32)
    absent = rng.random((size, 4000)) < 0.5
    absent[rng.integers(size, size=4000), np.arange(4000)] = False
    logits[absent] = -1e9
    ends = np.exp(logits - logits.max(axis=0)).cumsum(axis=0)
    on_an_end = (ends / ends[-1])[rng.integers(size, size=4000), np.arange(4000)]
    highest = np.nextafter(np.float32(1), np.float32(0))
    for uniform in (np.zeros(4000), np.full(4000, highest), np.minimum(on_an_end, highest)):
        drawn = draw_index(logits, uniform.astype(np.float32))
        assert not absent[drawn, np.arange(4000)].any()


def test_the_tail_is_cut_where_the_likeliest_make_up_top_p():
    chances = np.array([[0.5, 0.1, 0.3, 0.1], [0.97, 0.01, 0.01, 0.01]], dtype=np.float32).T
    kept = cut_tail(np.log(chances), 0.75) > -1e8
    np.testing.assert_array_equal(kept.T, [[True, False, True, False], [True, False, False, False]])
    assert (cut_tail(np.log(chances), 0.9999) > -1e8).all()


@pytest.mark.parametrize("options", [{"temperature": 1e-3}, {"top_p": 1e-3}])
def test_near_temperature_zero_the_mode_is_drawn(built, encoded, options):
    _, network = built
    nothing, order = np.zeros(encoded[0].shape, bool), ORDERS[1]
    drawn = Sampler(network, **options).draw(*encoded, nothing, draw_uniforms(9, 120), order)
    logits = np.transpose(logits_by_full_pass(network, *drawn, order)[0], (1, 0, 2))
    chosen = np.take_along_axis(logits, drawn[0][..., None], axis=2)[..., 0]
    assert (chosen > logits.max(axis=2) - 0.02).all()  # but for ties at this temperature


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_divides_the_logits_of_states(built, encoded, temperature):
    _, network = built
    nothing, order = np.zeros(encoded[0].shape, bool), ORDERS[0]
    uniforms = draw_uniforms(10, 120)
    drawn = Sampler(network, temperature).draw(*encoded, nothing, uniforms)
    logits, _ = logits_by_full_pass(network, *drawn, order)
    for column in order:
        expected = draw_index(logits[column].T / np.float32(temperature), uniforms[column, 0])
        np.testing.assert_array_equal(drawn[0][:, column], expected)
