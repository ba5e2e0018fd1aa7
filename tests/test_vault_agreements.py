"""A vault whose gate is a chain: one hospital hands a release over to another, or is refused."""

import hashlib

import pytest
from chain_helpers import COMMITMENT, Script, account, advance, dead_port, digest, fund, rpc
from chain_helpers import DATASET as ON_CHAIN
from ledger_doubles import Liar, LosesReceipts, changed
from sending_fixtures import mine, nothing
from vault_helpers import AGREEMENT, DATASET, GRANTEE, OTHER_DATASET, OWNER, PLAIN, make_bundle

from synthlib.bundle import Bundle
from synthlib.chain import vault as vault_module
from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.connection import Connection
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import (
    ChainError,
    DatasetNotActive,
    Expired,
    InvalidSignature,
    NodeUnreachable,
    NotSteward,
    ObjectIsErased,
    Paused,
    TransactionTimeout,
    TransactionVanished,
    WrongState,
)
from synthlib.chain.handing_over import NotAccepted, reason_of
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import STEWARD, Roles
from synthlib.chain.sealing import OtherDataset, WrongKey
from synthlib.chain.vault import KeyDestroyed, Vault
from synthlib.chain.wrapping import VaultKey, digest_public_key, open_grant

pytest_plugins = ["chain_fixtures", "vault_fixtures"]

TERMS, PURPOSE, OTHER_GRANTEE = digest("terms"), digest("purpose"), account("another grantee")
GRANTEE_ACCOUNT = account("grantee")


@pytest.fixture
def hospital(empty_ledger):
    """The ledger of a steward who registered a dataset."""
    Datasets(empty_ledger).register(COMMITMENT)
    return empty_ledger


def propose(ledger, seconds=3600, dataset=DATASET):
    """An agreement that is offered to the grantee, in force for some time of the chain's clock."""
    now = ledger.connection.get_time(ledger.connection.get_block_number())
    terms = (dataset, GRANTEE_ACCOUNT.address, TERMS, PURPOSE, ("DUO:0000007", "DUO:0000042"), now + seconds)
    agreement = Agreement(*terms)
    Agreements(ledger).offer(agreement)
    return agreement


def agree(ledger, seconds=3600, public_key=GRANTEE.public_key, dataset=DATASET):
    """The same, signed by the grantee elsewhere, who pays no gas, and brought by the steward."""
    agreement, key = propose(ledger, seconds, dataset), digest_public_key(public_key)
    signature = Agreements(ledger.acting_as(GRANTEE_ACCOUNT)).sign(agreement, key)
    assert Agreements(ledger).accept(agreement, key, signature).state == "accepted"
    return agreement


@pytest.fixture
def guarded(hospital, tmp_path):
    """The steward's vault, whose gate is the chain."""
    return Vault(tmp_path / "guarded", OWNER, Agreements(hospital))


def test_one_hospital_hands_a_release_over_to_another(hospital, guarded, watched, tmp_path, monkeypatch):
    bundle = make_bundle(tmp_path / "release")
    address, agreement = guarded.put(bundle, DATASET), agree(hospital)
    ask = lambda name: hospital.find_events(name, "Agreements", id=agreement.id)  # noqa: E731
    on_chain, unwrap = [], vault_module.unwrap_for_owner

    def look_first(*given):
        on_chain.extend(event.arguments["object"] for event in ask("Accessed"))
        return unwrap(*given)

    monkeypatch.setattr(vault_module, "unwrap_for_owner", look_first)
    grant = guarded.hand_over(address, agreement.id, GRANTEE.public_key)
    assert on_chain == [address]  # before any key was unwrapped
    assert (grant.agreement, grant.grantee) == (agreement.id, GRANTEE_ACCOUNT.address)
    theirs = Vault(tmp_path / "guarded")
    theirs.fetch(address, open_grant(grant, GRANTEE), tmp_path / "theirs", grant.dataset)
    assert Bundle.open(tmp_path / "theirs").digest == bundle.digest
    trail = [(event.name, event.arguments.get("grantee")) for event in Agreements(hospital).trail()]
    who = GRANTEE_ACCOUNT.address
    assert trail == [("Offered", who), ("Accepted", who), ("Accessed", who)]
    with pytest.raises(WrongKey):
        open_grant(grant, VaultKey.draw())


def end(ledger, agreement):
    Agreements(ledger).end(agreement, "the study is over")


def take_back(ledger, agreement):
    """By the grantee, who pays their own gas for it."""
    fund(ledger.connection, GRANTEE_ACCOUNT.address)
    end(ledger.acting_as(GRANTEE_ACCOUNT), agreement)


