"""A release that is not what its protocol planned is named, and not recorded."""

import pytest
from chain_helpers import COMMITMENT, PROTOCOL, generation, make_release, open_study

import synthlib as sl
from synthlib.chain.errors import ChainError
from synthlib.chain.protocol_evidence import find_breaches
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study

pytest_plugins = ["chain_fixtures"]

PRIVATE = PROTOCOL._replace(privacy={"differential_privacy": True})
OPEN = PROTOCOL._replace(privacy={"differential_privacy": False})


@pytest.mark.parametrize(
    "models", [["TabularGAN", "TabularGPT"], [{"model_type": "TabularGAN"}], "any", None, []]
)
def test_a_model_that_was_planned_or_of_which_nothing_was_said_is_none(models):
    assert find_breaches(PROTOCOL._replace(models=models).to_json(), generation("a")) == []


@pytest.mark.parametrize("models", [["TabularGPT"], [{"model_type": "TabularGPT", "parameters": {}}]])
def test_another_model_than_planned_is_named(models):
    (found,) = find_breaches(PROTOCOL._replace(models=models).to_json(), generation("a"))
    assert found == "it plans TabularGPT, the release is of TabularGAN"


def test_another_claim_to_privacy_than_planned_is_named():
    assert "plans differential privacy" in find_breaches(PRIVATE.to_json(), generation("a"))[0]
    assert "plans no differential privacy" in find_breaches(OPEN.to_json(), generation("a", spend=5))[0]
    assert find_breaches(PRIVATE.to_json(), generation("a", spend=5)) == []
    assert find_breaches(OPEN.to_json(), generation("a")) == []


def test_a_release_against_its_plan_is_not_recorded_and_does_not_verify(workspace):
    ledger = Ledger.in_process()
    open_study(ledger)
    study = Study.open(ledger, PRIVATE, COMMITMENT, cap=1.0, open_releases=1)
    study.attempt({"model_type": "TabularGAN"})
    bundle = make_release(workspace / "release", study=study)
    ledger.leave_journal(bundle)
    with pytest.raises(ChainError, match="plans differential privacy, the release claims otherwise"):
        sl.record_bundle(bundle.path)
    ledger.record(bundle)
    ledger.save(bundle)
    told = {finding.subject: finding for finding in sl.verify(bundle.path)}
    assert told["protocol"].verdict == "differs" and "plans differential privacy" in told["protocol"].detail
