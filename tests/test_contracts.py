"""The registry's contract, on both chains: a test an error, one an event, every role with every function."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from chain_helpers import CONTRACTS, account, advance, call, digest, fund, generation, send
from eth_abi import decode, encode
from eth_utils import keccak

from synthlib.chain import errors
from synthlib.chain.contracts import load_artifact
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    AlreadyRecorded,
    AlreadyRevoked,
    ContractError,
    ModelTypeLength,
    NotIssuer,
    NotRecorded,
    ZeroDigest,
    to_contract_error,
)

pytest_plugins = ["chain_fixtures"]

ADMIN, RECORDER, OTHER, STRANGER = (
    account(name) for name in ("admin", "recorder", "other recorder", "stranger")
)
RECORDER_ROLE = keccak(text="RECORDER_ROLE")
ADMIN_ROLE = bytes(32)
REASON = keccak(text="reason")
ZERO = "0" * 64


@pytest.fixture
def registry(ledger):
    """A ledger whose admin may not record and two others may; a stranger may nothing."""
    for somebody in (RECORDER, OTHER, STRANGER):
        fund(ledger.connection, somebody.address)
    send(ledger, ADMIN, "revokeRole", RECORDER_ROLE, ADMIN.address)
    ledger.grant_recorder(RECORDER.address)
    ledger.grant_recorder(OTHER.address)
    return ledger


def record(registry, name="a", sender=RECORDER, **changes):
    return send(registry, sender, "record", generation(name, **changes).to_abi())


def release(name="a") -> bytes:
    return bytes.fromhex(generation(name).release)


def time_of(ledger, receipt) -> int:
    return ledger.connection.web3.eth.get_block(receipt["block"])["timestamp"]


# --- events --------------------------------------------------------------------------------------------


def test_record_emits_recorded_with_everything(registry):
    receipt = record(registry)
    (log,) = receipt["logs"]
    said = generation("a")
    assert log["address"] == registry.address
    types = "(bytes32,bytes32,bytes32,string,bytes32,bytes32,bytes32)"
    assert log["topics"] == [
        "0x" + keccak(text=f"Recorded(bytes32,bytes32,address,{types})").hex(),
        "0x" + said.release,
        said.id,
        "0x" + RECORDER.address[2:].lower().rjust(64, "0"),
    ]
    assert decode([types], bytes.fromhex(log["data"][2:]))[0] == said.to_abi()


def test_revoke_emits_revoked_with_the_reason(registry):
    record(registry)
    (log,) = send(registry, RECORDER, "revoke", release(), REASON)["logs"]
    assert log["topics"] == [
        "0x" + keccak(text="Revoked(bytes32,address,bytes32)").hex(),
        "0x" + release().hex(),
        "0x" + RECORDER.address[2:].lower().rjust(64, "0"),
    ]
    assert log["data"] == "0x" + REASON.hex()


# --- what is stored ------------------------------------------------------------------------------------


def test_find_gives_issuer_time_and_block_from_the_digest_alone(registry):
    receipt = record(registry)
    found = call(registry, STRANGER, "find", release())
    assert found == (RECORDER.address, time_of(registry, receipt), receipt["block"], bytes(32))
    send(registry, RECORDER, "revoke", release(), REASON)
    found_later = call(registry, STRANGER, "find", release())
    assert found_later == (*found[:3], REASON)


def test_ids_predicted_by_python_are_the_contracts(registry):
    cases = [
        generation("a"),
        generation("b", parent=ZERO),
        generation("c", model_type="é" * 32),
        generation("d", model_type="x"),
    ]
    for said in cases:
        assert "0x" + call(registry, RECORDER, "record", said.to_abi()).hex() == said.id
        assert send(registry, RECORDER, "record", said.to_abi())["logs"][0]["topics"][2] == said.id
    assert len({said.id for said in cases}) == len(cases)


def test_a_record_costs_at_most_sixty_thousand_gas_however_many_there_are(registry):
    costs = [record(registry, name)["gas_used"] for name in "abcdef"]
    assert max(costs) <= 60_000
    assert max(costs) - min(costs) < 200  # zero bytes in a digest are cheaper


def test_parent_may_be_unknown_or_zero(registry):
    record(registry, "a", parent=ZERO)
    record(registry, "b", parent=digest("a bundle that nobody recorded"))


# --- errors --------------------------------------------------------------------------------------------


def test_record_twice_reverts(registry):
    record(registry)
    with pytest.raises(AlreadyRecorded) as caught:
        record(registry)
    assert caught.value.arguments == (generation("a").release,)


def test_record_twice_by_another_with_other_content_reverts(registry):
    record(registry)
    with pytest.raises(AlreadyRecorded):
        record(registry, sender=OTHER, synthetic=digest("other"))


def test_record_again_after_revocation_reverts(registry):
    record(registry)
    send(registry, RECORDER, "revoke", release(), REASON)
    with pytest.raises(AlreadyRecorded):
        record(registry)


@pytest.mark.parametrize("field", ["release", "commitment", "synthetic", "parameters", "characteristics"])
def test_record_without_a_digest_reverts(registry, field):
    with pytest.raises(ZeroDigest) as caught:
        record(registry, **{field: ZERO})
    assert caught.value.arguments == (field,)


@pytest.mark.parametrize("length", [0, 65])
def test_record_with_a_model_type_of_wrong_length_reverts(registry, length):
    with pytest.raises(ModelTypeLength) as caught:
        record(registry, model_type="x" * length)
    assert caught.value.arguments == (length,)


def test_record_by_stranger_reverts(registry):
    with pytest.raises(AccessControlUnauthorizedAccount) as caught:
        record(registry, sender=STRANGER)
    assert caught.value.arguments == (STRANGER.address, RECORDER_ROLE.hex())


def test_revoke_of_nothing_reverts(registry):
    with pytest.raises(NotRecorded) as caught:
        send(registry, RECORDER, "revoke", release(), REASON)
    assert caught.value.arguments == (release().hex(),)


def test_find_of_nothing_reverts(registry):
    with pytest.raises(NotRecorded) as caught:
        call(registry, STRANGER, "find", release())
    assert caught.value.arguments == (release().hex(),)


@pytest.mark.parametrize("sender", [ADMIN, OTHER, STRANGER], ids=["admin", "other recorder", "stranger"])
def test_revoke_by_stranger_reverts(registry, sender):
    record(registry)
    with pytest.raises(NotIssuer) as caught:
        send(registry, sender, "revoke", release(), REASON)
    assert caught.value.arguments == (release().hex(), sender.address)


def test_revoke_twice_reverts(registry):
    record(registry)
    send(registry, RECORDER, "revoke", release(), REASON)
    with pytest.raises(AlreadyRevoked) as caught:
        send(registry, RECORDER, "revoke", release(), keccak(text="another reason"))
    assert caught.value.arguments == (release().hex(),)


def test_revoke_without_a_reason_reverts(registry):
    record(registry)
    with pytest.raises(ZeroDigest) as caught:
        send(registry, RECORDER, "revoke", release(), bytes(32))
    assert caught.value.arguments == ("reason",)


def test_issuer_who_lost_the_role_may_revoke_but_not_record(registry):
    record(registry)
    send(registry, ADMIN, "revokeRole", RECORDER_ROLE, RECORDER.address)
    with pytest.raises(AccessControlUnauthorizedAccount):
        record(registry, "b")
    send(registry, RECORDER, "revoke", release(), REASON)


# --- every role with every function --------------------------------------------------------------------

YES = None
UNAUTHORIZED = "AccessControlUnauthorizedAccount"
FUNCTIONS = {  # name: (arguments, what the admin, the issuer, another recorder and a stranger get)
    "record": (lambda: [generation("new").to_abi()], (UNAUTHORIZED, YES, YES, UNAUTHORIZED)),
    "revoke": (lambda: [release(), REASON], ("NotIssuer", YES, "NotIssuer", "NotIssuer")),
    "grantRole": (lambda: [RECORDER_ROLE, STRANGER.address], (YES, UNAUTHORIZED, UNAUTHORIZED, UNAUTHORIZED)),
    "revokeRole": (lambda: [RECORDER_ROLE, OTHER.address], (YES, UNAUTHORIZED, UNAUTHORIZED, UNAUTHORIZED)),
    "renounceRole": (
        lambda: [RECORDER_ROLE, OTHER.address],
        ("AccessControlBadConfirmation", "AccessControlBadConfirmation", YES, "AccessControlBadConfirmation"),
    ),
    "beginDefaultAdminTransfer": (
        lambda: [STRANGER.address],
        (YES, UNAUTHORIZED, UNAUTHORIZED, UNAUTHORIZED),
    ),
    "cancelDefaultAdminTransfer": (lambda: [], (YES, UNAUTHORIZED, UNAUTHORIZED, UNAUTHORIZED)),
    "acceptDefaultAdminTransfer": (lambda: [], ("AccessControlInvalidDefaultAdmin",) * 4),
    "changeDefaultAdminDelay": (lambda: [3600], (YES, UNAUTHORIZED, UNAUTHORIZED, UNAUTHORIZED)),
    "rollbackDefaultAdminDelay": (lambda: [], (YES, UNAUTHORIZED, UNAUTHORIZED, UNAUTHORIZED)),
}


def test_every_role_with_every_function(registry):
    record(registry)
    seen, expected = {}, {}
    for name, (arguments, outcomes) in FUNCTIONS.items():
        for sender, outcome in zip((ADMIN, RECORDER, OTHER, STRANGER), outcomes, strict=True):
            expected[name, sender.address] = outcome
            try:
                call(registry, sender, name, *arguments())
                seen[name, sender.address] = YES
            except ContractError as error:
                seen[name, sender.address] = type(error).__name__
    assert seen == expected


def test_every_state_changing_function_is_in_the_table():
    changing = {
        entry["name"]
        for entry in load_artifact()["abi"]
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    assert changing == set(FUNCTIONS)


def test_nobody_is_made_administrator_in_one_step(registry):
    with pytest.raises(ContractError, match="AccessControlEnforcedDefaultAdminRules"):
        send(registry, ADMIN, "grantRole", ADMIN_ROLE, STRANGER.address)


def test_administration_changes_hands_in_two_steps_after_a_delay(registry):
    send(registry, ADMIN, "beginDefaultAdminTransfer", STRANGER.address)
    with pytest.raises(ContractError, match="AccessControlEnforcedDefaultAdminDelay"):
        send(registry, STRANGER, "acceptDefaultAdminTransfer")
    advance(registry.connection, 86_410)
    with pytest.raises(ContractError, match="AccessControlInvalidDefaultAdmin"):
        send(registry, OTHER, "acceptDefaultAdminTransfer")
    send(registry, STRANGER, "acceptDefaultAdminTransfer")
    send(registry, STRANGER, "grantRole", RECORDER_ROLE, STRANGER.address)
    with pytest.raises(AccessControlUnauthorizedAccount):
        send(registry, ADMIN, "grantRole", RECORDER_ROLE, ADMIN.address)


# --- errors as Python sees them ------------------------------------------------------------------------


def test_every_custom_error_of_the_registry_has_a_python_class():
    text = (CONTRACTS / "src" / "IProvenanceRegistry.sol").read_text()
    ours = {
        entry["name"]
        for entry in load_artifact()["abi"]
        if entry["type"] == "error" and f"error {entry['name']}(" in text
    }
    assert len(ours) == 6
    assert all(issubclass(getattr(errors, name), ContractError) for name in ours)


class RawText(Exception):
    """As eth-tester shows a revert."""


class WithData(Exception):
    """As web3 shows a node's revert."""

    def __init__(self, data):
        super().__init__("execution reverted")
        self.data = data


