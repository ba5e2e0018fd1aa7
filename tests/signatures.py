"""Signatures that are right, and all the ways in which they can be wrong."""

from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from synthlib.chain.connection import Connection

GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1

# A wallet (ERC-1271) that takes as the signature of a hash the hash itself, and one that takes none. In
# bytes, so that no compiler is needed: compare two words, multiply the answer by the selector of
# isValidSignature, move it to the front, return it.
WALLET = bytes.fromhex("606435600435 14 631626ba7e 02 60e01b 600052 60206000f3".replace(" ", ""))
NO_WALLET = bytes.fromhex("600052 60206000f3".replace(" ", ""))


def sign(
    signer: LocalAccount,
    contract: str,
    address: str,
    chain_id: int,
    name: str,
    fields: dict[str, str],
    values: dict,
) -> bytes:
    """A signature (EIP-712) for any contract on any chain; made without synthlib.

    Args:
        contract: `"Agreements"` or `"Attestations"`.
        fields: Solidity type of each field.
    """
    domain = {
        "name": f"synthlib {contract}",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": address,
    }
    types = {name: [{"name": field, "type": kind} for field, kind in fields.items()]}
    return bytes(signer.sign_message(encode_typed_data(domain, types, values)).signature)


def misspell(signature: bytes) -> dict[str, bytes]:
    """Other spellings of a right signature, and halves of it, which no contract may take."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    mirrored = (GROUP_ORDER - s).to_bytes(32, "big")
    compact = (s | (v - 27) << 255).to_bytes(32, "big")
    return {
        "mirrored": r + mirrored + bytes([55 - v]),
        "other parity": signature[:64] + bytes([55 - v]),
        "parity from 0": signature[:64] + bytes([v - 27]),
        "compact": r + compact,
        "short": signature[:64],
        "long": signature + b"\0",
        "zeros": bytes(65),
        "nothing": b"",
    }


def create(connection: Connection, sender: LocalAccount, code: bytes) -> str:
    """Put code on a chain as it is; returns its address."""
    # Copy what follows these eleven bytes and return it.
    head = bytes.fromhex(f"60{len(code):02x}80600b6000396000f3")
    return connection.send(sender, "0x" + (head + code).hex(), None, 500_000, ()).receipt["contract"]
