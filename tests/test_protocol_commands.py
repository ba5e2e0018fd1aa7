"""Commands about protocols: from registration to approval, reveal and close; and a Study goes on with it."""

import json

import pytest
from chain_helpers import COMMITMENT, PROTOCOL, account

from synthlib.chain.datasets import dataset_id
from synthlib.chain.study import Study

pytest_plugins = ["chain_fixtures", "command_fixtures"]
DATASET = dataset_id(account("hospital").address, COMMITMENT)


@pytest.fixture
def register(on_journal, workspace):
    """Register the protocol of the team's; returns what was printed, or the error."""
    on_journal("dataset", "register", COMMITMENT, "--cap", "1", who="hospital")
    PROTOCOL.save(workspace / "protocol.json")

    def call(*words, who="team", fails=False, dataset=DATASET):
        places = ("--dataset", dataset, "--out", workspace / "study")
        return on_journal("register", workspace / "protocol.json", *places, *words, who=who, fails=fails)

    return call


@pytest.fixture
def track(on_journal, workspace):
    return lambda: json.loads(on_journal("track", workspace / "study", "--json"))


def test_a_protocol_is_registered_and_approved_and_runs(
    register, track, on_journal, workspace, journal, open_journal
):
    assert "registration_block" in register()
    assert not track()["is_approved"]
    words = ("approve", workspace / "study", "--budget", "0.5", "--open-releases", 2)
    on_journal(*words, who="hospital")
    told = track()
    assert (told["budget"], told["open_releases_left"], told["is_approved"]) == (500_000, 2, True)
    shown = dict(line.split(maxsplit=1) for line in on_journal("track", workspace / "study").splitlines())
    assert shown["budget"] == shown["allotted"] == "500000 millionths"
    assert shown["open_releases_left"] == "2"
    (workspace / "study" / "journal.jsonl").write_bytes(journal.read_bytes())
    study = Study.resume(workspace / "study", account=account("team"))
    assert study.attempt({"model_type": "TabularGAN"}) == 1


def test_the_same_again_changes_nothing(register, workspace, journal):
    register("--sealed")
    before = journal.read_bytes(), (workspace / "study" / "registration.json").read_bytes()
    register("--sealed")
    assert before == (journal.read_bytes(), (workspace / "study" / "registration.json").read_bytes())


def test_another_registration_is_not_replaced(register):
    register("--sealed")
    assert "expected no other registration" in register(fails=True)


def test_what_stands_in_the_folder_is_not_replaced(register, workspace):
    """A release has a protocol and attempts of its own, under the same names."""
    study = workspace / "study"
    study.mkdir(mode=0o755)
    names = ("protocol.json", "attempts.json", "manifest.json")
    for name in names:
        (study / name).write_text(f"evidence in {name}")
    for words in ((), ("--sealed",)):
        assert "or an empty folder" in register(*words, fails=True)
    assert {file.name: file.read_text() for file in study.iterdir()} == {
        name: f"evidence in {name}" for name in names
    }
    assert study.stat().st_mode & 0o777 == 0o755


def test_a_file_is_no_folder_to_register_in(register, workspace):
    (workspace / "study").write_text("evidence")
    assert "or an empty folder" in register(fails=True)
    assert (workspace / "study").read_text() == "evidence"


def test_an_empty_folder_is_taken_and_keeps_its_mode(register, workspace):
    study = workspace / "study"
    study.mkdir()
    study.chmod(0o755)
    register("--sealed")
    assert study.stat().st_mode & 0o777 == 0o755
    shown = {file.name for file in study.iterdir() if file.stat().st_mode & 0o077}
    assert shown == {"sealed.json"}


def test_a_commitment_is_no_id_and_nothing_is_written(register, workspace):
    error = register(fails=True, dataset=COMMITMENT)
    assert "is a commitment" in error and DATASET in error and not (workspace / "study").exists()
    register()


def test_an_id_without_0x_is_kept_with_it(register, workspace, journal, on_journal):
    register(dataset=DATASET[2:].upper())
    file = workspace / "study" / "registration.json"
    assert json.loads(file.read_text())["dataset"] == DATASET
    register()  # the same
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dataset": DATASET[2:]}))
    register()  # written by hand
    on_journal("approve", workspace / "study", "--open-releases", 1, who="hospital")
    (workspace / "study" / "journal.jsonl").write_bytes(journal.read_bytes())
    study = Study.resume(workspace / "study", account=account("team"))
    assert study.registration.dataset == study.track.dataset == DATASET


def test_only_a_researcher_registers_and_another_leaves_no_folder(register, track, workspace):
    error = register(who="auditor", fails=True)
    assert f"the role of a researcher, got {account('auditor').address}" in " ".join(error.split())
    assert not (workspace / "study").exists()
    register()
    assert track()["researcher"] == account("team").address