DATA = keccak(text="AlreadyRecorded(bytes32)")[:4] + b"'\"\\\n" * 8


@pytest.mark.parametrize(
    "error",
    [
        RawText(f"execution reverted: {DATA!r}"),
        RawText(str(DATA)),
        WithData("0x" + DATA.hex()),
        WithData({"data": "0x" + DATA.hex()}),
        RawText(f"revert 0x{DATA.hex()}"),
    ],
    ids=["eth-tester", "bytes", "anvil", "nested", "text"],
)
def test_revert_data_is_found_however_it_comes(error):
    found = to_contract_error(error, load_artifact()["abi"])
    assert type(found) is AlreadyRecorded
    assert found.arguments == (DATA[4:].hex(),)
    assert DATA[4:].hex() in str(found)


@pytest.mark.parametrize(
    "error",
    [
        RawText("no data"),
        RawText("b'unfinished"),
        WithData(None),
        WithData("0x"),
        WithData("0xdeadbeef"),
        WithData("0x" + DATA[:7].hex()),
    ],
)
def test_revert_that_is_no_custom_error_is_a_contract_error(error):
    assert type(to_contract_error(error, load_artifact()["abi"])) is ContractError


def test_errors_of_openzeppelin_keep_their_names():
    data = keccak(text="AccessControlInvalidDefaultAdmin(address)")[:4] + encode(
        ["address"], [STRANGER.address]
    )
    found = to_contract_error(WithData("0x" + data.hex()), load_artifact()["abi"])
    assert type(found).__name__ == "AccessControlInvalidDefaultAdmin"
    assert found.arguments == (STRANGER.address,)


