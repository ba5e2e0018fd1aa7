"""Verification: a yes only for what was recorded; every tampering found and named; never a crash."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chain_helpers import (
    KEY,
    SCHEMA,
    TRAINING,
    account,
    approve_study,
    free_port,
    fund,
    generation,
    make_release,
    open_study,
    synthetic_table,
)
from test_journal import relink

import synthlib
from synthlib.bundle import Finding, canonical_json
from synthlib.chain import events, verification
from synthlib.chain.accounts import demo_account
from synthlib.chain.connection import Connection
from synthlib.chain.errors import ChainError, NodeUnreachable
from synthlib.chain.node import NodeProvider
from synthlib.chain.protocols import Protocols
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import release_fields, sign_record
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.training_evidence import SPLIT
from synthlib.chain.verification import OPTIONAL, find_caveat, verdict, verify
from synthlib.keys import StewardKey
from synthlib.parsing import parse_json

pytest_plugins = ["chain_fixtures"]

YES, NO, CANNOT_TELL = 0, 1, 2
LEFT_OPEN = {"release digest", "issuer", SPLIT, "training table"}  # where nobody gave what to compare with


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "release"
    make_release(path)
    record_bundle(path, account=demo_account())
    return path


@pytest.fixture
def recorded(recorded_once, workspace) -> Path:
    """A release recorded on the in-process chain."""
    return Path(shutil.copytree(recorded_once, workspace / "release"))


def record_own(path: Path, issuer: str = "issuer", **options) -> Path:
    """A release recorded on an in-process chain of the account of this name."""
    study = open_study(Ledger.in_process(account=account(issuer)))
    bundle = make_release(path, study=study, **options)
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    return path


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.verdict == "differs"]


def names(findings: list[Finding], *culprits: str) -> bool:
    """Whether each culprit stands in something that differs."""
    texts = [f"{finding.subject} {finding.detail}" for finding in wrong(findings)]
    return all(any(culprit in text for text in texts) for culprit in culprits)


def unchecked(findings: list[Finding]) -> set[str]:
    return {finding.subject for finding in findings if finding.verdict == "unchecked"}


# --- yes -----------------------------------------------------------------------------------------------


def test_recorded_release_is_a_yes(recorded):
    findings = verify(recorded)
    assert verdict(findings) == YES
    assert unchecked(findings) == LEFT_OPEN < OPTIONAL
    seen = {finding.subject for finding in findings if finding.verdict == "matched"}
    assert {"manifest.json", "synthetic.csv", "report.csv", "schema.json", "deidentification.csv"} <= seen
    assert {"parameters.model", "parameters.seed", "kind", "parents", "synthetic table", "revocation"} <= seen
    assert {"ledger/journal.jsonl", "ledger/manifest.json", "ledger/record.json: signature"} <= seen
    assert {"rows.json", "protocol.json", "attempts.json", "protocol", "attempts"} <= seen
    assert [finding.subject for finding in findings][-1] == "training table"
    assert {f"record.{name}" for name in generation("a")._fields} <= seen


def test_the_folder_alone_is_enough_in_another_process(recorded, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("other machine") / "given to a reviewer"
    shutil.move(recorded, elsewhere)
    code = (
        "import synthlib, sys\n"
        "from synthlib.chain.verification import verdict\n"
        f"sys.exit(verdict(synthlib.verify({str(elsewhere)!r})))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNTHLIB")}
    environment["SYNTHLIB_KEYFILE"] = "/nowhere"  # nobody's key is needed, nor asked for
    root = str(Path(__file__).parents[1])
    run = subprocess.run([sys.executable, "-c", code], env=environment | {"PYTHONPATH": root}, check=False)
    assert run.returncode == YES


def test_steward_opens_the_commitment(recorded):
    assert verdict(verify(recorded, key=KEY, training=TRAINING)) == YES
    assert "training table" not in unchecked(verify(recorded, key=KEY, training=TRAINING))
    for key, training in ((StewardKey(bytes(32)), TRAINING), (KEY, TRAINING.iloc[::-1])):
        findings = verify(recorded, key=key, training=training)
        assert verdict(findings) == NO
        assert names(findings, "training table")
    assert verdict(verify(recorded, key=KEY)) == YES


def test_issuer_is_named_and_compared(recorded):
    (issuer,) = [finding for finding in verify(recorded) if finding.subject == "issuer"]
    assert issuer.verdict == "unchecked"
    assert demo_account().address in issuer.detail and "whose key anybody has" in issuer.detail
    assert verdict(verify(recorded, issuer=demo_account().address.lower())) == YES
    findings = verify(recorded, issuer=account("somebody else").address)
    assert verdict(findings) == NO and names(findings, "issuer")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"issuer": 123}, TypeError),
        ({"issuer": b"\1" * 20}, TypeError),
        ({"issuer": "somebody"}, ValueError),
        ({"issuer": "0x" + "g" * 40}, ValueError),
        ({"issuer": demo_account().address[:-1] + demo_account().address[-1].swapcase()}, ValueError),
        ({"digest": 123}, TypeError),
        ({"digest": b"\1" * 32}, TypeError),
        ({"digest": "ab" * 31}, ValueError),
        ({"digest": "0x" + "ab" * 32}, ValueError),
    ],
    ids=str,
)
def test_what_is_no_address_or_no_digest_is_refused_as_the_callers(recorded, arguments, error):
    (name,) = arguments
    with pytest.raises(error, match=f"^{name}: expected "):
        verify(recorded, **arguments)


def test_release_digest_is_named_and_compared(recorded):
    digest = hashlib.sha256((recorded / "manifest.json").read_bytes()).hexdigest()
    (found,) = [finding for finding in verify(recorded) if finding.subject == "release digest"]
    assert found.verdict == "unchecked" and digest in found.detail
    findings = verify(recorded, digest=digest.upper())
    assert verdict(findings) == YES and "release digest" not in unchecked(findings)
    findings = verify(recorded, digest="ab" * 32)
    assert verdict(findings) == NO and [finding.subject for finding in wrong(findings)] == ["release digest"]


def test_only_its_digest_makes_a_demo_issuers_release_sure(recorded, workspace):
    digest = hashlib.sha256((recorded / "manifest.json").read_bytes()).hexdigest()
    forged = make_release(workspace / "forged", seed=5)
    record_bundle(forged.path)
    demo = demo_account().address
    for findings in (verify(forged.path), verify(forged.path, issuer=demo)):
        assert "demo issuer, whose key anybody has: compare the digest" in find_caveat(findings)
        assert "issuer" in unchecked(findings)
    assert verdict(verify(forged.path, issuer=demo, digest=digest)) == NO
    assert find_caveat(verify(recorded, digest=digest)) == ""
    own = record_own(workspace / "own", seed=6)
    assert find_caveat(verify(own)) == ""


# --- could not tell ------------------------------------------------------------------------------------


def test_release_that_was_never_recorded_cannot_be_told(release):
    findings = verify(release.path)
    assert verdict(findings) == CANNOT_TELL
    assert "ledger" in unchecked(findings)
    assert not wrong(findings)


def test_no_folder_cannot_be_told(workspace):
    assert verdict(verify(workspace / "nothing")) == CANNOT_TELL
    assert verdict(verify("nothing")) == CANNOT_TELL
    assert verdict([]) == CANNOT_TELL


def test_node_is_asked_for_in_vain_when_recorded_in_process(recorded):
    findings = verify(recorded, rpc="http://127.0.0.1:1")
    assert verdict(findings) == CANNOT_TELL
    assert "node" in unchecked(findings)


def test_what_this_machine_lacks_is_not_the_releases_fault(recorded, monkeypatch):
    monkeypatch.setattr(Connection, "in_process", lambda: __import__("module_that_is_not_installed"))
    findings = verify(recorded)
    assert verdict(findings) == CANNOT_TELL
    assert "ledger/journal.jsonl" in unchecked(findings)


# --- withdrawn -----------------------------------------------------------------------------------------


def test_revoked_release_is_a_no(own_release, study):
    ledger = study.ledger
    ledger.record(own_release)
    ledger.save(own_release)
    rpc = None if ledger.connection.is_in_process else ledger.connection.web3.provider.endpoint_uri
    assert verdict(verify(own_release.path, rpc)) == YES
    revoked = ledger.revoke(own_release.digest, "wrong table")
    ledger.save(own_release)
    findings = verify(own_release.path, rpc)
    assert verdict(findings) == NO
    assert [finding.subject for finding in wrong(findings)] == ["revocation"]
    assert revoked.reason in wrong(findings)[0].detail and str(revoked.revocation_time) in str(findings)


def test_superseded_release_is_a_no_that_names_its_successor(workspace):
    study = open_study(Ledger.in_process(account=account("issuer")))
    old, new = (make_release(workspace / name, seed, study) for seed, name in enumerate(("old", "new")))
    for bundle in (old, new):
        study.ledger.record(bundle)
    study.ledger.supersede(old.digest, new.digest, "a rounding error")
    for bundle in (old, new):
        study.ledger.save(bundle)
    findings = verify(old.path)
    assert [finding.subject for finding in wrong(findings)] == ["revocation"]
    assert f"replaced by {new.digest}" in wrong(findings)[0].detail
    assert verdict(verify(new.path)) == YES


@pytest.mark.parametrize("name", ["revoked", "revocation_time", "reason", "successor"])
def test_a_withdrawal_that_record_json_tells_otherwise_is_named(workspace, name):
    path = record_own(workspace / "release")
    ledger = Ledger.in_process(path / "ledger" / "journal.jsonl", account("issuer"))
    body = json.loads((path / "ledger" / "record.json").read_bytes())
    ledger.revoke(body["record"]["release"], "wrong table")
    ledger.save(synthlib.Bundle.open(path))
    body = json.loads((path / "ledger" / "record.json").read_bytes())
    body["record"][name] = changed(body["record"][name])
    body["signature"] = sign_record(body, account("issuer"))
    (path / "ledger" / "record.json").write_bytes(canonical_json(body))
    named = "revocation_time" if name == "revoked" else name  # a record that stands has none
    assert names(verify(path), "revocation", f"record.{named}")


# --- on a node -----------------------------------------------------------------------------------------


@pytest.fixture
def node_study(workspace, node_url) -> Study:
    fund(Connection.by_url(node_url), account("issuer").address)
    return open_study(Ledger.connect(node_url, account=account("issuer")))


@pytest.fixture
def on_node(node_study, workspace) -> Path:
    """A release recorded on a node."""
    bundle = make_release(workspace / "release", study=node_study)
    node_study.ledger.record(bundle)
    node_study.ledger.save(bundle)
    return bundle.path


def test_release_recorded_on_a_node(on_node, node_url):
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == YES
    assert unchecked(findings) == LEFT_OPEN
    assert verdict(verify(on_node, rpc=node_url, issuer=account("issuer").address)) == YES


def test_without_the_node_it_cannot_be_told(on_node, start_node):
    for rpc in (
        None,
        f"http://127.0.0.1:{free_port()}",
        "nonsense",
        start_node("--chain-id", "77"),
        start_node("--timestamp", "1"),  # another first block
    ):
        findings = verify(on_node, rpc=rpc)
        assert verdict(findings) == CANNOT_TELL
        assert "node" in unchecked(findings)


def test_revocation_on_the_node_is_seen_without_new_files(on_node, node_url):
    body = json.loads((on_node / "ledger" / "record.json").read_bytes())
    ledger = Ledger.connect(node_url, body["registry"], account("issuer"))
    ledger.revoke(body["record"]["release"], "wrong table")
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == NO
    assert [finding.subject for finding in wrong(findings)] == ["revocation"]


def test_record_json_of_a_node_is_compared_field_by_field(on_node, node_url):
    path = on_node / "ledger" / "record.json"
    whole = json.loads(path.read_bytes())
    for name in whole["record"]:
        body = json.loads(json.dumps(whole))
        body["record"][name] = changed(body["record"][name])
        body["signature"] = None
        path.write_bytes(canonical_json(body))
        findings = verify(on_node, rpc=node_url)
        assert verdict(findings) == NO
        assert names(findings, f"record.{name}")
    body = json.loads(json.dumps(whole))
    body["registry"] = "0x" + "11" * 20
    path.write_bytes(canonical_json(body))
    assert names(verify(on_node, rpc=node_url), "0x" + "11" * 20)


def lie(monkeypatch, change) -> None:
    """Let the node's logs go through `change`, a function of a list of logs and of their first topic."""
    real = Connection.get_logs

    def get_logs(self, place, topics, *span):
        return change(real(self, place, topics, *span), topics[0])

    monkeypatch.setattr(Connection, "get_logs", get_logs)


