"""What held at a time: from today's state and its events, on a node, in process and offline."""

import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import pytest
from chain_helpers import DATASET, account, advance, digest, make_release
from hypothesis import given
from hypothesis import strategies as st

from synthlib.bundle import Finding
from synthlib.chain.attestations import FAILED, PASSED, Attestations, Verdict
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import ChainError, IncompleteLog
from synthlib.chain.history import Moment, check_then, parse_moment
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, Roles
from synthlib.chain.verification import find_caveat, verdict, verify

pytest_plugins = ["chain_fixtures"]
YES, NO, CANNOT_TELL = 0, 1, 2


class Case(NamedTuple):
    """A release with a history, and the block in which each thing came to be."""

    path: Path
    ledger: Ledger
    rpc: str | None
    blocks: dict[str, int]

    def ask(self, block: int) -> dict[str, Finding]:
        """What verification says of a block, by subject, each verdict as "verdict"."""
        findings = verify(self.path, rpc=self.rpc, at=f"block:{block}")
        told = {found.subject.split(" ")[0]: found for found in findings}
        wrong = [found for found in findings if found.verdict != "matched"]
        return told | {"code": verdict(findings), "caveat": find_caveat(findings), "wrong": wrong}


def url_of(ledger: Ledger, request) -> str | None:
    return None if ledger.connection.is_in_process else request.getfixturevalue("node_url")


@pytest.fixture
def case(study, workspace, request) -> Case:
    """A release that is recorded, judged, whose verdict is taken back, and that is revoked; then its dataset
    is erased. Each is in a block of its own."""
    ledger, blocks = study.ledger, {}
    bundle, admin = make_release(workspace / "release", study=study), account("admin").address
    is_timed = "time_between" in request.node.name and not ledger.connection.is_in_process

    def keep(name: str) -> None:
        blocks[name] = ledger.connection.get_block_number()
        if is_timed:
            advance(ledger.connection, 60)

    Roles(ledger).grant(AUDITOR, admin)
    keep("before")
    ledger.record(bundle)
    keep("recorded")
    judge = Attestations(ledger)
    said = Verdict(bundle.digest, ledger.sender, FAILED, digest("report"), digest("rubric"), 2**47)
    brought = judge.attest(said, admin, judge.sign(said))
    keep("judged")
    judge.revoke(brought.id, "the wrong table was read")
    keep("taken back")
    ledger.revoke(bundle.digest, "the wrong table was published")
    keep("revoked")
    Datasets(ledger).record_erasure(DATASET, digest("certificate"))
    keep("erased")
    ledger.save(bundle)
    return Case(bundle.path, ledger, url_of(ledger, request), blocks)


def test_before_it_was_recorded(case):
    told = case.ask(case.blocks["before"])
    assert told["code"] == NO
    assert told["recorded"].verdict == "differs"
    assert told["recorded"].detail.startswith("not yet recorded at that time")
    assert "revocation" not in told and "verdict" not in told


def test_between_record_and_revocation_it_stood(case):
    for name in ("recorded", "judged", "taken back"):
        told = case.ask(case.blocks[name])
        assert told["code"] == YES, told["wrong"]
        assert told["recorded"].verdict == told["revocation"].verdict == "matched"
        assert told["revocation"].detail.startswith("it stood at that time; later revoked by its issuer")


def test_after_its_revocation_it_did_not(case):
    for name in ("revoked", "erased"):
        told = case.ask(case.blocks[name])
        assert told["code"] == NO
        assert told["recorded"].verdict == "matched"
        assert (
            told["revocation"].verdict == "differs" and "revoked by its issuer" in told["revocation"].detail
        )


def test_a_verdict_stood_from_when_it_was_brought_until_it_was_taken_back(case):
    assert "verdict" not in case.ask(case.blocks["recorded"])
    judged = case.ask(case.blocks["judged"])
    assert judged["verdict"].verdict == "matched" and judged["code"] == YES  # it informs, and decides nothing
    assert judged["verdict"].detail.startswith(f"failed, says auditor {account('admin').address}")
    assert "it stood at that time; taken back later" in judged["verdict"].detail
    assert "verdict on it that stands is: failed" in judged["caveat"]
    after = case.ask(case.blocks["taken back"])
    assert "taken back by its auditor" in after["verdict"].detail and after["caveat"] == ""


