"""Who may do what: roles, their handing over, the administration and the pause; on both chains."""

import pytest
from chain_helpers import account
from contract_world import (
    ADMIN,
    AUDITOR_ROLE,
    GRANTEE,
    NOBODY,
    NOTHING,
    OTHER_RESEARCHER,
    RESEARCHER,
    RESEARCHER_ROLE,
    STEWARD,
    STEWARD_ROLE,
    STRANGER,
    refuses,
)
from eth_abi import encode

from synthlib.chain.connection import Connection
from synthlib.chain.contracts import load_artifact, load_errors
from synthlib.chain.errors import (
    AccessControlBadConfirmation,
    AccessControlEnforcedDefaultAdminDelay,
    AccessControlEnforcedDefaultAdminRules,
    AccessControlInvalidDefaultAdmin,
    AccessControlUnauthorizedAccount,
    AdministrationNotOffered,
    EnforcedPause,
    ExpectedPause,
    RoleNotOffered,
)
from synthlib.chain.registry import ADMIN_DELAY

pytest_plugins = ["chain_fixtures", "contract_fixtures"]


def offered(world, holder=RESEARCHER, successor=GRANTEE):
    world.send(holder, "offerRole", RESEARCHER_ROLE, successor.address)


def has(world, party, role=RESEARCHER_ROLE) -> bool:
    return world.call("hasRole", role, party.address)


# --- events --------------------------------------------------------------------------------------------


def test_grant_emits_role_granted(world):
    (said,) = world.send(ADMIN, "grantRole", AUDITOR_ROLE, STRANGER.address)
    assert said.name == "RoleGranted"
    assert said.arguments == {
        "role": AUDITOR_ROLE.hex(),
        "account": STRANGER.address,
        "sender": ADMIN.address,
    }


def test_withdrawal_emits_role_revoked(world):
    (said,) = world.send(ADMIN, "revokeRole", RESEARCHER_ROLE, RESEARCHER.address)
    assert said.name == "RoleRevoked" and said.arguments["account"] == RESEARCHER.address


def test_offer_emits_role_offered(world):
    (said,) = world.send(RESEARCHER, "offerRole", RESEARCHER_ROLE, GRANTEE.address)
    assert said.name == "RoleOffered"
    assert said.arguments == {
        "role": RESEARCHER_ROLE.hex(),
        "holder": RESEARCHER.address,
        "successor": GRANTEE.address,
    }
    assert has(world, RESEARCHER) and not has(world, GRANTEE)


def test_acceptance_emits_role_handed_over_and_moves_the_role(world):
    offered(world)
    *_, said = world.send(GRANTEE, "acceptRole", RESEARCHER_ROLE, RESEARCHER.address)
    assert said.name == "RoleHandedOver"
    assert said.arguments == {
        "role": RESEARCHER_ROLE.hex(),
        "holder": RESEARCHER.address,
        "successor": GRANTEE.address,
    }
    assert has(world, GRANTEE) and not has(world, RESEARCHER)


def test_pause_emits_paused_and_unpause_unpaused(world):
    for function, name in [("pause", "Paused"), ("unpause", "Unpaused")]:
        (said,) = world.send(ADMIN, function)
        assert (said.name, said.arguments) == (name, {"account": ADMIN.address})
        assert world.call("paused") == (name == "Paused")


# --- handing over a role -------------------------------------------------------------------------------


def test_offer_of_a_role_that_one_lacks_reverts(world):
    with refuses(AccessControlUnauthorizedAccount, STRANGER.address, RESEARCHER_ROLE.hex()):
        offered(world, STRANGER)


def test_offer_of_the_administration_reverts(world):
    with refuses(AdministrationNotOffered):
        world.send(ADMIN, "offerRole", NOTHING, STRANGER.address)


def refused_acceptance(world, successor=GRANTEE, holder=RESEARCHER, role=RESEARCHER_ROLE):
    with refuses(RoleNotOffered, role.hex(), holder.address, successor.address):
        world.send(successor, "acceptRole", role, holder.address)


def test_acceptance_by_another_than_the_successor_reverts(world):
    offered(world)
    refused_acceptance(world, STRANGER)


def test_acceptance_from_another_holder_reverts(world):
    offered(world)
    refused_acceptance(world, holder=OTHER_RESEARCHER)


def test_acceptance_of_another_role_reverts(world):
    offered(world)
    refused_acceptance(world, role=STEWARD_ROLE)


def test_a_later_offer_replaces_an_earlier_one(world):
    offered(world)
    offered(world, successor=STRANGER)
    refused_acceptance(world)
    world.send(STRANGER, "acceptRole", RESEARCHER_ROLE, RESEARCHER.address)


def test_offer_to_nobody_withdraws_an_offer(world):
    offered(world)
    world.send(RESEARCHER, "offerRole", RESEARCHER_ROLE, NOBODY)
    refused_acceptance(world)


def test_an_offer_is_taken_up_once(world):
    offered(world)
    world.send(GRANTEE, "acceptRole", RESEARCHER_ROLE, RESEARCHER.address)
    refused_acceptance(world)
    world.send(ADMIN, "grantRole", RESEARCHER_ROLE, RESEARCHER.address)
    refused_acceptance(world)


