"""The numbers of the paper: one JSON, headed by the digests of the Bundles that they came from.

The last notebook writes it, the paper and the notebooks' prose read it, nobody types a number.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthlib.bundle import MANIFEST, Bundle, canonical_json, write_atomically

FORMAT = "synthlib-results/1"
_HEAD = {"format", "bundles"}


class NumbersError(LookupError):
    """A number that the results do not hold, or results that are not of the Bundles at hand."""


class Numbers:
    """Nested sections of numbers and texts, read by dotted keys.

    Args:
        document: what the JSON holds: `format`, `bundles` (name → digest) and the sections.

    Raises:
        NumbersError: if it is no such document.
    """

    def __init__(self, document: Mapping[str, Any]):
        if not isinstance(document, Mapping) or document.get("format") != FORMAT:
            raise NumbersError(f"expected results of format {FORMAT}; run the last notebook to write them")
        self.document = document

    @classmethod
    def read(cls, path: Path | str) -> Numbers:
        """Read what `write_numbers` wrote.

        Raises:
            NumbersError: if there is no such file, or it holds something else.
        """
        path = Path(path)
        try:
            return cls(json.loads(path.read_bytes()))
        except FileNotFoundError:
            raise NumbersError(
                f"expected the results at {path}, found none; the last notebook writes them"
            ) from None
        except ValueError:
            raise NumbersError(
                f"expected JSON in {path}, found something else; run the last notebook"
            ) from None

    @property
    def bundles(self) -> dict[str, str]:
        """Name → digest of the Bundles that the numbers came from."""
        return dict(self.document["bundles"])

    def get(self, key: str) -> Any:
        """The value at a dotted key, `"gan.c2st_boosting.value"`.

        Raises:
            NumbersError: if a part of the key is not there, saying what is; or if it leads to a section or to
                a value that could not be measured.
        """
        value: Any = self.document
        for depth, part in enumerate(key.split(".")):
            if not isinstance(value, Mapping) or part not in value:
                at = ".".join(key.split(".")[:depth]) or "the results"
                there = (
                    ", ".join(sorted(set(value) - _HEAD)) if isinstance(value, Mapping) else "a single value"
                )
                raise NumbersError(f"no number {key!r}: {at} has no {part!r}, but {there}")
            value = value[part]
        if isinstance(value, Mapping) or value is None:
            raise NumbersError(f"no number {key!r}: it is {'a section' if value is not None else 'empty'}")
        return value

    def score(self, key: str, digits: int = 2) -> str:
        """A Score at a dotted key as text: `"0.61 (0.58 to 0.64)"`."""
        return with_interval(*(self.get(f"{key}.{field}") for field in ("value", "low", "high")), digits)

    def check_bundles(self, folder: Path | str) -> None:
        """Do nothing if the Bundles in a folder are those that the numbers came from.

        Bundles that are not there are not checked: a paper is also built from the results alone.

        Raises:
            NumbersError: naming the Bundles that have changed since.
        """
        changed = [
            name
            for name, digest in self.bundles.items()
            if (manifest := Path(folder) / name / MANIFEST).exists()
            and hashlib.sha256(manifest.read_bytes()).hexdigest() != digest
        ]
        if changed:
            raise NumbersError(
                f"the results are of other Bundles than those in {Path(folder).name}/: "
                f"{', '.join(sorted(changed))} changed since; run the last notebook again"
            )


def write_numbers(path: Path | str, sections: Mapping[str, Any], bundles: Iterable[Bundle]) -> Numbers:
    """Write the results and return them. Equal input gives equal bytes; NaN is written as null.

    Args:
        path: the JSON file; its folder is made.
        sections: name → nested dicts of numbers, texts, lists and DataFrames of Scores.
        bundles: the Bundles that the numbers came from.

    Raises:
        ValueError: for a key that is no text, holds a dot or is taken, or a value that JSON cannot hold.
    """
    taken = sorted(_HEAD & set(sections))
    if taken:
        raise ValueError(f"expected sections of other names than {', '.join(taken)}")
    head = {"format": FORMAT, "bundles": {bundle.path.name: bundle.digest for bundle in bundles}}
    document = head | {name: _plain(value, _checked_key(name)) for name, value in sections.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, canonical_json(document))
    return Numbers(document)


def score_table(report: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """A report's overall Scores (not those of single columns) as metric → `value, low, high, reference`."""
    overall = report[~report["metric"].str.contains("[", regex=False)].set_index("metric")
    return {metric: _plain(row.to_dict(), metric) for metric, row in overall.iterrows()}


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """ "0.61 (0.58 to 0.64)"; without a measured interval, the value alone."""
    if any(end is None or math.isnan(end) for end in (low, high)):
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _checked_key(key: Any) -> str:
    if not isinstance(key, str) or not key or "." in key:
        raise ValueError(f"expected keys of non-empty text without a dot, got {key!r}")
    return key


def _plain(value: Any, key: str) -> Any:
    """What JSON can hold, with null for what could not be measured."""
    if isinstance(value, pd.DataFrame):
        value = score_table(value)
    if isinstance(value, Mapping):
        return {_checked_key(name): _plain(part, f"{key}.{name}") for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, key) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(
        f"{key}: expected a number, a text, a list, a dict or a report, got {type(value).__name__}"
    )