def test_a_dataset_was_active_until_it_was_erased(case):
    before, after = (case.ask(case.blocks[name])["dataset"] for name in ("revoked", "erased"))
    assert before.detail.startswith("active at that time; erased later")
    assert after.detail.startswith("erased by then")


def test_a_dataset_that_was_renounced_and_then_erased_was_so_in_turn(study, workspace, request):
    ledger, blocks = study.ledger, []
    bundle = make_release(workspace / "release", study=study)
    datasets = Datasets(ledger)
    for act in (
        lambda: ledger.record(bundle),
        lambda: datasets.renounce(DATASET),
        lambda: datasets.record_erasure(DATASET, digest("certificate")),
    ):
        act()
        blocks.append(ledger.connection.get_block_number())
        ledger.save(bundle)
    case = Case(bundle.path, ledger, url_of(ledger, request), {})
    told = [case.ask(block)["dataset"].detail for block in blocks]
    expected = ("active at that time; erased later", "renounced by then; erased later", "erased by then")
    assert [detail[: len(words)] for detail, words in zip(told, expected, strict=True)] == list(expected)


def test_a_time_between_two_blocks_is_of_the_earlier(case):
    first, last = (case.ledger.connection.get_time(case.blocks[name]) for name in ("recorded", "revoked"))
    for at, code in ((first - 1, NO), (first, YES), (last - 1, YES), (last, NO)):
        assert verdict(verify(case.path, rpc=case.rpc, at=at)) == code
    zone = timezone(timedelta(hours=-5))
    assert verdict(verify(case.path, rpc=case.rpc, at=datetime.fromtimestamp(first, zone))) == YES


def test_a_release_that_was_replaced_stood_until_then(ledger, study, workspace, request):
    old, new = (make_release(workspace / name, seed, study) for seed, name in enumerate(("old", "new")))
    ledger.record(old)
    ledger.record(new)
    before = ledger.connection.get_block_number()
    ledger.supersede(old.digest, new.digest, "more rows")
    ledger.save(old)
    case = Case(old.path, ledger, url_of(ledger, request), {})
    assert case.ask(before)["code"] == YES
    after = case.ask(before + 1)
    assert after["code"] == NO and after["revocation"].detail.startswith(f"replaced by {new.digest}")


def test_a_block_that_is_not_there_yet_cannot_be_told(case):
    told = case.ask(10**9)
    assert told["code"] != YES and told["time"].verdict == "unchecked"
    assert "is not there yet" in told["time"].detail and "recorded" not in told


def test_what_lies_ahead_may_still_change(node_study, node_url, workspace):
    bundle = make_release(workspace / "release", study=node_study)
    node_study.ledger.record(bundle)
    node_study.ledger.save(bundle)
    latest = node_study.ledger.connection.get_time(node_study.ledger.connection.get_block_number())
    at = max(latest, int(time.time())) + 10_000
    findings = verify(bundle.path, rpc=node_url, at=at)
    told = {found.subject: found for found in findings}
    assert verdict(findings) == CANNOT_TELL and "ask again then" in told["time"].detail
    assert told["recorded"].verdict == "matched"


def test_a_chain_without_a_clock_knows_no_day(recorded_in_process):
    findings = verify(recorded_in_process, at="2026-01-31T12:00:00Z")
    told = {found.subject: found for found in findings}
    assert verdict(findings) == CANNOT_TELL and "has no clock" in told["time"].detail


@pytest.fixture
def recorded_in_process(release) -> Path:
    ledger = Ledger.in_process(release.path / "ledger" / "journal.jsonl")
    ledger.record(release)
    ledger.save(release)
    return release.path


def test_without_a_chain_nothing_can_be_told(recorded_in_process):
    (recorded_in_process / "ledger" / "journal.jsonl").unlink()
    told = {found.subject: found for found in verify(recorded_in_process, at="block:9")}
    assert told["time"] == Finding("time", "unchecked", "no chain could be asked what held then")


