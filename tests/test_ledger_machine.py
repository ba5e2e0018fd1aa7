"""Any acts by anybody in any order on the registry, against a model of it in Python.

The model says of every act whether it goes through, and if not, with which error. What then stands on the
chain must be what the model holds, and must keep what the registry is for: no more allotted than the cap, no
more spent than allotted, no attempt missing, no release without an earlier protocol and attempt.
"""

import pytest
from chain_helpers import digest
from contract_world import (
    ADMIN,
    NOTHING,
    OTHER_RESEARCHER,
    OTHER_STEWARD,
    REASON,
    RESEARCHER,
    RESEARCHER_ROLE,
    STEWARD,
    STEWARD_ROLE,
    hashed,
    made,
    raw,
    registered_parties,
    told,
)
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test
from ledger_deals import DEALS, DealModel
from ledger_model import (
    ACTIVE,
    AMOUNTS,
    ANY_PROTOCOL,
    DATASETS,
    ERASED,
    EVERYBODY,
    PROTOCOLS,
    RELEASES,
    RENOUNCED,
    RESEARCHERS,
    UNKNOWN,
    Data,
)

from synthlib.chain.protocols import batch_link
from synthlib.chain.records import NOT_PRIVATE
from synthlib.chain.registry import Ledger

ACTS = []


def possible(weight, **choices):
    """Let a method be drawn, that often, with arguments drawn from lists.

    Drawn by Hypothesis one by one, most acts of a history would be the same and most of those refused: here
    it gives the seed and the length of a history.
    """

    def add(method):
        ACTS.extend([(method, choices)] * weight)
        return method

    return add


for method in (DealModel.offer_deal, DealModel.accept_deal, DealModel.log_deal):
    possible(3, deal=DEALS)(method)
for method in (DealModel.end_deal, DealModel.deny_deal):
    possible(1, deal=DEALS)(method)


