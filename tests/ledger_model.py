"""What the registry should hold after each act, as a plain Python model, and how the chain is held to it."""

from dataclasses import dataclass, field

from chain_helpers import digest
from contract_world import (
    NOBODY,
    NOTHING,
    OTHER_RESEARCHER,
    OTHER_STEWARD,
    PARTIES,
    REASON,
    RESEARCHER,
    STEWARD,
    made,
    raw,
    restored,
)
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine

from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import ContractError
from synthlib.chain.protocols import Registration, chain_head

EVERYBODY = list(PARTIES.values())
NAME_OF = {party: name for name, party in PARTIES.items()}
DATASETS = ["data one", "data two"]
PROTOCOLS = [
    Registration(dataset_id(STEWARD.address, digest(data)), researcher.address, digest("protocol"), salt)
    for data, researcher, salt in [
        ("data one", RESEARCHER, "0" * 64),
        ("data one", RESEARCHER, digest("salt")),
        ("data one", OTHER_RESEARCHER, "0" * 64),
        ("data two", RESEARCHER, "0" * 64),
    ]
]
RESEARCHERS = {
    registration: {party.address: party for party in EVERYBODY}[registration.researcher]
    for registration in PROTOCOLS
}
ANY_PROTOCOL = [*[PROTOCOLS[0]] * 9, *PROTOCOLS]
RELEASES = ["first", "second", "third"]
AMOUNTS = [0, 1, 3, 10, 40, 100]
UNKNOWN, ACTIVE, RENOUNCED, ERASED = range(4)


@dataclass
class Data:
    """A dataset as it should stand."""

    state: int = UNKNOWN
    steward: object = None
    cap: int = 0
    allotted: int = 0
    offered_to: object = None


@dataclass
class Track:
    """A protocol as it should stand."""

    registration_block: int = 0
    approval_block: int = 0
    is_revealed: bool = False
    is_closed: bool = False
    links: list = field(default_factory=list)
    attempts: int = 0
    attempt_blocks: list = field(default_factory=list)
    budget: int = 0
    open_releases: int = 0
    opened: int = 0
    private_releases: int = 0
    spent: int = 0


