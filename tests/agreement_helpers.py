"""An agreement between the steward and the grantee of a World, and what is done with it."""

from chain_helpers import digest
from contract_world import DATASET, GRANTEE, REASON, STEWARD, STRANGER, hashed, raw
from signatures import sign

from synthlib.chain.agreements import Agreement

LATE = 2**39
KEY, OBJECT, CERTIFICATE = hashed("encryption key"), hashed("object"), hashed("certificate")
AGREEMENT = Agreement(
    DATASET, GRANTEE.address, digest("terms"), digest("purpose"), ("DUO:0000006", "DUO:0000042"), LATE
)
ID = AGREEMENT.id[2:]
FIELDS = {"agreement": "bytes32", "encryptionKey": "bytes32"}


def offer(world, agreement=AGREEMENT, party=STEWARD):
    return world.send(party, "offer", agreement.to_abi())


def signed(world, agreement=AGREEMENT, key=KEY, signer=GRANTEE, chain=None, address=None) -> bytes:
    place = address or world.ledger.addresses["Agreements"]
    values = {"agreement": raw(agreement.id), "encryptionKey": key}
    chain = chain or world.connection.chain_id
    return sign(signer, "Agreements", place, chain, "Acceptance", FIELDS, values)


def accept(world, agreement=AGREEMENT, key=KEY, signature=None, party=STRANGER):
    signature = signed(world, agreement, key) if signature is None else signature
    return world.send(party, "accept", agreement.to_abi(), key, signature)


def end(world, party=STEWARD, reason=REASON):
    return world.send(party, "end", AGREEMENT.to_abi(), reason)


def access(world, agreement=AGREEMENT, thing=OBJECT, party=STEWARD, number=None):
    """Log an access, under the next number if none is given."""
    number = status(world, agreement)[4] + 1 if number is None else number
    return world.send(party, "logAccess", agreement.to_abi(), thing, number)


def status(world, agreement=AGREEMENT):
    return world.call("statusOf", raw(agreement.id))
