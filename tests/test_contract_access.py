"""Every party with every function that changes state, of all contracts, while they run and while paused."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from chain_helpers import digest
from contract_world import (
    ADMIN,
    AUDITOR,
    AUDITOR_ROLE,
    BUDGET,
    CONTRACT_OF,
    DATA,
    DATASET,
    GRANTEE,
    NAMES,
    OPEN,
    OPEN_RELEASES,
    OTHER_RESEARCHER,
    OTHER_STEWARD,
    PARTIES,
    REASON,
    RESEARCHER,
    RESEARCHER_ROLE,
    SEALED,
    STEWARD,
    STRANGER,
    World,
    everybody,
    hashed,
    made,
    raw,
    restored,
    told,
)

from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.attestations import PASSED, Attestations, Verdict
from synthlib.chain.contracts import CONTRACTS, load_artifact
from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import ContractError
from synthlib.chain.registry import ADMIN_DELAY, Ledger

COMMITMENT = digest("data that was offered")
OFFERED_DATA = raw(dataset_id(STEWARD.address, COMMITMENT))
KEY, OBJECT = hashed("encryption key"), hashed("object")
LATE = 2**39  # a time after all tests
OFFERED, AGREED, NEW = (
    Agreement(DATASET, GRANTEE.address, digest(name), digest("purpose"), ("DUO:0000042",), LATE)
    for name in ("offered", "agreed", "new")
)
WAITING, GIVEN = (
    Verdict(made("a").release, RESEARCHER.address, PASSED, digest(name), digest("rubric"), LATE)
    for name in ("waiting", "given")
)
SIGNATURES: dict[str, bytes] = {}
STATEMENTS: dict[str, tuple] = {}


@pytest.fixture(scope="module")
def scene():
    """A world in which each function has something to work on, and its ids and signatures."""
    ledger = Ledger.in_process(account=ADMIN)
    ledger.journal = None
    world = everybody(ledger)
    world.send(STEWARD, "registerDataset", raw(COMMITMENT), 0, 1)
    world.send(STEWARD, "offerDataset", OFFERED_DATA, OTHER_STEWARD.address)
    world.register(SEALED)
    world.record("a")
    world.record("b")
    world.send(RESEARCHER, "offerRole", RESEARCHER_ROLE, GRANTEE.address)
    world.send(ADMIN, "beginDefaultAdminTransfer", STRANGER.address)
    world.next_block_at(world.now() + ADMIN_DELAY + 1)
    agreements = Agreements(world.acting(GRANTEE))
    for agreement in (OFFERED, AGREED):
        world.send(STEWARD, "offer", agreement.to_abi())
        SIGNATURES[agreement.id] = raw_signature(agreements.sign(agreement, KEY.hex()))
    world.send(STRANGER, "accept", AGREED.to_abi(), KEY, SIGNATURES[AGREED.id])
    attestations = Attestations(world.acting(AUDITOR))
    for verdict in (WAITING, GIVEN):
        release, issuer, _, *digests, deadline = verdict
        words = (raw(release), issuer, 1, *map(raw, digests), deadline)
        signature = raw_signature(attestations.sign(verdict))
        STATEMENTS[verdict.report] = (words, AUDITOR.address, signature)
    world.send(STRANGER, "attest", *STATEMENTS[GIVEN.report])
    return world


def raw_signature(text: str) -> bytes:
    return bytes.fromhex(text[2:])


# --- who may do what -----------------------------------------------------------------------------------

UNAUTHORIZED = "AccessControlUnauthorizedAccount"
EVERYBODY = tuple(PARTIES.values())


class Right(NamedTuple):
    """Who may call a function.

    Attributes:
        arguments: makes them.
        allowed: who may.
        refusal: what the others get.
        others: who gets another error than that.
        pause: what all get while paused; None where a pause changes nothing.
    """

    arguments: Callable[[World], list[Any]]
    allowed: tuple = ()
    refusal: str = ""
    others: Mapping = MappingProxyType({})
    pause: str | None = None

    def outcome(self, party, is_paused: bool) -> str | None:
        if is_paused and self.pause:
            return self.pause
        return None if party in self.allowed else self.others.get(party, self.refusal)


def admin_only(*arguments) -> Right:
    return Right(lambda world: list(arguments), (ADMIN,), UNAUTHORIZED)


def right(allowed, refusal, *arguments, others=None, pause=None) -> Right:
    return Right(lambda world: list(arguments), tuple(allowed), refusal, others or {}, pause)


ENFORCED = {"pause": "EnforcedPause"}  # of the registry
PAUSED = {"pause": "Paused"}  # of what belongs to it
ALL = (EVERYBODY, "")
STEWARDS, RESEARCHERS = (STEWARD, OTHER_STEWARD), (RESEARCHER, OTHER_RESEARCHER)
OWNER = ((STEWARD,), "NotSteward")
RUNNER = ((RESEARCHER,), "ProtocolNotApproved")
ISSUER = ((RESEARCHER,), "NotRecorded")
A, B = made("a"), made("b")

RIGHTS = {
    # Roles
    "grantRole": admin_only(AUDITOR_ROLE, STRANGER.address),
    "revokeRole": admin_only(RESEARCHER_ROLE, RESEARCHER.address),
    "renounceRole": right((RESEARCHER,), "AccessControlBadConfirmation", RESEARCHER_ROLE, RESEARCHER.address),
    "beginDefaultAdminTransfer": admin_only(STRANGER.address),
    "cancelDefaultAdminTransfer": admin_only(),
    "acceptDefaultAdminTransfer": right((STRANGER,), "AccessControlInvalidDefaultAdmin"),
    "changeDefaultAdminDelay": admin_only(3600),
    "rollbackDefaultAdminDelay": admin_only(),
    "offerRole": right(RESEARCHERS, UNAUTHORIZED, RESEARCHER_ROLE, STRANGER.address),
    "acceptRole": right((GRANTEE,), "RoleNotOffered", RESEARCHER_ROLE, RESEARCHER.address),
    # Datasets
    "registerDataset": right(STEWARDS, UNAUTHORIZED, hashed("new data"), 0, 5, **ENFORCED),
    "lowerCap": right(*OWNER, DATA, 999),
    "offerDataset": right(*OWNER, DATA, OTHER_STEWARD.address),
    "acceptDataset": right(
        (OTHER_STEWARD,), UNAUTHORIZED, OFFERED_DATA, others={STEWARD: "DatasetNotOffered"}
    ),
    "renounceDataset": right(*OWNER, DATA),
    "eraseDataset": right(*OWNER, DATA, REASON),
    # Protocols
    "registerProtocol": right(RESEARCHERS, UNAUTHORIZED, DATA, hashed("seal"), **ENFORCED),
    "registerOpenProtocol": right(RESEARCHERS, UNAUTHORIZED, DATA, hashed("protocol"), **ENFORCED),
    "revealProtocol": right(
        (RESEARCHER,), "ProtocolNotRegistered", DATA, raw(SEALED.digest), raw(SEALED.salt)
    ),
    "approveProtocol": right(*OWNER, *told(OPEN), BUDGET + 1, OPEN_RELEASES, **ENFORCED),
    "closeProtocol": right((STEWARD, RESEARCHER), "NotParty", *told(OPEN)),
    "logAttempt": right(*RUNNER, raw(OPEN.id), 2, hashed("attempt"), **ENFORCED),
    "logAttemptBatch": right(*RUNNER, raw(OPEN.id), 2, 3, hashed("root"), **ENFORCED),
    # Releases
    "recordRelease": right(*RUNNER, made("new").to_abi(), **ENFORCED),
    "recordFailedRelease": right(*RUNNER, made("new").to_abi(), hashed("gate"), **ENFORCED),
    "revoke": right(*ISSUER, raw(A.release), REASON),
    "supersede": right(*ISSUER, raw(A.release), raw(B.release), REASON),
    # Agreements
    "request": right(*ALL, DATA, hashed("purpose"), [42], **PAUSED),
    "denyRequest": right(*OWNER, DATA, STRANGER.address, hashed("purpose"), [42], REASON, **PAUSED),
    "offer": right(*OWNER, NEW.to_abi(), **PAUSED),
    "accept": Right(lambda world: [OFFERED.to_abi(), KEY, SIGNATURES[OFFERED.id]], *ALL, **PAUSED),
    "renew": right(*OWNER, AGREED.to_abi(), LATE + 1, **PAUSED),
    "end": right((STEWARD, GRANTEE), "NotParty", AGREED.to_abi(), REASON),
    "logAccess": right(*OWNER, AGREED.to_abi(), OBJECT, 1, **PAUSED),
    "logDenial": right(*OWNER, DATA, OBJECT, STRANGER.address, REASON, **PAUSED),
    "eraseObject": right(*OWNER, DATA, OBJECT, REASON),
    # Attestations
    "attest": Right(lambda world: list(STATEMENTS[WAITING.report]), *ALL, **PAUSED),
    "revokeAttestation": Right(
        lambda world: [raw(Attestations(world.acting(AUDITOR)).id_of(GIVEN)), REASON],
        (AUDITOR,),
        "NotAttested",
    ),
    "cancelVerdict": right(*ALL, hashed("signed")),  # for oneself: of what another signed it changes nothing
}
# The pause itself: what the administrator gets depends on whether there is one.
SWITCHES = {"pause": {True: "EnforcedPause", False: None}, "unpause": {True: None, False: "ExpectedPause"}}


def attempt(world, party, function, arguments) -> str | None:
    """Name of the error that a call reverts with, None if it does not."""
    try:
        world.call(function, *arguments, party=party)
    except ContractError as error:
        return type(error).__name__
    return None


@pytest.fixture(scope="module", params=[False, True], ids=["running", "paused"])
def state(request, scene):
    """The scene, and whether it is paused."""
    with restored(scene):
        if request.param:
            scene.send(ADMIN, "pause")
        yield scene, request.param


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("function", RIGHTS)
def test_exactly_who_may_call_a_function_can(state, function, name):
    world, is_paused = state
    right = RIGHTS[function]
    found = attempt(world, PARTIES[name], function, right.arguments(world))
    assert found == right.outcome(PARTIES[name], is_paused)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("function", SWITCHES)
def test_the_administrator_alone_pauses_and_unpauses(state, function, name):
    world, is_paused = state
    expected = SWITCHES[function][is_paused] if name == "admin" else UNAUTHORIZED
    assert attempt(world, PARTIES[name], function, []) == expected


def test_the_table_holds_every_function_that_changes_state():
    changing = [
        (entry["name"], entry["stateMutability"])
        for contract in CONTRACTS
        for entry in load_artifact(contract)["abi"]
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    ]
    assert len(changing) == len({name for name, _ in changing})
    assert {name for name, _ in changing} == set(RIGHTS) | set(SWITCHES)
    assert {kind for _, kind in changing} == {"nonpayable"}
    assert all(CONTRACT_OF[name] in CONTRACTS for name, _ in changing)


def test_the_table_lets_somebody_in_everywhere_and_no_stranger_where_roles_matter():
    assert all(right.allowed for right in RIGHTS.values())
    open_to_all = {name for name, right in RIGHTS.items() if right.allowed == EVERYBODY}
    assert open_to_all == {"request", "accept", "attest", "cancelVerdict"}


def test_no_contract_takes_money_or_what_it_does_not_know():
    entries = [entry for name in CONTRACTS for entry in load_artifact(name)["abi"]]
    assert not [entry for entry in entries if entry["type"] in ("receive", "fallback")]
    assert not [entry for entry in entries if entry.get("stateMutability") == "payable"]
