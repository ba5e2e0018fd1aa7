"""Where a command acts, and as whom: options that most commands share, said once.

A command names one of these classes as the type of a parameter and is marked `@takes_options`; the command
line then shows the class's fields as options, in the parameter's place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from synthlib.commands.options import Contract, JournalFile, Keyfile, Node
from synthlib.commands.registering import find_place, open_registry
from synthlib.commands.terminal import confirm, waiting

if TYPE_CHECKING:
    from synthlib.chain.recorded import Recorded
    from synthlib.chain.registry import Ledger


@dataclass(frozen=True)
class Asking:
    """A registry that is asked: on a node or, by its journal, in process."""

    rpc: Node = None
    registry: Contract = None
    journal: JournalFile = None

    @property
    def is_named(self) -> bool:
        """Whether there are options that name one."""
        return self.rpc is not None or self.journal is not None

    def open(self, registry: str | None = None) -> Ledger:
        """The registry that the options name; on a node, `registry` where they name none."""
        registry = self.registry or (registry if self.rpc else None)
        return open_registry(self.rpc, registry, self.journal, getattr(self, "keyfile", None))


@dataclass(frozen=True)
class Acting(Asking):
    """A registry, and who acts on it."""

    keyfile: Keyfile = None

    @contextmanager
    def sending(self, what: str, question: str = "", yes: bool = False) -> Iterator[Ledger]:
        """The registry, while something is sent; with a question, asked before whether that is meant."""
        ledger = self.open()
        if question:
            confirm(question, yes)
        with waiting(what, ledger.connection.place):
            yield ledger


@dataclass(frozen=True)
class AtRelease:
    """The chain on which a release is recorded: its own, or the journal from which it was recorded."""

    rpc: Node = None
    journal: JournalFile = None

    def open(self, bundle: Path) -> Recorded:
        """The release with its ledger."""
        from synthlib.chain.accounts import load_account
        from synthlib.chain.recorded import Recorded

        rpc = find_place(bundle, self.rpc, self.journal)
        account = load_account(self.keyfile) if isinstance(self, ActingAtRelease) else None
        return Recorded(bundle, rpc, account, self.journal)


@dataclass(frozen=True)
class ActingAtRelease(AtRelease):
    """That chain, and who acts on it."""

    keyfile: Keyfile = None

    @contextmanager
    def sending(self, bundle: Path, what: str, question: str = "", yes: bool = False) -> Iterator[Recorded]:
        """The release with its ledger, while something is sent; as `Acting.sending`.

        DIGEST in the question is the release's.
        """
        opened = self.open(bundle)
        if question:
            confirm(question.replace("DIGEST", opened.bundle.digest), yes)
        with waiting(what, opened.ledger.connection.place):
            yield opened


def takes_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command as the command line takes it: a parameter whose type is a class of options becomes these."""
    hints = get_type_hints(command, include_extras=True)
    shared = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = shared.get(name)
        spread = [(name, hints[name], parameter.default)]
        if kind is not None:
            options = get_type_hints(kind, include_extras=True)
            spread = [(field.name, options[field.name], field.default) for field in fields(kind)]
        parameters += [
            inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for each, annotation, default in spread
        ]

    @wraps(command)
    def call(**given: Any) -> Any:
        for name, kind in shared.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        return command(**given)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call
