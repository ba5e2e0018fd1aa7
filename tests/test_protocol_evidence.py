"""Protocols and attempts: what an issuer recorded and that lies is found, and named."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from chain_helpers import account, edit_json, make_release, open_study, write_changed
from verification_helpers import NO, YES, names, wrong

from synthlib.bundle import Bundle, Finding, canonical_json
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import release_fields
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.verification import verdict, verify

pytest_plugins = ["chain_fixtures"]

ATTEMPTS = [{"model_type": "TabularGAN", "seed": number} for number in range(4)]


@pytest.fixture(scope="module")
def four_attempts(tmp_path_factory) -> Path:
    """Four attempts, of which the second and third were logged together."""
    study = open_study(Ledger.in_process(account=account("issuer")), 0)
    study.attempt(ATTEMPTS[0])
    study.attempt_all(ATTEMPTS[1:3])
    study.attempt(ATTEMPTS[3])
    folder = tmp_path_factory.mktemp("study")
    study.hand_on(folder)
    return folder


@pytest.fixture
def study(four_attempts) -> Study:
    """The same study on a chain of its own for each test: longer journals take longer to verify."""
    return Study.resume(four_attempts, account=account("issuer"))


def record_lie(study: Study, bundle: Bundle, **changes) -> list[Finding]:
    """Record a release as it is, past what `record_bundle` would refuse, and verify it."""
    said = release_fields(bundle)._replace(**changes)
    study.ledger.record_generation(said)
    study.ledger.save(bundle)
    return verify(bundle.path)


def edit(change):
    """What changes the bytes of attempts.json as `change` changes its entries."""
    return edit_json(lambda told: change(told["attempts"]))


def exchange(entries: list, one: int, other: int) -> None:
    """Exchange what two attempts describe."""
    first, second = entries[one], entries[other]
    first["describes"], second["describes"] = second["describes"], first["describes"]


def add(entries: list) -> None:
    entries.append(entries[-1] | {"number": 5, "together_from": 5})


def interleave(entries: list) -> None:
    """Groups in the order in which the chain has them, but other attempts under the numbers."""
    entries[:2] = entries[1::-1]
    for number, (entry, together) in enumerate(zip(entries, (1, 2, 1, 4), strict=True), start=1):
        entry |= {"number": number, "together_from": together}


def number_otherwise(entries: list) -> None:
    for entry in entries:
        entry["number"] = float(entry["number"])


ROOTS = " and ".join(
    f"the root of its rows, {where}" for where in ("in the manifest", "in rows.json", "as recorded")
)
LIES = {
    "protocol.json": {
        "another": (edit_json(lambda told: told.update(acceptance={"ks": 0.9})), "is not the protocol"),
        "in other bytes": (lambda data: data + b" ", "is not the protocol"),
        "none": (lambda data: b"", "protocol.json is not the protocol that was registered"),
    },
    "attempts.json": {
        "the last left out": (edit(lambda told: told.pop()), "attempt 4 is left out"),
        "the first left out": (edit(lambda told: told.pop(0)), "expected attempt 1"),
        "one of two left out": (edit(lambda told: told.pop(1)), "expected attempt 2"),
        "all left out": (edit(lambda told: told.clear()), "attempt 1 is left out"),
        "one added": (edit(add), "attempt 5 is one that the chain did not log"),
        "two exchanged": (edit(lambda told: exchange(told, 0, 3)), "attempt 1 is not what"),
        "two of a group exchanged": (edit(lambda told: exchange(told, 1, 2)), "attempt 2 to 3 is not what"),
        "reversed": (edit(lambda told: told.reverse()), "expected attempt 1"),
        "described otherwise": (edit(lambda told: told[3]["describes"].update(seed=9)), "attempt 4 is not"),
        "a group divided": (edit(lambda told: told[2].update(together_from=3)), "attempt 2 to 3 is not"),
        "groups interleaved": (edit(interleave), "attempt 3: expected one alone"),
        "numbers that are none": (edit(number_otherwise), "expected whole numbers"),
        "of another protocol": (edit_json(lambda told: told.update(protocol="0x12")), "of protocol"),
        "none": (lambda data: b"[]", "expected attempts of format"),
    },
    "rows.json": {
        "salted otherwise": (edit_json(lambda told: told.update(salt="5" * 64)), ROOTS),
        "another root": (edit_json(lambda told: told.update(root="5" * 64)), "rows, in rows.json"),
        "another number": (edit_json(lambda told: told.update(num_rows=4)), "its number of rows, in rows"),
        "none": (lambda data: b"{}", "expected a file of format"),
    },
}
SUBJECTS = {"protocol.json": "protocol", "attempts.json": "attempts", "rows.json": "synthetic table"}


@pytest.mark.parametrize(("name", "lie"), [(name, lie) for name in LIES for lie in LIES[name]])
def test_a_lie_in_a_file_that_the_issuer_recorded_is_named(study, workspace, name, lie):
    change, culprit = LIES[name][lie]
    honest = make_release(workspace / "honest", study=study)
    findings = record_lie(study, write_changed(honest, name, change, workspace / "lying"))
    assert verdict(findings) == NO and names(findings, culprit)
    assert {finding.subject for finding in wrong(findings)} == {SUBJECTS[name]}


@pytest.mark.parametrize(("count", "culprit"), [(0, "5 to 9 is left out"), (5, "5 to 9 is not what")])
def test_a_batch_that_nobody_can_open_is_named(study, workspace, count, culprit):
    """As another client may log it: a root that nothing leads to."""
    batch = (bytes.fromhex(study.registration.id[2:]), 5, 5, hashlib.sha256(b"nothing").digest())
    study.ledger.send("logAttemptBatch", *batch)
    guesses = [{"describes": {"seed": seed}, "outcome": None, "draws": []} for seed in range(count)]
    change = edit(
        lambda told: told.extend(
            {"number": 5 + n, "together_from": 5, **guess} for n, guess in enumerate(guesses)
        )
    )
    honest = make_release(workspace / "honest", study=study)
    findings = record_lie(study, write_changed(honest, "attempts.json", change, workspace / "lying"))
    assert verdict(findings) == NO and names(findings, culprit)
    assert {finding.subject for finding in wrong(findings)} == {"attempts"}


@pytest.mark.parametrize("name", ["dataset", "researcher", "registry", "chain"])
def test_a_manifest_that_names_another_place_than_its_protocols_is_named(study, workspace, name):
    said = study.describe(1, None)
    for protocol in (said | {name: said[name][:-1] + "z"}, {key: said[key] for key in said if key != name}):
        bundle = make_release(workspace / str(len(protocol)), study=study, protocol=protocol)
        findings = record_lie(study, bundle)
        assert [finding.subject for finding in wrong(findings)] == [f"parameters.protocol.{name}"]


CLAIMS = {
    "commitment": "ab" * 32,
    "synthetic": "ab" * 32,
    "model_type": "TabularGPT",
    "parameters": "ab" * 32,
    "characteristics": "ab" * 32,
    "spend": 1000,
    "attempt": 2,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_what_was_recorded_otherwise_than_the_manifest_says_is_named(study, workspace, name):
    bundle = make_release(workspace / "release", seed=list(CLAIMS).index(name), study=study)
    findings = record_lie(study, bundle, **{name: CLAIMS[name]})
    assert verdict(findings) == NO and names(findings, f"record.{name}")
    assert {finding.subject for finding in wrong(findings)} <= {
        f"record.{name}", "attempts", "protocol", "synthetic table"
    }  # fmt: skip


def test_a_release_of_an_attempt_that_describes_another_model_is_named(workspace):
    study = open_study(Ledger.in_process(account=account("issuer")), 0)
    model = make_release(workspace / "r").parameters["model"]
    descriptions = [
        {"model_type": "TabularGAN", "parameters": model},
        {"model_type": "TabularGAN", "parameters": model | {"critic_steps": 9}},
        {"model_type": "TabularGPT"},
        {"trees": 3},
    ]
    study.attempt_all(descriptions)
    for number, culprit in ((1, None), (2, "parameters"), (3, "model_type"), (4, None)):
        bundle = make_release(workspace / str(number), study=study, attempt=number)
        findings = record_lie(study, bundle)
        assert verdict(findings) == (NO if culprit else YES)
        if culprit:
            assert names(findings, f"attempt {number}, which the release is of, describes another {culprit}")


def test_an_outcome_that_was_changed_after_it_was_recorded_is_named(release):
    """Also with the manifest put right, and its copy."""
    record_bundle(release.path)
    recorded = release.path
    path, manifest = recorded / "attempts.json", json.loads((recorded / "manifest.json").read_bytes())
    path.write_bytes(edit_json(lambda told: told["attempts"][0].update(outcome="better"))(path.read_bytes()))
    assert names(verify(recorded), "attempts.json")
    data = path.read_bytes()
    described = {"bytes": len(data), "digest": hashlib.sha256(data).hexdigest()}
    manifest["files"]["attempts.json"] = described
    (recorded / "manifest.json").write_bytes(canonical_json(manifest))
    assert names(verify(recorded), "attempts.json", "files.attempts.json.digest", "record.release")
    shutil.copy(recorded / "manifest.json", recorded / "ledger" / "manifest.json")
    assert names(verify(recorded), "record.release", "ledger/manifest.json")
