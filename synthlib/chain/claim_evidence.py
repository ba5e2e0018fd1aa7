"""Does the chain have on record what a release's claim to differential privacy costs?

The claim is accounted for once more from the mechanisms that the manifest names. That these were run, on the
table that was committed to, is its maker's word, until an auditor with the sealed secret fits it again.

Reference: Mironov, Talwar and Zhang 2019, "Renyi differential privacy of the sampled Gaussian mechanism",
section 3.3 (whole orders).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

from synthlib.bundle import Finding
from synthlib.chain.budgets import SCALE, ZCDP
from synthlib.chain.claim_files import find_untold
from synthlib.chain.coverage import list_coverage
from synthlib.chain.datasets import Datasets
from synthlib.chain.evidence import guard, read_plain
from synthlib.chain.gate_evidence import REPORT_FILE
from synthlib.chain.protocols import Protocol, Protocols
from synthlib.chain.records import NOT_PRIVATE, Record
from synthlib.chain.registry import Ledger
from synthlib.chain.study import PROTOCOL_FILE
from synthlib.splitting import FEWEST_ROWS

CLAIM, REPLAY = "privacy claim", "private fit"
SECRET_NOISE = "drawn under secret noise: only an auditor with its secret and the table can fit it again"
ORDERS = (*range(2, 65), 80, 96, 128, 192, 256, 512)
MOST_PARTS, MOST_STEPS, MOST_ORDER = 100, 100_000, 512
MOST_CHOICE = 50  # epsilon of one choice
ROUNDING = 1e-6  # relative; between two ways to add up floats
SLACK = 0.01  # relative; between two discretisations of a privacy loss
LARGEST = 30.0  # epsilon from which on Renyi orders alone are asked


def check_claim(path: Path, manifest: Any, ledger: Ledger, record: Record, findings: list[Finding]) -> None:
    """The claim in a manifest against the loss that is on record; nothing is added where there is neither.

    Args:
        path: the release's folder; whether its `protocol.json` is the registered one is for `check_protocol`.
        manifest: what the release's manifest holds.
        ledger: the chain that holds the record.
        record: what that chain knows of the release.
        findings: what is found is added.
    """
    claim = read_claim(manifest)
    if claim is None and record.spend == NOT_PRIVATE:
        return
    if claim is None:
        detail = "a loss is recorded, but the manifest does not say what was spent on what"
        findings.append(Finding(CLAIM, "unchecked", detail))
        return
    with guard(CLAIM, findings):
        if record.spend == NOT_PRIVATE:
            raise ValueError("the manifest claims differential privacy, no loss is recorded")
        dataset = Protocols(ledger).find(record.protocol, record.issuer).dataset
        found = judge_claim(claim, record.spend, Datasets(ledger).find(dataset).order)
        if found.verdict != "differs":
            protocol = Protocol.from_json(read_plain(path / PROTOCOL_FILE))
            wrong = find_claim_problems(claim, manifest, protocol, (path / REPORT_FILE).exists())
            wrong += find_untold(path, manifest, claim)
            found = Finding(CLAIM, "differs", "; ".join(wrong)) if wrong else found
        findings.append(found)
    findings.append(Finding(REPLAY, "unchecked", SECRET_NOISE))


def read_claim(manifest: Any) -> Mapping[str, Any] | None:
    """`parameters.privacy` of a manifest, None if there is none."""
    parameters = manifest.get("parameters") if isinstance(manifest, dict) else None
    claim = parameters.get("privacy") if isinstance(parameters, dict) else None
    return None if claim is None else claim if isinstance(claim, dict) else {}


def find_claim_problems(
    claim: Mapping[str, Any], manifest: Any, protocol: Protocol, has_scores: bool
) -> list[str]:
    """Where a claim's words are not what the rest of the release gives, and its loss above the protocol's.

    Args:
        claim: the manifest's.
        manifest: what the release's manifest holds.
        protocol: the release's.
        has_scores: whether the release has `report.csv`.
    """
    has_conditions = manifest["parameters"].get("given") is not None
    wrong = [
        f"its {name} is not what the protocol's split and the files of the release give"
        for name, lines in list_coverage(protocol.split, has_scores, has_conditions).items()
        if claim.get(name) != lines
    ]
    planned = protocol.privacy if isinstance(protocol.privacy, dict) else {}
    for name, slack in (("epsilon", SLACK), ("delta", ROUNDING)):
        most = planned.get(name)
        if type(most) in (int, float) and _read(claim, name) > most * (1 + slack):
            wrong.append(f"its {name} is above that of the protocol")
    return wrong


def judge_claim(claim: Mapping[str, Any], spend: int, order: int) -> Finding:
    """Whether a loss on record is at least that of the mechanisms named, and the epsilon what they give.

    Args:
        claim: the manifest's.
        spend: recorded loss, in millionths.
        order: of the dataset.

    Raises:
        ValueError: if the claim is not in the form that `write_release` gives it.
    """
    parts = _read_parts(claim.get("parts"))
    epsilon, delta = (_read(claim, name) for name in ("epsilon", "delta"))
    num_patients = claim.get("num_patients")
    if type(num_patients) is not int or num_patients < FEWEST_ROWS:
        raise ValueError(f"expected a whole number of patients, {FEWEST_ROWS} or more, as num_patients")
    if not 0 < delta < 1 / num_patients:
        raise ValueError("expected a delta below one over the number of patients")
    if order > MOST_ORDER:
        return Finding(CLAIM, "unchecked", f"the dataset's measure is of order {order}: not computed again")
    loss = add_up(parts, order)
    if loss is None:
        return Finding(CLAIM, "differs", "the dataset's measure is rho, sampled training has none")
    needed = loss * (1 - ROUNDING) * SCALE
    if spend < needed:
        detail = f"its mechanisms lose {math.ceil(needed)} millionths at order {order}, {spend} are recorded"
        return Finding(CLAIM, "differs", detail)
    if claim.get("order") != order or type(claim.get("units")) is not int or claim["units"] > spend:
        return Finding(CLAIM, "differs", "it speaks of another measure, or of more loss than is recorded")
    if claim["units"] < needed:
        return Finding(CLAIM, "differs", "it speaks of less loss than its mechanisms cause")
    found = find_epsilon(parts, delta)
    if epsilon < found * (1 - SLACK):
        return Finding(CLAIM, "differs", f"it says epsilon {epsilon:.4g}, its mechanisms give {found:.4g}")
    for name in ("epsilon_pld", "epsilon_rdp"):  # an accountant that was not asked says nothing
        if claim.get(name) is not None and _read(claim, name) < found * (1 - SLACK):
            return Finding(CLAIM, "differs", f"its {name} is below what its mechanisms give")
    detail = (
        f"epsilon {epsilon:.4g} at delta {delta:.2g} for one {str(claim.get('unit'))[:20]}, computed again; "
        f"{spend} millionths are recorded. What it does not cover is in the manifest"
    )
    return Finding(CLAIM, "matched", detail)


def add_up(parts: Sequence[Mapping[str, Any]], order: int) -> float | None:
    """Renyi epsilon of all mechanisms at a whole order, or their rho at order 0; None where there is none."""
    if order == ZCDP:
        if any(part["rate"] < 1 for part in parts):
            return None
        return sum(part.get("rho", part["count"] / (2 * part["noise"] ** 2)) for part in parts)
    return sum(part["count"] * _renyi(part["noise"], part["rate"], order) for part in parts)


def find_epsilon(parts: Sequence[Mapping[str, Any]], delta: float) -> float:
    """The smallest epsilon that Renyi orders and, unless that is large, a privacy loss distribution give."""
    import dp_accounting
    from dp_accounting.pld import PLDAccountant

    told = []
    for order in ORDERS:
        loss = add_up(parts, order)
        told.append(loss + math.log1p(-1 / order) - math.log(delta * order) / (order - 1))
    by_renyi = max(min(told), 0.0)
    if by_renyi > LARGEST:
        return by_renyi
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, 1e-4)
    for part in parts:
        event = dp_accounting.GaussianDpEvent(part["noise"])
        if part["rate"] < 1:
            event = dp_accounting.PoissonSampledDpEvent(part["rate"], event)
        accountant.compose(dp_accounting.SelfComposedDpEvent(event, part["count"]))
    return min(by_renyi, float(accountant.get_epsilon(delta)))


def _renyi(noise: float, rate: float, order: int) -> float:
    if rate == 1:
        return order / (2 * noise**2)
    terms = [
        math.lgamma(order + 1) - math.lgamma(k + 1) - math.lgamma(order - k + 1)
        + (order - k) * math.log1p(-rate) + k * math.log(rate) + k * (k - 1) / (2 * noise**2)
        for k in range(order + 1)
    ]  # fmt: skip
    most = max(terms)
    return (most + math.log(sum(math.exp(term - most) for term in terms))) / (order - 1)


def _stand_in(epsilon: float) -> float:
    """Noise of the Gaussian mechanism that tells as much as a choice by the exponential mechanism can.

    Reference: Dong, Durfee and Rogers 2020, "Optimal differential privacy composition for exponential
        mechanisms"; Cesar and Rogers 2021, "Bounding, concentrating, and truncating", lemma 3.2 (rho).
    """
    if epsilon >= MOST_CHOICE:
        raise ValueError(f"expected an epsilon of a choice below {MOST_CHOICE}")
    return 1 / (-2 * NormalDist().inv_cdf(1 / (1 + math.exp(epsilon / 2))))


def _read_parts(told: Any) -> list[dict[str, Any]]:
    if not isinstance(told, list) or not 0 < len(told) <= MOST_PARTS:
        raise ValueError(f"expected 1 to {MOST_PARTS} mechanisms in parameters.privacy.parts")
    parts = []
    for each in told:
        kind = each.get("kind") if isinstance(each, dict) else None
        noise, own = None, {}
        if kind == "Queries":
            count, rate = each.get("num_queries"), 1.0
        elif kind == "Selections":
            count, rate = each.get("num_queries"), 1.0
            noise = _stand_in(_read(each, "epsilon"))
        elif kind == "SampledTraining" and (each.get("batches"), each.get("stopping")) == (
            "poisson",
            "fixed",
        ):
            count, rate = each.get("num_steps"), _read(each, "sampling_rate")
        else:
            raise ValueError("expected mechanisms that can be accounted for")
        if type(count) is not int or not 0 < count <= MOST_STEPS or not 0 < rate <= 1:
            raise ValueError("expected a number of steps and a sampling rate that can be accounted for")
        if noise is None:
            noise = _read(each, "noise_multiplier")
        else:
            own = {"rho": count * each["epsilon"] ** 2 / 8}  # below that of the stand-in
        parts.append({"noise": noise, "rate": rate, "count": count, **own})
    if sum(part["count"] for part in parts) > MOST_STEPS or min(part["noise"] for part in parts) < 1e-3:
        raise ValueError("expected fewer steps, or more noise, than what the mechanisms say")
    return parts


def _read(told: Mapping[str, Any], name: str) -> float:
    value = told.get(name)
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise ValueError(f"expected a positive number as {name}")
    return float(value)
