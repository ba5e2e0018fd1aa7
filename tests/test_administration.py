"""The administration of a registry: offered, taken back, and taken over after a day."""

import json

import pytest
from chain_helpers import account, fund

from synthlib.chain.administration import Administration, HandOver
from synthlib.chain.connection import Connection
from synthlib.chain.errors import (
    AccessControlEnforcedDefaultAdminDelay,
    AccessControlInvalidDefaultAdmin,
    AccessControlUnauthorizedAccount,
)
from synthlib.chain.registry import ADMIN_DELAY, Ledger

pytest_plugins = ["chain_fixtures", "command_fixtures"]

ADMIN, NEXT = account("admin"), account("successor")
OTHER = account("newcomer").address


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.in_process(account=ADMIN)


def test_an_offer_is_made_and_taken_back(ledger):
    administration = Administration(ledger)
    assert administration.find() == HandOver(ADMIN.address, None, 0)
    offered = administration.offer(NEXT.address)
    (event,) = ledger.find_events("DefaultAdminTransferScheduled")
    assert offered == HandOver(ADMIN.address, NEXT.address, event.arguments["acceptSchedule"])
    assert administration.cancel() == HandOver(ADMIN.address, None, 0)


def test_the_same_offer_again_does_not_begin_anew(ledger):
    administration = Administration(ledger)
    due = administration.offer(NEXT.address).due
    height = ledger.connection.get_block_number()
    assert administration.offer(NEXT.address).due == due
    assert ledger.connection.get_block_number() == height
    assert administration.offer(OTHER).successor == OTHER


def test_only_the_administrator_offers_and_cancels(ledger):
    Administration(ledger).offer(NEXT.address)
    theirs = Administration(ledger.acting_as(NEXT))
    for act in (lambda: theirs.offer(NEXT.address), lambda: theirs.offer(OTHER), theirs.cancel):
        with pytest.raises(AccessControlUnauthorizedAccount):
            act()


def test_nobody_takes_over_before_time_or_without_an_offer(ledger):
    theirs = Administration(ledger.acting_as(NEXT))
    with pytest.raises(AccessControlInvalidDefaultAdmin):
        theirs.accept()
    Administration(ledger).offer(NEXT.address)
    with pytest.raises(AccessControlEnforcedDefaultAdminDelay):
        theirs.accept()


def test_nobody_is_no_successor(ledger):
    with pytest.raises(ValueError, match="got zeros; cancel takes"):
        Administration(ledger).offer("0x" + "00" * 20)
    assert Administration(ledger).find().due == 0


# --- from the command line -----------------------------------------------------------------------------


def test_the_administration_goes_to_another_account_a_day_later(start_node, command):
    """On a node of its own, whose clock is moved."""
    url = start_node()
    connection = Connection.by_url(url)
    for who in (ADMIN, NEXT):
        fund(connection, who.address)
    registry = Ledger.connect(url, account=ADMIN).address

    def call(*words, who=None, code=0):
        found, out, err = command(*words, "--rpc", url, "--registry", registry, who=who)
        assert found == code, out + err
        return out if code == 0 else err

    call("admin", "offer", NEXT.address, "--yes", who="admin")
    assert "EnforcedDefaultAdminDelay" in call("admin", "accept", who="successor", code=2)
    told = json.loads(call("admin", "show", "--json"))
    assert (told["administrator"], told["successor"]) == (ADMIN.address, NEXT.address)
    connection.web3.provider.make_request("evm_increaseTime", [ADMIN_DELAY + 1])
    call("admin", "accept", who="successor")
    assert call("admin", "show") == f"administrator  {NEXT.address}\n"
    call("role", "grant", "auditor", OTHER, who="successor")
    assert "AccessControlUnauthorizedAccount" in call("role", "grant", "auditor", OTHER, who="admin", code=2)


def test_an_offer_is_asked_for_and_can_be_cancelled(on_journal):
    words = ("admin", "offer", NEXT.address)
    assert "expected --yes" in on_journal(*words, who="admin", fails=True)
    assert "nothing was done" in on_journal(*words, who="admin", fails=True, types="no\n")
    assert "successor" not in on_journal("admin", "show")
    out = on_journal(*words, who="admin", types="yes\n")
    assert NEXT.address in out
    on_journal("admin", "cancel", who="admin")
    assert "successor" not in on_journal("admin", "show")


def test_who_accepts_later_is_told(command, journal):
    words = ("admin", "offer", NEXT.address, "--yes", "--journal", journal)
    code, _, err = command(*words, who="admin")
    assert code == 0 and f"next: {NEXT.address} accepts it (synthlib admin accept), after 2100-01-0" in err
