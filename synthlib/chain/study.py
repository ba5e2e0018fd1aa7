"""One protocol under way: what a pipeline needs of the ledger, from registration to the release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from synthlib.bundle import canonical_json, write_atomically
from synthlib.chain.accounts import load_account
from synthlib.chain.attempts import (
    ATTEMPTS_FILE,
    Draw,
    entry_digest,
    find_difference,
    group,
    make_entry,
    read_attempts,
    read_log,
    write_attempts,
)
from synthlib.chain.budgets import ZCDP, loss_to_units
from synthlib.chain.datasets import Datasets, normalize_id
from synthlib.chain.errors import ChainError, WrongChain
from synthlib.chain.protocols import (
    Protocol,
    Protocols,
    Registration,
    Track,
    require_running,
)
from synthlib.chain.records import NOT_PRIVATE
from synthlib.chain.registry import JOURNAL, Ledger
from synthlib.parsing import parse_json

PROTOCOL_FILE, REGISTRATION_FILE = "protocol.json", "registration.json"


class Study:
    """A registered protocol, and its attempts with what came of them.

    An attempt is logged before its fit, so that a fit that fails, or scores badly, is on record as well as
    one that succeeds. The chain gets the digest of what is attempted; `attempts.json`, which goes into the
    release, says it in clear, with the outcome and every draw that was noted. Under a sealed protocol the
    digest is salted (`attempts.salt_of`), so that nobody confirms a guess at it before the seal is opened.

    Args:
        ledger: acts as the researcher.
        protocol: what is to be done.
        registration: as it was registered.
        notes: file that keeps the attempts, to go on from in another process, in the form of the release's
            `attempts.json`. None keeps them in memory.
        attempts: earlier entries, where there are no notes.
        sends: whether what is noted and not logged is logged at once. If not, it stays in the notes, is no
            attempt yet, and none can be made.

    Raises:
        ChainError: if the protocol does not run, or the entries are not those that the chain has logged.
    """

    def __init__(
        self,
        ledger: Ledger,
        protocol: Protocol,
        registration: Registration,
        notes: Path | None = None,
        attempts: Sequence[Mapping[str, Any]] = (),
        sends: bool = True,
    ):
        if protocol.digest != registration.digest:
            raise ValueError(
                "expected the protocol that was registered, got another; open the registered one"
            )
        registration = registration._replace(dataset=normalize_id(registration.dataset))
        self.ledger, self.protocol, self.registration = ledger, protocol, registration
        self.attempts = [dict(entry) for entry in attempts]
        self._unsure: list[dict[str, Any]] = []  # sent, and not seen to arrive
        self._notes = None if notes is None else Path(notes)
        if self._notes is not None and self._notes.exists():
            self.attempts = read_attempts(self._notes.read_bytes(), registration.id)
        track = self.track
        require_running(track)
        self._sends = sends
        if not sends:
            self._unsure = self.attempts[track.attempts :]
            self.attempts = self.attempts[: track.attempts]
        elif track.attempts < len(self.attempts):
            track = self._send_missing(track)
        difference = find_difference(self.attempts, read_log(ledger, track))
        if difference:
            raise ChainError(
                f"expected the {track.attempts} attempts that the chain has logged, got others: "
                f"{difference}; give the notes that go with this ledger"
            )

    def __repr__(self) -> str:
        return f"Study({self.registration.id}, {len(self.attempts)} attempts)"

    @classmethod
    def open(
        cls,
        ledger: Ledger,
        protocol: Protocol,
        commitment: str,
        cap: float = 0.0,
        order: int = ZCDP,
        budget: float = 0.0,
        open_releases: int = 1,
        notes: Path | None = None,
    ) -> Study:
        """Register dataset and protocol and approve it, where that has not been done.

        For an account that is both steward and researcher, such as a hospital that publishes its own data.
        Two parties call `Datasets` and `Protocols` themselves, each on their ledger.

        Args:
            ledger: acts as the steward and researcher.
            protocol: what is to be done; open from the start.
            commitment: keyed commitment to the data, hexadecimal.
            cap, order: of the dataset, as in `Datasets.register`.
            budget, open_releases: of the protocol, as in `Protocols.approve`.
            notes: file that keeps the attempts.

        Raises:
            ContractError: what the contract refuses.
        """
        dataset = Datasets(ledger).register(commitment, cap, order)
        protocols = Protocols(ledger)
        registration = protocols.prepare(protocol, dataset.id)
        if not protocols.register(registration).is_approved:
            protocols.approve(registration, budget, open_releases)
        return cls(ledger, protocol, registration, notes)

    @classmethod
    def resume(cls, folder: Path | str, rpc: str | None = None, account: LocalAccount | None = None) -> Study:
        """Go on with a study that `hand_on` wrote, on its chain; the folder stays as it is.

        Args:
            folder: what `hand_on` wrote.
            rpc: URL of a node of the chain on which it is registered, None if that is in process.
            account: the researcher's; what `load_account` finds if None, else the demo issuer in process.

        Raises:
            WrongChain: if it is registered elsewhere.
            JournalError, ChainError: if the chain does not hold what the folder says.
        """
        folder = Path(folder)
        place = parse_json((folder / REGISTRATION_FILE).read_bytes())
        account = account or load_account()
        if rpc is None and (folder / JOURNAL).exists():
            ledger = Ledger.in_process(folder / JOURNAL, account, keep=False)
        elif rpc is None:
            raise WrongChain(
                f"expected the URL of a node of {place['chain']}, where it is registered, got none"
            )
        else:
            ledger = Ledger.connect(rpc, place["registry"], account)
        here = (f"eip155:{ledger.connection.chain_id}", ledger.address)
        if here != (place["chain"], place["registry"]):
            raise WrongChain(
                f"expected the registry {place['registry']} on {place['chain']}, got {here[1]} on {here[0]}"
            )
        registration = Registration(*(place[name] for name in Registration._fields))
        protocol = Protocol.from_json((folder / PROTOCOL_FILE).read_bytes())
        return cls(
            ledger, protocol, registration, attempts=read_attempts((folder / ATTEMPTS_FILE).read_bytes())
        )

    def hand_on(self, folder: Path) -> None:
        """Write what `resume` needs: registration, protocol, attempts, and an in-process chain's journal.

        A sealed protocol's salt is in it: until it is revealed, its files are readable by their owner alone.
        """
        self.write(folder)
        place = {
            "chain": f"eip155:{self.ledger.connection.chain_id}",
            "registry": self.ledger.address,
            **self.registration._asdict(),
        }
        write_atomically(folder / REGISTRATION_FILE, canonical_json(place), self._mode)
        if self.ledger.journal is not None:
            write_atomically(folder / JOURNAL, b"".join(self.ledger.journal.lines))

    @property
    def track(self) -> Track:
        """The protocol as the chain knows it now."""
        return Protocols(self.ledger).find(self.registration.id, self.registration.researcher)

    def attempt(self, description: Mapping[str, Any]) -> int:
        """Log an attempt before it is made.

        The same description twice in a row is one attempt as long as nothing is said of what came of it: an
        interrupted fit that goes on. Once it is settled, the same again is another attempt.

        Args:
            description: JSON of what is attempted: model type, parameters, seed where that is public.

        Returns:
            Its number.
        """
        return self.attempt_together([description])[0]

    def attempt_together(self, descriptions: Sequence[Mapping[str, Any]]) -> list[int]:
        """Log several attempts before they are made, for the gas of one. Again is as with `attempt`.

        Args:
            descriptions: of each, as in `attempt`.

        Returns:
            Their numbers.
        """
        self._take_up()
        last = self.attempts[max(0, len(self.attempts) - len(descriptions)) :]
        is_settled = any(entry["outcome"] is not None for entry in last)
        if last and not is_settled and [entry["describes"] for entry in last] == _as_json(descriptions):
            return [entry["number"] for entry in last]
        return self.attempt_all(descriptions)

    def attempt_all(self, descriptions: Sequence[Mapping[str, Any]]) -> list[int]:
        """Log several attempts at once, which are others than any before. Returns their numbers."""
        self._take_up()
        first = len(self.attempts) + 1
        numbers = list(range(first, first + len(descriptions)))
        self._unsure = [
            make_entry(self.registration, number, first, _as_json(description))
            for number, description in zip(numbers, descriptions, strict=True)
        ]
        digests = [entry_digest(entry) for entry in self._unsure]
        self._keep()  # first, so that what the chain has logged is known whenever the process is killed
        Protocols(self.ledger).attempt(self.registration.id, digests, first)
        self.attempts, self._unsure = self.attempts + self._unsure, []
        return numbers

    def _send_missing(self, track: Track) -> Track:
        """Log again what the chain does not have: noted and never sent, or lost in a reorganisation.

        Under the same numbers, so that nothing is logged twice; and all of it, so that none is forgotten.
        """
        protocols = Protocols(self.ledger)
        for each in group(self.attempts):
            if each.first > track.attempts:
                entries = self.attempts[each.first - 1 : each.last]
                digests = [entry_digest(entry) for entry in entries]
                protocols.attempt(self.registration.id, digests, each.first)
        return self.track

    def _take_up(self) -> None:
        """See whether what was sent, and raised, has arrived after all, and that the rest is still there."""
        if not self._sends:
            raise ValueError("expected a study that sends, got one opened without; open it anew")
        track, told = self.track, self.attempts + self._unsure
        if track.attempts < len(self.attempts):
            track = self._send_missing(track)
        if not self._unsure:
            return
        if track.attempts == len(self.attempts):  # what still waits for its block may be logged yet
            self.ledger.connection.settle(self.ledger.account)
            track = self.track
        if track.attempts == len(self.attempts):
            self._unsure = []
            return
        difference = find_difference(told, read_log(self.ledger, track))
        if difference:
            raise ChainError(
                f"expected the attempt that was sent last, the chain has logged another: {difference}; does "
                "another process work on this protocol?"
            )
        self.attempts, self._unsure = told, []

    def settle(self, number: int, outcome: Any) -> None:
        """Say what came of an attempt: scores, or how it failed. Any JSON.

        Raises:
            ValueError: if there is no such attempt.
        """
        self._require(number)
        self.attempts[number - 1]["outcome"] = _as_json(outcome)
        self._keep()

    def find(self, description: Mapping[str, Any]) -> list[int]:
        """Numbers of the attempts that are described so, in their order; of one whose answer was lost too."""
        told = _as_json(description)
        if self._unsure and self._sends:
            self._take_up()
        return [entry["number"] for entry in self.attempts if entry["describes"] == told]

    def note_draw(self, number: int, draw: Draw) -> int:
        """Note a table that was drawn from an attempt's model, before it is looked at. The same again is one.

        It goes into `attempts.json`, not on the chain. A draw that nobody notes is on no record.

        Args:
            number: of the attempt.
            draw: how it was drawn, and its digest.

        Returns:
            The draw's number among those of the attempt.

        Raises:
            ValueError: if there is no such attempt.
        """
        self._require(number)
        draws, told = self.attempts[number - 1]["draws"], _as_json(draw._asdict())
        if told not in draws:
            draws.append(told)
            self._keep()
        return draws.index(told) + 1

    def describe(self, attempt: int, loss: float | None, draw: int | None = None) -> dict[str, Any]:
        """What a release's manifest says of its protocol.

        Args:
            attempt: number of the attempt whose model drew the release.
            loss: privacy that it spends in the dataset's measure; None if it makes no claim to differential
                privacy.
            draw: number of the draw that the release is; None if it was not noted.

        Raises:
            ValueError: if there is no such attempt.
        """
        self._require(attempt)
        return {
            "id": self.registration.id,
            "dataset": self.registration.dataset,
            "researcher": self.registration.researcher,
            "chain": f"eip155:{self.ledger.connection.chain_id}",
            "registry": self.ledger.address,
            "attempt": attempt,
            "draw": draw,
            "draws": len(self.attempts[attempt - 1]["draws"]),
            "spend": NOT_PRIVATE if loss is None else loss_to_units(loss),
        }

    def write(self, folder: Path) -> None:
        """Write `protocol.json` and `attempts.json`."""
        mode = self._mode
        write_atomically(folder / PROTOCOL_FILE, self.protocol.to_json(), mode)
        write_atomically(folder / ATTEMPTS_FILE, write_attempts(self.registration, self.attempts), mode)

    @property
    def _mode(self) -> int:
        """Of files that tell of the protocol: nobody else reads them while it is sealed."""
        return 0o600 if self.registration.is_sealed and not self.track.is_revealed else 0o644

    def _keep(self) -> None:
        if self._notes is not None:
            told = write_attempts(self.registration, self.attempts + self._unsure)
            write_atomically(self._notes, told, 0o600 if self.registration.is_sealed else 0o644)

    def _require(self, attempt: int) -> None:
        if not 1 <= attempt <= len(self.attempts):
            raise ValueError(f"expected the number of one of {len(self.attempts)} attempts, got {attempt}")


def _as_json(value: Any) -> Any:
    """A value as it comes back from JSON, so that it compares equal when it is read again."""
    return parse_json(canonical_json(value))
