"""A story on a ledger: what is taken and refused is kept, and what should be refused and is not stops it."""

import pytest

from synthlib.chain.errors import NotSteward
from synthlib.paper.ledger_figures import OFF_CHAIN, REFUSED, TAKEN
from synthlib.paper.story import Story


def refuse():
    raise NotSteward("a1", "0x0")


def test_acts_are_kept_in_order_with_what_came_of_them():
    story = Story()
    assert story.takes("a", "registers", 7) == 7
    assert story.refuses("b", "approves", refuse) == "NotSteward"
    story.passes("a", "b", "a key")
    assert [(one.sender, one.receiver, one.kind) for one in story.messages] == [
        ("a", "registry", TAKEN),
        ("b", "registry", REFUSED),
        ("a", "b", OFF_CHAIN),
    ]
    assert story.refused == {"approves": "NotSteward"}


def test_what_should_be_refused_and_is_taken_stops_the_story():
    with pytest.raises(AssertionError, match="expected a refusal of this act, it was taken: approves"):
        Story().refuses("b", "approves", lambda: None)


def test_an_error_that_is_no_refusal_is_not_taken_for_one():
    with pytest.raises(ZeroDivisionError):
        Story().refuses("b", "divides", lambda: 1 / 0)
