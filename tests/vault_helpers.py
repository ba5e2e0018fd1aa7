"""Vaults, a gate that is no chain, and what is put into a vault."""

from types import SimpleNamespace

from chain_helpers import DATASET as ON_CHAIN
from chain_helpers import digest

from synthlib.bundle import Bundle
from synthlib.chain.vault import Vault
from synthlib.chain.wrapping import VaultKey, digest_public_key

OWNER, GRANTEE = VaultKey.draw(), VaultKey.draw()
DATASET = ON_CHAIN.removeprefix("0x")  # as objects name it
AGREEMENT, OTHER_DATASET = "0x" + "7a" * 32, digest("another dataset")
PLAIN = b"confidential cell 4711"


class FakeGate:
    """Agreements on a chain: records an access, or refuses."""

    def __init__(self, public_key=GRANTEE.public_key, refusal=None):
        said = {"grantee": "0xGrantee", "encryption_key": digest_public_key(public_key)}
        self.answer = SimpleNamespace(dataset=ON_CHAIN, state="accepted", **said)
        self.refusal, self.asked, self.denied = refusal, [], []

    def open(self, agreement_id):
        return self.answer

    find = open

    def log_access(self, agreement_id, object_digest):
        self.asked.append((agreement_id, object_digest))
        if self.refusal:
            raise self.refusal
        return self.answer

    def log_denial(self, dataset, object_digest, account, reason):
        self.denied.append((dataset, object_digest, account, reason))


def make_vault(place, gate=None, owner=OWNER):
    return Vault(place[0], owner, gate, place[1])


def make_bundle(path, key=None):
    with Bundle.create(path, "release", {"seed": 1}, key=key) as folder:
        (folder / "synthetic.csv").write_text("age\n34\n")
        (folder / "inner").mkdir()
        (folder / "inner" / "schema.json").write_text("{}")
    (path / "ledger").mkdir()
    (path / "ledger" / "record.json").write_text("{}")
    return Bundle.open(path, key)


def files_of(vault):
    return {name for name, _ in vault.store.names()}


def path_of(vault, address, ending):
    return vault.store._path(f"{address[:2]}/{address}.{ending}")
