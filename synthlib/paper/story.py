"""What a story on a ledger leaves behind: what was taken, what was refused, and the picture of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from synthlib.chain.errors import ChainError
from synthlib.paper.ledger_figures import OFF_CHAIN, REFUSED, Message

Result = TypeVar("Result")


class Story:
    """Acts of parties towards a registry, in their order.

    Args:
        registry: name of the party that takes and refuses.

    Attributes:
        messages: for `figures.sequence`.
        refused: what was refused → name of the error.
    """

    def __init__(self, registry: str = "registry"):
        self._registry = registry
        self.messages: list[Message] = []
        self.refused: dict[str, str] = {}

    def takes(self, who: str, text: str, result: Result = None) -> Result:
        """Something was taken; what came of it is returned."""
        self.messages.append(Message(who, self._registry, text))
        return result

    def refuses(self, who: str, text: str, act: Callable[[], Any]) -> str:
        """Something must be refused: an act that gets through stops the story.

        Returns:
            The error's name.

        Raises:
            AssertionError: if it was taken.
        """
        try:
            act()
        except ChainError as error:
            self.refused[text] = type(error).__name__
            self.messages.append(Message(who, self._registry, f"{text}: {self.refused[text]}", REFUSED))
            return self.refused[text]
        raise AssertionError(f"expected a refusal of this act, it was taken: {text}")

    def passes(self, who: str, whom: str, text: str) -> None:
        """Something went from one party to another beside the chain."""
        self.messages.append(Message(who, whom, text, OFF_CHAIN))
