"""An agreement between a steward and a grantee as Python acts on it, on each kind of chain."""

import hashlib

import pytest
from chain_helpers import COMMITMENT, DATASET, account, digest, fund
from hypothesis import strategies as st

from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.datasets import Datasets

GRANTEE, STRANGER = account("grantee"), account("stranger")
KEY, OBJECT = digest("public key"), digest("sealed object")
LATE = 2**39
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
AGREEMENT = Agreement(
    DATASET, GRANTEE.address, digest("terms"), digest("purpose"), ("DUO:0000042", "DUO:0000006"), LATE
)


@pytest.fixture
def steward(empty_ledger) -> Agreements:
    """The agreements as the steward of a dataset acts on them."""
    Datasets(empty_ledger).register(COMMITMENT)
    for each in (GRANTEE, STRANGER):
        fund(empty_ledger.connection, each.address)
    return Agreements(empty_ledger)


@pytest.fixture
def grantee(steward, empty_ledger) -> Agreements:
    return Agreements(empty_ledger.acting_as(GRANTEE))


@pytest.fixture
def stranger(steward, empty_ledger) -> Agreements:
    return Agreements(empty_ledger.acting_as(STRANGER))


@pytest.fixture
def agreed(steward, grantee, stranger) -> Agreement:
    """An agreement in force; a stranger brought the signature."""
    steward.offer(AGREEMENT)
    stranger.accept(AGREEMENT, KEY, grantee.sign(AGREEMENT, KEY))
    return AGREEMENT


def words(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def names(agreements, name):
    return [event for event in agreements.trail() if event.name == name]