# --- the committed artifact ----------------------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed: the artifacts cannot be recompiled"
)
def test_committed_artifacts_are_what_the_sources_compile_to(tmp_path):
    assert (CONTRACTS / "node_modules" / "solc").is_dir(), (
        "node is here, npm's packages are not: run make npm"
    )
    subprocess.run(
        ["node", "compile.mjs", str(tmp_path)], cwd=CONTRACTS, check=True, capture_output=True, timeout=120
    )
    committed = Path(__file__).parents[1] / "synthlib" / "chain" / "artifacts"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in committed.iterdir()}, "run make contracts; remove leftovers"
    stale = [name for name in names if (tmp_path / name).read_bytes() != (committed / name).read_bytes()]
    assert stale == [], "run make contracts"


def test_artifact_names_its_compiler_and_fork():
    compiler = load_artifact()["compiler"]
    pinned = json.loads((CONTRACTS / "package.json").read_text())["dependencies"]["solc"]
    assert compiler["solc"].startswith(f"{pinned}+")
    assert compiler["evmVersion"] == "prague"
    assert compiler["metadata"] == {"bytecodeHash": "none"}


def test_lock_names_no_host_but_the_registry_of_npm():
    lock = json.loads((CONTRACTS / "package-lock.json").read_text())
    sources = [package["resolved"] for package in lock["packages"].values() if "resolved" in package]
    assert all(source.startswith("https://registry.npmjs.org/") for source in sources)
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