def topic_of(name: str) -> str:
    return events._topic_of(events._entries("ProvenanceRegistry")[name])


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        ("Recorded", "record.json: record.release"),
        ("ProtocolRegistered", "protocol"),
        ("ProtocolRevealed", "protocol"),
        ("Attempted", "attempts"),
    ],
)
def test_a_node_whose_log_does_not_fit_its_state(on_node, node_url, monkeypatch, event, subject):
    """Events that it lost cannot be told; events that it made up are a no that names them."""
    topic = topic_of(event)
    with monkeypatch.context() as patched:
        lie(patched, lambda logs, kind: [] if kind == topic else logs)
        findings = verify(on_node, rpc=node_url)
        assert verdict(findings) == CANNOT_TELL and not wrong(findings)
        assert any(name.endswith(subject) for name in unchecked(findings))

    def forge(logs, kind):
        if kind != topic:
            return logs
        forged = "0x" + "5" * 64
        if event == "Attempted":
            return [log | {"topics": [*log["topics"][:2], forged]} for log in logs]
        return [log | {"data": forged + log["data"][66:]} for log in logs]

    lie(monkeypatch, forge)
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == NO
    assert any(finding.subject.endswith(subject) for finding in wrong(findings))
    assert names(findings, "log does not fit its state")


def test_a_node_that_counts_other_attempts_than_it_logged(node_study, workspace, node_url, monkeypatch):
    """How many attempts there were is said by an event alone; the blocks of the attempts tell."""
    bundle = make_release(workspace / "release", study=node_study)
    node_study.ledger.record(bundle)
    node_study.attempt({"model_type": "TabularGAN", "seed": 1})  # after the release: does not matter
    node_study.ledger.save(bundle)
    assert verdict(verify(bundle.path, rpc=node_url)) == YES
    topic = topic_of("Recorded")
    for count in (0, 2):

        def forge(logs, kind, count=count):
            return [log | {"data": f"{log['data'][:-1]}{count}"} for log in logs] if kind == topic else logs

        with monkeypatch.context() as patched:
            lie(patched, forge)
            findings = verify(bundle.path, rpc=node_url)
        assert verdict(findings) == NO
        assert names(findings, "record.attempts", "the chain's log contradicts itself")


