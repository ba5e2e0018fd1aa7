"""Protocols from Python: ids that the contract agrees with, and attempts that lead to its head."""

import pytest
from chain_helpers import COMMITMENT, DATASET, PROTOCOL, account, digest, fund
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from ledger_doubles import LooksTooEarly, LosesReceipts

from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import (
    ApprovalNotRaised,
    AttemptOutOfOrder,
    ChainError,
    NoAccount,
    ProtocolAlreadyClosed,
    ProtocolNotApproved,
    ProtocolNotRegistered,
    TransactionTimeout,
)
from synthlib.chain.merkle import MerkleTree
from synthlib.chain.protocols import (
    SECTIONS,
    Protocol,
    Protocols,
    Registration,
    SealedProtocol,
    attempt_digest,
    batch_link,
    chain_head,
    link_of,
    require_running,
)
from synthlib.chain.registry import ZERO_DIGEST
from synthlib.chain.roles import RESEARCHER, Roles

pytest_plugins = ["chain_fixtures"]

OTHER = account("other researcher")
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


@pytest.fixture
def protocols(empty_ledger) -> Protocols:
    """The protocols of a ledger whose account is steward and researcher, with a dataset."""
    Datasets(empty_ledger).register(COMMITMENT, 1.0)
    return Protocols(empty_ledger)


@pytest.fixture
def others(empty_ledger) -> Protocols:
    """The protocols as another researcher acts on them."""
    fund(empty_ledger.connection, OTHER.address)
    Roles(empty_ledger).grant(RESEARCHER, OTHER.address)
    return Protocols(empty_ledger.acting_as(OTHER))


def test_an_id_has_one_form_in_a_registration(protocols):
    prepared = protocols.prepare(PROTOCOL, DATASET[2:].upper())
    assert prepared == protocols.prepare(PROTOCOL, DATASET) and prepared.dataset == DATASET
    with pytest.raises(ValueError, match="64"):
        protocols.prepare(PROTOCOL, "a table")


@pytest.fixture
def running(protocols) -> Registration:
    """A protocol that was registered and approved."""
    registration = protocols.prepare(PROTOCOL, DATASET)
    protocols.register(registration)
    protocols.approve(registration, 0.25, 2)
    return registration


# --- what a protocol is --------------------------------------------------------------------------------


def test_a_protocol_comes_back_from_its_json(tmp_path):
    PROTOCOL.save(tmp_path / "protocol.json")
    data = (tmp_path / "protocol.json").read_bytes()
    assert Protocol.from_json(data) == PROTOCOL == Protocol.from_json(data.decode())
    assert Protocol.from_json(data).digest == PROTOCOL.digest


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_changes_the_digest(section):
    assert PROTOCOL._replace(**{section: "something else"}).digest != PROTOCOL.digest


@pytest.mark.parametrize("text", ["[]", "{}", '{"cohort": 1}', "null"])
def test_json_of_other_sections_is_no_protocol(text):
    with pytest.raises(ValueError, match="expected a protocol of cohort, split"):
        Protocol.from_json(text)


@given(DIGESTS, DIGESTS, DIGESTS, st.binary(min_size=20, max_size=20))
def test_ids_hold_everything_that_is_registered(dataset, digest, salt, researcher):
    registration = Registration(dataset, "0x" + researcher.hex(), digest, salt)
    words = ["address", "bytes32", "bytes32"]
    seal = keccak(encode(words, [registration.researcher, bytes.fromhex(digest), bytes.fromhex(salt)]))
    assert registration.seal == seal.hex()
    parts = [registration.researcher, bytes.fromhex(dataset), seal]
    assert registration.id == "0x" + keccak(encode(words, parts)).hex()


# --- on a registry -------------------------------------------------------------------------------------


