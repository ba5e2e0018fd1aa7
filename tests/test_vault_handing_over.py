"""Handing over: the gate is asked before any key is touched, and every refusal is said."""

from types import SimpleNamespace

import pytest
from chain_helpers import DATASET as ON_CHAIN
from vault_helpers import (
    AGREEMENT,
    DATASET,
    GRANTEE,
    OTHER_DATASET,
    OWNER,
    PLAIN,
    FakeGate,
    files_of,
    make_vault,
    path_of,
)

from synthlib.chain.errors import (
    AccessOutOfOrder,
    ContractError,
    Expired,
    NodeUnreachable,
    NotSteward,
    ObjectIsErased,
    WrongState,
)
from synthlib.chain.handing_over import NotAccepted
from synthlib.chain.sealing import OtherDataset, WrongKey
from synthlib.chain.vault import KeyDestroyed, NotStored, Vault, VaultError
from synthlib.chain.wrapping import CLASSICAL, HYBRID, VaultKey, digest_public_key, open_grant

pytest_plugins = ["vault_fixtures"]


@pytest.mark.parametrize("kem", [HYBRID, CLASSICAL])
def test_a_grantee_reads_what_was_handed_over(place, kem, file, tmp_path):
    grantee = VaultKey.draw(kem)
    gate = FakeGate(grantee.public_key)
    vault = make_vault(place, gate)
    address = vault.put(file, DATASET)
    grant = vault.hand_over(address, AGREEMENT, grantee.public_key)
    assert gate.asked == [(AGREEMENT, address)]
    assert grant[:4] == (address, DATASET, AGREEMENT, "0xGrantee") and gate.denied == []
    theirs = make_vault(place, owner=None)
    with pytest.raises(OtherDataset, match=OTHER_DATASET):
        theirs.fetch(address, open_grant(grant, grantee), tmp_path / "out", OTHER_DATASET)
    theirs.fetch(address, open_grant(grant, grantee), tmp_path / "out", grant.dataset)
    assert (tmp_path / "out").read_bytes() == PLAIN
    with pytest.raises(WrongKey):
        open_grant(grant, VaultKey.draw(kem))


def test_the_chain_is_asked_before_any_key_is_unwrapped(local, file, watched):
    address = local.put(file, DATASET)
    log = local.gate.log_access
    local.gate.log_access = lambda *given: (watched.append("log_access"), log(*given))[1]
    local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert watched == ["log_access", "unwrap_for_owner", "wrap_for_grantee"]


REFUSALS = [
    WrongState(AGREEMENT, 3),
    Expired(AGREEMENT, 17, 18),
    ObjectIsErased("ab" * 32),
    AccessOutOfOrder(AGREEMENT, 2, 1),
    NodeUnreachable("no node"),
    OSError("socket"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: type(refusal).__name__)
def test_a_refusal_lets_nothing_out(local, file, watched, refusal):
    address = local.put(file, DATASET)
    before = files_of(local)
    local.gate.refusal = refusal
    with pytest.raises(type(refusal)) as caught:
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert caught.value is refusal
    assert watched == [] and files_of(local) == before
    refused = isinstance(refusal, ContractError) and not isinstance(refusal, AccessOutOfOrder)
    until = " 17" if isinstance(refusal, Expired) else ""
    denial = (DATASET, address, "0xGrantee", f"{type(refusal).__name__} {'7a' * 32}{until}")
    assert local.gate.denied == ([denial] if refused else [])


def test_an_object_of_another_dataset_is_denied(local, file, watched):
    address = local.put(file, OTHER_DATASET)
    with pytest.raises(OtherDataset, match=f"of dataset {DATASET}.*got one of {OTHER_DATASET}"):
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert watched == [] and local.gate.asked == []
    assert local.gate.denied == [(OTHER_DATASET, address, "0xGrantee", f"OtherDataset {'7a' * 32}")]


def test_an_object_that_the_store_relabels_is_not_handed_over(local, file, watched):
    """Its header is believed until a key was unwrapped for what it says, and none is."""
    address = local.put(file, OTHER_DATASET)
    with open(path_of(local, address, "sealed"), "r+b") as sealed:
        sealed.seek(28)
        sealed.write(bytes.fromhex(DATASET))
    wrapped = path_of(local, address, "key")
    with open(wrapped, "rb") as key:
        said = key.read()
    for data in (said, said.replace(OTHER_DATASET.encode(), DATASET.encode())):
        with open(wrapped, "wb") as key:
            key.write(data)
        with pytest.raises(WrongKey):
            local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert "wrap_for_grantee" not in watched


def test_a_denial_that_is_not_recorded_is_noted(local, file, watched):
    address = local.put(file, OTHER_DATASET)

    def fail(*_):
        raise NotSteward(OTHER_DATASET, "0xOwner")

    local.gate.log_denial = fail
    with pytest.raises(OtherDataset) as caught:
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert caught.value.__notes__ == ["the denial could not be recorded on the chain: NotSteward"]
    assert watched == []


@pytest.mark.parametrize(
    "accepted",
    ["0" * 64, "", None, digest_public_key(OWNER.public_key)],
    ids=["zeros", "nothing", "none", "the owner's"],
)
def test_another_public_key_than_the_accepted_one_gets_nothing(local, file, watched, accepted):
    address = local.put(file, DATASET)
    local.gate.answer.encryption_key = accepted
    with pytest.raises(NotAccepted, match="accepted the agreement"):
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert watched == [] and local.gate.asked == []
    assert local.gate.denied == [(DATASET, address, "0xGrantee", f"NotAccepted {'7a' * 32}")]
    local.gate.find = lambda _: SimpleNamespace(state="offered", encryption_key="0" * 64)
    with pytest.raises(NotAccepted):  # of a gate that answers all the same
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert watched == []


def test_the_accepted_digest_may_be_written_as_the_chain_does(local, file):
    local.gate.answer.encryption_key = "0x" + digest_public_key(GRANTEE.public_key).upper()
    assert local.hand_over(local.put(file, DATASET), AGREEMENT, GRANTEE.public_key)


def test_a_gate_without_an_answer_lets_nothing_out(local, file, watched):
    local.gate.log_access = lambda *_: None
    with pytest.raises(AttributeError):
        local.hand_over(local.put(file, DATASET), AGREEMENT, GRANTEE.public_key)
    assert watched == []


def test_no_access_is_recorded_of_what_cannot_be_handed_over(local, file, tmp_path):
    address = local.put(file, DATASET)
    with pytest.raises(NotStored):
        local.hand_over("0" * 64, AGREEMENT, GRANTEE.public_key)
    with pytest.raises(ValueError, match="public key"):
        local.hand_over(address, AGREEMENT, b"no key")
    assert local.gate.denied == []
    local.erase(address)
    with pytest.raises(KeyDestroyed):
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert local.gate.asked == []
    assert local.gate.denied == [(ON_CHAIN, address, "0xGrantee", f"KeyDestroyed {'7a' * 32}")]
    with pytest.raises(VaultError, match="gate"):
        Vault(tmp_path / "vault", OWNER).hand_over(address, AGREEMENT, GRANTEE.public_key)
