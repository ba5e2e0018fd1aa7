"""A study: attempts are logged before they are made, kept with what came of them, and held to the chain."""

import json

import pytest
from chain_helpers import COMMITMENT, DATASET, PROTOCOL, account, fund, generation, open_study

from synthlib.chain.attempts import group, read_attempts
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import AttemptOutOfOrder, ChainError, ProtocolAlreadyClosed, WrongChain
from synthlib.chain.protocols import Protocols, attempt_digest, chain_head, link_of
from synthlib.chain.records import NOT_PRIVATE
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import RESEARCHER, Roles
from synthlib.chain.study import Study

pytest_plugins = ["chain_fixtures"]

ONE, TWO, THREE, FOUR = ({"model_type": "TabularGAN", "seed": seed} for seed in range(4))


@pytest.fixture
def study(empty_ledger) -> Study:
    return open_study(empty_ledger, num_attempts=0)


@pytest.fixture
def noted(empty_ledger, tmp_path):
    """A function that opens the study anew, as another process would, with its notes."""
    return lambda: open_study(empty_ledger, num_attempts=0, notes=tmp_path / "notes.json")


def close(study):
    Protocols(study.ledger).close(study.registration)


# --- attempts ------------------------------------------------------------------------------------------


def test_an_attempt_is_on_the_chain_before_its_outcome_is_known(study):
    assert study.attempt(ONE) == 1
    assert study.track.attempts == 1
    assert study.attempts == [ENTRY]
    study.settle(1, {"ks": 0.1})
    assert study.attempts[0]["outcome"] == {"ks": 0.1} and study.track.attempts == 1


def test_the_same_attempt_twice_in_a_row_is_one_and_later_another(study):
    assert [study.attempt(each) for each in (ONE, ONE, TWO, ONE)] == [1, 1, 2, 3]
    assert study.track.attempts == 3


def test_several_attempts_again_are_the_same_until_one_is_settled(study):
    assert study.attempt_together([ONE, TWO]) == [1, 2]
    assert study.attempt_together([ONE, TWO]) == [1, 2]
    assert study.attempt_together([TWO]) == [2]  # as if alone: an interrupted fit that goes on
    assert study.attempt_together([TWO, ONE]) == [3, 4]  # others, in this order
    study.settle(3, "fitted")
    assert study.attempt_together([TWO, ONE]) == [5, 6]
    assert study.attempt_together([ONE] * 7) == [*range(7, 14)] and study.track.attempts == 13


def test_attempts_alone_and_together_lead_to_the_head_of_the_chain(study):
    study.attempt(ONE)
    assert study.attempt_all([TWO, THREE, FOUR]) == [2, 3, 4]
    study.attempt(ONE)
    links = [each.link for each in group(study.attempts)]
    assert links == [attempt_digest(ONE), link_of(list(map(attempt_digest, (TWO, THREE, FOUR)))), links[0]]
    track = study.track
    assert track.head == chain_head(track.id, track.registration_block, links)


def test_an_attempt_that_was_refused_does_not_count_as_logged(noted):
    study = noted()
    study.attempt(ONE)
    close(study)
    for _ in range(2):
        with pytest.raises(ProtocolAlreadyClosed):
            study.attempt(TWO)
    assert len(study.attempts) == 1 == study.track.attempts


def test_no_attempt_of_another_process_is_overlooked(empty_ledger):
    one, other = (open_study(empty_ledger, num_attempts=0) for _ in range(2))
    one.attempt(ONE)
    with pytest.raises(AttemptOutOfOrder):
        other.attempt(TWO)
    assert other.attempts == []


@pytest.mark.parametrize("number", [0, 2, -1])
def test_nothing_comes_of_an_attempt_that_was_not_made(study, number):
    study.attempt(ONE)
    with pytest.raises(ValueError, match="one of 1 attempts"):
        study.settle(number, "failed")
    with pytest.raises(ValueError, match="one of 1 attempts"):
        study.describe(number, None)
    assert study.attempts[0]["outcome"] is None


# --- going on ------------------------------------------------------------------------------------------


def test_opening_a_study_again_changes_nothing(empty_ledger, study):
    height = empty_ledger.connection.get_block_number()
    again = open_study(empty_ledger, num_attempts=0)
    assert again.registration == study.registration and again.track == study.track
    assert empty_ledger.connection.get_block_number() == height


def test_notes_bring_attempts_and_outcomes_back(noted):
    study = noted()
    study.attempt(ONE)
    study.attempt_all([TWO, THREE])
    study.settle(2, {"error": "out of memory"})
    again = noted()
    assert again.attempts == study.attempts
    assert again.attempt(FOUR) == 4


