"""Requests to a node: asked again when the network or the node fails, within a limit."""

from __future__ import annotations

import json
from typing import Any

import requests
from web3 import HTTPProvider

from synthlib.chain.patience import Patience, Pauses

_BUSY_STATUS = {408, 425, 429}  # and all from 500
_BUSY_CODES = {-32005, 429}
_BUSY_TEXTS = ("too many requests", "rate limit", "request limit")
# The answer may be lost after the transaction was taken: who sends it looks it up before sending it again.
_ASKED_ONCE = {"eth_sendRawTransaction"}


class GarbledAnswer(ValueError):
    """An answer that is not JSON-RPC, or not the one to this request."""


class NodeProvider(HTTPProvider):
    """A node behind a URL that may drop, delay, cut off or refuse what it is asked.

    Repeated are: connections that fail or are reset, time-outs, answers cut off or garbled, HTTP 408, 425,
    429 and 5xx, and a node's word that it is asked too often. Other HTTP errors are final.
    """

    def __init__(self, url: str, patience: Patience, pauses: Pauses):
        super().__init__(
            url, request_kwargs={"timeout": patience.request}, exception_retry_configuration=None
        )
        self._patience, self._pauses = patience, pauses
        self._limit = patience.connect  # until it has answered once

    def make_request(self, method: Any, params: Any) -> Any:
        """Ask until there is an answer or the time is over; then the last failure is raised or returned."""
        trouble: Exception | None = None
        answer: Any = None
        for _ in self._pauses.attempts(0 if method in _ASKED_ONCE else self._limit):
            try:
                answer, trouble = self._ask(method, params), None
            except (requests.RequestException, OSError, ValueError) as error:
                if not _may_pass(error):
                    raise
                trouble = error
                self._heed(error)
                continue
            self._limit = self._patience.retry
            if not is_busy(answer.get("error")):
                return answer
        if trouble is not None:
            raise trouble
        return answer

    def _ask(self, method: Any, params: Any) -> dict[str, Any]:
        request = self.encode_rpc_request(method, params)
        answer = self.decode_rpc_response(self._make_request(method, request))
        if (
            not isinstance(answer, dict)
            or not ({"result", "error"} & set(answer))
            or answer.get("id") != json.loads(request)["id"]
        ):
            raise GarbledAnswer("not the answer to this request")
        return answer

    def _heed(self, error: Exception) -> None:
        """Wait as long as the server asks for, at most the longest pause."""
        response = getattr(error, "response", None)
        wanted = response.headers.get("Retry-After", "") if response is not None else ""
        if wanted.isdecimal():
            self._pauses.sleep(min(float(wanted), self._patience.longest_pause))


def is_busy(error: Any) -> bool:
    """Whether a JSON-RPC error says that the node is asked too often."""
    if not isinstance(error, dict):
        return False
    return error.get("code") in _BUSY_CODES or any(
        text in str(error.get("message")).lower() for text in _BUSY_TEXTS
    )


def _may_pass(error: Exception) -> bool:
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        return status in _BUSY_STATUS or status >= 500
    return True
