"""Reading what strangers wrote, and showing it."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

DEPTH_LIMIT = 64
# Possessive, and content to find no closing quote: else many quotes of which none closes take quadratic time.
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def parse_json(data: bytes) -> Any:
    """What JSON text in UTF-8 holds, if it is nested no deeper than a manifest or record could be.

    py-evm raises the interpreter's recursion limit so far that json.loads exhausts the stack, and ends the
    process, where it would else raise RecursionError. So the depth is counted first.

    Raises:
        ValueError: if it is not JSON, or nested too deep; the text is not quoted.
    """
    try:
        text = data.decode()  # json.loads would take UTF-16 too, in which the quotes could not be found
    except UnicodeDecodeError as error:
        raise ValueError(f"expected JSON in UTF-8, got another byte at place {error.start}") from None
    signs = np.frombuffer(_STRINGS.sub("", text).encode(), dtype=np.uint8)
    steps = np.isin(signs, list(b"[{")).astype(np.int64) - np.isin(signs, list(b"]}"))
    if len(steps) and steps.cumsum().max() > DEPTH_LIMIT:
        raise ValueError(f"expected JSON nested at most {DEPTH_LIMIT} deep")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"expected JSON, got something else in line {error.lineno}, column {error.colno} ({error.msg})"
        ) from None


def printable(text: str) -> str:
    """Text with what could command a terminal, or has no encoding, as its escape sequence in Python."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