def test_an_attempt_that_was_noted_and_never_sent_is_sent_by_the_next_process(noted, monkeypatch):
    study = noted()
    study.attempt(ONE)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Protocols, "attempt", die)
        with pytest.raises(KeyboardInterrupt):
            study.attempt(TWO)
    again = noted()
    assert [entry["describes"] for entry in again.attempts] == [ONE, TWO]
    assert again.track.attempts == 2 and again.attempt(THREE) == 3


def test_an_attempt_that_a_reorganisation_dropped_is_logged_again_and_never_doubled(empty_ledger, tmp_path):
    connection = empty_ledger.connection
    if connection.is_in_process:
        pytest.skip("the in-process chain is never reorganised")
    study = open_study(empty_ledger, num_attempts=0, notes=tmp_path / "notes.json")
    study.attempt(ONE)
    before = connection.web3.provider.make_request("evm_snapshot", [])["result"]
    study.settle(study.attempt(TWO), "a bad score")
    connection.web3.provider.make_request("evm_revert", [before])
    assert study.track.attempts == 1
    assert study.attempt(THREE) == 3 and study.track.attempts == 3
    again = open_study(empty_ledger, num_attempts=0, notes=tmp_path / "notes.json")
    assert [entry["describes"] for entry in again.attempts] == [ONE, TWO, THREE]
    assert again.attempts[1]["outcome"] == "a bad score"


def test_an_attempt_that_was_sent_when_the_process_died_is_known(noted, monkeypatch):
    study = noted()
    send = Protocols.attempt

    def send_and_die(*arguments):
        send(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Protocols, "attempt", send_and_die)
        with pytest.raises(KeyboardInterrupt):
            study.attempt(ONE)
    again = noted()
    assert [entry["describes"] for entry in again.attempts] == [ONE]
    assert again.attempt(ONE) == 1 and again.attempt(TWO) == 2


def test_notes_that_lack_an_attempt_or_tell_of_another_are_refused(noted, tmp_path):
    study = noted()
    study.attempt_all([ONE, TWO])
    path = tmp_path / "notes.json"
    good = path.read_bytes()
    for change, message in [
        (lambda entries: entries[:1], "expected the 2 attempts"),
        (lambda entries: [entries[0], entries[1] | {"describes": THREE}], "got others"),
        (lambda entries: [entries[0], entries[1] | {"together_from": 2}], "got others"),
    ]:
        body = json.loads(good)
        body["attempts"] = change(body["attempts"])
        path.write_text(json.dumps(body))
        with pytest.raises(ChainError, match=message):
            noted()
    path.write_bytes(good)
    assert noted().attempts == study.attempts


def test_notes_may_tell_another_outcome(noted, tmp_path):
    """What came of an attempt is not on the chain: the release's digest binds it, later."""
    noted().attempt(ONE)
    again = noted()
    again.settle(1, "anything")
    assert noted().attempts[0]["outcome"] == "anything"


def test_a_study_is_handed_on_and_resumed(empty_ledger, tmp_path, monkeypatch):
    study = open_study(empty_ledger)
    study.settle(1, {"ks": 0.2})
    study.hand_on(tmp_path)
    url = None if empty_ledger.journal else empty_ledger.connection.web3.provider.endpoint_uri
    again = Study.resume(tmp_path, url, empty_ledger.account)
    assert (again.registration, again.protocol) == (study.registration, study.protocol)
    assert (again.attempts, again.track) == (study.attempts, study.track)
    (tmp_path / "journal.jsonl").unlink(missing_ok=True)
    with pytest.raises(WrongChain, match="URL of a node"):
        Study.resume(tmp_path, None, empty_ledger.account)


def test_a_study_that_sends_nothing_makes_no_attempt(study):
    quiet = Study(study.ledger, PROTOCOL, study.registration, sends=False)
    with pytest.raises(ValueError, match="a study that sends"):
        quiet.attempt(ONE)
    assert quiet.track.attempts == 0


# --- what does not run ---------------------------------------------------------------------------------


def test_a_closed_protocol_is_no_study(empty_ledger, study):
    close(study)
    with pytest.raises(ChainError, match="found it closed"):
        open_study(empty_ledger, num_attempts=0)


def test_a_protocol_without_approval_is_no_study(empty_ledger, study):
    other = PROTOCOL._replace(metrics=["other"])
    registration = Protocols(empty_ledger).prepare(other, DATASET)
    with pytest.raises(ChainError, match="found none; register it"):
        Study(empty_ledger, other, registration)
    Protocols(empty_ledger).register(registration)
    with pytest.raises(ChainError, match="ask the steward"):
        Study(empty_ledger, other, registration)
    with pytest.raises(ValueError, match="the protocol that was registered"):
        Study(empty_ledger, PROTOCOL, registration)


