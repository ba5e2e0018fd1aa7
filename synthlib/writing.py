"""What is written: one JSON encoding of a value, and files and folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np


def canonical_json(value: Any) -> bytes:
    """The one JSON encoding of a value: sorted keys, indent 1, UTF-8, final newline, no NaN.

    Keys become text before they are sorted, so that what was read back is encoded the same.

    Raises:
        ValueError: for NaN, infinity, text that UTF-8 cannot hold, or keys that are the same text.
        TypeError: for what JSON cannot hold.
    """
    plain = json.loads(
        json.dumps(value, allow_nan=False, default=_plain), object_pairs_hook=_refuse_repeated_keys
    )
    return (json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("expected keys that differ as text, got some that do not, such as 1 and '1'")
    return dict(pairs)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | set | frozenset):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"expected a value that JSON can hold, got {type(value).__name__}")


def write_atomically(path: Path | str, data: bytes, mode: int = 0o644) -> None:
    """Write to a temporary file beside `path`, then rename: readers see all of it or nothing."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def replace_folder(source: Path, target: Path) -> None:
    """Move `source` to `target`; what stood there is put aside first and removed last."""
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    if target.exists():
        os.replace(target, aside)
    try:
        os.replace(source, target)
    except OSError:
        if aside.exists():
            os.replace(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
