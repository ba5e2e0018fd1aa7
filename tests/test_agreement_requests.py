"""Requests and denials, which are events alone: the same again is one, until somebody answered."""

import pytest
from agreement_fixtures import GRANTEE, STRANGER
from chain_helpers import DATASET, digest
from ledger_doubles import LosesReceipts

from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.connection import Connection
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import ChainError, NotSteward, TransactionTimeout
from synthlib.chain.registry import Ledger

pytest_plugins = ["chain_fixtures", "agreement_fixtures"]

WORDS = (DATASET, "to learn", ["DUO:0000042", "DUO:0000006"])


@pytest.fixture
def ledger(steward, empty_ledger) -> Ledger:
    """The ledger of who asks."""
    return empty_ledger.acting_as(GRANTEE)


def count(agreements, name) -> int:
    return sum(event.name == name for event in agreements.trail())


def test_a_request_whose_receipt_was_lost_is_made_once(steward, ledger):
    with pytest.raises(TransactionTimeout):
        Agreements(LosesReceipts(ledger)).request(*WORDS)
    dataset, purpose, uses = WORDS
    found = Agreements(LosesReceipts(ledger)).request(dataset, purpose, uses[::-1])
    assert found == Agreements(ledger).request(*WORDS)
    (said,) = (event for event in steward.trail() if event.name == "Requested")
    assert said.arguments["id"] == found


def test_other_words_and_other_accounts_ask_anew(steward, ledger):
    made = {
        Agreements(ledger).request(*WORDS),
        Agreements(ledger).request(DATASET, "to learn more", WORDS[2]),
        Agreements(ledger).request(DATASET, "to learn", WORDS[2][:1]),
        Agreements(ledger.acting_as(STRANGER)).request(*WORDS),
    }
    assert len(made) == count(steward, "Requested") == 4


def test_what_was_denied_or_granted_may_be_asked_for_again(steward, ledger):
    asking = Agreements(ledger)
    request = asking.request(*WORDS)
    steward.deny_request(request, DATASET, "no ethics approval")
    for times in (2, 2):
        assert asking.request(*WORDS) == request
        assert count(steward, "Requested") == times
    terms = (digest("terms"), digest("purpose"), ("DUO:0000042",), 2**39)
    steward.offer(Agreement(DATASET, GRANTEE.address, *terms))  # answers no request
    asking.request(*WORDS)
    assert count(steward, "Requested") == 2
    steward.offer(Agreement(DATASET, GRANTEE.address, *terms, request))
    asking.request(*WORDS)
    assert count(steward, "Requested") == 3


def test_a_denial_in_the_same_words_comes_once_for_each_time_it_was_asked(steward, ledger, empty_ledger):
    asking, unlucky = Agreements(ledger), Agreements(LosesReceipts(empty_ledger))
    request = asking.request(*WORDS)
    with pytest.raises(TransactionTimeout):
        unlucky.deny_request(request, DATASET, "no ethics approval")
    unlucky.deny_request(request, DATASET, "no ethics approval")
    assert count(steward, "RequestDenied") == 1
    steward.deny_request(request, DATASET, "other words")
    assert count(steward, "RequestDenied") == 2
    asking.request(*WORDS)
    steward.deny_request(request, DATASET, "no ethics approval")
    assert count(steward, "RequestDenied") == 3
    with pytest.raises(NotSteward):
        asking.deny_request(request, DATASET, "no ethics approval")


def test_what_is_not_sent_again_is_refused_as_it_would_be_if_it_were(steward, ledger, empty_ledger):
    request = Agreements(ledger).request(*WORDS)
    steward.deny_request(request, DATASET, "no")
    Agreements(ledger).request(*WORDS)
    Datasets(empty_ledger).renounce(DATASET)
    with pytest.raises(ChainError, match="DatasetNotActive"):
        Agreements(ledger).request(*WORDS)


def test_what_stands_in_the_log_is_waited_for(steward, ledger, empty_ledger, monkeypatch):
    request = Agreements(ledger).request(*WORDS)
    steward.deny_request(request, DATASET, "no")
    waited = []
    monkeypatch.setattr(Connection, "await_final", lambda self, transaction: waited.append(transaction))
    steward.deny_request(request, DATASET, "no")
    said = [event.transaction for event in steward.trail() if event.name == "RequestDenied"]
    assert waited == said
