"""Requests for data in a registry's log: in which words, and whether somebody answered.

Requests and denials are events and nothing else: no state says that one was made. What is looked up here
keeps one from being made twice, as far as it stands in the log: one whose transaction still waits somewhere
may come a second time, which says nothing that is not so.
"""

from __future__ import annotations

from synthlib.chain.agreement_words import request_id
from synthlib.chain.errors import ChainError
from synthlib.chain.events import Event
from synthlib.chain.registry import Ledger, to_bytes32

_CONTRACT = "Agreements"


def find_open(ledger: Ledger, request: str, dataset: str) -> Event | None:
    """The last request of this id, if neither a denial nor an offer came in its block or later."""
    asked = ledger.find_events("Requested", _CONTRACT, id=request)
    if not asked:
        return None
    offers = ledger.find_events("Offered", _CONTRACT, dataset=dataset)
    named = to_bytes32(request)
    answers = [said for said in offers if to_bytes32(said.arguments["agreement"]["request"]) == named]
    answers += ledger.find_events("RequestDenied", _CONTRACT, id=request)
    return None if any(said.block >= asked[-1].block for said in answers) else asked[-1]


def find_denial(ledger: Ledger, request: str, reason: str) -> Event | None:
    """The denial of the last request of this id by the ledger's account, with this digest of a reason."""
    asked = ledger.find_events("Requested", _CONTRACT, id=request)
    if not asked:
        return None
    said = ledger.find_events("RequestDenied", _CONTRACT, id=request, steward=ledger.sender)
    found = [one for one in said if one.arguments["reason"] == reason and one.block >= asked[-1].block]
    return found[-1] if found else None


def find_words(ledger: Ledger, request: str, dataset: str) -> tuple[str, str, list[int]]:
    """Who asked for a dataset, for what and for which uses: the words whose hash is the request's id.

    Raises:
        ChainError: if the log has no such request, it asks for another dataset, or its words are others.
    """
    for said in ledger.find_events("Requested", _CONTRACT, id=request):
        asked, *words = (said.arguments[name] for name in ("dataset", "requester", "purpose", "uses"))
        if to_bytes32(asked) != to_bytes32(dataset):
            raise ChainError(f"expected {asked}, which {request} asks for, got {dataset}; give that one")
        if request_id(asked, *words) != "0x" + request.removeprefix("0x"):
            raise contradiction(ledger, f"the words of request {request}")
        return words[0], words[1], words[2]
    raise ChainError(f"expected a request on {ledger.address}, found none under {request}")


def contradiction(ledger: Ledger, what: str) -> ChainError:
    """The error where a node's log does not fit its state."""
    return ChainError(
        f"expected {what}, {ledger.connection.place} gave another: its log does not fit its state; "
        "ask another node"
    )
