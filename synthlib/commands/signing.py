"""What somebody is about to sign, in plain words, and whether that is meant."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from synthlib.commands.options import read_file, refuse
from synthlib.commands.terminal import confirm, say

if TYPE_CHECKING:
    from synthlib.chain.attestations import Verdict
    from synthlib.chain.papers import Desk, Paper

NOT_GIVEN = "not looked at: --terms FILE holds your copy against it"


def word_offer(offer: Paper, encryption_key: str, terms: Path | None) -> dict[str, str]:
    """What a grantee signs: parties, dataset, terms, purpose, uses and time.

    Args:
        offer: from `write_offer`.
        encryption_key: SHA-256 of the grantee's public key, hexadecimal.
        terms: file of the terms as the grantee has read them.

    Raises:
        typer.BadParameter: if these are not the terms of the offer.
    """
    from synthlib.chain.data_uses import DATA_USES

    agreement = offer.agreement
    if terms is not None and hashlib.sha256(read_file(terms, "--terms")).hexdigest() != agreement.terms:
        refuse("--terms", f"expected the terms of the offer, {terms} holds others; ask the steward")
    answers = "" if int(agreement.request, 16) == 0 else agreement.request
    return {
        "agreement": agreement.id,
        "you, the grantee": agreement.grantee,
        "with": "the steward of the dataset, whoever that is when you accept (dataset show tells)",
        "dataset": agreement.dataset,
        "terms": f"SHA-256 {agreement.terms}, {NOT_GIVEN if terms is None else f'those of {terms}'}",
        "purpose": f"SHA-256 {agreement.purpose}",
        "uses": "; ".join(f"{use} {DATA_USES.get(use, '(not known here)')}" for use in agreement.uses),
        "in force until": f"{say_time(agreement.expiry)}, unless renewed, which asks you no more",
        **({"answers the request": answers} if answers else {}),
        "data keys go to": f"the public key with SHA-256 {encryption_key}",
        "holds on": f"the registry {offer.registry} on chain {offer.chain} alone",
    }


def word_verdict(verdict: Verdict, desk: Desk, bundle: Path, report: Path, rubric: Path) -> dict[str, str]:
    """What an auditor signs: release, outcome, report, rubric and deadline.

    Args:
        verdict: what is said.
        desk: where it holds, and who signs.
        bundle, report, rubric: the files that were named.
    """
    return {
        "you, the auditor": desk.sender,
        "outcome": verdict.outcome,
        "release": f"{verdict.release}, in {bundle}",
        "recorded by": verdict.issuer,
        "report": f"{report}, SHA-256 {verdict.report}",
        "rubric": f"{rubric}, SHA-256 {verdict.rubric}",
        "deadline": f"{say_time(verdict.deadline)}: until then whoever has it may bring it, if you do not "
        "cancel it",
        "holds on": f"the registry {desk.address} on chain {desk.connection.chain_id} alone",
    }


def say_time(seconds: int) -> str:
    """Seconds since 1970 as people write a time; the number alone where no calendar has it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{seconds} seconds since 1970"


def confirm_signing(words: dict[str, str], yes: bool) -> None:
    """Show what is signed, and ask whether it is meant, unless `yes`.

    Raises:
        ValueError: if nobody can be asked, or the answer is no.
    """
    say("you are about to sign:")
    width = max(map(len, words))
    for name, text in words.items():
        say(f"  {name:<{width}}  {text}")
    confirm("sign this", yes)