@pytest.mark.parametrize("words", [(), ("--sealed",)], ids=["open", "sealed"])
def test_what_was_closed_is_not_registered_as_if_it_might_run(register, track, on_journal, workspace, words):
    study, elsewhere = workspace / "study", workspace / "elsewhere"
    register(*words)
    on_journal("close", study, "--yes", who="team")
    assert "closed for good; change a word" in register(*words, fails=True)
    study.rename(elsewhere)
    if not words:  # the same words are the same protocol, in any folder
        assert "closed for good; change a word" in register(fails=True)
        assert not study.exists()
    register("--sealed")  # another seal is another protocol
    assert track()["registration_block"] and not track()["is_closed"]


def test_a_file_that_is_no_protocol_is_refused(register, workspace):
    (workspace / "protocol.json").write_text("{}")
    assert "expected a protocol of cohort" in register(fails=True)


def test_only_the_steward_approves(register, on_journal, workspace):
    register()
    assert "NotSteward" in on_journal("approve", workspace / "study", who="team", fails=True)


def test_no_more_is_approved_than_the_cap(register, on_journal, workspace):
    register()
    error = on_journal("approve", workspace / "study", "--budget", "1.5", who="hospital", fails=True)
    assert "BudgetExceeded" in error


def test_a_total_that_is_left_out_stays(register, track, on_journal, workspace, journal):
    register()
    approve = ("approve", workspace / "study")
    on_journal(*approve, "--budget", "0.5", who="hospital")
    on_journal(*approve, "--open-releases", 2, who="hospital")
    on_journal(*approve, "--budget", "0.7", who="hospital")
    before = journal.read_bytes()
    on_journal(*approve, who="hospital")  # says nothing new
    assert journal.read_bytes() == before
    assert (track()["allotted"], track()["open_allotted"]) == (700_000, 2)


def test_a_total_that_falls_is_told_as_that(register, track, on_journal, workspace):
    register()
    approve = ("approve", workspace / "study")
    on_journal(*approve, "--budget", "0.5", "--open-releases", 2, who="hospital")
    error = on_journal(*approve, "--budget", "0.4", who="hospital", fails=True)
    assert "ApprovalNotRaised" in error and "totals are only raised" in " ".join(error.split())
    assert "stand already" not in error
    assert (track()["allotted"], track()["open_allotted"]) == (500_000, 2)


def test_a_seal_hides_the_protocol_until_it_is_revealed(register, track, on_journal, workspace):
    register("--sealed")
    assert (workspace / "study").stat().st_mode & 0o077 == 0
    assert track()["digest"] == "0" * 64
    assert "expected --yes" in on_journal("reveal", workspace / "study", who="team", fails=True)
    on_journal("reveal", workspace / "study", "--yes", who="team")
    assert track()["digest"] == PROTOCOL.digest
    error = on_journal("close", workspace / "study", "--yes", who="auditor", fails=True)
    assert account("auditor").address in error


def test_a_steward_approves_and_closes_a_sealed_protocol_with_what_opens_no_seal(
    command, register, track, on_journal, workspace, journal
):
    register("--sealed")
    study, given = workspace / "study", workspace / "given.json"
    given.write_bytes((study / "sealed.json").read_bytes())
    told = json.loads(given.read_bytes())
    assert set(told) == {"chain", "registry", "dataset", "researcher", "seal"}
    secret = json.loads((study / "registration.json").read_bytes())
    assert not any(secret[name].encode() in given.read_bytes() for name in ("digest", "salt"))
    on_journal("approve", given, "--open-releases", 2, who="hospital")
    assert track()["is_approved"] and json.loads(on_journal("track", given, "--json")) == track()
    error = on_journal("reveal", given, "--yes", who="team", fails=True)
    assert "expected a registration of a protocol" in error
    on_journal("close", given, "--yes", who="hospital")
    assert track()["is_closed"]


def test_the_hint_names_what_may_be_given(command, register, workspace, journal):
    register()
    assert not (workspace / "study" / "sealed.json").exists()
    places = ("--dataset", DATASET, "--out", workspace / "sealed", "--journal", journal)
    code, _, err = command("register", workspace / "protocol.json", *places, "--sealed", who="team")
    assert code == 0 and f"approves {workspace / 'sealed' / 'sealed.json'}" in " ".join(err.split())


@pytest.mark.parametrize("field", ["seal", "dataset", "researcher", "chain", "registry"])
def test_a_sealed_protocol_with_a_field_that_is_none_is_refused(register, on_journal, workspace, field):
    register("--sealed")
    file = workspace / "study" / "sealed.json"
    told = json.loads(file.read_bytes())
    file.write_text(json.dumps({name: told[name] for name in told if name != field}))
    error = on_journal("approve", file, who="hospital", fails=True)
    assert "expected a registration of a protocol" in error


def test_who_has_not_registered_it_does_not_reveal_it(register, on_journal, workspace):
    register("--sealed")
    error = on_journal("reveal", workspace / "study", "--yes", who="hospital", fails=True)
    assert "expected to act as the researcher" in error


