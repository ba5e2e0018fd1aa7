"""Who may do what on a registry."""

from __future__ import annotations

from eth_utils import keccak, to_checksum_address

from synthlib.chain.errors import ChainError
from synthlib.chain.registry import Ledger

STEWARD, RESEARCHER, AUDITOR = "STEWARD_ROLE", "RESEARCHER_ROLE", "AUDITOR_ROLE"
ADMIN = "DEFAULT_ADMIN_ROLE"
ROLES = (STEWARD, RESEARCHER, AUDITOR)


class Roles:
    """Grants, withdrawals and handing over of roles, and the pause.

    Args:
        ledger: acts as its account. The administrator, who at first is who deployed the registry, grants and
            withdraws; a holder hands over and renounces.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def grant(self, role: str, address: str) -> None:
        """Give an account a role. For the administrator.

        Args:
            role: one of `ROLES`.
            address: the account's.

        Raises:
            ValueError: if it is zero, which is nobody's.
        """
        account = to_checksum_address(address)
        if not int(account, 16):
            raise ValueError("expected an account's address, got zero, which is nobody's")
        self._ledger.send("grantRole", role_id(role), account)

    def withdraw(self, role: str, address: str) -> None:
        """Take a role from an account. For the administrator.

        Raises:
            ChainError: if the account does not hold it: a mistyped address would leave somebody in it.
        """
        account = to_checksum_address(address)
        if not self.has(role, account):
            raise ChainError(
                f"expected an account that holds {role}, {account} does not hold it; check the address"
            )
        self._ledger.send("revokeRole", role_id(role), account)

    def renounce(self, role: str) -> None:
        """Give up a role that this account holds.

        Raises:
            ChainError: if it does not hold it.
        """
        if not self.has(role, self._ledger.sender):
            raise ChainError(
                f"expected a role that {self._ledger.sender} holds, it does not hold {role}; there is "
                "nothing to give up"
            )
        self._ledger.send("renounceRole", role_id(role), self._ledger.sender)

    def offer(self, role: str, successor: str) -> None:
        """Offer a role that this account holds to another, who has to `accept` it."""
        self._ledger.send("offerRole", role_id(role), to_checksum_address(successor))

    def accept(self, role: str, holder: str) -> None:
        """Take over a role that its holder offered."""
        self._ledger.send("acceptRole", role_id(role), to_checksum_address(holder))

    def has(self, role: str, address: str) -> bool:
        """Whether an account holds a role."""
        return self._ledger.call("hasRole", role_id(role), to_checksum_address(address))

    def pause(self) -> None:
        """Stop new records; reading, revoking, closing and erasing go on. For the administrator."""
        self._ledger.send("pause")

    def unpause(self) -> None:
        """Let new records in again. For the administrator."""
        self._ledger.send("unpause")

    @property
    def is_paused(self) -> bool:
        """Whether new records are stopped."""
        return self._ledger.call("paused")


def role_id(role: str) -> bytes:
    """A role as the contract names it.

    Raises:
        ValueError: if there is no such role.
    """
    if role not in (*ROLES, ADMIN):
        raise ValueError(f"expected one of {', '.join(ROLES)}, got {role!r}")
    return bytes(32) if role == ADMIN else keccak(text=role)
