"""Several attempts from one file, logged together from the command line."""

import json

import pytest
from chain_helpers import COMMITMENT, DATASET, PROTOCOL, account
from hypothesis import given
from hypothesis import strategies as st

from synthlib.bundle import canonical_json
from synthlib.chain.attempts import make_entry, write_attempts
from synthlib.chain.datasets import dataset_id
from synthlib.chain.protocols import Registration
from synthlib.commands.descriptions import read_descriptions

pytest_plugins = ["chain_fixtures", "command_fixtures"]

ONE, TWO = ({"model_type": "TabularGAN", "parameters": {"seed": seed, "rate": 0.5}} for seed in (1, 2))
CSV = "model_type,parameters.seed,parameters.rate\nTabularGAN,1,0.5\nTabularGAN,2,0.5\n"
OPEN = Registration(DATASET, account("admin").address, PROTOCOL.digest)


@pytest.mark.parametrize("registration", [OPEN, OPEN._replace(salt="5a" * 32)], ids=["open", "sealed"])
def test_json_an_attempts_file_and_csv_say_the_same(registration):
    entries = [make_entry(registration, number, 1, what) for number, what in ((1, ONE), (2, TWO))]
    for data in (
        json.dumps([ONE, TWO]).encode(),
        write_attempts(registration, entries),
        CSV.encode(),
        b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode(),
        (CSV + "\n,,\n").encode(),
    ):
        assert read_descriptions(data) == [ONE, TWO]


def test_cells_are_json_where_they_can_be_and_missing_where_they_are_empty():
    data = b'a,b,c,d,e\n1,true,"[1, ""x""]",0012,\n'
    assert read_descriptions(data) == [{"a": 1, "b": True, "c": [1, "x"], "d": "0012"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "or no attempt"),
        (b"[]", "or no attempt"),
        (b"{}", "expected a list of descriptions"),
        (b"[1]", "expected a list of descriptions"),
        (b"[{}]", "or no attempt"),
        (b"[", "expected JSON, got something else in line 1"),
        (b"a,b\n", "or no attempt"),
        (b"a,b\n1\n", "expected 2 cells in row 1, got 1"),
        (b"a,a\n1,2\n", "each once"),
        (b"a,\n1,2\n", "a name for each column"),
        (b"a..b\n1\n", "a name for each column"),
        (b"a,a.b\n1,2\n", "contradict each other, got 'a.b' too"),
        (b"a.b,a\n1,2\n", "contradict each other, got 'a' too"),
        (b"\xff\xfe", "expected CSV in UTF-8"),
        (b'{"format": "synthlib-attempts/9"}', "expected attempts of format"),
    ],
)
def test_what_describes_no_attempts_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_descriptions(data)


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text(), min_size=1), min_size=1, max_size=4))
def test_what_is_written_as_json_is_read_back(told):
    assert read_descriptions(canonical_json(told)) == told


# --- from the command line -----------------------------------------------------------------------------


@pytest.fixture
def study(on_journal, workspace):
    """The folder of a sealed study of the team's that runs."""
    on_journal("dataset", "register", COMMITMENT, "--cap", "1", who="hospital")
    PROTOCOL.save(workspace / "protocol.json")
    dataset = dataset_id(account("hospital").address, COMMITMENT)
    words = ("--dataset", dataset, "--out", workspace / "study", "--sealed")
    on_journal("register", workspace / "protocol.json", *words, who="team")
    on_journal("approve", workspace / "study" / "sealed.json", "--open-releases", 1, who="hospital")
    return workspace / "study"


def test_a_batch_is_logged_once_together(study, on_journal, open_journal, workspace):
    (workspace / "grid.csv").write_text(CSV)
    words = ("attempt-all", study, workspace / "grid.csv")
    for _ in range(2):  # again changes nothing
        assert on_journal(*words, who="team") == "attempts 1 to 2\n"
    (event,) = open_journal().find_events("AttemptedBatch")
    assert event.arguments["count"] == 2
    told = json.loads((study / "attempts.json").read_bytes())["attempts"]
    assert [entry["describes"] for entry in told] == [ONE, TWO] and all("salt" in entry for entry in told)
    (workspace / "outcome.json").write_text('"fitted"')
    on_journal("settle", study, 2, workspace / "outcome.json")
    assert on_journal(*words, who="team") == "attempts 3 to 4\n"


def test_a_batch_of_one_is_an_attempt(study, on_journal, workspace):
    (workspace / "one.json").write_text(json.dumps([ONE]))
    assert on_journal("attempt-all", study, workspace / "one.json", who="team") == "attempt 1\n"


def test_only_the_researcher_logs_a_batch(study, on_journal, open_journal, workspace):
    (workspace / "grid.csv").write_text(CSV)
    error = on_journal("attempt-all", study, workspace / "grid.csv", who="auditor", fails=True)
    assert "ProtocolNotApproved" in error and not open_journal().find_events("AttemptedBatch")
    assert on_journal("attempt-all", study, workspace / "grid.csv", who="team") == "attempts 1 to 2\n"


def test_a_file_that_describes_nothing_is_refused_before_anything_is_asked(on_journal, workspace):
    (workspace / "none.csv").write_text("a,b\n")
    error = on_journal("attempt-all", workspace / "study", workspace / "none.csv", who="team", fails=True)
    assert "or no attempt" in error