class Machine(DealModel):
    """Everything that anybody may try, and what the model says of it."""

    # --- datasets ---

    @initialize(random=st.randoms(use_true_random=True))
    def begin(self, random):
        """Every history begins with a protocol, and most with one that runs: only then can much go wrong."""
        self.random = random
        self.register_dataset(DATASETS[0], 100, STEWARD)
        self.register(PROTOCOLS[0])
        if self.random.random() < 0.9:
            self.approve(PROTOCOLS[0], 40, 2, STEWARD)
            self.attempt(PROTOCOLS[0], 1, 1, RESEARCHER)

    def pick(self, right):
        """Who acts: mostly who may."""
        return self.random.choice([right] * 20 + EVERYBODY)

    @possible(1, name=DATASETS, cap=AMOUNTS)
    def register_dataset(self, name, cap, party=None):
        party = party or self.random.choice([self.pick(STEWARD)] * 3 + [OTHER_STEWARD])
        owned, expected = self.copies if party is OTHER_STEWARD else self.data, None
        if self.is_paused:
            expected = "EnforcedPause"
        elif party not in self.stewards:
            expected = "AccessControlUnauthorizedAccount"
        elif owned[name].state != UNKNOWN:
            expected = "DatasetAlreadyRegistered"
        if self.act(expected, party, "registerDataset", hashed(name), 0, cap):
            owned[name] = Data(ACTIVE, party, cap)

    @possible(1, name=DATASETS, cap=AMOUNTS)
    def lower_cap(self, name, cap):
        data = self.data[name]
        party = self.pick(data.steward or STEWARD)
        expected = self.refuse_owner(name, party)
        if expected is None and not data.allotted <= cap < data.cap:
            expected = "CapNotLowered"
        if self.act(expected, party, "lowerCap", self.id_of(name), cap):
            data.cap = cap

    @possible(1, name=DATASETS, successor=[STEWARD, OTHER_STEWARD])
    def offer_dataset(self, name, successor):
        data = self.data[name]
        party = self.pick(data.steward or STEWARD)
        expected = self.refuse_owner(name, party)
        if self.act(expected, party, "offerDataset", self.id_of(name), successor.address):
            data.offered_to = successor

    @possible(1, name=DATASETS)
    def accept_dataset(self, name):
        data, expected = self.data[name], None
        party = self.pick(data.offered_to or OTHER_STEWARD)
        if party not in self.stewards:
            expected = "AccessControlUnauthorizedAccount"
        elif data.offered_to is not party:
            expected = "DatasetNotOffered"
        elif data.state != ACTIVE:
            expected = "DatasetNotActive"
        if self.act(expected, party, "acceptDataset", self.id_of(name)):
            data.steward, data.offered_to = party, None

    @possible(1, is_erased=[True, False])
    def give_up_dataset(self, is_erased):
        data = self.data[DATASETS[1]]
        party = self.pick(data.steward or STEWARD)
        arguments = ["eraseDataset", self.id_of(DATASETS[1]), REASON]
        arguments = arguments if is_erased else ["renounceDataset", arguments[1]]
        expected = self.refuse_owner(DATASETS[1], party)
        if is_erased and data.state == RENOUNCED:  # whose steward still answers for it
            expected = None if data.steward is party else "NotSteward"
        if self.act(expected, party, *arguments):
            data.state = ERASED if is_erased else RENOUNCED

    # --- protocols ---

    @possible(2, registration=PROTOCOLS)
    def register(self, registration):
        party = RESEARCHERS[registration]  # somebody else's would have another id
        track, expected = self.tracks[registration], None
        if self.is_paused:
            expected = "EnforcedPause"
        elif party not in self.researchers:
            expected = "AccessControlUnauthorizedAccount"
        elif self.data[self.name_of(registration)].state != ACTIVE:
            expected = "DatasetNotActive"
        elif track.registration_block:
            expected = "ProtocolAlreadyRegistered"
        what = registration.seal if registration.is_sealed else registration.digest
        function = "registerProtocol" if registration.is_sealed else "registerOpenProtocol"
        if self.act(expected, party, function, raw(registration.dataset), raw(what)):
            track.registration_block, track.is_revealed = self.block, not registration.is_sealed

    @possible(1, registration=PROTOCOLS)
    def reveal(self, registration):
        party, track = self.pick(RESEARCHERS[registration]), self.tracks[registration]
        expected = None
        if party.address != registration.researcher or not track.registration_block:
            expected = "ProtocolNotRegistered"
            if PROTOCOLS[2] == registration and party is RESEARCHER:
                return  # digest and salt are those of the researcher's own
            if PROTOCOLS[0] == registration and party is OTHER_RESEARCHER:
                return
        elif track.is_revealed:
            expected = "ProtocolAlreadyRevealed"
        parts = (registration.dataset, registration.digest, registration.salt)
        if self.act(expected, party, "revealProtocol", *map(raw, parts)):
            track.is_revealed = True

    @possible(
        3,
        registration=ANY_PROTOCOL,
        budget=AMOUNTS,
        releases=[0, 1, 2],
        is_total=[False, False, False, True],
    )
    def approve(self, registration, budget, releases, party=None, is_total=True):
        name, track = self.name_of(registration), self.tracks[registration]
        data = self.data[name]
        party = party or self.pick(data.steward or STEWARD)
        expected = "EnforcedPause" if self.is_paused else self.refuse_owner(name, party)
        given = (track.budget + track.spent, track.open_releases + track.opened)
        totals = (budget, releases) if is_total else (given[0] + budget, given[1] + releases)
        if expected is None and party not in self.stewards:
            expected = "AccessControlUnauthorizedAccount"
        elif expected is None and not track.registration_block:
            expected = "ProtocolNotRegistered"
        elif expected is None and track.is_closed:
            expected = "ProtocolAlreadyClosed"
        elif expected is None and (
            totals[0] < given[0] or totals[1] < given[1] or (totals == given and track.approval_block)
        ):
            expected = "ApprovalNotRaised"
        elif expected is None and data.allotted + totals[0] - given[0] > data.cap:
            expected = "BudgetExceeded"
        if self.act(expected, party, "approveProtocol", *told(registration), *totals):
            data.allotted += totals[0] - given[0]
            track.budget += totals[0] - given[0]
            track.open_releases += totals[1] - given[1]
            track.approval_block = track.approval_block or self.block

    @possible(1, registration=PROTOCOLS)
    def close(self, registration):
        track, data = self.tracks[registration], self.data[self.name_of(registration)]
        party = self.pick(RESEARCHERS[registration])
        expected = None
        if not track.registration_block:
            expected = "ProtocolNotRegistered"
        elif party is not data.steward and party.address != registration.researcher:
            expected = "NotParty"
        elif track.is_closed:
            expected = "ProtocolAlreadyClosed"
        if self.act(expected, party, "closeProtocol", *told(registration)):
            data.allotted -= track.budget
            track.budget, track.open_releases, track.is_closed = 0, 0, True

    @possible(
        4,
        registration=ANY_PROTOCOL,
        ahead=[1, 1, 1, 1, 0, 2],
        count=[1, 1, 2, 5, 0],
    )
    def attempt(self, registration, ahead, count, party=None):
        party, track = party or self.pick(RESEARCHERS[registration]), self.tracks[registration]
        number, what = track.attempts + ahead, f"attempt {len(track.links)}"
        expected = self.refuse_runner(registration, party)
        if count == 0 and not self.is_paused:
            expected = "BatchTooSmall"
        elif expected is None and ahead != 1:
            expected = "AttemptOutOfOrder"
        arguments = [raw(registration.id), number, count, hashed(what)]
        if count == 1:
            done = self.act(expected, party, "logAttempt", arguments[0], number, hashed(what))
        else:
            done = self.act(expected, party, "logAttemptBatch", *arguments)
        if done:
            track.links.append(digest(what) if count == 1 else batch_link(digest(what), count))
            track.attempts += count
            track.attempt_blocks += [self.block] * count

    # --- releases ---

    @possible(
        7,
        name=RELEASES,
        registration=ANY_PROTOCOL,
        spend=[NOT_PRIVATE, NOT_PRIVATE, 1, 3, 10, 40, 0],
        number=[1, 1, 1, 1, 2, 0, 9],
        gate=["0" * 64, "0" * 64, digest("gate")],
    )
    def record(self, name, registration, spend, number, gate):
        party, track = self.pick(RESEARCHERS[registration]), self.tracks[registration]
        expected = self.refuse_runner(registration, party)
        if expected is None:
            refusals = {
                "ProtocolSealed": not track.is_revealed,
                "NoSuchAttempt": not 1 <= number <= track.attempts,
                "SpendNotSaid": spend == 0,
                "NoOpenReleaseLeft": spend == NOT_PRIVATE and track.open_releases == 0,
                "Overspent": spend not in (NOT_PRIVATE, 0) and spend > track.budget,
                "AlreadyRecorded": (name, party.address) in self.releases,
            }
            expected = next((refusal for refusal, holds in refusals.items() if holds), None)
        generation = made(name, protocol=registration.id, spend=spend, attempt=number)
        call = ["recordRelease", generation.to_abi()]
        if raw(gate) != NOTHING:
            call = ["recordFailedRelease", generation.to_abi(), raw(gate)]
        if self.act(expected, party, *call):
            self.releases[name, party.address] = (generation, registration, self.block, gate)
            if spend == NOT_PRIVATE:
                track.open_releases, track.opened = track.open_releases - 1, track.opened + 1
            else:
                track.budget, track.spent = track.budget - spend, track.spent + spend
                track.private_releases += 1

    @possible(4, name=RELEASES, successor=[None, None, *RELEASES])
    def withdraw(self, name, successor):
        name = self.random.choice([name, *[recorded for recorded, _ in self.releases] * 2])
        party = self.pick(self.random.choice([RESEARCHER, RESEARCHER, OTHER_RESEARCHER]))
        expected = self.refuse_withdrawal(name, party)
        if successor is None:
            arguments = ["revoke", raw(made(name).release)]
        else:
            arguments = ["supersede", *(raw(made(each).release) for each in (name, successor))]
            if expected is None:
                itself = "AlreadyRevoked" if name == successor else None
                expected = itself or self.refuse_withdrawal(successor, party)
        if self.act(expected, party, *arguments, REASON):
            self.withdrawn.add((name, party.address))

    # --- roles ---

    @possible(1)
    def pause_or_go_on(self):
        party = self.pick(ADMIN)
        expected = None if party is ADMIN else "AccessControlUnauthorizedAccount"
        if self.act(expected, party, "unpause" if self.is_paused else "pause"):
            self.is_paused = not self.is_paused
        if self.is_paused and self.random.random() < 0.7:
            self.act(None, ADMIN, "unpause")
            self.is_paused = False

    @possible(1, is_given=[True, False], researcher=[True, False])
    def give_or_take_a_role(self, is_given, researcher):
        party = self.pick(ADMIN)
        whom, role = (OTHER_RESEARCHER, RESEARCHER_ROLE) if researcher else (OTHER_STEWARD, STEWARD_ROLE)
        holders = self.researchers if researcher else self.stewards
        expected = None if party is ADMIN else "AccessControlUnauthorizedAccount"
        if self.act(expected, party, "grantRole" if is_given else "revokeRole", role, whom.address):
            (holders.add if is_given else holders.discard)(whom)

    @rule()
    def somebody_does_something(self):
        method, choices = self.random.choice(ACTS)
        method(self, **{name: self.random.choice(values) for name, values in choices.items()})

    # --- what must hold ---

    @invariant()
    def the_first_dataset_and_its_protocol_stand_as_they_should(self):
        if self.has_changed:  # a refusal writes nothing
            self.compare(DATASETS[:1], PROTOCOLS[:1])
            self.has_changed = False


@pytest.fixture(scope="module")
def parties():
    ledger = Ledger.in_process(account=ADMIN)
    ledger.journal = None
    return registered_parties(ledger)


def test_no_history_leads_where_the_model_does_not(parties, monkeypatch):
    monkeypatch.setattr(Machine, "world", parties)
    phases = [Phase.reuse, Phase.generate]  # a shorter history under another seed would be another history
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.large_base_example]
    settle = settings(
        max_examples=20, stateful_step_count=25, phases=phases, suppress_health_check=checks, deadline=None
    )
    run_state_machine_as_test(Machine, settings=settle)
