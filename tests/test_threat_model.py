"""Each claim of the threat model names tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "`test_" in line]


def named(row: str) -> list[tuple[str, str]]:
    """Pairs of a file and a test, the test empty where all of the file is meant."""
    found, file = [], ""
    for name in re.findall(r"`(test_[\w.:]+)`", row):
        if ".py" in name:
            file, _, name = name.partition("::")
        found.append((file, name))
    return found


def test_there_are_claims():
    assert len(ROWS) > 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_a_claim_names_tests_that_are_there(row):
    tests = named(row)
    assert tests
    for file, name in tests:
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert not name or f"def {name}(" in path.read_text(encoding="utf-8"), f"{file}::{name}"