def test_a_protocol_is_closed_for_ever(register, track, on_journal, workspace):
    register()
    on_journal("approve", workspace / "study", "--budget", "0.5", who="hospital")
    assert "expected --yes" in on_journal("close", workspace / "study", who="team", fails=True)
    on_journal("close", workspace / "study", "--yes", who="team")
    assert track()["is_closed"]
    on_journal("close", workspace / "study", "--yes", who="team")  # again changes nothing
    error = on_journal("approve", workspace / "study", "--budget", "0.6", who="hospital", fails=True)
    assert "ProtocolAlreadyClosed" in error


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"dataset": 1, "researcher": 2, "digest": 3, "salt": 4}'])
def test_what_is_no_registration_is_refused(on_journal, workspace, text):
    (workspace / "registration.json").write_text(text)
    error = on_journal("approve", workspace / "registration.json", who="hospital", fails=True)
    assert "expected a registration of a protocol" in error
    assert "found none at" in on_journal("track", workspace / "nothing", fails=True)


def test_a_registration_for_another_registry_is_refused(register, on_journal, workspace):
    register()
    file = workspace / "study" / "registration.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"chain": "eip155:1"}))
    error = on_journal("approve", workspace / "study", who="hospital", fails=True)
    assert "on eip155:1" in error


def test_attempts_are_logged_and_what_came_of_them_is_noted(register, track, on_journal, workspace):
    register()
    study = workspace / "study"
    (workspace / "what.json").write_text('{"model_type": "TabularGAN"}')
    (workspace / "outcome.json").write_text('{"c2st": 0.7}')
    attempt, settle = (
        ("attempt", study, workspace / "what.json"),
        ("settle", study, 1, workspace / "outcome.json"),
    )
    assert "steward approved" in on_journal(*attempt, who="team", fails=True)
    on_journal("approve", study, "--open-releases", 1, who="hospital")
    assert "expected the number of one of 0 attempts" in on_journal(*settle, fails=True)
    assert on_journal(*attempt, who="team") == "attempt 1\n"
    assert on_journal(*attempt, who="team") == "attempt 1\n"  # it was interrupted and goes on
    on_journal(*settle)
    assert on_journal(*attempt, who="team") == "attempt 2\n"
    assert track()["attempts"] == 2
    told = json.loads((study / "attempts.json").read_bytes())["attempts"]
    assert [entry["outcome"] for entry in told] == [{"c2st": 0.7}, None]


def test_settling_sends_no_attempt_that_was_noted_and_not_logged(register, track, on_journal, workspace):
    register()
    study, what, outcome = workspace / "study", workspace / "what.json", workspace / "outcome.json"
    what.write_text('[{"model_type": "TabularGAN"}, {"model_type": "TabularGPT"}]')
    outcome.write_text('{"c2st": 0.7}')
    on_journal("approve", study, "--open-releases", 1, who="hospital")
    for number in (0, 1):
        (workspace / "one.json").write_text(json.dumps(json.loads(what.read_text())[number]))
        before = (workspace / "journal.jsonl").read_bytes()
        on_journal("attempt", study, workspace / "one.json", who="team")
    (workspace / "journal.jsonl").write_bytes(before)  # as if the second had not been sent
    assert "number of one of 1 attempts" in on_journal("settle", study, 2, outcome, who="team", fails=True)
    on_journal("settle", study, 1, outcome, who="team")
    assert track()["attempts"] == 1
    told = json.loads((study / "attempts.json").read_bytes())["attempts"]
    assert [entry["outcome"] for entry in told] == [{"c2st": 0.7}, None]  # what was noted is kept
    assert on_journal("attempt", study, workspace / "one.json", who="team") == "attempt 2\n"
    assert track()["attempts"] == 2


def test_the_same_attempts_again_are_others_once_one_is_settled(command, register, on_journal, workspace):
    register()
    study, what, outcome = workspace / "study", workspace / "what.json", workspace / "outcome.json"
    what.write_text('[{"model_type": "TabularGAN"}, {"model_type": "TabularGPT"}]')
    outcome.write_text("{}")
    on_journal("approve", study, "--open-releases", 1, who="hospital")
    for _ in range(2):
        assert on_journal("attempt-all", study, what, who="team") == "attempts 1 to 2\n"
    on_journal("settle", study, 2, outcome)
    assert on_journal("attempt-all", study, what, who="team") == "attempts 3 to 4\n"
    assert "until one of them is settled" in " ".join(command("attempt-all", "--help")[1].split())


def test_only_the_researcher_logs_attempts(register, track, on_journal, workspace):
    register()
    on_journal("approve", workspace / "study", "--open-releases", 1, who="hospital")
    (workspace / "what.json").write_text("{}")
    error = on_journal("attempt", workspace / "study", workspace / "what.json", who="auditor", fails=True)
    assert "ProtocolNotApproved" in error and track()["attempts"] == 0
