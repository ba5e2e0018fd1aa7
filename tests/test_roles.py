"""Roles from Python: granted, withdrawn, renounced, handed over; and the pause."""

import pytest
from chain_helpers import account, fund

from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    AdministrationNotOffered,
    ChainError,
    EnforcedPause,
    NoAccount,
    RoleNotOffered,
)
from synthlib.chain.protocols import Protocols
from synthlib.chain.roles import ADMIN, AUDITOR, RESEARCHER, ROLES, STEWARD, Roles, role_id

pytest_plugins = ["chain_fixtures"]

SOMEBODY, OTHER = account("somebody"), account("other")


@pytest.fixture
def roles(empty_ledger):
    """Everybody's Roles: a function of the account, the administrator's if none."""
    for each in (SOMEBODY, OTHER):
        fund(empty_ledger.connection, each.address)
    return lambda who=None: Roles(empty_ledger.acting_as(who or empty_ledger.account))


def test_the_first_account_is_administrator_steward_and_researcher(roles, empty_ledger):
    own = empty_ledger.account.address
    assert [roles().has(role, own) for role in (ADMIN, STEWARD, RESEARCHER, AUDITOR)] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_comes_and_goes(roles, role):
    roles().grant(role, SOMEBODY.address.lower())
    assert roles().has(role, SOMEBODY.address.lower())
    roles().withdraw(role, SOMEBODY.address)
    assert not roles().has(role, SOMEBODY.address)
    with pytest.raises(ChainError, match=f"{SOMEBODY.address} does not hold it"):
        roles().withdraw(role, SOMEBODY.address)
    roles().grant(role, SOMEBODY.address)
    roles(SOMEBODY).renounce(role)
    assert not roles().has(role, SOMEBODY.address)
    with pytest.raises(ChainError, match=f"does not hold {role}"):
        roles(SOMEBODY).renounce(role)


def test_nobody_is_given_no_role(roles):
    with pytest.raises(ValueError, match="zero, which is nobody's"):
        roles().grant(AUDITOR, "0x" + "0" * 40)


def test_a_role_is_handed_over_in_two_steps(roles):
    roles().grant(AUDITOR, SOMEBODY.address)
    roles(SOMEBODY).offer(AUDITOR, OTHER.address.lower())
    assert not roles().has(AUDITOR, OTHER.address)
    roles(OTHER).accept(AUDITOR, SOMEBODY.address)
    assert roles().has(AUDITOR, OTHER.address) and not roles().has(AUDITOR, SOMEBODY.address)
    with pytest.raises(RoleNotOffered):
        roles(OTHER).accept(AUDITOR, SOMEBODY.address)


def test_the_administration_is_not_among_the_roles_that_are_offered(roles):
    with pytest.raises(AdministrationNotOffered, match="beginDefaultAdminTransfer"):
        roles().offer(ADMIN, SOMEBODY.address)


def test_who_lacks_the_administration_is_told_which_role_it_takes(roles):
    with pytest.raises(AccessControlUnauthorizedAccount, match="registry's administrator grants it"):
        roles(SOMEBODY).grant(AUDITOR, OTHER.address)


def test_a_pause_is_seen_and_ended(roles, empty_ledger):
    assert not roles().is_paused
    roles().pause()
    assert roles(SOMEBODY).is_paused
    with pytest.raises(EnforcedPause, match="reading and revoking go on"):
        empty_ledger.send("registerDataset", b"\1" * 32, 0, 0)
    roles().unpause()
    assert not roles().is_paused


def test_who_only_reads_is_told_that_it_takes_an_account(empty_ledger):
    reader = empty_ledger.acting_as(None)
    for act in (
        lambda: Roles(reader).renounce(STEWARD),
        lambda: Roles(reader).pause(),
        lambda: Protocols(reader).attempt("0x" + "1" * 64, "2" * 64),
    ):
        with pytest.raises(NoAccount):
            act()


@pytest.mark.parametrize("wrong", ["RECORDER_ROLE", "steward", ""])
def test_a_role_that_there_is_not_is_refused(wrong):
    with pytest.raises(ValueError, match="STEWARD_ROLE, RESEARCHER_ROLE, AUDITOR_ROLE"):
        role_id(wrong)