def test_two_parties_run_a_study_with_each_its_own_account(empty_ledger):
    researcher = account("researcher")
    fund(empty_ledger.connection, researcher.address)
    Roles(empty_ledger).grant(RESEARCHER, researcher.address)
    Datasets(empty_ledger).register(COMMITMENT, 1.0)
    theirs = Protocols(empty_ledger.acting_as(researcher))
    registration = theirs.prepare(PROTOCOL, DATASET, sealed=True)
    theirs.register(registration)
    Protocols(empty_ledger).approve(registration, 0.1, 1)
    study = Study(empty_ledger.acting_as(researcher), PROTOCOL, registration)
    assert study.attempt(ONE) == 1
    assert not study.track.is_revealed


# --- what a release says -------------------------------------------------------------------------------


def test_a_release_says_where_its_protocol_is_and_what_it_spends(study):
    study.attempt(ONE)
    said = study.describe(1, None)
    assert said == {
        "id": study.registration.id,
        "dataset": DATASET,
        "researcher": study.ledger.account.address,
        "chain": f"eip155:{study.ledger.connection.chain_id}",
        "registry": study.ledger.address,
        "attempt": 1,
        "draw": None,
        "draws": 0,
        "spend": NOT_PRIVATE,
    }
    assert study.describe(1, 0.1)["spend"] == 100_000
    with pytest.raises(ValueError, match="positive, finite loss"):
        study.describe(1, 0.0)


def test_a_loss_as_large_as_the_budget_can_be_spent(empty_ledger):
    study = open_study(empty_ledger, cap=0.1, budget=0.1, open_releases=0)
    spend = study.describe(1, 0.1)["spend"]
    empty_ledger.record_generation(generation("a", spend=spend))
    assert study.track.budget == 0


def test_what_is_written_is_read_back(study, tmp_path):
    study.attempt_all([ONE, TWO])
    study.settle(2, {"ks": 0.1})
    study.write(tmp_path)
    assert read_attempts((tmp_path / "attempts.json").read_bytes()) == study.attempts
    assert (tmp_path / "protocol.json").read_bytes() == PROTOCOL.to_json()


ENTRY = {"number": 1, "together_from": 1, "describes": ONE, "outcome": None, "draws": []}
DRAW = {"seed": 1, "num_rows": 3, "given": None, "digest": "ab"}


def as_file(entries) -> bytes:
    return json.dumps({"format": "synthlib-attempts/2", "protocol": "0x1", "attempts": entries}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b'{"format": "synthlib-attempts/1", "attempts": []}',
        as_file({}),
        as_file([{}]),
        as_file([ENTRY | {"more": 1}]),
        as_file([ENTRY | {"number": "1"}]),
        as_file([ENTRY | {"together_from": True}]),
        as_file([ENTRY | {"together_from": 1.0}]),
        as_file([[1, 1, ONE, None, []]]),
        as_file([ENTRY | {"draws": None}]),
        as_file([ENTRY | {"draws": [1]}]),
        as_file([ENTRY | {"draws": [DRAW | {"more": 1}]}]),
        as_file([ENTRY | {"draws": [DRAW | {"seed": "1"}]}]),
        as_file([ENTRY | {"draws": [DRAW | {"num_rows": True}]}]),
        as_file([ENTRY | {"draws": [DRAW | {"given": 1}]}]),
        as_file([ENTRY | {"draws": [DRAW | {"digest": None}]}]),
    ],
)
def test_other_files_are_no_attempts(data):
    with pytest.raises(ValueError, match="expected"):
        read_attempts(data)


def test_an_entry_with_draws_is_read():
    assert read_attempts(as_file([ENTRY | {"draws": [DRAW]}])) == [ENTRY | {"draws": [DRAW]}]


@pytest.mark.parametrize(
    "places", [[(2, 2)], [(1, 1), (3, 3)], [(1, 1), (1, 1)], [(1, 0)], [(1, 2)], [(0, 0)]], ids=str
)
def test_numbers_that_do_not_count_up_are_refused(places):
    entries = [ENTRY | {"number": number, "together_from": first} for number, first in places]
    with pytest.raises(ValueError, match=r"attempt \d"):
        group(entries)


def test_a_ledger_that_is_not_the_studys_is_told(study):
    study.attempt(ONE)
    elsewhere = Ledger.in_process(account=account("admin"))
    with pytest.raises(ChainError, match="found none; register it"):
        Study(elsewhere, PROTOCOL, study.registration, attempts=study.attempts)
