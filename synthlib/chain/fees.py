"""What a transaction offers for gas: at first, and when it waits too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from web3 import Web3

from synthlib.chain.errors import TransactionRejected
from synthlib.chain.patience import GWEI

FREE = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
_PRICES = ("maxFeePerGas", "maxPriorityFeePerGas", "gasPrice")


def current_fees(web3: Web3, max_fee: int) -> dict[str, int]:
    """Fees that the next blocks should take, in wei for a unit of gas.

    Twice the base fee and the tip, so that the base fee may rise for six full blocks (EIP-1559).

    Raises:
        TransactionRejected: if the chain asks for more than `max_fee` now.
    """
    base = web3.eth.get_block("latest").get("baseFeePerGas")
    if base is None:  # a chain from before EIP-1559
        price = web3.eth.gas_price
        _check(price, max_fee)
        return {"gasPrice": price}
    tip = web3.eth.max_priority_fee
    _check(base + min(tip, 1), max_fee)
    most = min(2 * base + tip, max_fee)
    return {"maxFeePerGas": most, "maxPriorityFeePerGas": min(tip, most)}


def higher_fees(fields: Mapping[str, Any], current: Mapping[str, int], max_fee: int) -> dict[str, int] | None:
    """Fees that replace those of `fields`: an eighth more, or what the chain asks for now if that is more.

    Nodes take a replacement under the same nonce from 10 % (geth) or 12.5 % more on.

    Returns:
        None if that exceeds `max_fee`.
    """
    fees = {}
    for name in _PRICES:
        if name in fields:
            least = max(fields[name] + 1, -(-fields[name] * 9 // 8))
            if least > max_fee:
                return None
            fees[name] = min(max(least, current.get(name, 0)), max_fee)
    return fees


def _check(price: int, max_fee: int) -> None:
    if price > max_fee:
        raise TransactionRejected(
            f"expected fees of at most {max_fee / GWEI:g} gwei for a unit of gas, the chain asks for "
            f"{price / GWEI:g}; wait until they fall, or allow more (Patience.max_fee)"
        )
