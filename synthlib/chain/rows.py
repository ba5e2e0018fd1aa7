"""A Merkle tree over the rows of a synthetic table: one row can be shown to be in a release without the rest.

The tree is that of `merkle.py`, the leaves' data that of `row_bytes.py`: the digest of a header (names of
columns, number of rows), the row's index, a salt, and the cells. A path alone would not bind the number of
rows; the header does.

**Salts.** Without one, whoever sees a proof could guess a neighbouring row and confirm the guess by its hash.
`derive_salt` makes the secret behind them from the steward's key and the table's digest, so that the same
release has the same root on every run. Opening row i tells nothing about the salts of the others.

**Synthetic rows alone.** A proof for a row of patients' data would disclose who is in it. So there is no
way here from a bare table to a tree: `RowTree.build` wants the training table beside the synthetic one and
`RowTree.of_release` a release Bundle, and both refuse what they can see to be real. They cannot see rows that
were altered a little, a table mixed from real and drawn rows, or real rows of another source; and who brings
a false training table, or hashes by hand, is not stopped.
"""

from __future__ import annotations

import math
from collections import Counter
from hashlib import sha256
from typing import Any, NamedTuple

import pandas as pd

from synthlib.bundle import Bundle, canonical_json
from synthlib.chain.commitments import open_commitment, read_synthetic, table_digest
from synthlib.chain.errors import ChainError
from synthlib.chain.merkle import MerkleTree, leaf_hash, verify_inclusion
from synthlib.chain.row_bytes import (
    SALT_SIZE,
    SECRET_SIZE,
    data_of,
    draw_salts,
    join_cells,
    join_data,
    read_cells,
)
from synthlib.keys import StewardKey
from synthlib.parsing import parse_json
from synthlib.schema import Schema

FORMAT = "synthlib-row/1"
ROWS_FORMAT, ROWS_FILE = "synthlib-rows/1", "rows.json"
BLOCK_ROWS = 16_384
_PURPOSE = "synthlib row salts 1"


class ConfidentialRows(ChainError):
    """The rows are, or may be, those of patients: no tree is made over them."""


class RowProof(NamedTuple):
    """One row of a table, and what shows that it is there. Holds nothing of the other rows.

    Attributes:
        row: pairs of a column's name and its cell as JSON holds it: None, bool, int, float or str; or a dict
            of one item, `real` (`"inf"`, `"-inf"`), `datetime` or `instant` (ISO 8601 with nanoseconds, the
            second one in UTC), `duration` (nanoseconds).
        salt: the 16 bytes that blind this leaf.
        index: the row's place in the table, from 0.
        num_rows: how many rows the table has.
        path: siblings of 32 bytes, lowest first.
    """

    row: tuple[tuple[str, Any], ...]
    salt: bytes
    index: int
    num_rows: int
    path: tuple[bytes, ...]

    @property
    def data(self) -> bytes:
        """The leaf's data, for `leafOf` of the contract library RowProof.

        Raises:
            TypeError, ValueError, OverflowError: if a field is of the wrong kind.
        """
        if type(self.index) is not int or type(self.num_rows) is not int or len(self.salt) != SALT_SIZE:
            raise ValueError(f"expected whole numbers and a salt of {SALT_SIZE} bytes, got others")
        return data_of(list(self.row), self.index, self.num_rows, self.salt)

    def to_json(self) -> str:
        """The proof as JSON, the same bytes every time."""
        fields = self._asdict() | {"format": FORMAT, "salt": self.salt.hex()}
        return canonical_json(fields | {"path": [digest.hex() for digest in self.path]}).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> RowProof:
        """Read what `to_json` wrote.

        Raises:
            ValueError: if it is no such JSON. Whether the proof holds is for `verify_row` to say.
        """
        fields = parse_json(text.encode() if isinstance(text, str) else text)
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise ValueError(f"expected a proof of format {FORMAT!r}, got something else")
        try:
            row = tuple((name, cell) for name, cell in fields["row"])
            path = tuple(bytes.fromhex(digest) for digest in fields["path"])
            return cls(row, bytes.fromhex(fields["salt"]), fields["index"], fields["num_rows"], path)
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                "expected row, salt, index, num_rows and path in the proof, got others"
            ) from None


