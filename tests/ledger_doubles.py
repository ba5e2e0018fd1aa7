"""Ledgers on which something goes wrong between the caller and the chain."""

from synthlib.chain.errors import TransactionTimeout


class Double:
    """A ledger that does what another does.

    Args:
        ledger: the other.
    """

    def __init__(self, ledger):
        self._ledger = ledger

    def __getattr__(self, name):
        return getattr(self._ledger, name)


class LosesReceipts(Double):
    """Its transactions arrive, and what came of them is never told."""

    def send(self, *arguments, **options):
        self._ledger.send(*arguments, **options)
        raise TransactionTimeout("expected a block to hold the transaction, none did")


class LooksTooEarly(LosesReceipts):
    """The same; and the first look at the state afterwards shows it as it was before.

    Args:
        ledger: the other.
        asked: function that shows the state.
    """

    def __init__(self, ledger, asked):
        super().__init__(ledger)
        self._asked, self._before, self._is_late = asked, None, False

    def send(self, *arguments, **options):
        try:
            super().send(*arguments, **options)
        except TransactionTimeout:
            self._is_late = True
            raise

    def call(self, name, *arguments, **options):
        found = self._ledger.call(name, *arguments, **options)
        if name != self._asked:
            return found
        if self._is_late:
            self._is_late = False
            return self._before
        self._before = found
        return found


class Liar(Double):
    """Its state is true, and its log is not.

    Args:
        ledger: the other.
        name: of the events that it lies about.
        lie: makes the events that it shows of those that there are.
    """

    def __init__(self, ledger, name, lie):
        super().__init__(ledger)
        self._name, self._lie = name, lie

    def find_events(self, name=None, *arguments, **options):
        found = self._ledger.find_events(name, *arguments, **options)
        mine = [event for event in found if event.name == self._name]
        return [event for event in found if event.name != self._name] + self._lie(mine)


def changed(**arguments):
    """A lie: every event says these arguments."""
    return lambda events: [event._replace(arguments=event.arguments | arguments) for event in events]


def dropped(events):
    """A lie: there was no such event."""
    return []


def doubled(events):
    """A lie: each came twice."""
    return [event for event in events for _ in range(2)]
