"""Who administers a registry, and handing that over in two steps with a delay between them."""

from __future__ import annotations

from typing import NamedTuple

from eth_utils import to_checksum_address

from synthlib.chain.registry import Ledger

NOBODY = "0x" + "00" * 20


class HandOver(NamedTuple):
    """Where the administration stands.

    Attributes:
        administrator: address of who grants and withdraws roles, and pauses.
        successor: address to which it was offered; None if no offer stands.
        due: second since 1970, of the chain's clock, after which the successor can accept; 0 without offer.
    """

    administrator: str
    successor: str | None
    due: int


class Administration:
    """The administration of a registry.

    The delay between the two steps is `registry.ADMIN_DELAY`, a day: time to see an offer that was not meant,
    and to take it back. The in-process chain's clock moves by a second a block: nobody waits it out there.

    Args:
        ledger: acts as its account: the administrator to offer and to cancel, the successor to accept.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def find(self) -> HandOver:
        """Who administers the registry, and to whom it is offered."""
        administrator = to_checksum_address(self._ledger.call("defaultAdmin"))
        successor, due = self._ledger.call("pendingDefaultAdmin")
        is_offered = due > 0
        return HandOver(administrator, to_checksum_address(successor) if is_offered else None, due)

    def offer(self, successor: str) -> HandOver:
        """Offer the administration to another account, which can accept it after the delay.

        For the administrator. The same offer again changes nothing; another one replaces it, and the delay
        begins anew.

        Raises:
            ValueError: if it is the zero address, at which nobody could accept.
            AccessControlUnauthorizedAccount: if the account is not the administrator.
        """
        successor = to_checksum_address(successor)
        if successor == to_checksum_address(NOBODY):
            raise ValueError("expected the address of an account, got zeros; cancel takes an offer back")
        found = self.find()
        if found.administrator != self._ledger.sender or found.successor != successor:
            self._ledger.send("beginDefaultAdminTransfer", successor)
        return self.find()

    def cancel(self) -> HandOver:
        """Take an offer back; without one nothing changes. For the administrator.

        Raises:
            AccessControlUnauthorizedAccount: if the account is not the administrator.
        """
        self._ledger.send("cancelDefaultAdminTransfer")
        return self.find()

    def accept(self) -> HandOver:
        """Take over the administration. For the account to which it was offered, once the delay is over.

        Raises:
            AccessControlInvalidDefaultAdmin: if it was offered to another account, or to none.
            AccessControlEnforcedDefaultAdminDelay: if the delay is not over.
        """
        self._ledger.send("acceptDefaultAdminTransfer")
        return self.find()