def verify_row(proof: RowProof, root: bytes) -> bool:
    """Whether the row stands in the table that this root is of, at the place that the proof says.

    Needs nothing but the two, and never raises for bad content. That the root is a release's is for its
    record to say.

    Args:
        proof: the row's proof.
        root: 32 bytes.
    """
    try:
        return verify_inclusion(leaf_hash(proof.data), proof.index, proof.num_rows, proof.path, root)
    except (TypeError, ValueError, OverflowError, AttributeError):
        return False


def compute_root(table: pd.DataFrame, secret: bytes) -> bytes:
    """The root alone, to compare with a recorded one: no row can be proved with it.

    Args:
        table: DataFrame of shape (num_rows, num_columns), as `read_synthetic` reads it.
        secret: what `derive_salt` made, 32 bytes.

    Raises:
        ValueError: if the secret is not of 32 bytes, or the table is empty.
    """
    if len(secret) != SECRET_SIZE:
        raise ValueError(f"expected a secret of {SECRET_SIZE} bytes, got {len(secret)}")
    _check_table(table)
    return RowTree._over(table, secret).root


def describe_rows(tree: RowTree) -> bytes:
    """`rows.json` of a release: the secret behind the salts, for whoever has the whole table anyway."""
    fields = {"format": ROWS_FORMAT, "num_rows": tree.num_rows, "root": tree.root.hex()}
    return canonical_json(fields | {"salt": tree._salt.hex()})


def read_rows_secret(data: bytes) -> bytes:
    """The secret in a `rows.json`.

    Raises:
        ValueError: if it is none.
    """
    fields = parse_json(data)
    if not isinstance(fields, dict) or fields.get("format") != ROWS_FORMAT:
        raise ValueError(f"expected a file of format {ROWS_FORMAT!r}, got something else")
    return bytes.fromhex(str(fields.get("salt")))


def derive_salt(key: StewardKey, synthetic_digest: bytes) -> bytes:
    """The secret that a table's salts are drawn from: HMAC-SHA-256 of its digest under the steward's key.

    Args:
        key: the steward's.
        synthetic_digest: `table_digest` of the synthetic table, 32 bytes.

    Returns:
        32 bytes. Whoever has them can test guesses at every row, and prove those that are known.
    """
    return key.mac(_PURPOSE, synthetic_digest).digest()


