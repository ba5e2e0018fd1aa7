"""Pictures of the ledger show every message and every cost."""

import pytest

from synthlib.paper.ledger_figures import OFF_CHAIN, REFUSED, Message, gas, sequence

MESSAGES = [
    Message("a", "registry", "registers"),
    Message("b", "registry", "approves: NotSteward", REFUSED),
    Message("a", "b", "a key", OFF_CHAIN),
]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_message_and_party_is_written():
    shown = texts(sequence(MESSAGES, ["a", "registry", "b"]))
    assert {"a", "b", "registry", "registers", "approves: NotSteward", "a key"} <= set(shown)


def test_only_what_is_refused_is_crossed_out():
    crosses = [
        line for line in sequence(MESSAGES, ["a", "registry", "b"]).axes[0].lines if line.get_marker() == "x"
    ]
    assert len(crosses) == 1


def test_a_message_between_strangers_is_refused():
    with pytest.raises(ValueError, match="expected messages between a, registry, got b"):
        sequence(MESSAGES, ["a", "registry"])


def test_gas_is_written_beside_each_bar():
    figure = gas({"ours": {"a release": 59_780.0, "an attempt": 33.4}, "theirs": {"an attestation": 277_033}})
    assert texts(figure) == ["59,780", "33", "277,033"]
    widths = [bar.get_width() for bar in figure.axes[0].patches if bar.get_width()]
    assert widths == [59_780.0, 33.4, 277_033]