BREACHES = {
    "expired": (lambda ledger, agreement: advance(ledger.connection, 3700), Expired),
    "ended": (end, WrongState),
    "ended by the grantee": (take_back, WrongState),
    "paused": (lambda ledger, agreement: Roles(ledger).pause(), Paused),
    "given up": (lambda ledger, agreement: Datasets(ledger).renounce(DATASET), DatasetNotActive),
    "forgotten": (
        lambda ledger, agreement: Datasets(ledger).record_erasure(DATASET, TERMS),
        DatasetNotActive,
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_nothing_is_handed_over_when_an_agreement_is(hospital, guarded, file, watched, breach):
    address, agreement = guarded.put(file, DATASET), agree(hospital)
    act, error = BREACHES[breach]
    act(hospital, agreement)
    for _ in range(2):
        with pytest.raises(error) as caught:
            guarded.hand_over(address, agreement.id, GRANTEE.public_key)
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []
    if error is Paused:  # who cannot log an access cannot log a denial
        assert denials(hospital) == []
        assert caught.value.__notes__ == [f"the denial could not be recorded on the chain: {error.__name__}"]
    else:
        assert denials(hospital) == [denial(caught.value, agreement, address)]


def denials(ledger):
    return [event.arguments for event in ledger.find_events("AccessDenied", "Agreements")]


def denial(refusal, agreement, address, dataset=ON_CHAIN):
    """What the chain says of a refusal."""
    reason = hashlib.sha256(reason_of(refusal, agreement.id).encode()).hexdigest()
    account = GRANTEE_ACCOUNT.address
    return {"dataset": dataset, "object": address, "account": account, "reason": reason}


def test_what_is_of_another_dataset_is_denied_on_the_chain(hospital, guarded, file, watched):
    other = Datasets(hospital).register(OTHER_DATASET).id
    address, agreement = guarded.put(file, other.removeprefix("0x")), agree(hospital)
    with pytest.raises(OtherDataset) as caught:
        guarded.hand_over(address, agreement.id, GRANTEE.public_key)
    assert denials(hospital) == [denial(caught.value, agreement, address, other)]
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []


def test_what_is_another_stewards_is_denied_under_the_agreements_dataset(hospital, guarded, file, watched):
    fund(hospital.connection, GRANTEE_ACCOUNT.address)
    Roles(hospital).grant(STEWARD, GRANTEE_ACCOUNT.address)
    other = Datasets(hospital.acting_as(GRANTEE_ACCOUNT)).register(OTHER_DATASET).id
    address, agreement = guarded.put(file, other), agree(hospital)
    for _ in range(2):
        with pytest.raises(OtherDataset) as caught:
            guarded.hand_over(address, agreement.id, GRANTEE.public_key)
        assert not hasattr(caught.value, "__notes__")
    assert denials(hospital) == [denial(caught.value, agreement, address)]  # once
    Roles(hospital).pause()
    with pytest.raises(OtherDataset) as caught:
        guarded.hand_over(guarded.put(file, other), agreement.id, GRANTEE.public_key)
    assert caught.value.__notes__ == ["the denial could not be recorded on the chain: Paused"]
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []


def test_a_hand_over_whose_receipt_was_lost_is_on_the_chain_once(hospital, file, watched, tmp_path):
    vault = Vault(tmp_path / "vault", OWNER, Agreements(LosesReceipts(hospital)))
    address, agreement = vault.put(file, DATASET), agree(hospital)
    with pytest.raises(TransactionTimeout):
        vault.hand_over(address, agreement.id, GRANTEE.public_key)
    assert watched == []
    for _ in range(2):  # again, and once more because the first grant was lost
        grant = vault.hand_over(address, agreement.id, GRANTEE.public_key)
        assert vault.fetch(address, open_grant(grant, GRANTEE), tmp_path / "out").read_bytes() == PLAIN
        (tmp_path / "out").unlink()
    assert len(hospital.find_events("Accessed", "Agreements")) == 1


def test_an_access_that_no_block_lies_on_yet_opens_nothing(manual_url, file, watched, tmp_path):
    """It may be dropped by a reorganisation: the key would be out, and nothing of that on the chain."""
    script, steward = Script([mine(manual_url)]), account("steward of a slow chain")
    fund(Connection.by_url(manual_url), steward.address)
    options = {"timeout": 5, "confirmations": 1, **script.times}
    ledger = Ledger.connect(manual_url, account=steward, **options)
    dataset = Datasets(ledger).register(COMMITMENT).id
    agreement = agree(ledger, dataset=dataset)
    vault = Vault(tmp_path / "vault", OWNER, Agreements(ledger))
    address = vault.put(file, dataset)
    snapshot = rpc(manual_url, "evm_snapshot")
    script.events = [mine(manual_url), nothing]
    for _ in range(2):
        with pytest.raises(TransactionTimeout, match="enough blocks on top"):
            vault.hand_over(address, agreement.id, GRANTEE.public_key)
        assert len(ledger.find_events("Accessed", "Agreements")) == 1
    script.events = [lambda: rpc(manual_url, "evm_revert", snapshot), nothing]
    with pytest.raises(TransactionVanished, match="send it again"):
        vault.hand_over(address, agreement.id, GRANTEE.public_key)
    assert watched == []
    script.events = [mine(manual_url)]
    assert vault.hand_over(address, agreement.id, GRANTEE.public_key).address == address
    assert len(ledger.find_events("Accessed", "Agreements")) == 1


def test_a_node_that_names_another_key_gets_nothing_wrapped_to_it(hospital, file, watched, tmp_path):
    liars = VaultKey.draw()
    lie = changed(encryptionKey=digest_public_key(liars.public_key))
    vault = Vault(tmp_path / "vault", OWNER, Agreements(Liar(hospital, "Accepted", lie)))
    address, agreement = vault.put(file, DATASET), agree(hospital)
    for public_key in (liars.public_key, GRANTEE.public_key):
        with pytest.raises(ChainError, match="its log does not fit its state"):
            vault.hand_over(address, agreement.id, public_key)
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []


def test_nothing_is_handed_over_without_an_agreement(hospital, guarded, file, watched):
    address, offered = guarded.put(file, DATASET), propose(hospital)
    for agreement in ("0x" + digest("none"), digest("none"), AGREEMENT):
        with pytest.raises(ChainError, match="found none under"):
            guarded.hand_over(address, agreement, GRANTEE.public_key)
    with pytest.raises(WrongState):  # not accepted
        guarded.hand_over(address, offered.id, GRANTEE.public_key)
    key = digest_public_key(GRANTEE.public_key)
    forged = Agreements(hospital.acting_as(OTHER_GRANTEE)).sign(offered, key)
    with pytest.raises(InvalidSignature):
        Agreements(hospital).accept(offered, key, forged)
    signed = Agreements(hospital.acting_as(GRANTEE_ACCOUNT)).sign(offered, key)
    other = digest_public_key(OWNER.public_key)
    with pytest.raises(InvalidSignature):  # the signature holds the key that the grantee wants
        Agreements(hospital).accept(offered, other, signed)
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []


def test_another_key_than_the_chain_names_gets_nothing(hospital, guarded, file, watched):
    address, agreement = guarded.put(file, DATASET), agree(hospital)
    with pytest.raises(NotAccepted, match=digest_public_key(GRANTEE.public_key)):
        guarded.hand_over(address, agreement.id, VaultKey.draw().public_key)
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []
    assert denials(hospital) == [denial(NotAccepted(), agreement, address)]


def test_an_erased_object_is_erased_on_the_chain_too(hospital, guarded, file, watched):
    address, agreement = guarded.put(file, DATASET), agree(hospital)
    erasure = guarded.erase(address, when="when the study ended")
    Agreements(hospital).record_erasure(DATASET, address, erasure.digest)
    with pytest.raises(KeyDestroyed) as caught:
        guarded.hand_over(address, agreement.id, GRANTEE.public_key)
    assert denials(hospital) == [denial(caught.value, agreement, address)]
    with pytest.raises(ObjectIsErased):  # should a backup bring the object back
        Agreements(hospital).log_access(agreement.id, address)
    assert watched == [] and Agreements(hospital).is_erased(DATASET, address)
    assert Agreements(hospital).find_erasure(DATASET, address).arguments["certificate"] == erasure.digest


def test_a_steward_of_another_dataset_hands_nothing_over(hospital, file, tmp_path, watched):
    agreement, other = agree(hospital), hospital.acting_as(OTHER_GRANTEE)
    fund(hospital.connection, OTHER_GRANTEE.address)
    vault = Vault(tmp_path / "other", OWNER, Agreements(other))
    with pytest.raises(NotSteward):
        vault.hand_over(vault.put(file, DATASET), agreement.id, GRANTEE.public_key)
    assert watched == []


def test_nothing_is_handed_over_while_the_chain_is_down(start_node, file, tmp_path, watched):
    url, steward = start_node(), account("admin")
    fund(Connection.by_url(url), steward.address)
    ledger = Ledger.connect(url, account=steward)
    Datasets(ledger).register(COMMITMENT)
    agreement, vault = agree(ledger), Vault(tmp_path / "vault", OWNER, Agreements(ledger))
    address = vault.put(file, DATASET)
    provider, there = ledger.connection.web3.provider, ledger.connection.web3.provider.endpoint_uri
    with dead_port() as port, pytest.raises(NodeUnreachable):
        provider.endpoint_uri = f"http://127.0.0.1:{port}"
        vault.hand_over(address, agreement.id, GRANTEE.public_key)
    assert watched == []
    provider.endpoint_uri = there
    vault.hand_over(address, agreement.id, GRANTEE.public_key)
    assert len(ledger.find_events("Accessed", "Agreements")) == 1
