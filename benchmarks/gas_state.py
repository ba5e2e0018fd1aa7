"""How much state a transaction adds, and what its gas would be if state growth were priced on its own.

EIP-8037 (State Creation Gas Cost Increase; github.com/ethereum/EIPs, EIPS/eip-8037.md, in Last Call when it
was read in November 2026) charges 1,530 gas for each byte of new state in a dimension of its own: 64 bytes a
new storage slot, 120 a new account, and every byte of code. It takes the place of the 20,000 gas of a new
slot, the 32,000 of a creation and the 200 of a byte of code; what remains of these in regular gas are a
write, an account's access and the hash of the code. EIP-8038, which comes with it, names today's equivalents
of the first two (2,800 and 7,000) and raises them to 10,000 and 11,000. Here they stay as they are: the price
of state alone is compared. With EIP-8038 every slot that is written would cost some 7,000 to 8,000 gas more,
new or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from web3 import Web3

STATE_BYTE = 1_530  # CPSB
SLOT_BYTES, ACCOUNT_BYTES = 64, 120  # STATE_BYTES_PER_STORAGE_SET, STATE_BYTES_PER_NEW_ACCOUNT
NEW_SLOT, CREATION, CODE_BYTE = 20_000, 32_000, 200  # what they cost now
STORAGE_WRITE, CREATE_ACCESS, HASH_WORD = 2_800, 7_000, 6  # what of it is no growth of state


class Growth(NamedTuple):
    """What a transaction added to the state.

    Attributes:
        slots: storage slots that held zero before and do not now.
        codes: bytes of code of each contract that was not there before; each is a new account, too.
    """

    slots: int
    codes: tuple[int, ...]


class Price(NamedTuple):
    """Gas of a transaction in two dimensions; the sender pays the sum, a block is filled by the larger."""

    regular: int
    state: int

    @property
    def total(self) -> int:
        return self.regular + self.state


def price_growth(gas: int, growth: Growth) -> Price:
    """What a transaction would cost under EIP-8037.

    Args:
        gas: what it costs now.
        growth: what it adds to the state.
    """
    code, accounts = sum(growth.codes), len(growth.codes)
    hashes = sum(HASH_WORD * -(-length // 32) for length in growth.codes)
    regular = (
        gas
        - growth.slots * (NEW_SLOT - STORAGE_WRITE)
        - accounts * (CREATION - CREATE_ACCESS)
        - code * CODE_BYTE
        + hashes
    )
    return Price(regular, STATE_BYTE * (SLOT_BYTES * growth.slots + ACCOUNT_BYTES * accounts + code))


@contextmanager
def watch_writes() -> Iterator[set[tuple[bytes, int | None]]]:
    """Collect what py-evm writes while this is open: addresses and slots, None for an account's code.

    Writes that are reverted or tried out are in it too: `count_growth` looks at what came of each.
    """
    from eth.vm.state import BaseState

    written: set[tuple[bytes, int | None]] = set()
    set_storage, set_code = BaseState.set_storage, BaseState.set_code

    def note_storage(self: BaseState, address: bytes, slot: int, value: int) -> None:
        written.add((address, slot))
        set_storage(self, address, slot, value)

    def note_code(self: BaseState, address: bytes, code: bytes) -> None:
        written.add((address, None))
        set_code(self, address, code)

    BaseState.set_storage, BaseState.set_code = note_storage, note_code
    try:
        yield written
    finally:
        BaseState.set_storage, BaseState.set_code = set_storage, set_code


def count_growth(web3: Web3, written: set[tuple[bytes, int | None]], block: int) -> Growth:
    """What of the written is new state after a block.

    Args:
        web3: the in-process chain's.
        written: from `watch_writes`.
        block: the block's number; it holds one transaction.
    """
    backend = web3.provider.ethereum_tester.backend
    slots, codes = 0, []
    for address, slot in written:
        if slot is None:
            before, after = (len(backend.get_code(address, number)) for number in (block - 1, block))
            if after and not before:
                codes.append(after)
        else:
            before, after = (
                bool(backend.get_storage(address, slot, number)) for number in (block - 1, block)
            )
            slots += after and not before
    return Growth(slots, tuple(sorted(codes)))
