"""Datasets from Python: registered once, their caps in the publisher's disfavour, handed over, given up."""

import pytest
from chain_helpers import account, digest, fund

from synthlib.chain.budgets import MOST_UNITS
from synthlib.chain.datasets import ACTIVE, ERASED, RENOUNCED, UNKNOWN, Datasets, dataset_id, normalize_id
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    CapNotLowered,
    ChainError,
    DatasetAlreadyRegistered,
    DatasetNotActive,
    DatasetNotOffered,
    InvalidOrder,
    NotSteward,
)
from synthlib.chain.roles import STEWARD, Roles

pytest_plugins = ["chain_fixtures"]

OTHER = account("other steward")
COMMITMENT = digest("data")
DATA = dataset_id(account("admin").address, COMMITMENT)


@pytest.fixture
def datasets(empty_ledger) -> Datasets:
    return Datasets(empty_ledger)


@pytest.fixture
def others(empty_ledger) -> Datasets:
    """The datasets as another steward acts on them."""
    fund(empty_ledger.connection, OTHER.address)
    Roles(empty_ledger).grant(STEWARD, OTHER.address)
    return Datasets(empty_ledger.acting_as(OTHER))


def test_registration_says_everything_and_rounds_the_cap_down(datasets, empty_ledger):
    found = datasets.register(COMMITMENT, cap=1.2345679, order=8)
    assert found == (DATA, empty_ledger.account.address, 1_234_567, 0, 8, ACTIVE)
    assert datasets.find(DATA) == found


def test_an_unknown_dataset_is_found_as_unknown(datasets):
    found = datasets.find(DATA)
    assert (found.state, found.cap, int(found.steward, 16)) == (UNKNOWN, 0, 0)


def test_a_second_registration_changes_nothing_if_it_says_the_same(datasets, empty_ledger):
    first = datasets.register(COMMITMENT, 0.5)
    height = empty_ledger.connection.get_block_number()
    assert datasets.register(COMMITMENT, 0.5) == first
    assert empty_ledger.connection.get_block_number() == height


@pytest.mark.parametrize(("cap", "order"), [(0.4, 0), (0.6, 0), (0.5, 2)])
def test_a_second_registration_that_says_something_else_is_refused(datasets, cap, order):
    datasets.register(COMMITMENT, 0.5)
    with pytest.raises(DatasetAlreadyRegistered):
        datasets.register(COMMITMENT, cap, order)


def test_who_registers_anothers_commitment_first_takes_nothing(datasets, others):
    copy = others.register(COMMITMENT, 0.25, 8)  # seen, and ahead in the queue
    mine = datasets.register(COMMITMENT, 0.5)
    assert (mine.id, copy.id) == (DATA, dataset_id(OTHER.address, COMMITMENT))
    assert (mine.steward, copy.steward) == (account("admin").address, OTHER.address)
    assert (mine.cap, copy.cap) == (500_000, 250_000)
    with pytest.raises(NotSteward):
        others.renounce(DATA)
    others.renounce(copy.id)
    assert datasets.find(DATA) == mine


def test_an_id_is_predicted_whatever_the_case_of_the_address(datasets, empty_ledger):
    found = datasets.register(COMMITMENT)
    (event,) = empty_ledger.find_events("DatasetRegistered", commitment=COMMITMENT)
    assert found.id == event.arguments["dataset"] == DATA
    assert dataset_id(account("admin").address.lower(), "0x" + COMMITMENT) == DATA
    stewards = (OTHER.address, account("admin").address)
    assert len({dataset_id(steward, digest(name)) for steward in stewards for name in "ab"}) == 4


def test_what_was_given_up_is_not_registered_again(datasets):
    datasets.register(COMMITMENT, 0.5)
    datasets.renounce(DATA)
    with pytest.raises(DatasetAlreadyRegistered):
        datasets.register(COMMITMENT, 0.5)


def test_who_is_no_steward_registers_nothing(empty_ledger):
    stranger = account("stranger")
    fund(empty_ledger.connection, stranger.address)
    with pytest.raises(AccessControlUnauthorizedAccount):
        Datasets(empty_ledger.acting_as(stranger)).register(COMMITMENT)


