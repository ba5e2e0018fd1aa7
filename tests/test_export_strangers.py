"""Exports of a stranger's folder: whatever stands in it, an export is made or refused by name."""

import copy
import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from chain_helpers import account, digest, make_release, open_study, write_changed
from export_helpers import change_record, read_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.bundle import Bundle, BundleError
from synthlib.chain.attestations import PASSED, Attestations, Verdict
from synthlib.chain.errors import ChainError
from synthlib.chain.export import export_release
from synthlib.chain.facts import read_facts
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, Roles
from synthlib.chain.verdict_facts import read_verdicts
from synthlib.schema import SchemaError

pytest_plugins = ["chain_fixtures"]

ODD = [None, True, 0, -1, 3.5, 10**30, float("inf"), "", "x", "a b:c", "\ud800", "é/..\n"]
ODD += [[], {}, [1], {"a": [1]}]
NAMES = ["added", "", "a b", "\ud800", "record.block", "@id"]


@cache
def judged() -> tuple[TemporaryDirectory, Bundle]:
    """A recorded release with a verdict on it, which no test changes."""
    folder = TemporaryDirectory()
    study = open_study(Ledger.in_process(account=account("admin")))
    bundle = make_release(Path(folder.name) / "release", study=study)
    Roles(study.ledger).grant(AUDITOR, account("admin").address)
    study.ledger.record(bundle)
    judge = Attestations(study.ledger)
    said = Verdict(bundle.digest, study.ledger.sender, PASSED, digest("report"), digest("rubric"), 2**47)
    judge.attest(said, account("admin").address, judge.sign(said))
    study.ledger.save(bundle)
    return folder, bundle


@pytest.fixture
def bundle(tmp_path) -> Bundle:
    return Bundle.open(shutil.copytree(judged()[1].path, tmp_path / "release"))


def list_places(value, place=()):
    """Where something stands in JSON: keys and indices, the whole left out."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*place, key)
        yield from list_places(part, (*place, key))


def write_odd(draw, document):
    """The document with one value changed, removed or added."""
    document = copy.deepcopy(document)
    *way, last = draw(st.sampled_from(list(list_places(document))))
    at = document
    for key in way:
        at = at[key]
    what = draw(st.sampled_from(["change", "change", "remove", "add"]))
    if what == "remove":
        del at[last]
    elif what == "add" and isinstance(at, dict):
        at[draw(st.sampled_from(NAMES))] = draw(st.sampled_from(ODD))
    else:
        at[last] = draw(st.sampled_from(ODD))
    return json.dumps(document).encode()


def export_or_refuse(path):
    with TemporaryDirectory() as out:
        try:
            export_release(path, Path(out) / "out")
        except (BundleError, ChainError, SchemaError):
            pass
        except ValueError as error:
            assert type(error) is ValueError and "expected" in str(error)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_one_odd_thing_in_its_ledger_stops_no_export_without_a_word(data):
    with TemporaryDirectory() as folder:
        path = shutil.copytree(judged()[1].path, Path(folder) / "release")
        name = data.draw(st.sampled_from(["record.json", "journal.jsonl"]))
        file = path / "ledger" / name
        whole = file.read_bytes()
        lines = whole.splitlines(keepends=True) if name == "journal.jsonl" else [whole]
        number = data.draw(st.integers(0, len(lines) - 1))
        document = json.loads(lines[number])
        document |= {"signature": None} if name == "record.json" else {}
        lines[number] = write_odd(data.draw, document) + b"\n"
        file.write_bytes(b"".join(lines))
        export_or_refuse(path)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_one_odd_thing_in_its_schema_or_parameters_stops_no_export_without_a_word(data):
    with TemporaryDirectory() as folder:
        bundle, path = judged()[1], Path(folder) / "release"
        if data.draw(st.booleans()):
            odd = write_odd(data.draw, json.loads(bundle.file("schema.json").read_bytes()))
            write_changed(bundle, "schema.json", lambda _: odd, path)
        else:
            odd = json.loads(write_odd(data.draw, dict(bundle.parameters)))
            try:
                with Bundle.create(path, "release", odd) as files:
                    for name in bundle.files:
                        (files / name).write_bytes(bundle.file(name).read_bytes())
            except ValueError:  # no manifest can say so
                return
        export_or_refuse(path)


@pytest.mark.parametrize("outcome", [0, 4, 255])
def test_a_verdict_that_no_registry_takes_is_refused(bundle, outcome):
    journal = bundle.path / "ledger" / "journal.jsonl"

    def forge(line):
        entry = json.loads(line)
        for log in entry.get("receipt", {}).get("logs", []):
            words = [log["data"][2:][start : start + 64] for start in range(0, len(log["data"]) - 2, 64)]
            forged = [f"{outcome:064x}" if int(word, 16) == 1 else word for word in words]
            log["data"] = "0x" + "".join(forged)
        return json.dumps(entry).encode()

    assert [told.outcome for told in read_verdicts(bundle)] == [PASSED]
    *lines, last = journal.read_bytes().splitlines()
    journal.write_bytes(b"\n".join([*lines, forge(last)]) + b"\n")
    with pytest.raises(ChainError, match=f"from 1 to 3 in ledger/journal.jsonl, found {outcome}, which"):
        read_verdicts(bundle)


@pytest.mark.parametrize("name", ["registry", "issuer", "transaction", "successor", "a name", "\ud800"])
def test_a_record_of_something_that_is_no_account_and_no_word_is_refused(bundle, name):
    changes = {"registry": "x"} if name == "registry" else {"record": {name: "x"}}
    if name == "\ud800":
        changes = {"record": {"later": name}}
    record = bundle.path / "ledger" / "record.json"
    body = json.loads(record.read_bytes()) | {"signature": None}
    for key, value in changes.items():
        body[key] = body[key] | value if isinstance(value, dict) else value
    record.write_bytes(json.dumps(body).encode())
    with pytest.raises(ChainError, match=r"expected a readable ledger/record\.json"):
        read_facts(bundle)


def test_what_a_record_says_besides_replaces_nothing(bundle, tmp_path):
    change_record(bundle, isSigned=True, transaction="another")
    graph = read_graph(export_release(bundle.path, tmp_path / "out"))
    assert graph["#property-isSigned"]["value"] == "false"
    assert graph["#property-transaction"]["value"] == graph["#record"]["identifier"] != "another"


@pytest.mark.parametrize(
    "changes",
    [{"name": 1}, {"categories": 7}, {"unit": ["a"]}, {"description": "\ud800"}, {"categories": [["f"]]}],
)
def test_a_schema_with_fields_of_other_types_is_refused(bundle, tmp_path, changes):
    def edit(data):
        document = json.loads(data)
        document["columns"][1] |= changes
        return json.dumps(document).encode()

    odd = write_changed(bundle, "schema.json", edit, tmp_path / "odd")
    with pytest.raises(SchemaError, match="expected"):
        read_facts(odd)


def test_versions_that_are_no_text_are_not_known(tmp_path):
    bundle = make_release(tmp_path / "odd", versions={"keras": [1], "a b": "2", "synthlib": {}})
    assert read_facts(bundle).software == {"synthlib": None, "a b": "2", "keras": None}
    graph = read_graph(export_release(bundle.path, tmp_path / "out"))
    assert graph["#software-a%20b"]["softwareVersion"] == "2"
    assert "softwareVersion" not in graph["#software-keras"]