def test_a_node_that_goes_away_meanwhile_cannot_be_told(on_node, node_url, monkeypatch):
    real, calls = Connection.get_logs, []
    for place in range(5):

        def fail(self, *given, place=place):
            calls.append(given)
            if len(calls) > place:
                raise NodeUnreachable("gone")
            return real(self, *given)

        calls.clear()
        monkeypatch.setattr(Connection, "get_logs", fail)
        findings = verify(on_node, rpc=node_url)
        assert verdict(findings) == CANNOT_TELL and not wrong(findings)


@pytest.mark.parametrize("what", ["call", "getLogs", "getCode", "getBlockByNumber", "chainId"])
def test_a_node_that_answers_nonsense_is_never_a_yes(on_node, node_url, monkeypatch, what):
    real = NodeProvider.make_request

    def make_request(self, asked, parameters):
        said = real(self, asked, parameters)
        return {"jsonrpc": "2.0", "id": 1, "result": answers[-1]} if asked == f"eth_{what}" else said

    answers = [None, 7, [], {}, "0x", "0x" + "ff" * 2000, [{}], {"data": "0x"}]
    monkeypatch.setattr(NodeProvider, "make_request", make_request)
    while answers:
        assert verdict(verify(on_node, rpc=node_url)) in (NO, CANNOT_TELL), answers[-1]
        answers.pop()