def test_a_cap_is_lowered_and_never_raised(datasets):
    datasets.register(COMMITMENT, 0.5)
    datasets.lower_cap(DATA, 0.2500009)
    assert datasets.find(DATA).cap == 250_000
    with pytest.raises(CapNotLowered):
        datasets.lower_cap(DATA, 0.3)


def test_a_cap_that_is_lowered_already_is_left_alone(datasets, others, empty_ledger):
    datasets.register(COMMITMENT, 0.5)
    datasets.lower_cap(DATA, 0.25)  # and its receipt was lost
    height = empty_ledger.connection.get_block_number()
    datasets.lower_cap(DATA, 0.25)
    assert empty_ledger.connection.get_block_number() == height
    with pytest.raises(NotSteward):
        others.lower_cap(DATA, 0.25)
    datasets.renounce(DATA)
    with pytest.raises(DatasetNotActive):
        datasets.lower_cap(DATA, 0.25)


def test_an_id_has_one_form_however_it_is_written(datasets):
    found = datasets.register(COMMITMENT, 0.5)
    for written in (DATA, DATA[2:], DATA.upper().replace("0X", "0x"), DATA[2:].upper()):
        assert normalize_id(written) == DATA
        assert datasets.find(written) == datasets.require_known(written) == found
    for wrong in ("", "0x", DATA[:-1], DATA + "0", "0x" + DATA, " " + DATA):
        with pytest.raises(ValueError, match="expected a digest"):
            normalize_id(wrong)


def test_who_gives_a_commitment_for_an_id_is_told_the_ids(datasets, others):
    mine, copy = datasets.register(COMMITMENT), others.register(COMMITMENT)
    with pytest.raises(ChainError, match="is a commitment") as caught:
        datasets.require_known(COMMITMENT)
    assert mine.id in str(caught.value) and copy.id in str(caught.value)
    with pytest.raises(ChainError, match="knows none"):
        datasets.require_known(digest("nothing"))


def test_a_dataset_is_handed_over_in_two_steps(datasets, others):
    datasets.register(COMMITMENT, 0.5)
    datasets.offer(DATA, OTHER.address.lower())
    others.accept(DATA)
    assert datasets.find(DATA).steward == OTHER.address
    with pytest.raises(DatasetAlreadyRegistered):  # it is the same dataset still
        datasets.register(COMMITMENT, 0.5)
    assert others.register(COMMITMENT, 0.5).id != DATA
    with pytest.raises(DatasetNotOffered):
        others.accept(DATA)


def test_a_dataset_that_was_renounced_keeps_its_steward_who_erases_it(datasets, others):
    mine = datasets.register(COMMITMENT, 0.5)
    datasets.offer(DATA, OTHER.address)
    datasets.renounce(DATA)
    assert datasets.find(DATA) == mine._replace(state=RENOUNCED)
    with pytest.raises(DatasetNotActive):
        others.accept(DATA)
    datasets.record_erasure(DATA, digest("certificate"))
    assert datasets.find(DATA) == mine._replace(state=ERASED)
    assert datasets.find_erasure(DATA) == digest("certificate")


def test_a_dataset_given_up_or_erased_stays_so(datasets):
    for name, give_up, state in [
        ("one", datasets.renounce, RENOUNCED),
        ("two", lambda data: datasets.record_erasure(data, digest("certificate")), ERASED),
    ]:
        found = datasets.register(digest(name))
        give_up(found.id)
        assert datasets.find(found.id).state == state
        with pytest.raises(DatasetNotActive):
            give_up(found.id)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((COMMITMENT, -1.0), ValueError),
        ((COMMITMENT, MOST_UNITS), ValueError),
        ((COMMITMENT, 1.0, 1), InvalidOrder),
        (("no digest",), ValueError),
        ((COMMITMENT.upper(),), ValueError),
    ],
    ids=["negative", "too large", "order 1", "no digest", "upper case"],
)
def test_wrong_arguments_are_refused_before_or_by_the_contract(datasets, arguments, error):
    with pytest.raises(error):
        datasets.register(*arguments)
    assert datasets.find(DATA).state == UNKNOWN