class RowTree:
    """The tree over a synthetic table's rows. Made by `RowTree.build` and `RowTree.of_release`.

    It keeps 64 bytes a row, the salts' secret, and the table itself, which must stay as it is.

    Attributes:
        root: 32 bytes.
        num_rows: how many rows, at least one.
    """

    root: bytes
    num_rows: int

    def __init__(self, *_: Any):
        raise TypeError("expected RowTree.build or RowTree.of_release: a bare table may be patients' data")

    def __repr__(self) -> str:
        return f"RowTree({self.num_rows} rows, root={self.root.hex()})"

    @classmethod
    def build(cls, synthetic: pd.DataFrame, train: pd.DataFrame, key: StewardKey) -> RowTree:
        """The tree over a table that was drawn, while its release is being written.

        Args:
            synthetic: DataFrame of shape (num_rows, num_columns), as `read_synthetic` will read it.
            train: the training table; it must have the synthetic table's columns, and may have more.
            key: the steward's; salts come from `derive_salt`.

        Raises:
            ConfidentialRows: if each row of `synthetic` stands in `train`, and as often: it is that table, or
                a part, or rearranged, or repeated as a whole. A few drawn rows of few
                columns may be refused too.
            ValueError: if a table has no row, or a column is there twice or not in `train`.
            TypeError: as `canonical_chunks`.
        """
        _check_table(synthetic)
        _check_table(train)
        _check_drawn(synthetic, train)
        return cls._over(synthetic, derive_salt(key, table_digest(synthetic)))

    @classmethod
    def of_release(cls, bundle: Bundle, secret: StewardKey | bytes) -> RowTree:
        """The tree over a release's synthetic table, to prove rows of it or to check its root.

        Args:
            bundle: a release, opened.
            secret: the steward's key, or what `derive_salt` made of it. With the key, a release whose table
                is the training table is refused; without it, the Bundle's kind is all there is to go by.

        Raises:
            ConfidentialRows: if the Bundle is not a release, is keyed (so it holds confidential files), or
                commits to this very table, or to none, as what it was trained on.
            ChainError: if the table is not the one that the manifest names.
            ValueError: as `read_synthetic`; or if the secret is not of 32 bytes.
        """
        if not isinstance(secret, StewardKey) and len(secret) != SECRET_SIZE:
            raise ValueError(
                f"expected a secret of {SECRET_SIZE} bytes, got {len(secret)}; derive_salt makes one"
            )
        commitment = bundle.parameters.get("training_commitment")
        if (
            bundle.kind != "release"
            or bundle.manifest["digests"] != "sha256"
            or not isinstance(commitment, str)
        ):
            raise ConfidentialRows(
                "expected a Bundle of kind release, with plain digests and a commitment to the table it was "
                f"trained on, got one of kind {bundle.kind}; rows are proved of releases alone"
            )
        schema = Schema.from_json(bundle.file("schema.json").read_bytes())
        synthetic = read_synthetic(bundle.file("synthetic.csv"), schema)
        digest = table_digest(synthetic)
        if digest.hex() != bundle.parameters.get("synthetic_digest"):
            raise ChainError(
                "expected the table that the manifest names, found another; restore synthetic.csv"
            )
        _check_table(synthetic)
        if not isinstance(secret, StewardKey):
            return cls._over(synthetic, bytes(secret))
        if open_commitment(bytes.fromhex(commitment), synthetic, secret):
            raise ConfidentialRows("expected a table that was drawn, got the training table in its place")
        return cls._over(synthetic, derive_salt(secret, digest))

    def prove(self, index: int) -> RowProof:
        """The proof of one row.

        Raises:
            IndexError: if there is no such row.
            ChainError: if the table was changed after the tree was made.
        """
        path = tuple(self._tree.prove_inclusion(index))
        salt = draw_salts(self._salt, index, 1)
        row = tuple(read_cells(self._table.iloc[index : index + 1]))
        proof = RowProof(row, salt, index, self.num_rows, path)
        if leaf_hash(proof.data) != self._tree.leaf(index):
            raise ChainError(
                "expected the table that the tree was made of, found it changed; make another tree"
            )
        return proof

    @classmethod
    def _over(cls, table: pd.DataFrame, salt: bytes) -> RowTree:
        """The tree over a table that was looked at."""
        tree = object.__new__(cls)
        tree._table, tree._salt, tree._tree = table, salt, MerkleTree()
        for start in range(0, len(table), BLOCK_ROWS):
            rows = table.iloc[start : start + BLOCK_ROWS]
            data = join_data(rows, start, len(table), salt, prefix=b"\x00")  # that of a leaf's hash
            tree._tree.extend(b"".join([sha256(leaf).digest() for leaf in data]))
        tree.num_rows, tree.root = len(table), tree._tree.root()
        return tree


def _check_table(table: pd.DataFrame) -> None:
    if not isinstance(table, pd.DataFrame) or not all(isinstance(name, str) for name in table.columns):
        raise TypeError("expected a pandas DataFrame with column names that are text, got something else")
    if len(table) == 0 or table.shape[1] == 0 or not table.columns.is_unique:
        raise ValueError("expected at least one row and column, and no column twice, got another table")


def _check_drawn(synthetic: pd.DataFrame, train: pd.DataFrame) -> None:
    """That the synthetic table is not the training table, nor a part of it, in whatever order."""
    absent = [name for name in synthetic.columns if name not in train.columns]
    if absent:
        raise ValueError(
            f"expected a training table with the columns of the synthetic one, found no {', '.join(absent)}"
        )
    known = train[list(synthetic.columns)]
    for start in range(0, len(synthetic), BLOCK_ROWS):
        unknown = set(join_cells(synthetic.iloc[start : start + BLOCK_ROWS]))
        for other in range(0, len(known), BLOCK_ROWS):
            unknown.difference_update(join_cells(known.iloc[other : other + BLOCK_ROWS]))
        if unknown:
            return
    # Of few columns, a drawn row may well be somebody's; but hardly all of them, each as often as there.
    drawn, there = Counter(join_cells(synthetic)), Counter(join_cells(known))
    times = math.gcd(*drawn.values())  # a table that is repeated as a whole is still that table
    if all(count // times <= there[row] for row, count in drawn.items()):
        raise ConfidentialRows(
            "expected rows that were drawn, got a table all of whose rows stand in the training table, each "
            "as often; none of them may be proved: draw anew, and more rows if the table has few columns"
        )
