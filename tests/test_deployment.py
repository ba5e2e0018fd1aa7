"""A deployment is rehearsed before it is paid for: on a node that says it is a public test network."""

import re

import pytest
from chain_helpers import SEPOLIA, account, fund
from eth_account import Account

from synthlib import cli
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import created_address
from synthlib.chain.deployment import plan_deployment
from synthlib.chain.errors import NoAccount, WrongChain
from synthlib.chain.registry import Ledger
from synthlib.commands.terminal import run

pytest_plugins = ["chain_fixtures"]


def command(capsys, *words) -> tuple[int, str, str]:
    code = run(cli.app, ["deploy", *map(str, words)])
    return (code, *capsys.readouterr())


@pytest.fixture
def payer(testnet_url, workspace, monkeypatch):
    """An account of its own with ether on the test network, in the environment."""
    made = Account.create()
    fund(Connection.by_url(testnet_url), made.address)
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", made.key.hex())
    return made


def test_a_dry_run_sends_nothing_and_tells_where_the_registry_will_be(testnet_url, payer, capsys):
    options = ("--rpc", testnet_url, "--chain-id", SEPOLIA)
    code, out, err = command(capsys, *options, "--dry-run")
    told = re.search("registry would be at (0x[0-9a-fA-F]{40}); nothing was sent", out)[1]
    connection = Connection.by_url(testnet_url)
    assert code == 0 and connection.get_code(told) == b""
    assert f"chain {SEPOLIA}, account {payer.address}" in err and "ether; it has 100.000000" in err
    code, out, _ = command(capsys, *options)
    assert code == 0 and out.strip() == f"registry {told}"
    assert Ledger(connection, told, None).call("paused") is False


def test_a_plan_costs_what_the_deployment_takes(testnet_url, payer):
    connection = Connection.by_url(testnet_url, SEPOLIA)
    plan = plan_deployment(connection, payer)
    assert plan.chain_id == SEPOLIA and plan.is_affordable and plan.cost == plan.gas * plan.price
    ledger = Ledger(connection, None, payer)
    assert ledger.address == plan.address
    assert connection.web3.eth.get_balance(payer.address) < plan.balance


def test_another_chain_is_refused_before_anything_is_sent(node_url, workspace, monkeypatch, capsys):
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", account("admin").key.hex())
    code, out, err = command(capsys, "--rpc", node_url, "--chain-id", SEPOLIA)
    assert code == 2 and out == "" and f"expected chain {SEPOLIA}" in err
    with pytest.raises(WrongChain):
        Connection.by_url(node_url, SEPOLIA)


def test_without_a_key_nothing_is_planned(testnet_url, workspace, capsys):
    with pytest.raises(NoAccount, match="expected a key to deploy with"):
        plan_deployment(Connection.by_url(testnet_url), None)
    assert command(capsys, "--rpc", testnet_url)[0] == 2


def test_an_account_with_too_little_is_warned(testnet_url, workspace, monkeypatch, capsys):
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", Account.create().key.hex())
    code, _, err = command(capsys, "--rpc", testnet_url, "--dry-run")
    assert code == 0 and "that may not be enough" in err


# From the transactions of Ethereum's own examples: sender 0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0.
@pytest.mark.parametrize(
    "nonce, address",
    [
        (0, "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
        (1, "0x343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
        (2, "0xf778b86fa74e846c4f0a1fbd1335fe81c00a0c91"),
    ],
)
def test_addresses_of_creations(nonce, address):
    found = created_address("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", nonce)
    assert found.lower() == address


def test_addresses_of_many_creations_are_the_chains(testnet_url, payer):
    web3 = Connection.by_url(testnet_url).web3
    for nonce in (127, 128, 255, 256):
        web3.provider.make_request("anvil_setNonce", [payer.address, hex(nonce)])
        fields = {"nonce": nonce, "gas": 100_000, "gasPrice": 10**10, "data": "0x00", "chainId": SEPOLIA}
        raw = payer.sign_transaction(fields).raw_transaction
        receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw))
        assert receipt["contractAddress"] == created_address(payer.address, nonce)
