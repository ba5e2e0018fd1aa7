"""Single rows of a release, shown to a contract: which are taken, and what a wrong path comes to."""

import pytest
from chain_helpers import synthetic_table
from contract_world import OTHER_RESEARCHER, REASON, RESEARCHER, hashed, made, raw, refuses

from synthlib.chain.errors import IndexOutOfRange, PathTooLong, PathTooShort
from synthlib.chain.merkle import MerkleTree
from synthlib.chain.rows import RowTree
from synthlib.keys import StewardKey

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

TABLE = synthetic_table()
TREE = RowTree.build(TABLE, TABLE.assign(age=1), StewardKey.for_public_data("tests"))
PROOFS = [TREE.prove(index) for index in range(len(TABLE))]
SAID = made(synthetic=TREE.root.hex())


@pytest.fixture
def recorded(world):
    """A world with the release of the table."""
    world.record(synthetic=TREE.root.hex())
    return world


def shown(world, proof=PROOFS[0], generation=SAID, issuer=RESEARCHER, **changes) -> bool:
    asked = {"data": proof.data, "index": proof.index, "num_rows": proof.num_rows, "path": proof.path}
    said = (raw(generation.release), issuer.address, generation.content)
    return world.call("isRow", *said, *(asked | changes).values())


def test_every_row_of_a_release_is_shown(recorded):
    assert all(shown(recorded, proof) for proof in PROOFS)


def test_a_row_of_what_is_not_recorded_or_was_withdrawn_is_not_shown(world):
    assert not shown(world)
    world.record(synthetic=TREE.root.hex())
    assert shown(world)
    world.send(RESEARCHER, "revoke", raw(SAID.release), REASON)
    assert not shown(world)


def test_a_row_of_a_release_that_failed_is_shown_with_its_gate_alone(world):
    gate = hashed("gate")
    world.record(synthetic=TREE.root.hex(), gate=gate)
    proof = PROOFS[0]
    asked = (proof.data, proof.index, proof.num_rows, proof.path)
    whose = (raw(SAID.release), RESEARCHER.address)
    assert world.call("isRow", *whose, SAID.content_with(gate.hex()), *asked)
    assert not world.call("isRow", *whose, SAID.content, *asked)


def test_a_row_is_shown_for_exactly_what_was_recorded_by_its_issuer(recorded):
    assert not shown(recorded, issuer=OTHER_RESEARCHER)
    for change in (
        {"release": "1" * 64},
        {"synthetic": "1" * 64},
        {"spend": 1},
        {"attempt": 2},
        {"model_type": "Other"},
    ):
        assert not shown(recorded, generation=SAID._replace(**change))


@pytest.mark.parametrize("index", range(len(PROOFS)))
def test_a_row_in_anothers_place_or_with_other_bytes_is_not_shown(recorded, index):
    proof, other = PROOFS[index], PROOFS[index - 1]
    assert not shown(recorded, proof, data=other.data)
    assert not shown(recorded, proof, data=proof.data + b"\0")
    assert not shown(recorded, proof, path=[hashed("x"), *proof.path[1:]])


def test_an_inner_node_is_no_row(recorded):
    left, right = (proof.data for proof in PROOFS[:2])
    inner = MerkleTree.of([left]).root() + MerkleTree.of([right]).root()
    assert not shown(recorded, data=inner, index=0, num_rows=2, path=PROOFS[0].path[1:])


def test_an_index_beyond_the_table_reverts(recorded):
    with refuses(IndexOutOfRange, 3, 3):
        shown(recorded, index=3)


def test_a_path_that_ends_below_the_root_reverts(recorded):
    with refuses(PathTooShort, 1):
        shown(recorded, path=PROOFS[0].path[:1])


def test_a_path_that_goes_on_above_the_root_reverts(recorded):
    with refuses(PathTooLong, 3):
        shown(recorded, path=[*PROOFS[0].path, hashed("x")])
