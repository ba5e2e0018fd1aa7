"""A transaction on its way, looked at until enough blocks lie on top of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eth_account.signers.local import LocalAccount

from synthlib.chain.errors import (
    NodeUnreachable,
    NonceTaken,
    TransactionRejected,
    TransactionTimeout,
    Underpriced,
)
from synthlib.chain.fees import higher_fees
from synthlib.chain.outbox import Entry
from synthlib.chain.transactions import Sent, identify, sign

if TYPE_CHECKING:
    from synthlib.chain.sending import Sender

FRESH = 10.0  # seconds for which it is taken for granted that the node serves the same chain
_CERTAIN = 2  # looks in a row that must find a nonce spent by another: nodes behind one URL may lag
_NEIGHBOURS = 8  # looks after which transactions with lower nonces are looked after too
_log = logging.getLogger(__name__)


class Watch:
    """Looks at one transaction, and does what it takes to get it mined.

    Args:
        sender: sends it again.
        entry: the transaction with all its signed forms; whichever is mined counts.
        account: signs successors with higher fees; None leaves the fees as they are.
    """

    def __init__(self, sender: Sender, entry: Entry, account: LocalAccount | None):
        self._sender, self._entry = sender, entry
        self._account = account if account and account.address == entry.address else None
        self._since, self._num_spent = sender.pauses.clock(), 0
        self._receipt: dict[str, Any] | None = None

    def wait(self, end: float) -> Sent:
        """The mined form and its receipt.

        Args:
            end: time on the pauses' clock, in seconds, when to give up.

        Raises:
            NonceTaken: if none of its forms can be mined any more.
            TransactionTimeout: if it is not confirmed in time; it may still come.
            TransactionRejected: if the chain dropped it and the node does not take it again.
        """
        pauses, poll, trouble = self._sender.pauses, self._sender.patience.poll, None
        for number in pauses.attempts(end - pauses.clock(), longest=poll, first=min(0.05, poll)):
            try:
                trouble, is_confirmed = None, self._look(number)
                if is_confirmed:
                    assert self._receipt is not None
                    raw = self._entry.transactions[self._receipt["transaction"]]
                    return Sent(raw, self._receipt)
            except NodeUnreachable as error:
                trouble = error  # it is on its way: only the time for all of it is limited
        raise TransactionTimeout(self._sender.describe_wait(self._receipt, trouble))

    def _look(self, number: int) -> bool:
        """Whether it is confirmed; if something is in its way, that is seen to."""
        chain, outbox = self._sender.chain, self._sender.outbox
        chain.check_chain(FRESH)
        self._entry = outbox.current(self._entry)  # a neighbour may have raised its fees
        self._receipt = chain.find_receipt(self._entry.transactions)
        if self._receipt:
            if not chain.is_settled(self._receipt):
                return False
            outbox.remove(self._entry, is_confirmed=True)
            return True
        self._entry = identify(self._entry)
        count = chain.count_mined(self._entry.address)
        self._num_spent = self._num_spent + 1 if count > self._entry.nonce else 0
        if self._num_spent >= _CERTAIN:
            chain.check_chain()  # else another chain's nonces would end what waits on this one
            outbox.remove(self._entry, is_confirmed=False)
            raise NonceTaken(
                f"expected nonce {self._entry.nonce} of {self._entry.address} for this transaction, another "
                f"one at {chain.place} has it; look up whether the record is there, and send it again if not"
            )
        if not self._num_spent:
            self._push(count, number)
        return False

    def _push(self, count: int, number: int) -> None:
        """Send again what was lost, and raise the fees of what waits too long."""
        sender, entry = self._sender, self._entry
        is_due = sender.pauses.clock() - self._since > sender.patience.replace_after
        if count < entry.nonce and number % _NEIGHBOURS == _NEIGHBOURS - 1:
            for earlier in sender.outbox.recent(*sender.here, entry.address):
                if count <= earlier.nonce < entry.nonce:
                    sender.revive(earlier)
        if not sender.chain.is_known(entry.transactions):
            try:
                _log.info("sending nonce %d of %s again: the node lost it", entry.nonce, entry.address)
                sender.broadcast(entry)
            except Underpriced:
                is_due = True
            except NonceTaken:  # another transaction waits under this nonce; the next looks tell who got it
                return
        if is_due and self._account:
            self._since = sender.pauses.clock()
            with sender.outbox.locked():  # neighbours that watch it raise its fees one after the other
                self._raise_fees(count)

    def _raise_fees(self, count: int) -> None:
        """Broadcast a successor of this transaction, or of the earlier one that it waits for."""
        sender, mine = self._sender, self._entry
        candidates = [mine, *sender.outbox.pending(*sender.here, mine.address)]
        old = next((sender.outbox.current(one) for one in candidates if one.nonce == count), mine)
        was_raised = old.slot == mine.slot and len(old.raws) > len(mine.raws)  # by a neighbour
        if was_raised or len(old.raws) > sender.patience.replacements:
            return
        try:
            fees = higher_fees(old.fields, sender.current_fees(), sender.patience.max_fee)
        except TransactionRejected:  # the chain asks for more than may be given
            fees = None
        if not fees or old.nonce != count:
            _log.warning("nonce %d of %s waits, and its fees may not rise", count, mine.address)
            return
        fields = {**old.fields, **fees}
        new = replace(old, raws=(*old.raws, sign(self._account, fields)), fields=fields)
        sender.outbox.put(new)
        _log.info("raising the fees of nonce %d of %s to %s", count, new.address, fees)
        try:
            sender.broadcast(new)
        except (NonceTaken, Underpriced):
            pass  # mined meanwhile, or still too low: then they are raised again
        except TransactionRejected as error:
            _log.warning("the fees of nonce %d of %s stay: %s", count, new.address, error)
            sender.outbox.put(old)
            return
        if new.slot == mine.slot:
            self._entry = new
