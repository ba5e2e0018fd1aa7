"""Whether a chain takes a row's proof for a recorded release; the contract RowProofs says so."""

from __future__ import annotations

from synthlib.chain.records import Record
from synthlib.chain.registry import Ledger, to_bytes32
from synthlib.chain.rows import RowProof, verify_row

_CONTRACT = "RowProofs"


def is_row_of_release(ledger: Ledger, proof: RowProof, record: Record) -> bool:
    """Whether a row stands in the table of a release that was recorded and not withdrawn; nothing is sent.

    Needs no folder: the chain holds what ties the table's root to the release, and the contract computes the
    root from the proof. What does not lead to the recorded root here is not asked.

    Args:
        ledger: the chain that holds the record.
        proof: the row's proof.
        record: what that chain knows of the release (`Ledger.find`).

    Raises:
        ChainError: if the chain cannot be asked.
    """
    if not verify_row(proof, bytes.fromhex(record.synthetic)):
        return False
    shown = (proof.data, proof.index, proof.num_rows, list(proof.path))
    release = (to_bytes32(record.release), record.issuer, record.content)
    return ledger.call("isRow", *release, *shown, contract=_CONTRACT)
