"""The risk that attacks add: four worked attempts, and intervals that hold the truth."""

import numpy as np
import pytest

from synthlib.evaluation.leakage import risks
from synthlib.evaluation.leakage.risks import Trials


def trials(attack, control, **options):
    attack, control = (np.array(part, dtype=bool) for part in (attack, control))
    return Trials(attack, control, np.zeros(1, dtype=bool), **options)


def test_risk_of_four_attempts():
    # three of four succeed on members, one of two on others: (3/4 - 1/2) / (1 - 1/2)
    found = risks.risk_score("risk", trials([1, 1, 1, 0], [1, 0]))
    assert found.value == 0.5
    assert found.low < 0.5 < found.high <= 1
    assert found.reference == 0


def test_p_value_of_four_attempts():
    # of 6 attempts 4 succeed; that members have 3 or 4 of them: (C(4,3)·C(2,1) + C(4,4)) / C(6,4) = 9/15
    assert risks.risk_p_value(trials([1, 1, 1, 0], [1, 0])) == pytest.approx(9 / 15)
    # made on both sides, two succeed on members alone: a quarter; a half if they find one person
    who = np.array([[7, 8, 9, -1], [5, -1, -1, -1]])
    assert risks.risk_p_value(trials([1, 1, 1, 0], [1, 0, 0, 0], who=who)) == 0.25
    who[0, 2] = 8
    assert risks.risk_p_value(trials([1, 1, 1, 0], [1, 0, 0, 0], who=who)) == 0.5


def test_finding_one_person_often_is_no_more_evidence():
    won, lost = [1, 1, 1, 0] * 10, [0, 0, 0, 1] * 10
    others = np.full(40, 5)
    often, once = (np.array([who, others]) for who in (np.arange(40) // 20, np.arange(40)))
    wide, narrow = (risks.risk_score("risk", trials(won, lost, who=who)) for who in (often, once))
    assert wide.value == narrow.value
    assert wide.low < narrow.low


def test_equal_success_adds_nothing():
    found = risks.risk_score("risk", trials([1, 0] * 50, [1, 0] * 50))
    assert found.value == 0
    assert found.low < 0 < found.high


def test_the_more_success_on_members_the_more_risk():
    control = [1] * 10 + [0] * 90
    found = [trials([1] * won + [0] * (100 - won), control) for won in (10, 40, 100)]
    assert [risks.risk_score("risk", one).value for one in found] == pytest.approx([0, 1 / 3, 1])
    p_values = [risks.risk_p_value(one) for one in found]
    assert p_values[0] > p_values[1] > p_values[2]


@pytest.mark.parametrize(("attack", "control"), [([], [0]), ([1], []), ([1, 0], [1, 1])])
def test_what_cannot_be_estimated_is_no_figure(attack, control):
    assert np.isnan(risks.risk_score("risk", trials(attack, control)).value)


@pytest.mark.parametrize(("share", "other"), [(0.02, 0.01), (0.5, 0.3), (0.98, 0.1)])
def test_intervals_hold_the_true_risk(share, other):
    rng, truth, held = np.random.default_rng(0), (share - other) / (1 - other), 0
    for _ in range(400):
        found = risks.risk_score("risk", trials(rng.random(300) < share, rng.random(200) < other))
        assert found.low <= found.value <= found.high
        held += found.low <= truth <= found.high
    assert held >= 370


def test_some_of_the_attempts():
    part = trials([1, 0, 1], [0, 1]).of(np.array([True, False, True]), np.array([False, True]))
    assert part.attack.tolist() == [True, True]
    assert part.control.tolist() == [True]
