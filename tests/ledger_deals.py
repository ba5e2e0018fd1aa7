"""Agreements as they should stand after any acts by anybody, on top of the model of datasets and releases."""

from agreement_helpers import AGREEMENT, KEY, OBJECT, signed
from chain_helpers import digest
from contract_world import GRANTEE, REASON, STEWARD, STRANGER, hashed, raw
from ledger_model import ACTIVE, DATASETS, Model

from synthlib.chain.agreements import ACCEPTED, ENDED, OFFERED, STATES, UNKNOWN, chain_accesses
from synthlib.chain.datasets import dataset_id

DATASET_OF = {
    AGREEMENT._replace(dataset=dataset_id(STEWARD.address, digest(name)), terms=digest(terms)): name
    for name, terms in [(DATASETS[0], "one"), (DATASETS[0], "two"), (DATASETS[1], "three")]
}
DEALS = list(DATASET_OF)


class DealModel(Model):
    """Agreements under the first steward's datasets, whoever they are handed over to."""

    def __init__(self):
        super().__init__()
        self.states = dict.fromkeys(DEALS, UNKNOWN)
        self.offerers, self.accesses = {}, dict.fromkeys(DEALS, 0)

    def refuse_trusted(self, deal, party) -> str | None:
        """What somebody who lets something out of a dataset is told."""
        data = self.data[DATASET_OF[deal]]
        if self.is_paused:
            return "Paused"
        if data.steward is not party:
            return "NotSteward"
        if party not in self.stewards:
            return "AccessControlUnauthorizedAccount"
        return None if data.state == ACTIVE else "DatasetNotActive"

    def pick_steward(self, deal):
        return self.pick(self.data[DATASET_OF[deal]].steward or STEWARD)

    def offer_deal(self, deal):
        party = self.pick_steward(deal)
        expected = self.refuse_trusted(deal, party)
        if expected is None and self.states[deal] != UNKNOWN:
            expected = "AlreadyOffered"
        if self.act(expected, party, "offer", deal.to_abi()):
            self.states[deal], self.offerers[deal] = OFFERED, party

    def accept_deal(self, deal):
        data, expected = self.data[DATASET_OF[deal]], None
        if self.is_paused:
            expected = "Paused"
        elif data.state != ACTIVE:
            expected = "DatasetNotActive"
        elif self.states[deal] != OFFERED:
            expected = "WrongState"
        elif self.offerers[deal] is not data.steward:
            expected = "OfferLapsed"
        signature = signed(self.world, deal)
        if self.act(expected, self.pick(STRANGER), "accept", deal.to_abi(), KEY, signature):
            self.states[deal] = ACCEPTED

    def log_deal(self, deal):
        party, number = self.pick_steward(deal), self.accesses[deal] + 1
        expected = self.refuse_trusted(deal, party)
        if expected is None and self.states[deal] != ACCEPTED:
            expected = "WrongState"
        if self.act(expected, party, "logAccess", deal.to_abi(), OBJECT, number):
            self.accesses[deal] = number

    def end_deal(self, deal):
        """Also of a dataset that was renounced or erased, and while paused."""
        party = self.random.choice([self.pick(GRANTEE), self.pick_steward(deal)])
        expected = None
        if party not in (GRANTEE, self.data[DATASET_OF[deal]].steward):
            expected = "NotParty"
        elif self.states[deal] not in (OFFERED, ACCEPTED):
            expected = "WrongState"
        if self.act(expected, party, "end", deal.to_abi(), REASON):
            self.states[deal] = ENDED

    def deny_deal(self, deal):
        party = self.pick_steward(deal)
        expected = "Paused" if self.is_paused else None
        if expected is None and self.data[DATASET_OF[deal]].steward is not party:
            expected = "NotSteward"
        words = (raw(deal.dataset), STRANGER.address, hashed("purpose"), [42])
        self.act(expected, party, "denyRequest", *words, REASON)

    def compare_releases(self):
        super().compare_releases()
        for deal, state in self.states.items():
            found = self.world.call("statusOf", raw(deal.id))
            assert (STATES[found[0]], found[4]) == (state, self.accesses[deal])
            assert (found[2] > 0, found[3] > 0) != (False, True) or state == ENDED
            if found[2]:
                head = chain_accesses(deal.id, KEY.hex(), [OBJECT.hex()] * self.accesses[deal])
                assert found[5].hex() == head
            else:
                assert found[5] == (raw(self.offerers[deal].address)[:13] if state != UNKNOWN else bytes(13))
