"""Codes of the GA4GH Data Use Ontology, and how the contracts take them."""

from __future__ import annotations

import re
from collections.abc import Sequence

DATA_USES = {
    "DUO:0000004": "no restriction",
    "DUO:0000006": "health or medical or biomedical research",
    "DUO:0000007": "disease specific research",
    "DUO:0000011": "population origins or ancestry research only",
    "DUO:0000015": "no general methods research",
    "DUO:0000016": "genetic studies only",
    "DUO:0000018": "not for profit, non commercial use only",
    "DUO:0000019": "publication required",
    "DUO:0000020": "collaboration required",
    "DUO:0000021": "ethics approval required",
    "DUO:0000022": "geographical restriction",
    "DUO:0000024": "publication moratorium",
    "DUO:0000025": "time limit on use",
    "DUO:0000026": "user specific restriction",
    "DUO:0000027": "project specific restriction",
    "DUO:0000028": "institution specific restriction",
    "DUO:0000029": "return to database or resource",
    "DUO:0000042": "general research use",
    "DUO:0000043": "clinical care use",
    "DUO:0000044": "population origins or ancestry research prohibited",
    "DUO:0000045": "not for profit organisation use only",
    "DUO:0000046": "non-commercial use only",
}


def uses_to_abi(uses: Sequence[str]) -> list[int]:
    """Codes of the Data Use Ontology as the contract takes them: their numbers, ascending.

    Raises:
        ValueError: if one has another form than `DUO:` and seven digits.
    """
    wrong = [use for use in uses if not re.fullmatch(r"DUO:[0-9]{7}", use)]
    if wrong:
        raise ValueError(f"expected codes such as DUO:0000042, got {', '.join(map(repr, wrong))[:100]}")
    return sorted({int(use[4:]) for use in uses})