def test_record_of_a_node_without_signature_says_so(on_node, node_url):
    path = on_node / "ledger" / "record.json"
    path.write_bytes(canonical_json(json.loads(path.read_bytes()) | {"signature": None}))
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == YES
    assert unchecked(findings) == LEFT_OPEN | {"ledger/record.json: signature"}


# --- the same digest recorded by others ----------------------------------------------------------------


def record_first(study: Study, bundle) -> Ledger:
    """Another researcher sees a release on its way and records its digest first; their ledger."""
    theirs = approve_study(study.ledger, account("rival"))
    seen = release_fields(bundle)._replace(protocol=theirs.registration.id)
    theirs.ledger.record_generation(seen)
    return theirs.ledger


@pytest.fixture(params=["in-process", "node"])
def raced(request, workspace):
    """A release, its study, the ledger of who recorded the digest first, and what `verify` is given."""
    is_node = request.param == "node"
    own = Ledger.in_process(account=account("issuer"))
    study = request.getfixturevalue("node_study") if is_node else open_study(own)
    bundle = make_release(workspace / "raced", study=study)
    rival = record_first(study, bundle)
    return bundle, study, rival, {"rpc": request.getfixturevalue("node_url")} if is_node else {}


def test_who_records_a_digest_first_does_not_turn_the_issuers_yes_into_a_no(raced):
    bundle, study, rival, given = raced
    record = study.ledger.record(bundle)
    study.ledger.save(bundle)
    assert record.issuer == study.ledger.sender
    findings = verify(bundle.path, **given, issuer=record.issuer, digest=bundle.digest)
    assert verdict(findings) == YES
    (told,) = [finding for finding in findings if finding.subject == "issuer"]
    assert told.detail.startswith(f"recorded by {record.issuer}; the digest was also recorded by ")
    assert rival.sender in told.detail
    rival.revoke(bundle.digest, "spite")
    assert verdict(verify(bundle.path, **given)) == YES
    assert verdict(verify(bundle.path, **given, issuer=rival.sender)) == NO


def test_a_folder_that_claims_the_one_who_recorded_first_is_a_no(raced):
    bundle, study, rival, given = raced
    study.ledger.record(bundle)
    rival.save(bundle)
    findings = verify(bundle.path, **given)
    assert verdict(findings) == NO
    assert names(findings, "record.protocol", "parameters.protocol.researcher")
    body = json.loads((bundle.path / "ledger" / "record.json").read_bytes())
    assert body["record"]["issuer"] == rival.sender


def test_a_record_json_that_names_somebody_who_recorded_nothing_is_a_no(raced):
    bundle, study, rival, given = raced
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    path = bundle.path / "ledger" / "record.json"
    body = json.loads(path.read_bytes())
    body["record"]["issuer"] = account("nobody").address
    path.write_bytes(canonical_json(body))
    findings = verify(bundle.path, **given)
    assert verdict(findings) == NO
    others = f"{rival.sender}, {study.ledger.sender}"
    assert names(findings, "record.issuer", f"as recorded by {others}, not by this")


def test_the_true_issuer_records_through_the_command_too(workspace):
    study = open_study(Ledger.in_process(account=account("issuer")))
    bundle = make_release(workspace / "raced", study=study)
    record_first(study, bundle)
    study.ledger.leave_journal(bundle)
    record = record_bundle(bundle.path, account=account("issuer"))
    assert record.issuer == account("issuer").address
    assert verdict(verify(bundle.path)) == YES


# --- tampering -----------------------------------------------------------------------------------------

# What is done, how, and what findings must name.
Case = tuple[str, Callable[[Path], None], str | tuple[str, ...]]