def test_a_protocol_is_followed_from_registration_to_its_end(protocols, empty_ledger):
    registration = protocols.prepare(PROTOCOL, DATASET)
    own = empty_ledger.account.address
    assert not protocols.find(registration.id, own).registration_block
    registered = protocols.register(registration)
    block = empty_ledger.connection.get_block_number()
    assert registered == (
        *(registration.id, own, "00" * 20, 0, 0, 0, 0, block),
        *(True, False, False, PROTOCOL.digest, DATASET, 0, 0),
    )
    approved = protocols.approve(registration, 0.25, 2)
    assert approved == registered._replace(
        head=chain_head(registration.id, block, []),
        budget=250_000,
        open_releases_left=2,
        is_approved=True,
        allotted=250_000,
        open_allotted=2,
    )
    protocols.attempt(registration.id, digest("one"))
    closed = protocols.close(registration)
    assert closed == approved._replace(
        head=chain_head(registration.id, block, [digest("one")]),
        attempts=1,
        budget=0,
        open_releases_left=0,
        is_closed=True,
        allotted=0,
        open_allotted=0,
    )
    height = empty_ledger.connection.get_block_number()
    assert protocols.close(registration) == closed
    assert empty_ledger.connection.get_block_number() == height
    assert Datasets(empty_ledger).find(DATASET).allotted == 0


def test_registering_and_revealing_twice_changes_nothing(protocols, empty_ledger):
    sealed = protocols.prepare(PROTOCOL, DATASET, sealed=True)
    first = protocols.register(sealed)
    assert (first.is_revealed, first.digest) == (False, ZERO_DIGEST)
    assert protocols.register(sealed) == first
    revealed = protocols.reveal(sealed)
    assert revealed == first._replace(is_revealed=True, digest=PROTOCOL.digest)
    height = empty_ledger.connection.get_block_number()
    assert protocols.reveal(sealed) == protocols.register(sealed) == revealed
    assert empty_ledger.connection.get_block_number() == height


def test_a_researcher_in_lower_case_is_the_same_researcher(protocols, empty_ledger):
    own = empty_ledger.account.address
    lower = protocols.prepare(PROTOCOL, DATASET)._replace(researcher=own.lower())
    assert lower.id == protocols.prepare(PROTOCOL, DATASET).id
    assert not protocols.register(lower).is_approved
    assert protocols.approve(lower, 0.1).researcher == own
    assert protocols.close(lower).is_closed


def test_sealed_registrations_of_one_protocol_have_nothing_in_common(protocols):
    one, other = (protocols.prepare(PROTOCOL, DATASET, sealed=True) for _ in range(2))
    assert one.is_sealed and one.salt != other.salt and one.seal != other.seal and one.id != other.id


def test_anothers_registration_is_not_registered_as_ones_own(protocols, others, empty_ledger):
    theirs = others.prepare(PROTOCOL, DATASET)
    height = empty_ledger.connection.get_block_number()
    with pytest.raises(ChainError, match="expected to act as the researcher"):
        protocols.register(theirs)
    with pytest.raises(ChainError, match="expected to act as the researcher"):
        protocols.reveal(theirs)
    assert empty_ledger.connection.get_block_number() == height
    others.register(theirs)
    assert protocols.register(theirs).registration_block == height + 1


def test_under_another_researcher_nothing_is_found(protocols, running):
    track = protocols.find(running.id, OTHER.address.lower())
    assert track.researcher == OTHER.address
    assert (track.registration_block, track.attempts, track.dataset) == (0, 0, ZERO_DIGEST)
    with pytest.raises(ChainError, match="register it before anything is trained"):
        require_running(track)


def test_who_only_reads_prepares_nothing(protocols, empty_ledger):
    with pytest.raises(NoAccount):
        Protocols(empty_ledger.acting_as(None)).prepare(PROTOCOL, DATASET)


def test_a_reveal_of_what_is_not_registered_is_refused(protocols):
    with pytest.raises(ProtocolNotRegistered):
        protocols.reveal(protocols.prepare(PROTOCOL, DATASET, sealed=True))


def test_what_is_not_running_is_told_apart(protocols):
    registration = protocols.prepare(PROTOCOL, DATASET)
    with pytest.raises(ChainError, match="steward approved; ask the steward"):
        require_running(protocols.register(registration))
    with pytest.raises(ProtocolNotApproved):
        protocols.attempt(registration.id, digest("one"))
    require_running(protocols.approve(registration))
    with pytest.raises(ChainError, match="found it closed"):
        require_running(protocols.close(registration))
    with pytest.raises(ProtocolAlreadyClosed):
        protocols.approve(registration)


