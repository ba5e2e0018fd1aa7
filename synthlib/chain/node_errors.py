"""What web3, requests, eth-tester and nodes say when something fails, as ChainErrors without URL and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from web3.exceptions import (
    BadFunctionCallOutput,
    BadResponseFormat,
    ContractLogicError,
    TransactionNotFound,
    Web3RPCError,
)

from synthlib.chain.errors import (
    ChainError,
    InsufficientFunds,
    NodeUnreachable,
    NonceTaken,
    OutOfGas,
    TransactionRejected,
    TransactionVanished,
    Underpriced,
    to_contract_error,
)
from synthlib.chain.node import is_busy


class AlreadyKnown(TransactionRejected):
    """The node has this very transaction: no failure for who sends it."""


_AGAIN = "another program uses this account; run it again"
# Words of geth, anvil, Nethermind, Besu and Erigon, in this order: the first that fits counts.
_MEANINGS: tuple[tuple[tuple[str, ...], type[TransactionRejected], str], ...] = (
    (("already known", "already imported", "known transaction", "alreadyknown"), AlreadyKnown, "wait for it"),
    (("replacement", "could not replace", "too low to replace"), NonceTaken, _AGAIN),
    (("nonce", "oldnonce"), NonceTaken, _AGAIN),
    (
        ("insufficient funds", "exceeds allowance", "insufficientfunds"),
        InsufficientFunds,
        "send it some ether for gas",
    ),
    (
        ("base fee", "underpriced", "fee too low", "feetoolow", "gas price too low"),
        Underpriced,
        "fees rose meanwhile; run it again",
    ),
    (
        ("intrinsic gas too high", "block gas limit", "gas limit exceeded"),
        OutOfGas,
        "it needs more gas than a block holds; record less at a time",
    ),
    (("intrinsic gas", "out of gas"), OutOfGas, "the node's estimate was too low; run it again"),
)


@contextmanager
def reported(place: str, is_in_process: bool, abi: Sequence[Mapping[str, Any]] = ()) -> Iterator[None]:
    """Turn what libraries raise into ChainErrors that show no URL and no key."""
    try:
        yield
    except ChainError:
        raise
    except ContractLogicError as error:
        raise to_contract_error(error, abi) from None
    except TransactionNotFound:
        raise TransactionVanished(
            f"expected a transaction that a block at {place} holds, found none; it was never sent, waits for "
            "its block, or a reorganisation dropped it: look the record up, and send it again if need be"
        ) from None
    except Web3RPCError as error:
        raise _to_rejection(error, place) from None
    except (requests.RequestException, OSError) as error:
        raise NodeUnreachable(
            f"expected an Ethereum node to answer at {place}, got {_name(error)}; start it, "
            "or check the URL and the network"
        ) from None
    except (BadResponseFormat, ValueError) as error:
        raise NodeUnreachable(
            f"expected an Ethereum node's answer from {place}, got something else "
            f"({type(error).__name__}); check the URL"
        ) from None
    except BadFunctionCallOutput:
        raise ChainError(
            f"expected the contract's answer from {place}, got other bytes; check that the contract is on "
            "this chain and the node up to date"
        ) from None
    except Exception as error:
        if not is_in_process or type(error).__name__ not in ("TransactionFailed", "ValidationError"):
            raise
        if type(error).__name__ == "ValidationError":
            raise TransactionRejected(f"the in-process chain does not take it: {error}") from None
        if str(error).startswith("execution reverted: Out of gas"):
            raise OutOfGas(
                f"expected the gas given to be enough at {place}, it ran out; nothing was sent: give more"
            ) from None
        raise to_contract_error(error, abi) from None


def _name(error: Exception) -> str:
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"HTTP status {response.status_code}"


def _to_rejection(error: Web3RPCError, place: str) -> ChainError:
    response = error.rpc_response or {}
    detail = response.get("error", {}) if isinstance(response, Mapping) else {}
    text = (
        str(detail.get("message", "") if isinstance(detail, Mapping) else detail)[:200] or "no reason given"
    )
    if is_busy(detail):
        return NodeUnreachable(
            f"expected an answer from the node at {place}, it is asked too often ({text}); wait, or use "
            "another node"
        )
    kind, todo = next(
        ((kind, todo) for parts, kind, todo in _MEANINGS if any(part in text.lower() for part in parts)),
        (TransactionRejected, "see the node's log"),
    )
    return kind(f"expected the node at {place} to take the request, it answered: {text}; {todo}")
