"""Files whose names are those of checks: no file passes for a check, and none for a verdict."""

import shutil

import pytest
from chain_helpers import make_release
from verification_helpers import CANNOT_TELL, NO, YES, wrong

from synthlib.bundle import Bundle, Finding
from synthlib.chain import verification
from synthlib.chain.accounts import demo_account
from synthlib.chain.evidence import subject_of
from synthlib.chain.gate_evidence import GATE
from synthlib.chain.history import RECORDED, STANDING
from synthlib.chain.recording import record_bundle
from synthlib.chain.verification import OPTIONAL, find_caveat, verdict, verify
from synthlib.commands.terminal import show_findings

pytest_plugins = ["chain_fixtures", "verification_fixtures"]
CHECKS = ["release digest", "issuer", "revocation", "other protocols", "verdict 0x12", "gate"]


@pytest.fixture
def named(tmp_path):
    """A release of the demo issuer's with files that are named as checks are."""
    bundle, path = make_release(tmp_path / "plain"), tmp_path / "named"
    with Bundle.create(path, "release", bundle.parameters) as folder:
        for name in bundle.files:
            (folder / name).write_bytes(bundle.file(name).read_bytes())
        for name in CHECKS:
            (folder / name).write_text("text")
    shutil.copytree(bundle.path / "ledger", path / "ledger")
    record_bundle(path, account=demo_account())
    return path


def test_what_must_be_said_beside_a_yes_is_said_whatever_files_are_called(named):
    found = verify(named)
    assert verdict(found) == YES and verification.DEMO in find_caveat(found)


def test_a_changed_file_is_called_changed_whatever_its_name(named, capsys):
    for name in CHECKS:
        (named / name).write_text("TEXT")
    found = verify(named)
    assert verdict(found) == NO
    assert {each.subject for each in wrong(found)} == {f"./{name}" for name in CHECKS}
    show_findings(found, NO)
    out = capsys.readouterr().out
    assert out.count("DIFFERS") == len(CHECKS) and out.endswith("no: something is not as recorded\n")


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_a_folder_that_is_not_there_is_no_yes_whatever_its_name(tmp_path, name):
    assert verdict(verify(tmp_path / name)) == CANNOT_TELL


def test_no_check_is_called_as_a_file_can_be():
    for subject in OPTIONAL | {GATE, RECORDED, STANDING, "verdict 0x12ab…", "verdict a.b"}:
        assert subject_of(subject) == f"./{subject}"
    assert subject_of("more/notes.txt") == "more/notes.txt"


@pytest.mark.parametrize(
    ("rest", "ending"),
    [
        (Finding("record", "matched", ""), "no: it is what was recorded, but it does not stand"),
        (Finding("issuer", "unchecked", ""), "no: it is what was recorded, but it does not stand"),
        (
            Finding("attempts", "unchecked", ""),
            "no: it does not stand; whether it is what was recorded could not be told",
        ),
        (Finding("synthetic.csv", "differs", ""), "no: something is not as recorded"),
    ],
)
def test_a_withdrawn_release_is_called_as_recorded_if_that_could_be_told(capsys, rest, ending):
    show_findings([rest, Finding(STANDING, "differs", "revoked")], NO)
    assert capsys.readouterr().out.splitlines()[-1] == ending