@pytest.mark.parametrize("loss", ["withdrawn", "renounced"])
def test_the_offer_of_a_lost_role_is_void_even_if_the_role_comes_back(world, loss):
    offered(world)
    if loss == "withdrawn":
        world.send(ADMIN, "revokeRole", RESEARCHER_ROLE, RESEARCHER.address)
    else:
        world.send(RESEARCHER, "renounceRole", RESEARCHER_ROLE, RESEARCHER.address)
    refused_acceptance(world)
    world.send(ADMIN, "grantRole", RESEARCHER_ROLE, RESEARCHER.address)
    refused_acceptance(world)


def test_a_role_may_be_handed_to_who_holds_it_already(world):
    offered(world, successor=OTHER_RESEARCHER)
    world.send(OTHER_RESEARCHER, "acceptRole", RESEARCHER_ROLE, RESEARCHER.address)
    assert has(world, OTHER_RESEARCHER) and not has(world, RESEARCHER)


def test_renouncing_for_somebody_else_reverts(world):
    with refuses(AccessControlBadConfirmation):
        world.send(ADMIN, "renounceRole", RESEARCHER_ROLE, RESEARCHER.address)


# --- the administration --------------------------------------------------------------------------------


def test_nobody_is_made_administrator_in_one_step(world):
    for function in ("grantRole", "revokeRole"):
        with refuses(AccessControlEnforcedDefaultAdminRules):
            world.send(ADMIN, function, NOTHING, STRANGER.address)


def test_administration_changes_hands_in_two_steps_after_a_delay(world):
    (said,) = world.send(ADMIN, "beginDefaultAdminTransfer", STRANGER.address)
    due = world.now() + ADMIN_DELAY
    assert said.name == "DefaultAdminTransferScheduled"
    assert said.arguments == {"newAdmin": STRANGER.address, "acceptSchedule": due}
    with refuses(AccessControlEnforcedDefaultAdminDelay, due):
        world.send(STRANGER, "acceptDefaultAdminTransfer")
    world.next_block_at(due + 1)
    with refuses(AccessControlInvalidDefaultAdmin, GRANTEE.address):
        world.send(GRANTEE, "acceptDefaultAdminTransfer")
    world.send(STRANGER, "acceptDefaultAdminTransfer")
    world.send(STRANGER, "grantRole", AUDITOR_ROLE, GRANTEE.address)
    with refuses(AccessControlUnauthorizedAccount, ADMIN.address, NOTHING.hex()):
        world.send(ADMIN, "grantRole", AUDITOR_ROLE, GRANTEE.address)


def test_administration_is_not_renounced_in_one_step(world):
    with refuses(AccessControlEnforcedDefaultAdminDelay, 0):
        world.send(ADMIN, "renounceRole", NOTHING, ADMIN.address)


def test_a_transfer_and_a_change_of_delay_can_be_cancelled(world):
    world.send(ADMIN, "beginDefaultAdminTransfer", STRANGER.address)
    (said,) = world.send(ADMIN, "cancelDefaultAdminTransfer")
    assert said.name == "DefaultAdminTransferCanceled"
    (said,) = world.send(ADMIN, "changeDefaultAdminDelay", 2 * ADMIN_DELAY)
    assert said.name == "DefaultAdminDelayChangeScheduled"
    (said,) = world.send(ADMIN, "rollbackDefaultAdminDelay")
    assert said.name == "DefaultAdminDelayChangeCanceled"


# --- pausing -------------------------------------------------------------------------------------------


def test_pause_while_paused_reverts(world):
    world.send(ADMIN, "pause")
    with refuses(EnforcedPause):
        world.send(ADMIN, "pause")


def test_unpause_while_not_paused_reverts(world):
    with refuses(ExpectedPause):
        world.send(ADMIN, "unpause")


def test_records_are_taken_again_after_a_pause(world):
    world.send(ADMIN, "pause")
    with refuses(EnforcedPause):
        world.record()
    world.send(ADMIN, "unpause")
    world.record()


# --- deployment ----------------------------------------------------------------------------------------


def deploy(admin: str, founder: str):
    """A registry of its own in process; returns a function that asks it."""
    connection = Connection.in_process()
    data = (
        load_artifact()["bytecode"]
        + encode(["uint48", "address", "address"], [ADMIN_DELAY, admin, founder]).hex()
    )
    receipt = connection.send(account("deployer"), data, None, 8_000_000, load_errors()).receipt
    contract = connection.web3.eth.contract(receipt["contract"], abi=load_artifact()["abi"])
    return lambda role, party: connection.call(contract.functions.hasRole(role, party.address))


def test_deployment_without_an_administrator_reverts():
    with refuses(AccessControlInvalidDefaultAdmin, NOBODY):
        deploy(NOBODY, STEWARD.address)


@pytest.mark.parametrize("founder", [STEWARD.address, NOBODY], ids=["founder", "nobody"])
def test_the_founder_is_first_steward_and_researcher_and_the_deployer_nothing(founder):
    holds = deploy(ADMIN.address, founder)
    assert [holds(role, STEWARD) for role in (STEWARD_ROLE, RESEARCHER_ROLE, AUDITOR_ROLE, NOTHING)] == [
        founder != NOBODY,
        founder != NOBODY,
        False,
        False,
    ]
    assert holds(NOTHING, ADMIN) and not holds(STEWARD_ROLE, ADMIN)
    assert not any(holds(role, account("deployer")) for role in (NOTHING, STEWARD_ROLE, RESEARCHER_ROLE))