class Model(RuleBasedStateMachine):
    """Datasets, protocols and releases as they should stand, and a world to compare them with."""

    world = None  # set by the test

    def __init__(self):
        super().__init__()
        self.undo = restored(self.world)
        self.undo.__enter__()
        self.data = {name: Data() for name in DATASETS}  # the first steward's
        self.copies = {name: Data() for name in DATASETS}  # of the same commitments, the other steward's
        self.tracks = {registration: Track() for registration in PROTOCOLS}
        self.releases, self.withdrawn = {}, set()  # by name and issuer's address
        self.stewards, self.researchers = {STEWARD, OTHER_STEWARD}, {RESEARCHER, OTHER_RESEARCHER}
        self.is_paused = self.has_changed = False

    def teardown(self):
        try:
            self.compare(DATASETS, PROTOCOLS)
            self.compare_releases()
        finally:
            self.undo.__exit__(None, None, None)

    # --- acting ---

    def act(self, expected, party, function, *arguments) -> bool:
        """Call a function; whether it went through, which must be as expected."""
        try:
            self.world.send(party, function, *arguments)
            found = None
        except ContractError as error:
            found = type(error).__name__
        note(f"{NAME_OF[party]}: {function}, {found or 'done'}")
        assert found == expected, f"{function}: expected {expected}, got {found}"
        self.has_changed |= found is None
        return found is None

    @property
    def block(self) -> int:
        return self.world.connection.get_block_number()

    def refuse_owner(self, name, party) -> str | None:
        """What somebody who acts on a dataset as its steward is told."""
        data = self.data[name]
        if data.state != ACTIVE:
            return "DatasetNotActive"
        return None if data.steward is party else "NotSteward"

    def name_of(self, registration) -> str:
        return next(name for name in DATASETS if raw(registration.dataset) == self.id_of(name))

    def id_of(self, name, steward=STEWARD) -> bytes:
        return raw(dataset_id(steward.address, digest(name)))

    def allotted(self, registration) -> int:
        return self.world.call("trackOf", raw(registration.id), registration.researcher)[6]

    def of(self, name) -> list[Registration]:
        return [each for each in PROTOCOLS if self.name_of(each) == name]

    def refuse_runner(self, registration, party) -> str | None:
        """What somebody who acts under a protocol is told."""
        track = self.tracks[registration]
        if self.is_paused:
            return "EnforcedPause"
        if party.address == registration.researcher and track.is_closed:
            return "ProtocolAlreadyClosed"
        runs = party.address == registration.researcher and track.approval_block
        return None if runs else "ProtocolNotApproved"

    def refuse_withdrawal(self, name, party) -> str | None:
        if (name, party.address) not in self.releases:
            return "NotRecorded"
        return "AlreadyRevoked" if (name, party.address) in self.withdrawn else None

    # --- what must hold ---

    def compare(self, names, registrations):
        """The chain's state against the model's, and both against what the registry promises."""
        for name in names:
            data = self.data[name]
            for expected, registrant in ((data, STEWARD), (self.copies[name], OTHER_STEWARD)):
                found = self.world.call("datasetOf", self.id_of(name, registrant))
                steward = expected.steward.address if expected.steward else NOBODY
                assert found == (steward, expected.cap, expected.allotted, 0, expected.state)
            erasure = REASON if data.state == ERASED else NOTHING
            assert self.world.call("erasureOf", self.id_of(name)) == erasure
            tracks = [track for each, track in self.tracks.items() if self.name_of(each) == name]
            assert sum(track.spent for track in tracks) <= data.allotted <= data.cap
            assert sum(track.spent + track.budget for track in tracks) == data.allotted
            assert sum(self.allotted(each) for each in self.of(name)) == data.allotted
        for registration in registrations:
            track, found = self.tracks[registration], self.world.track(registration)
            head = chain_head(registration.id, track.registration_block, track.links)
            assert (*found[2:11], *found[13:]) == (
                head if track.approval_block else "00" * 20,
                track.attempts,
                track.budget,
                track.private_releases,
                track.open_releases,
                track.registration_block,
                track.is_revealed,
                track.approval_block > 0,
                track.is_closed,
                track.budget + track.spent,
                track.open_releases + track.opened,
            )
            assert (found.spent, found.open_releases) == (track.spent, track.opened)
            if track.approval_block:
                assert track.registration_block < track.approval_block
            assert all(track.approval_block < block for block in track.attempt_blocks)

    def compare_releases(self):
        for name in RELEASES:
            for party in EVERYBODY:
                key = (name, party.address)
                stands = key in self.releases and key not in self.withdrawn
                assert self.world.call("stands", raw(made(name).release), party.address) == stands
        for generation, registration, block, gate in self.releases.values():
            track, said = self.tracks[registration], generation.to_abi()
            assert self.world.call("holds", said, registration.researcher) == (raw(gate) == NOTHING)
            failed = self.world.call("holdsFailed", said, raw(gate), registration.researcher)
            assert failed == (raw(gate) != NOTHING)
            assert 0 < track.registration_block < track.attempt_blocks[generation.attempt - 1] < block
            record = self.world.ledger.find(generation.release, registration.researcher)
            assert (record.block, record.issuer) == (block, registration.researcher)
            assert (record.failed, record.gate) == (failed, gate)
            assert record.attempts == sum(attempt < block for attempt in track.attempt_blocks)
        for registration in PROTOCOLS:
            events = self.world.ledger.find_events
            alone = [each.arguments["number"] for each in events("Attempted", protocol=registration.id)]
            batches = [each.arguments for each in events("AttemptedBatch", protocol=registration.id)]
            together = [said["first"] + place for said in batches for place in range(said["count"])]
            assert sorted(alone + together) == list(range(1, self.tracks[registration].attempts + 1))