# --- approvals that are sent again ---------------------------------------------------------------------


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "not seen yet"])
def test_an_approval_whose_receipt_was_lost_gives_nothing_twice(protocols, empty_ledger, is_seen):
    registration = protocols.prepare(PROTOCOL, DATASET)
    protocols.register(registration)
    ledger = LosesReceipts(empty_ledger) if is_seen else LooksTooEarly(empty_ledger, "trackOf")
    unlucky = Protocols(ledger)
    with pytest.raises(TransactionTimeout):
        unlucky.approve(registration, 0.25, 2)
    again = unlucky.approve(registration, 0.25, 2)
    assert again == protocols.find(registration.id, registration.researcher)
    assert (again.budget, again.open_releases_left, again.allotted) == (250_000, 2, 250_000)
    assert Datasets(empty_ledger).find(DATASET).allotted == 250_000
    assert len(empty_ledger.find_events("ProtocolApproved")) == 1


def test_more_is_given_by_naming_the_whole(protocols, running, empty_ledger):
    assert protocols.approve(running, 0.5, 2).budget == 500_000
    with pytest.raises(ApprovalNotRaised) as caught:
        protocols.approve(running, 0.4, 9)
    assert caught.value.arguments[1:] == (500_000, 2)
    assert protocols.find(running.id, running.researcher).open_releases_left == 2
    assert Datasets(empty_ledger).find(DATASET).allotted == 500_000


def test_a_steward_approves_and_closes_what_it_cannot_read(protocols, others):
    theirs = others.prepare(PROTOCOL, DATASET, sealed=True)
    others.register(theirs)
    shown = SealedProtocol(DATASET, theirs.researcher, theirs.seal)
    assert shown == theirs.sealed and shown.id == theirs.id
    assert theirs.salt not in str(shown) and theirs.digest not in str(shown)
    approved = protocols.approve(shown, 0.1, 1)
    assert approved.is_approved and not approved.is_revealed and approved.digest == ZERO_DIGEST
    others.attempt(theirs.id, digest("one"))
    assert protocols.close(shown).is_closed


# --- attempts ------------------------------------------------------------------------------------------


def test_attempts_are_numbered_and_lead_to_the_chains_head(protocols, running):
    groups = [[digest("a")], [digest("b"), digest("c"), digest("d")], [digest("e")]]
    assert protocols.attempt(running.id, groups[0][0]) == 1
    assert protocols.attempt(running.id, groups[1]) == 2
    assert protocols.attempt(running.id, groups[2], first=5) == 5
    track = protocols.find(running.id, running.researcher)
    links = [link_of(group) for group in groups]
    assert track.attempts == 5
    assert track.head == chain_head(running.id, track.registration_block, links)


def test_an_attempt_with_its_number_is_logged_once(protocols, running):
    protocols.attempt(running.id, digest("a"), first=1)
    with pytest.raises(AttemptOutOfOrder):
        protocols.attempt(running.id, digest("a"), first=1)
    with pytest.raises(ValueError, match="got none"):
        protocols.attempt(running.id, [])
    assert protocols.find(running.id, running.researcher).attempts == 1


@given(st.lists(DIGESTS, min_size=1, max_size=9))
def test_a_link_is_the_digest_of_one_and_the_root_and_number_of_several(digests):
    if len(digests) == 1:
        assert link_of(digests) == digests[0]
    else:
        root = MerkleTree.of(map(bytes.fromhex, digests)).root()
        words = encode(["bytes32", "uint256"], [root, len(digests)])
        assert link_of(digests) == keccak(words).hex() == batch_link(root.hex(), len(digests))


@given(st.lists(DIGESTS, max_size=5), st.integers(1, 2**40))
def test_a_head_is_hashed_link_by_link(links, block):
    head = keccak(encode(["bytes32", "uint256"], [b"\1" * 32, block]))[:20]
    for link in links:
        head = keccak(encode(["bytes20", "bytes32"], [head, bytes.fromhex(link)]))[:20]
    assert chain_head("0x" + "01" * 32, block, links) == head.hex()


@given(st.lists(DIGESTS, min_size=2, max_size=4, unique=True))
def test_what_is_left_out_added_or_moved_leads_elsewhere(links):
    others = [links[1:], links[:-1], [*links, links[0]], [links[1], links[0], *links[2:]], [link_of(links)]]
    heads = [chain_head("0x" + "01" * 32, 7, each) for each in [links, *others]]
    assert heads[0] not in heads[1:]


def test_the_digest_of_an_attempt_follows_what_it_says_and_not_its_order():
    said = {"model_type": "TabularGAN", "seed": 1}
    assert attempt_digest(said) == attempt_digest(dict(reversed(said.items())))
    assert attempt_digest(said) != attempt_digest(said | {"seed": 2})