def changed(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return ("1" if value[:1] != "1" else "2") + value[1:]
    return [*value, 1] if isinstance(value, list) else "something" if value is None else {**value, "added": 1}


def flip(path: Path, position: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= bit
    path.write_bytes(data)


def file_cases(folder: Path) -> Iterator[Case]:
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    assert len(files) == 11
    for name in files:
        size = (folder / name).stat().st_size
        for position in sorted({0, size // 3, size // 2, size - 2, size - 1}):
            for bit in (0x01, 0x20):  # the second makes a letter upper or lower case
                case = f"flip bit {bit} of byte {position} of {name}"
                yield case, lambda at, n=name, p=position, b=bit: flip(at / n, p, b), name
        for length in (0, size // 2, size - 1):
            yield (
                f"truncate {name} to {length}",
                lambda at, n=name, k=length: (at / n).write_bytes((at / n).read_bytes()[:k]),
                name,
            )
        yield (
            f"append to {name}",
            lambda at, n=name: (at / n).write_bytes((at / n).read_bytes() + b"\n"),
            name,
        )
        yield f"rename {name}", lambda at, n=name: (at / n).rename(at / (n + ".old")), name
        yield f"delete {name}", lambda at, n=name: (at / n).unlink(), name
        yield f"empty folder for {name}", lambda at, n=name: ((at / n).unlink(), (at / n).mkdir()), name
        yield (
            f"link for {name}",
            lambda at, n=name: (
                (at / n).rename(at.parent / "target"),
                (at / n).symlink_to(at.parent / "target"),
            ),
            name,
        )
        for other in files:
            if other > name and (folder / name).read_bytes() != (folder / other).read_bytes():
                yield (
                    f"swap {name} and {other}",
                    lambda at, n=name, o=other: swap(at / n, at / o),
                    (name, other),
                )
                yield (
                    f"copy {other} over {name}",
                    lambda at, n=name, o=other: shutil.copy(at / o, at / n),
                    name,
                )
    for name in ("extra.csv", "ledger/extra.json", "sub/extra.csv"):
        yield (
            f"add {name}",
            lambda at, n=name: ((at / n).parent.mkdir(exist_ok=True), (at / n).write_text("x")),
            name,
        )


def swap(one: Path, other: Path) -> None:
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def walk(value, name: str = "") -> Iterator[tuple[list, str]]:
    """Steps to, and dotted name of, everything below a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        inner_name = f"{name}[{key}]" if isinstance(value, list) else f"{name}.{key}" if name else key
        yield [key], inner_name
        for steps, below in walk(inner, inner_name):
            yield [key, *steps], below


def field_cases(folder: Path, name: str, prefix: str = "") -> Iterator[Case]:
    """Change and delete each field of a JSON file, add one to each object; the file stays well-formed."""
    document = json.loads((folder / name).read_bytes())

    def edit(steps: list, how: Callable) -> Callable[[Path], None]:
        def apply(at: Path) -> None:
            body = json.loads((at / name).read_bytes())
            holder = body
            for step in steps[:-1]:
                holder = holder[step]
            how(holder, steps[-1])
            (at / name).write_bytes(canonical_json(body))

        return apply

    def change(holder, key):
        holder[key] = changed(holder[key])

    def retype(holder, key):
        holder[key] = [holder[key]]

    def add(holder, key):
        holder[key]["unheard_of"] = 1

    for steps, field in walk(document):
        value = document
        for step in steps:
            value = value[step]
        inside = isinstance(steps[-1], int)  # a list whose length changed is named itself
        yield (
            f"delete {name}: {field}",
            edit(steps, lambda h, k: h.__delitem__(k)),
            field.split("[")[0] if inside else field,
        )
        yield f"retype {name}: {field}", edit(steps, retype), field
        if isinstance(value, dict):
            yield f"add to {name}: {field}", edit(steps, add), f"{field}.unheard_of"
        else:
            yield f"change {name}: {field}", edit(steps, change), field

    def add_top(at: Path) -> None:
        (at / name).write_bytes(canonical_json(json.loads((at / name).read_bytes()) | {"unheard_of": 1}))

    yield f"add to {name}", add_top, "unheard_of"


def both_manifest_cases(folder: Path) -> Iterator[Case]:
    """The same change to the manifest and to its copy: the copy's digest is what the chain holds."""
    for case, apply, _ in list(field_cases(folder, "manifest.json"))[
        ::4
    ]:  # the rest is alike, and takes time

        def apply_to_both(at: Path, apply=apply) -> None:
            apply(at)
            shutil.copy(at / "manifest.json", at / "ledger" / "manifest.json")

        yield f"{case}, and the copy", apply_to_both, "ledger/manifest.json"


def journal_cases(folder: Path) -> Iterator[Case]:
    lines = (folder / "ledger" / "journal.jsonl").read_bytes().splitlines(keepends=True)

    def edit(how: Callable[[list[bytes]], None]) -> Callable[[Path], None]:
        def apply(at: Path) -> None:
            path = at / "ledger" / "journal.jsonl"
            changed_lines = path.read_bytes().splitlines(keepends=True)
            how(changed_lines)
            path.write_bytes(b"".join(changed_lines))

        return apply

    for index, line in enumerate(lines):
        number = index + 1
        # What links two lines is broken by a change of either: a finding names the second, tells the first.
        for position in sorted(
            {0, 2, len(line) // 4, len(line) // 2, 3 * len(line) // 4, len(line) - 3, len(line) - 1}
        ):

            def flip_in(them, i=index, p=position):
                them[i] = them[i][:p] + bytes([them[i][p] ^ 1]) + them[i][p + 1 :]

            yield f"flip byte {position} of line {number}", edit(flip_in), f"line {number}"
        yield f"drop line {number}", edit(lambda them, i=index: them.pop(i)), f"line {number}"
        yield (
            f"repeat line {number}",
            edit(lambda them, i=index: them.insert(i, them[i])),
            f"line {number + 1}",
        )
        yield (
            f"cut line {number}",
            edit(lambda them, i=index: them.__setitem__(i, them[i][: len(them[i]) // 2])),
            f"line {number}",
        )
        yield (
            f"end before line {number}",
            edit(lambda them, i=index: them.__delitem__(slice(i, None))),
            f"line {number}",
        )
        for other in range(index + 1, len(lines)):

            def exchange(them, i=index, j=other):
                them[i], them[j] = them[j], them[i]

            yield f"swap lines {number} and {other + 1}", edit(exchange), f"line {number}"

        def forge(at: Path, i=index) -> None:
            """Change what the line says and put every hash right, also in record.json."""
            path = at / "ledger" / "journal.jsonl"
            entries = [json.loads(text) for text in path.read_bytes().splitlines()]
            if i:
                entries[i]["receipt"]["gas_used"] += 1
            else:
                entries[i]["genesis"] = changed(entries[i]["genesis"])
            path.write_bytes(relink(entries))
            rewrite_record(at, path)

        yield f"forge line {number} and all hashes", forge, f"line {number}"

        def forge_and_sign(at: Path, i=index) -> None:
            forge(at, i)
            rewrite_record(at, at / "ledger" / "journal.jsonl", demo_account())

        yield f"forge line {number}, all hashes and the issuer's signature", forge_and_sign, f"line {number}"


def rewrite_record(at: Path, journal: Path, signer=None) -> None:
    from synthlib.chain.journal import Journal

    opened = Journal(None, journal.read_bytes().splitlines(keepends=True))
    body = json.loads((at / "ledger" / "record.json").read_bytes())
    body["journal"] = {"head": opened.head, "lines": len(opened.lines)}
    if signer is not None:
        body["signature"] = sign_record(body, signer)
    (at / "ledger" / "record.json").write_bytes(canonical_json(body))


KINDS = {
    "files": file_cases,
    "manifest fields": lambda folder: field_cases(folder, "manifest.json"),
    "manifest fields and copy": both_manifest_cases,
    "record fields": lambda folder: field_cases(folder, "ledger/record.json"),
    "journal lines": journal_cases,
}


@pytest.fixture
def replay_once(monkeypatch):
    """Replay a journal once: most tampering leaves it as it is, and to replay it takes most of the time."""
    real, seen = verification._replay, {}

    def replay(body, journal, findings):
        told = (
            journal.head,
            canonical_json(body["chain"]),
            body["registry"],
        )  # the head stands for all lines
        if told not in seen:
            said: list[Finding] = []
            seen[told] = (real(body, journal, said), said)
        findings += seen[told][1]
        return seen[told][0]

    monkeypatch.setattr(verification, "_replay", replay)


@pytest.mark.parametrize("kind", KINDS)
def test_every_tampering_is_found_and_named(kind, recorded, tmp_path, capsys, record_property, replay_once):
    work, missed, tried = tmp_path / "work" / "release", [], 0
    for case, apply, culprit in KINDS[kind](recorded):
        shutil.rmtree(work.parent, ignore_errors=True)
        shutil.copytree(recorded, work)
        apply(work)
        findings = verify(work)
        tried += 1
        culprits = (culprit,) if isinstance(culprit, str) else culprit
        if verdict(findings) != NO or not names(findings, *culprits):
            missed.append((case, culprit, wrong(findings)))
    record_property(f"tampering with {kind}", f"{tried} tried, {tried - len(missed)} found and named")
    with capsys.disabled():
        print(f"\ntampering with {kind}: {tried} tried, {tried - len(missed)} found and named")
    assert not missed
    assert tried > 20


def test_signature_has_one_spelling(recorded):
    """The same signature in capitals, or with the other of its two values of s, is a changed file."""
    path = recorded / "ledger" / "record.json"
    body = json.loads(path.read_bytes())
    signature, order = (
        body["signature"],
        2 * 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0 + 1,
    )
    mirrored = f"{order - int(signature[66:130], 16):064x}" + {"1b": "1c", "1c": "1b"}[signature[-2:]]
    low_v = {"1b": "00", "1c": "01"}[signature[-2:]]
    for other in (
        "0x" + signature[2:].upper(),
        signature[:66] + mirrored,
        signature[:-2] + low_v,
        signature[2:],
        "0x",
    ):
        path.write_bytes(canonical_json(body | {"signature": other}))
        findings = verify(recorded)
        assert verdict(findings) == NO and names(findings, "record.json: signature")


def test_names_in_a_manifest_cannot_command_a_terminal(recorded):
    path = recorded / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"seed"', b'"\\u001b[2J\\ud800"'))
    findings = verify(recorded)
    assert verdict(findings) == NO
    assert "\x1b" not in "".join(finding.subject + finding.detail for finding in findings)
    str(findings).encode()


def test_removing_the_whole_ledger_cannot_be_told(recorded):
    shutil.rmtree(recorded / "ledger")
    assert verdict(verify(recorded)) == CANNOT_TELL
    (recorded / "ledger").mkdir()
    assert verdict(verify(recorded)) == NO


def test_another_releases_ledger_is_a_no(recorded, workspace):
    other = make_release(workspace / "other", seed=1)
    record_bundle(other.path)
    shutil.rmtree(recorded / "ledger")
    shutil.copytree(other.path / "ledger", recorded / "ledger")
    findings = verify(recorded)
    assert verdict(findings) == NO
    assert names(findings, "parameters.seed") and names(findings, "record.release")


def test_wrong_claims_recorded_by_the_issuer_are_found(workspace):
    """The manifest is what was recorded, but says of the table what is not so."""
    lying = make_release(workspace / "lying", synthetic_digest="ab" * 32)
    record_bundle(lying.path)
    findings = verify(lying.path)
    assert verdict(findings) == NO
    assert [finding.subject for finding in wrong(findings)] == ["synthetic table"]


@pytest.mark.parametrize("name", ["dataset", "protocol", "approval", "attempt", "record"])
@pytest.mark.parametrize("how", ["dropped", "moved to the end"])
def test_a_journal_without_or_with_a_later_protocol_is_named(recorded, name, how):
    """With every hash put right and the demo issuer's signature, which anybody can give."""
    path = recorded / "ledger" / "journal.jsonl"
    entries = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(entries) == 7
    at = 2 + ["dataset", "protocol", "approval", "attempt", "record"].index(name)
    moved = entries.pop(at)
    path.write_bytes(relink(entries if how == "dropped" else [*entries, moved]))
    rewrite_record(recorded, path, demo_account())
    findings = verify(recorded)
    if name == "record" and how != "dropped":
        assert verdict(findings) == YES  # it was the last one
        return
    assert verdict(findings) == NO
    culprit = "record.release" if name == "record" else f"journal.jsonl line {at + 1}"
    assert names(findings, culprit)


def test_a_protocol_that_was_registered_after_its_attempts_is_impossible(workspace):
    """Whoever has all keys can sign another journal; the contract takes attempts in their order alone."""
    ledger = Ledger.in_process(account=account("issuer"))
    study = open_study(ledger, 0)
    with pytest.raises(ChainError, match="NoSuchAttempt"):
        ledger.record_generation(generation("a", protocol=study.registration.id))
    with pytest.raises(ChainError, match="ProtocolNotApproved"):
        Protocols(ledger).attempt("0x" + "5" * 64, "ab" * 32)


def test_a_record_that_cannot_be_read_is_a_no_and_no_crash(workspace):
    """A model type that is no text: the contract takes it, and `find` refuses it."""
    study = open_study(Ledger.in_process(account=account("issuer")))
    bundle = make_release(workspace / "release", study=study)
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    odd = Ledger.in_process(account=account("issuer"))
    said = list(release_fields(bundle).to_abi())
    said[4] = b"\xff" * 32
    open_study(odd)
    odd.send("recordRelease", tuple(said))
    (bundle.path / "ledger" / "journal.jsonl").write_bytes(b"".join(odd.journal.lines))
    rewrite_record(bundle.path, bundle.path / "ledger" / "journal.jsonl", account("issuer"))
    findings = verify(bundle.path)
    assert verdict(findings) == NO and names(findings, "record.json: record.release", "model type in UTF-8")


def test_rerecorded_change_is_another_release_by_another_issuer(recorded):
    """A forger with a key of their own can make a consistent release; only the issuer's address tells."""
    synthetic_table(5).to_csv(recorded / "synthetic.csv", index=False)
    forged = record_own(recorded.parent / "forged", "forger", seed=5)
    assert verdict(verify(forged)) == YES
    assert verdict(verify(forged, issuer=demo_account().address)) == NO


# --- garbage -------------------------------------------------------------------------------------------

GARBAGE = {
    "empty": b"",
    "zeros": bytes(1000),
    "binary": bytes(range(256)) * 10,
    "not UTF-8": b'{"a": "\xff"}',
    "deep": b"[" * 200_000,
    "deep object": b'{"a":' * 100_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "huge integer": b"1" * 100_000,
    "huge exponent": b"1e999999",
    "NaN": b"NaN",
    "number": b"7",
    "null": b"null",
    "list": b"[]\n",
    "object": b"{}\n",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "repeated key": b'{"a":1,"a":2}',
    "deep in UTF-16": ('"∀"' + "[" * 100_000).encode("utf-16-le"),
    "csv": b"a,b\n1,2\n",
    "unclosed quote": b'"' * 9999,
    "surrogate": b'{"a": "\\ud800"}',
}


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "synthetic.csv",
        "schema.json",
        "report.csv",
        "ledger/journal.jsonl",
        "ledger/record.json",
        "ledger/manifest.json",
    ],
)
def test_garbage_is_a_no_and_no_crash(recorded, name, replay_once):
    for content in GARBAGE.values():
        (recorded / name).write_bytes(content)
        findings = verify(recorded)
        assert verdict(findings) == NO
        assert names(findings, name)


WRONG_MANIFESTS = [
    {"files": {".": {"bytes": 1, "digest": "a"}}},
    {"files": {"a\0b": {"bytes": 1, "digest": "a"}}},
    {"files": {"/etc/passwd": {"bytes": 1, "digest": "a"}}},
    {"files": {"../x": {"bytes": 1, "digest": "a"}}},
    {"files": {"x" * 5000: {"bytes": 1, "digest": "a"}}},
    {"files": {"synthetic.csv": {"bytes": None, "digest": []}}},
    {"files": []},
    {"parameters": []},
    {"parents": {"a": 7}},
    {"parents": {"a": ["b"]}},
    {"kind": 7},
    {"kind": "data"},
    {"parameters": {"model_type": 7, "model": None}},
    {"digests": "hmac-sha256"},
    {"format": None},
]


@pytest.mark.parametrize("changes", WRONG_MANIFESTS, ids=[str(changes)[:40] for changes in WRONG_MANIFESTS])
def test_wrong_manifest_is_a_no_and_no_crash(recorded, changes, replay_once):
    manifest = json.loads((recorded / "manifest.json").read_bytes()) | changes
    for name in ("manifest.json", "ledger/manifest.json"):
        (recorded / name).write_bytes(canonical_json(manifest))
        assert verdict(verify(recorded)) == NO


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["manifest.json", "synthetic.csv", "schema.json", "ledger/record.json"])
def test_pipe_is_a_no_and_no_waiting(recorded, name):
    (recorded / name).unlink()
    os.mkfifo(recorded / name)
    findings = verify(recorded)
    assert verdict(findings) == NO
    assert names(findings, name)


def test_folders_and_links_in_wrong_places(recorded, workspace):
    aside = workspace / "aside"
    shutil.move(recorded / "ledger", aside)
    (recorded / "ledger").symlink_to(aside)
    assert verdict(verify(recorded)) == NO
    (recorded / "ledger").unlink()
    (recorded / "ledger").write_text("a file")
    assert verdict(verify(recorded)) == NO
    assert verdict(verify(recorded / "synthetic.csv")) == NO
    (workspace / "empty").mkdir()
    assert verdict(verify(workspace / "empty")) == NO


def test_no_finding_shows_a_cell_of_the_training_table(recorded):
    secret = TRAINING.assign(sex=["Jane-Roe"] * len(TRAINING))
    findings = verify(recorded, key=KEY, training=secret)
    findings += verify(recorded, key=KEY, training=secret.assign(sex=b"Jane-Roe"))
    assert "Jane-Roe" not in str(findings)


def test_json_of_strangers():
    assert parse_json(b'{"a": "[[[[", "b\\"": [1]}') == {"a": "[[[[", 'b"': [1]}
    assert parse_json(b"[" * 64 + b"]" * 64)
    for data in (b"[" * 65 + b"]" * 65, b"", b"\xff", '"∀"'.encode("utf-16")):
        with pytest.raises(ValueError):
            parse_json(data)


def test_verify_is_exported():
    assert synthlib.verify is verify
    assert SCHEMA.names == list(synthetic_table().columns)


# --- a stranger's folder -------------------------------------------------------------------------------


def put_copy(folder: Path, manifest: dict) -> None:
    """Make a manifest the one that record.json names."""
    copy, path = canonical_json(manifest), folder / "ledger" / "record.json"
    (folder / "ledger" / "manifest.json").write_bytes(copy)
    body = json.loads(path.read_bytes())
    body["record"]["release"] = hashlib.sha256(copy).hexdigest()
    path.write_bytes(canonical_json(body))


def test_nothing_outside_the_folder_is_read(recorded, workspace, monkeypatch):
    secret = workspace / "secret"
    secret.write_text("x")
    whole = json.loads((recorded / "manifest.json").read_bytes())
    opened, plain_open = [], Path.open
    monkeypatch.setattr(Path, "open", lambda path, *a, **k: opened.append(path) or plain_open(path, *a, **k))
    for name in (str(secret), "../secret"):
        described = {"bytes": 1, "digest": hashlib.sha256(b"x").hexdigest()}
        put_copy(recorded, whole | {"files": whole["files"] | {name: described}})
        findings = verify(recorded)
        assert verdict(findings) == NO and names(findings, "ledger/manifest.json")
    assert opened and not [path for path in opened if path.resolve() == secret.resolve()]


def test_a_file_of_another_size_is_neither_hashed_nor_parsed(recorded, monkeypatch):
    monkeypatch.setattr(verification, "read_synthetic", lambda *_: pytest.fail("parsed"))
    for name in ("synthetic.csv", "report.csv"):
        os.truncate(recorded / name, 1 << 40)  # holes: hashing them would take an hour
    started = time.monotonic()
    findings = verify(recorded)
    assert verdict(findings) == NO and names(findings, "synthetic.csv", "report.csv")
    assert "synthetic table" in unchecked(findings)
    assert time.monotonic() - started < 30


def test_a_file_of_any_size_that_the_manifest_names_is_not_hashed(recorded):
    manifest = json.loads((recorded / "manifest.json").read_bytes())
    manifest["files"]["zz.bin"] = {"bytes": 1 << 40, "digest": "0" * 64}
    (recorded / "manifest.json").write_bytes(canonical_json(manifest))
    (recorded / "zz.bin").touch()
    os.truncate(recorded / "zz.bin", 1 << 40)
    findings = verify(recorded)
    assert verdict(findings) == NO and "zz.bin" in unchecked(findings)


def test_many_changed_parameters_take_no_longer_each_and_are_not_all_listed(recorded):
    manifest = json.loads((recorded / "manifest.json").read_bytes())
    for value, name in ((0, "manifest.json"), (1, "ledger/manifest.json")):
        added = {f"k{number}": value for number in range(30_000)}
        changed_manifest = manifest | {"parameters": manifest["parameters"] | added}
        (recorded / name).write_bytes(canonical_json(changed_manifest))
    started = time.monotonic()
    findings = verify(recorded)
    assert time.monotonic() - started < 30  # minutes, when each was sought among all
    assert verdict(findings) == NO and names(findings, "more fields than the 100 listed")
    assert len(findings) < 300


def test_many_files_are_not_all_listed(recorded):
    for number in range(1500):
        (recorded / f"extra{number}").touch()
    findings = verify(recorded)
    assert verdict(findings) == NO and names(findings, "more are not listed")
    assert len(findings) < 1200 and findings[-1].subject == "training table"


def test_long_journal_is_not_replayed(recorded, monkeypatch):
    monkeypatch.setattr(verification, "MAX_LINES", 2)
    findings = verify(recorded)
    assert verdict(findings) == CANNOT_TELL
    assert "ledger/journal.jsonl" in unchecked(findings)


@pytest.fixture
def nobody(recorded, monkeypatch):
    """Be a user whom permissions bind, beside the release."""
    for folder in (recorded.parent, recorded):
        folder.chmod(0o755)
    monkeypatch.chdir(recorded.parent)
    verify(recorded)  # imports what it needs while it may
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(recorded, 65534, -1)
        os.seteuid(65534)
    yield Path(recorded.name)
    if is_root:
        os.seteuid(0)
    for folder in (recorded, recorded / "ledger"):
        folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has other permissions")
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_that_cannot_be_read_is_a_no(nobody, mode):
    assert verdict(verify(nobody)) == YES
    nobody.chmod(mode)
    assert verdict(verify(nobody)) == NO


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has other permissions")
def test_added_folders_that_are_empty_or_closed_are_seen(nobody):
    (nobody / "empty").mkdir()
    (nobody / "closed").mkdir(mode=0)
    findings = verify(nobody)
    assert verdict(findings) == NO and names(findings, "empty", "closed")
    (nobody / "closed").chmod(0o755)
