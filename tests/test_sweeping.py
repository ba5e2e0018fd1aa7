"""A sweep of budgets: what it spends as a whole, that every fit is logged, and that it goes on."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

import synthlib as sl
from synthlib.chain.registry import Ledger
from synthlib.models.accounting import Queries, account
from synthlib.paper.frontier import privacy_frontier
from synthlib.preregistration import preregister
from synthlib.scores import Score
from synthlib.sweeping import SWEEP, score_budget, sweep_budgets, sweep_numbers

KEY = sl.StewardKey(bytes(range(32)))
TINY = {
    "hidden_dim": 16, "num_layers": 1, "num_heads": 2, "num_epochs": 1, "tree_rows": 500, "num_steps": 2,
    "public_schema": True, "expected_batch": 60,
}  # fmt: skip


@dataclass
class Noisy(sl.IndependentMarginals):
    """Says that it spent what its noise would, and counts its fits; fails at the budget `broken`."""

    epsilon: float = 1.0
    fits, broken = 0, None

    def fit(self, train, progress=True):
        if self.epsilon == self.broken:
            raise MemoryError("not enough of it")
        type(self).fits += 1
        self.spend_ = account([Queries("tables", 5 / self.epsilon)], 1e-5, len(train))
        return super().fit(train)


def mean_age(train, holdout, synthetic, schema, rng):
    return [Score("age", synthetic["age"].mean(), 0.0, math.nan, train["age"].mean())]


@pytest.fixture
def parts(cohort, cohort_schema):
    Noisy.fits = 0
    return Noisy(cohort_schema), cohort[:450], cohort[450:]


def sweep(parts, epsilons=(0.5, 1.0), **options):
    given = {"score": mean_age, "progress": False} | options
    return sweep_budgets(*parts, epsilons, **given)


def test_each_budget_is_a_row_and_the_whole_spends_their_sum(parts):
    found = sweep(parts, plain=sl.IndependentMarginals(parts[0].schema))
    assert found["epsilon"].tolist() == [0.5, 1.0, math.inf]
    assert found["generator"].tolist() == ["Noisy", "Noisy", "IndependentMarginals"]
    assert found["noise"].tolist()[:2] == [10.0, 5.0] and np.isnan(found["spent"].iloc[2])
    one, other = (account([Queries("tables", noise)], 1e-5, 450) for noise in (10.0, 5.0))
    whole = found.attrs["spend"]
    assert whole.rdp_at(0) == pytest.approx(one.rdp_at(0) + other.rdp_at(0), rel=1e-6)
    assert max(one.epsilon, other.epsilon) < whole.epsilon < one.epsilon + other.epsilon
    assert f"{whole.epsilon:.3g}" in found.attrs["notes"][0] and "sum" in found.attrs["notes"][0]


def test_tables_of_others_are_scored_beside_and_spend_nothing_here(parts):
    found = sweep(parts, (1.0,), others={"MST": {1.0: parts[2], 4.0: parts[2]}})
    assert found["generator"].tolist() == ["Noisy", "MST", "MST"] and found["epsilon"].tolist() == [1, 1, 4]
    assert len(found.attrs["spend"].parts) == 1


@dataclass
class Noisier(Noisy):
    """Another type of generator."""


def test_several_generators_share_a_sweep_and_its_sum(parts):
    schema = parts[0].schema
    both = ([parts[0], Noisier(schema)], *parts[1:])
    found = sweep(both, plain=sl.IndependentMarginals(schema))
    assert found["generator"].tolist() == ["Noisy"] * 2 + ["Noisier"] * 2 + ["IndependentMarginals"]
    assert len(found.attrs["spend"].parts) == 4
    told = sweep_numbers(found)
    assert told["num_fits"] == 4 and told["whole_epsilon"] == found.attrs["spend"].epsilon
    assert set(told["Noisy"]) == set(told["Noisier"]) == {"at_0_5", "at_1"}
    assert told["Noisier"]["at_0_5"]["noise"] == 10.0 and told["Noisy"]["at_1"]["age"]["high"] is None
    assert set(told["IndependentMarginals"]["without"]) == {"age"}
    with pytest.raises(ValueError, match="one type twice"):
        sweep(([parts[0], parts[0]], *parts[1:]))


def test_noisy_tables_repeat_with_public_noise(cohort, cohort_schema):
    tables = sl.PrivateMarginals(cohort_schema, public_schema=True, solver="tree", num_iterations=20)
    one, again = (sweep((tables, cohort, cohort), (1.0,), public_noise=3) for _ in range(2))
    other = sweep((tables, cohort, cohort), (1.0,))
    assert one["noise"].iloc[0] > 1 and 0.9 < one["spent"].iloc[0] <= 1.0
    assert one["value"].equals(again["value"]) and not other["value"].equals(one["value"])
    told = [" ".join(found.attrs["notes"]) for found in (one, other)]
    assert ["protect nobody" in notes for notes in told] == [True, False]


def test_it_goes_on_where_it_was_and_keeps_to_itself(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(Noisy, "broken", 1.0)
    with pytest.raises(MemoryError):
        sweep(parts, folder=tmp_path)
    assert list(json.loads((tmp_path / SWEEP).read_text())["done"]) == ["0.5"] and Noisy.fits == 1
    monkeypatch.setattr(Noisy, "broken", None)
    found, again = (sweep(parts, folder=tmp_path) for _ in range(2))
    assert Noisy.fits == 2 and found.equals(again) and found.attrs["spend"] == again.attrs["spend"]
    assert (tmp_path / SWEEP).stat().st_mode & 0o777 == 0o600
    for other in ({"seed": 1}, {"epsilons": (0.5, 2.0)}, {"public_noise": 1}):
        with pytest.raises(ValueError, match="it has another"):
            sweep(parts, **({"folder": tmp_path} | other))
    with pytest.raises(ValueError, match="it has another"):
        sweep((parts[0], parts[1][:-1], parts[2]), folder=tmp_path)


def test_every_fit_is_an_attempt_of_the_study(parts, tmp_path, monkeypatch):
    study = preregister(Ledger.in_process(), [parts[0]], parts[1], KEY, 0.2, 0)
    with pytest.raises(ValueError, match="steward's key"):
        sweep(parts, study=study)
    found = sweep(parts, study=study, key=KEY, folder=tmp_path)
    assert found["attempt"].tolist() == [1, 2] and study.track.attempts == 2
    assert [one["describes"]["parameters"]["epsilon"] for one in study.attempts] == [0.5, 1.0]
    assert [(one["outcome"], len(one["draws"])) for one in study.attempts] == [("fitted", 1)] * 2
    sweep(parts, study=study, key=KEY, folder=tmp_path)
    assert study.track.attempts == 2
    monkeypatch.setattr(Noisy, "broken", 2.0)
    with pytest.raises(MemoryError):
        sweep(parts, (2.0,), study=study, key=KEY)
    assert study.attempts[-1]["outcome"] == "failed: MemoryError"


@pytest.mark.parametrize("epsilons", [(), (1.0, 1.0)])
def test_budgets_that_are_none(parts, epsilons):
    with pytest.raises(ValueError, match="different epsilons"):
        sweep(parts, epsilons)


def test_public_noise_repeats_and_noise_of_the_system_does_not(cohort, cohort_schema):
    private = sl.PrivateTabularGPT(cohort_schema, **TINY)
    same = [sweep((private, cohort, cohort), (1.0,), public_noise=3) for _ in range(2)]
    other = sweep((private, cohort, cohort), (1.0,))
    assert same[0]["value"].equals(same[1]["value"]) and not other["value"].equals(same[0]["value"])
    assert same[0]["step_noise"].notna().all() and 0.9 < same[0]["spent"].iloc[0] <= 1.0


def test_the_default_scores_and_their_figure(parts):
    found = sweep(parts, (1.0, 8.0), plain=sl.IndependentMarginals(parts[0].schema), score=score_budget)
    wanted = {"marginal_accuracy_2way", "c2st_boosting", "tstr_auroc_boosting", "membership_auroc"}
    assert wanted | {"membership_auroc_control"} <= set(found["metric"])
    figure = privacy_frontier(found)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 4 and any("membership" in title for title in titles)
    ticks = [text.get_text() for text in figure.axes[-1].get_xticklabels()]
    assert ticks == ["1", "8", "∞"]
    with pytest.raises(ValueError, match="got none of them"):
        privacy_frontier(found[found["metric"] == "other"])
