"""How long a node is given, how often it is asked again, and the pauses in between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

GWEI = 10**9


@dataclass(frozen=True)
class Patience:
    """Limits on what a node may take. Times in seconds, fees in wei for a unit of gas.

    Attributes:
        request: for one answer.
        retry: for one request with all its repetitions.
        connect: the same for the first contact, where a wrong URL is likelier than a fault.
        first_pause, longest_pause: between repetitions; doubled each time, less up to half at random.
        poll: longest pause between two looks at a transaction that waits for its block.
        replace_after: a transaction that waits longer than this is signed again with higher fees.
        replacements: how often that may happen.
        max_fee: no transaction offers more than this.
    """

    request: float = 30.0
    retry: float = 60.0
    connect: float = 1.0
    first_pause: float = 0.1
    longest_pause: float = 8.0
    poll: float = 1.0
    replace_after: float = 45.0
    replacements: int = 3
    max_fee: int = 500 * GWEI


class Pauses:
    """Repeated attempts with exponential backoff and jitter.

    Args:
        patience: the limits.
        rng: draws the jitter; seeded by the operating system if None, so that processes do not keep step.
        sleep, clock: what waits and what tells the time, in seconds.
    """

    def __init__(
        self,
        patience: Patience,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._patience, self._rng, self.sleep, self.clock = patience, rng or random.Random(), sleep, clock

    def attempts(
        self, limit: float, longest: float | None = None, first: float | None = None
    ) -> Iterator[int]:
        """Count attempts from 0, pausing before each but the first, until `limit` seconds have passed.

        There is always one attempt, and a last one when the time is over.
        """
        end, number = self.clock() + limit, 0
        pause = self._patience.first_pause if first is None else first
        longest = self._patience.longest_pause if longest is None else longest
        while True:
            yield number
            left = end - self.clock()
            if left <= 0:
                return
            self.sleep(min(left, pause * (1 - self._rng.random() / 2)))
            pause, number = min(2 * pause, longest), number + 1
