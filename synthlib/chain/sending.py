"""How a transaction gets into a block: tried out, signed, noted in the outbox, broadcast, watched.

What is promised, and what is left to the caller:

- A signed transaction is broadcast as often as it takes: the same bytes, or a successor under the same nonce
  with higher fees. At most one of them can ever be mined.
- Another nonce is taken only when somebody else's transaction has spent the old one, or when gas ran out in
  this one. What is to be done is tried out on the chain's state before it is signed anew.
- The caller names what it records by an id that the contract takes once. Whatever was raised, it looks the id
  up, and sends again if it is missing: the contract refuses a second record (AlreadyRecorded).
- With an outbox, a process that was killed finds what it had sent and waits for that, rather than send
  another. Without one, the second transaction is refused by the contract and costs its gas.
- A receipt that was returned stands as long as the chain does: `Connection.is_final` and `check_receipt` ask
  again later.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eth_account.signers.local import LocalAccount

from synthlib.chain.errors import (
    ChainError,
    NodeUnreachable,
    NonceTaken,
    OutOfGas,
    TransactionRejected,
    TransactionTimeout,
    Underpriced,
)
from synthlib.chain.fees import FREE, current_fees
from synthlib.chain.node_errors import AlreadyKnown
from synthlib.chain.outbox import Entry, Outbox
from synthlib.chain.patience import Patience, Pauses
from synthlib.chain.transactions import Sent, Wish, sign
from synthlib.chain.watching import Watch

if TYPE_CHECKING:
    from synthlib.chain.connection import Connection

_ATTEMPTS = 8  # at a nonce, against other programs that use the account
_LOCKS: defaultdict[tuple[int, str], threading.Lock] = defaultdict(threading.Lock)  # of an account's nonces
_log = logging.getLogger(__name__)


class Sender:
    """Sends the transactions of one connection; `Connection` says what its methods do."""

    def __init__(
        self, connection: Connection, patience: Patience, pauses: Pauses, outbox: Outbox, timeout: float
    ):
        self.chain, self.patience, self.pauses = connection, patience, pauses
        self.outbox, self.timeout = outbox, timeout

    def send(self, wish: Wish) -> Sent:
        end, least_gas = self.pauses.clock() + self.timeout, 0
        trouble: ChainError | None = None
        for attempt in self.pauses.attempts(self.timeout, longest=0.4, first=0.05):
            self.chain.check_chain()
            try:
                entry = self._find_pending(wish) or self._publish(wish, least_gas)
                sent = Watch(self, entry, wish.account).wait(end)
            except (NonceTaken, Underpriced) as error:
                trouble = error
                if attempt + 1 >= _ATTEMPTS:
                    break
                continue
            if sent.receipt["status"] == 1:
                return sent
            self._explain_failure(wish, sent.receipt, entry.fields["gas"], is_last=least_gas > 0)
            least_gas = 2 * entry.fields["gas"]
        raise trouble or TransactionTimeout(self.describe_wait(None))

    def send_raw(self, raw: bytes) -> dict[str, Any]:
        if self.chain.is_in_process:
            with self.chain._reported():
                return self.chain.web3.provider.ethereum_tester.backend.mine(raw)
        entry = Entry(*self.here, "", -1, "", ("0x" + raw.hex(),), {})
        self.broadcast(entry)
        return Watch(self, entry, None).wait(self.pauses.clock() + self.timeout).receipt

    def settle(self, account: LocalAccount | None) -> list[Sent]:
        sent, end = [], self.pauses.clock() + self.timeout
        for entry in self.outbox.pending(*self.here, account and account.address):
            try:
                sent.append(Watch(self, entry, account).wait(end))
            except NonceTaken:  # the watch has removed it
                _log.warning("nonce %d of %s went to another transaction", entry.nonce, entry.address)
        return sent

    def await_final(self, transaction: str) -> None:
        if self.chain.confirmations == 0:
            return
        receipt, poll = None, self.patience.poll
        for _ in self.pauses.attempts(self.timeout, longest=poll, first=min(0.05, poll)):
            receipt = self.chain.get_receipt(transaction)
            if self.chain.is_settled(receipt):
                return
        raise TransactionTimeout(self.describe_wait(receipt))

    @property
    def here(self) -> tuple[int, str]:
        """What tells this chain from others."""
        return self.chain.chain_id, self.chain.genesis

    def revive(self, entry: Entry) -> None:
        """See to it that an earlier transaction is on its way: later nonces wait for it."""
        receipt = self.chain.find_receipt(entry.transactions)
        if receipt:
            if self.chain.is_settled(receipt):
                self.outbox.remove(entry, is_confirmed=True)
        elif self.chain.count_mined(entry.address) > entry.nonce:
            if not self.chain.find_receipt(entry.transactions):  # it was not mined in between
                self.outbox.remove(entry, is_confirmed=False)
        elif not self.chain.is_known(entry.transactions):
            try:
                self.broadcast(entry)
            except (NonceTaken, Underpriced, NodeUnreachable):
                pass  # it stays in the outbox; who watches it sees to that
            except TransactionRejected as error:
                _log.warning("nonce %d of %s is taken no more: %s", entry.nonce, entry.address, error)
                self.outbox.remove(entry, is_confirmed=False)

    def broadcast(self, entry: Entry) -> None:
        """Return once the node has an entry's latest form.

        When an answer is lost it is looked up before it is sent again. A nonce that is spent then may be
        spent by this very transaction: the watch finds out.

        Raises:
            TransactionRejected: if the node does not take it.
            NodeUnreachable: if nothing could be learned in time; it may be on its way.
        """
        transaction, raw = next(iter(entry.transactions.items()))
        trouble: NodeUnreachable | None = None
        for _ in self.pauses.attempts(self.patience.retry):
            try:
                with self.chain._reported():
                    self.chain.web3.eth.send_raw_transaction(raw)
                return
            except AlreadyKnown:
                return
            except TransactionRejected as error:
                if self.chain.is_known([transaction]) or (trouble and isinstance(error, NonceTaken)):
                    return
                raise
            except NodeUnreachable as error:
                trouble = error
                if self.chain.is_known([transaction]):
                    return
        assert trouble is not None
        raise trouble

    def _find_pending(self, wish: Wish) -> Entry | None:
        """The same wish, sent by a process that was ended or by a neighbour of this one."""
        entries = self.outbox.pending(*self.here, wish.account.address)
        return next((entry for entry in entries if entry.intent == wish.intent), None)

    def _publish(self, wish: Wish, least_gas: int) -> Entry:
        """Sign under a nonce that nobody here uses, note it in the outbox, broadcast it."""
        gas = max(self._try_out(wish), least_gas)
        with _LOCKS[self.chain.chain_id, wish.account.address], self.outbox.locked():
            found = self._find_pending(wish)
            if found:
                return found
            entry = self._sign(wish, gas)
            self.outbox.put(entry)
            try:
                self.broadcast(entry)
            except NodeUnreachable:
                raise  # it may be on its way: the outbox keeps it
            except Exception:
                self.outbox.remove(entry, is_confirmed=False)
                raise
        return entry

    def _sign(self, wish: Wish, gas: int) -> Entry:
        address = wish.account.address
        for earlier in self.outbox.pending(*self.here, address):
            self.revive(earlier)
        pending = [earlier.nonce + 1 for earlier in self.outbox.pending(*self.here, address)]
        nonce = max([self.chain._nonce(address), *pending])
        to = {"to": wish.message["to"]} if "to" in wish.message else {}
        fields = {
            "chainId": self.chain.chain_id,
            "value": 0,
            "gas": gas,
            **self.current_fees(),
            "nonce": nonce,
        }
        fields |= {"data": wish.message["data"], **to}
        return Entry(*self.here, address, nonce, wish.intent, (sign(wish.account, fields),), fields)

    def current_fees(self) -> dict[str, int]:
        if self.chain.is_in_process:
            return FREE
        with self.chain._reported():
            return current_fees(self.chain.web3, self.patience.max_fee)

    def _try_out(self, wish: Wish) -> int:
        """The gas to give it. Raises what the contract would refuse it with; nothing is signed then."""
        eth = self.chain.web3.eth
        with self.chain._reported(wish.abi):
            if self.chain.is_in_process:
                eth.call({**wish.message, **FREE, "gas": wish.gas}, "pending")
                return wish.gas
            eth.call(wish.message, "pending")
            return eth.estimate_gas(wish.message, "pending") * 5 // 4

    def _explain_failure(self, wish: Wish, receipt: Mapping[str, Any], gas: int, is_last: bool) -> None:
        """Raise why a mined transaction failed, unless gas ran out and it may be tried with more."""
        with self.chain._reported(wish.abi):  # the state it failed in says why
            free = FREE if self.chain.is_in_process else {}
            self.chain.web3.eth.call({**wish.message, **free}, receipt["block"])
        failed = f"transaction {receipt['transaction']} failed in block {receipt['block']}"
        if receipt["gas_used"] < gas * 19 // 20:
            raise TransactionRejected(
                f"{failed} though it had been tried out; another transaction came first: run it again"
            )
        if is_last:
            raise OutOfGas(
                f"expected {gas} gas to be enough, {failed} and used {receipt['gas_used']}, twice what was "
                "given before; the contract's state changes too fast: run it again later"
            )
        _log.warning("%s because %d gas was not enough; trying once more with twice as much", failed, gas)

    def describe_wait(self, receipt: Mapping[str, Any] | None, trouble: NodeUnreachable | None = None) -> str:
        """Text of a TransactionTimeout: what was seen last, or why nothing was."""
        goal = "a block to hold the transaction"
        seen = "the node answers no more" if trouble else "none did"
        if receipt:
            goal, seen = (
                "enough blocks on top of the transaction's",
                f"it is in block {receipt['block']} so far",
            )
        return (
            f"expected {goal} within {self.timeout:g} s at {self.chain.place}, {seen}; it may still come: "
            "run it again later, nothing is recorded twice"
        )