def test_a_verdict_of_now_is_shown(ledger, study, workspace, request):
    bundle = make_release(workspace / "release", study=study)
    ledger.record(bundle)
    Roles(ledger).grant(AUDITOR, account("admin").address)
    judge = Attestations(ledger)
    for outcome in (PASSED, FAILED):
        said = Verdict(bundle.digest, ledger.sender, outcome, digest("report"), digest("rubric"), 2**47)
        judge.attest(said, account("admin").address, judge.sign(said))
    ledger.save(bundle)
    findings = verify(bundle.path, rpc=url_of(ledger, request))
    told = [found for found in findings if found.subject.startswith("verdict")]
    assert [found.detail.split(",")[0] for found in told] == [PASSED, FAILED]
    assert all("it stands" in found.detail and digest("rubric") in found.detail for found in told)
    assert verdict(findings) == YES and "that stands is: failed" in find_caveat(findings)


@pytest.mark.parametrize("name", ["admin", "auditor"])
def test_an_issuers_own_verdict_and_one_of_who_lost_the_role_are_marked(study, workspace, request, name):
    ledger, auditor = study.ledger, account(name)
    bundle = make_release(workspace / "release", study=study)
    ledger.record(bundle)
    Roles(ledger).grant(AUDITOR, auditor.address)
    said = Verdict(bundle.digest, ledger.sender, FAILED, digest("report"), digest("rubric"), 2**47)
    signed = Attestations(ledger.acting_as(auditor)).sign(said)
    Attestations(ledger).attest(said, auditor.address, signed)
    for marks in (["the issuer's own"] * (name == "admin"), ["no auditor any more"]):
        ledger.save(bundle)
        findings = verify(bundle.path, rpc=url_of(ledger, request))
        (told,) = [found.detail for found in findings if found.subject.startswith("verdict")]
        assert all(mark in told for mark in marks)
        assert ("the issuer's own" in told) == (name == "admin")
        assert ("no auditor any more" in told) == ("no auditor any more" in marks)
        assert "that stands is: failed" in find_caveat(findings) and verdict(findings) == YES
        if Roles(ledger).has(AUDITOR, auditor.address):
            Roles(ledger).withdraw(AUDITOR, auditor.address)


def test_events_that_the_state_does_not_confirm_are_refused(case, monkeypatch):
    find_events = Ledger.find_events
    hidden = {"DatasetErased"}

    def hide(ledger, name=None, *rest, **options):
        return [] if name in hidden else find_events(ledger, name, *rest, **options)

    monkeypatch.setattr(Ledger, "find_events", hide)
    record = case.ledger.find(verify_digest(case))
    findings: list[Finding] = []
    check_then(case.ledger, record, Moment(None, case.blocks["erased"]), findings)
    (told,) = [found for found in findings if found.subject == "dataset"]
    assert told.verdict == "unchecked" and "DatasetErased" in told.detail
    hidden.add("AttestationRevoked")
    findings.clear()
    check_then(case.ledger, record, Moment(None, case.blocks["erased"]), findings)
    (told,) = [found for found in findings if found.subject.startswith("verdict")]
    assert told.verdict == "unchecked" and "expected the AttestationRevoked event" in told.detail


def verify_digest(case: Case) -> str:
    from synthlib.bundle import Bundle

    return Bundle.open(case.path).digest


def test_errors_of_the_log_are_chain_errors():
    assert issubclass(IncompleteLog, ChainError)


# What people write


@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60), st.sampled_from([" ", "T"]))
def test_a_time_is_the_same_in_every_zone(seconds, offset, separator):
    zone = timezone(timedelta(minutes=offset))
    written = datetime.fromtimestamp(seconds, zone)
    assert parse_moment(written.isoformat(separator)) == parse_moment(written) == Moment(seconds, None)
    assert parse_moment(str(seconds)) == parse_moment(seconds) == Moment(seconds, None)
    in_utc = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"
    assert parse_moment(in_utc) == Moment(seconds, None)


@given(st.integers(0, 10**17))
def test_a_block_is_a_number(number):
    assert parse_moment(f"block:{number}") == Moment(None, number)


@pytest.mark.parametrize(
    "given",
    [
        *("yesterday", "", "2026-01-31", "2026-01-31T12:00:00", "2026-13-01T00:00Z", "block:", "block:-1"),
        *("-1", -1, 2**60, True, 1.5, "12:00Z", "9" * 5000, "block:1.0", None, datetime(2026, 1, 31)),
    ],
)
def test_nonsense_is_refused_with_what_was_expected(given):
    with pytest.raises(ValueError, match=r"expected a time with its zone such as .*block:17; got"):
        parse_moment(given)


def test_nonsense_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match="expected a time with its zone"):
        verify(tmp_path / "nothing", at="noon")
