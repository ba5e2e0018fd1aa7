"""A proxy in front of a node that does to requests and answers what networks and gateways do.

It listens on a port of its own and speaks plain HTTP/1.1; what happens to each request is drawn from a seed.
"""

import contextlib
import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = (
    "request lost",  # closed before the node sees it
    "answer lost",  # the node did it, nobody hears
    "connection reset",  # a TCP reset after the node did it
    "late answer",  # after the client's patience
    "delayed",  # within it
    "sent twice",  # the second answer is returned
    "cut off",  # half of the announced bytes
    "cut JSON",  # half of the answer, whole to HTTP
    "garbage",  # a page with status 200
    "wrong id",  # the answer to another request
    "429",
    "502",  # before the node sees it
    "502 after",  # the node did it
    "busy",  # a JSON-RPC error: too many requests
)


class FaultProxy:
    """A running proxy; a context manager that stops it.

    Args:
        upstream: the node's URL; may be changed while it runs.
        seed: of the plan.
        rate: share of requests that meet a fault.
        weights: how often each fault is drawn, 1 if it is not named.
        late: seconds that a late answer takes, and a tenth of it for a delayed one.
        methods: faults meet these JSON-RPC methods alone; all if None.
        most: number of faults after which all goes well; no end if None.
    """

    def __init__(
        self,
        upstream: str,
        seed: int = 0,
        rate: float = 0.25,
        weights: Mapping[str, float] | None = None,
        late: float = 0.4,
        methods: set[str] | None = None,
        most: int | None = None,
    ):
        self.upstream, self.rate, self.late, self.methods, self.most = upstream, rate, late, methods, most
        self._weights = [(weights or {}).get(fault, 1.0) for fault in FAULTS]
        self._rng, self._lock = random.Random(seed), threading.Lock()
        self.counts: Counter[str] = Counter()
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def draw(self, method: str) -> str | None:
        """What happens to the next request."""
        with self._lock:
            self.requests.append(method)
            if self.methods is not None and method not in self.methods:
                return None
            if self.most is not None and self.counts.total() >= self.most:
                return None
            if self._rng.random() >= self.rate:
                return None
            (fault,) = self._rng.choices(FAULTS, self._weights)
            self.counts[fault] += 1
            return fault


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.proxy.draw(json.loads(body)["method"])
        if fault in ("request lost", "429", "502", "busy"):
            self._refuse(fault, body)
            return
        answer = self._forward(body)
        if fault == "sent twice":
            answer = self._forward(body)
        if fault in ("late answer", "delayed"):
            time.sleep(self.proxy.late if fault == "late answer" else self.proxy.late / 10)
        if fault == "answer lost":
            self._hang_up()
        elif fault == "connection reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._hang_up(shut=False)
        elif fault == "cut off":
            self._answer(200, answer[: len(answer) // 2], announced=len(answer))
        elif fault == "502 after":
            self._answer(502, b"<html>Bad Gateway</html>")
        else:
            self._answer(200, _garble(fault, answer))

    def _refuse(self, fault: str, body: bytes) -> None:
        if fault == "request lost":
            self._hang_up()
        elif fault == "busy":
            error = {"code": -32005, "message": "daily request count exceeded, request rate limited"}
            self._answer(
                200, json.dumps({"jsonrpc": "2.0", "id": json.loads(body)["id"], "error": error}).encode()
            )
        else:
            self._answer(int(fault), b"try later", {"Retry-After": "0"})

    def _forward(self, body: bytes) -> bytes:
        parts = urlsplit(self.proxy.upstream)
        node = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        try:
            node.request("POST", "/", body, {"Content-Type": "application/json"})
            return node.getresponse().read()
        finally:
            node.close()

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, announced: int = 0):
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(announced or len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the client gave up
            self.close_connection = True
        if announced:
            self._hang_up()

    def _hang_up(self, shut: bool = True) -> None:
        self.close_connection = True
        if shut:
            self.connection.shutdown(socket.SHUT_RDWR)
        else:  # the file objects keep the socket open otherwise
            self.rfile.close()
            self.connection.close()

    def handle(self):
        try:
            super().handle()
        except (OSError, ValueError):  # connections that ended in the middle, on purpose
            self.close_connection = True

    def finish(self):
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_):
        pass


def _garble(fault: str | None, answer: bytes) -> bytes:
    if fault == "cut JSON":
        return answer[: len(answer) // 2]
    if fault == "garbage":
        return b"<html>\xff welcome</html>"
    if fault == "wrong id":
        return json.dumps(json.loads(answer) | {"id": 10**9}).encode()
    return answer
