"""Papers: the same whether a node is at hand or not, read back as written, and for one registry alone."""

import pytest
from chain_helpers import DATASET, account, digest
from hypothesis import given
from hypothesis import strategies as st

from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.attestations import PASSED, Attestations, Verdict
from synthlib.chain.errors import ChainError, NoAccount, WrongChain
from synthlib.chain.papers import (
    ACCEPTANCE,
    FORMATS,
    OFFER,
    VERDICT,
    Desk,
    MalformedPaper,
    Paper,
    read_registration,
    sign_acceptance,
    sign_verdict,
    word_agreement,
    write_offer,
)

pytest_plugins = ["chain_fixtures"]

GRANTEE = account("grantee")
SAID = Verdict(
    digest("release"), account("issuer").address, PASSED, digest("report"), digest("rubric"), 2**47
)
AGREED = Agreement(DATASET, GRANTEE.address, digest("terms"), digest("purpose"), ("DUO:0000042",), 2**39)
texts = st.text(max_size=20)
fields = st.dictionaries(texts, texts | st.integers() | st.lists(texts, max_size=3), max_size=4)


@pytest.fixture
def desk(empty_ledger) -> Desk:
    return Desk(empty_ledger.connection.chain_id, empty_ledger.address, account("admin"))


def test_a_desk_signs_what_a_ledger_signs(empty_ledger, desk):
    paper = sign_verdict(desk, SAID)
    assert paper.text("signature") == Attestations(empty_ledger).sign(SAID)
    assert paper.verdict == SAID and paper.text("auditor") == account("admin").address
    paper.require_place(empty_ledger)
    offer = write_offer(empty_ledger, AGREED)
    signed = sign_acceptance(offer, GRANTEE, digest("key"))
    theirs = Agreements(empty_ledger.acting_as(GRANTEE)).sign(AGREED, digest("key"))
    assert signed.text("signature") == theirs
    assert offer.agreement == signed.agreement == AGREED
    assert Paper.from_json(signed.to_json(), ACCEPTANCE).agreement == AGREED


@pytest.mark.parametrize("passed", [0, 2**33], ids=["no time is known", "the chain is ahead"])
def test_a_verdict_without_a_deadline_is_given_a_year(empty_ledger, monkeypatch, passed):
    monkeypatch.setattr("time.time", lambda: 2.0e9)
    desk = Desk(empty_ledger.connection.chain_id, empty_ledger.address, account("admin"), passed)
    paper = sign_verdict(desk, SAID._replace(deadline=None))
    year = paper.verdict.deadline - max(2_000_000_000, passed)
    assert 365 * 86_400 <= year < 366 * 86_400
    assert paper == sign_verdict(desk, paper.verdict)


def test_only_the_grantee_accepts_and_somebody_signs(empty_ledger):
    offer = write_offer(empty_ledger, AGREED)
    with pytest.raises(ChainError, match="expected to sign as the grantee"):
        sign_acceptance(offer, account("admin"), digest("key"))
    with pytest.raises(NoAccount):
        sign_verdict(Desk(1, empty_ledger.address, None), SAID)


def test_a_paper_is_for_one_registry(empty_ledger):
    paper = write_offer(empty_ledger, AGREED)
    for changes in ({"chain": 1}, {"registry": account("admin").address}):
        with pytest.raises(WrongChain, match="for which this was signed"):
            paper._replace(**changes).require_place(empty_ledger)


@given(st.sampled_from(FORMATS), st.integers(0, 2**64), fields)
def test_what_was_written_is_read(format, chain, told):
    paper = Paper(format, chain, GRANTEE.address, told)
    assert Paper.from_json(paper.to_json(), format) == paper
    for other in set(FORMATS) - {format}:
        with pytest.raises(MalformedPaper):
            Paper.from_json(paper.to_json(), other)
    with pytest.raises(MalformedPaper):
        Paper.from_json(paper.to_json()[:-1], format)


@given(st.binary(max_size=60))
def test_anything_else_is_refused(data):
    for format in FORMATS:
        with pytest.raises(MalformedPaper, match="as it was written"):
            Paper.from_json(data, format)
    with pytest.raises(MalformedPaper, match="expected a registration"):
        read_registration(data)


@given(fields)
def test_fields_that_are_none_are_refused(told):
    paper = Paper(VERDICT, 1, GRANTEE.address, told)
    for read in (lambda: paper.verdict, lambda: paper.agreement, lambda: paper.text("signature")):
        with pytest.raises(MalformedPaper):
            read()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": b" \n"}, "expected terms in words"),
        ({"purpose": " "}, "expected a purpose in words"),
        ({"uses": ["research"]}, "expected codes such as"),
        ({"grantee": "0x12"}, "expected the grantee's address"),
        ({"dataset": "ab"}, "expected a digest"),
    ],
)
def test_words_that_make_no_agreement_are_refused(changes, message):
    told = {"dataset": DATASET, "grantee": GRANTEE.address, "terms": b"terms", "purpose": "purpose"}
    told |= {"uses": ["DUO:0000042"], "expiry": 2**39}
    assert word_agreement(**told) == word_agreement(**told | {"dataset": DATASET[2:]}) == AGREED
    with pytest.raises(ValueError, match=message):
        word_agreement(**(told | changes))


def test_an_offer_is_no_verdict(empty_ledger):
    with pytest.raises(MalformedPaper):
        Paper.from_json(write_offer(empty_ledger, AGREED).to_json(), VERDICT)
    assert Paper.from_json(write_offer(empty_ledger, AGREED).to_json(), OFFER).agreement == AGREED
