"""Does an audit contradict what a private generator claims, and would it, if the noise were missing?

    python -m benchmarks.private_audit

Plants canaries, each with probability one half, in a simulated cohort, fits PrivateTabularGPT at epsilon 1,
and guesses from all its answers to counting queries which canaries were in: the attacker sees more than a
release shows. The same is done with the noise taken out. Writes private_audit.csv: the lower bound on epsilon
at 95% must not exceed the claim with the noise, and must exceed it without. The steps on patients are left
out: what is looked at is the tree, which has nine tenths of the budget by default and all of it here.
"""

from __future__ import annotations

import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

import synthlib as sl
from synthlib.data.simulation import simulation_schema
from synthlib.evaluation.leakage.auditing import audit_epsilon
from synthlib.models import private_fit
from synthlib.models.private_encoding import add_noise, make_grids
from synthlib.models.private_fit import encode_alone

RESULTS = Path(__file__).parent / "private_audit.csv"
EPSILON, DELTA, NUM_ROWS, NUM_CANARIES, NUM_RUNS = 1.0, 1e-5, 6000, 20, 20
SMALL = {
    "hidden_dim": 16,
    "num_layers": 1,
    "num_heads": 2,
    "num_epochs": 1,
    "tree_rows": 200,
    "training_share": 0.0,
    "epsilon": EPSILON,
    "delta": DELTA,
    "public_schema": True,
}


class Answers:
    """A fitted generator, and what it was told: each answer, exact or noisy, and its noise."""

    def __init__(self, rows: pd.DataFrame, schema: sl.Schema, with_noise: bool):
        self.told: list[tuple[np.ndarray, float]] = []
        self.model = sl.PrivateTabularGPT(schema, **SMALL)

        def listen(exact, scale, random):
            answer = add_noise(exact, scale, random) if with_noise else np.asarray(exact, float)
            self.told.append((answer, scale))
            return answer

        with patch.object(private_fit, "add_noise", listen):
            self.model.fit(rows, progress=False)

    def cells(self, rows: pd.DataFrame) -> list[np.ndarray]:
        """The entry of each answer that a row counts in, flat, int (num_rows,); scores count nobody."""
        tree, grids = self.model.tree_, make_grids(self.model.schema)
        states = encode_alone(self.model.encoder_, rows)[0]
        hub = np.zeros(len(rows), dtype=int) if tree.hub is None else states[:, tree.hub]
        found = [grid.place(rows[grid.column.name]) for grid in grids]
        found += [
            hub * table.shape[1] + states[:, column]
            for column, table in enumerate(tree.tables)
            if column != tree.hub
        ]
        found.append(None)
        for parent, child, chances in tree.edges:
            groups = [tree.groups[column][states[:, column]] for column in (parent, child)]
            found.append(np.ravel_multi_index((hub, *groups), chances.shape))
        return found

    def score(self, canaries: pd.DataFrame, known: pd.DataFrame) -> np.ndarray:
        """How far the entries of each canary are above what the known rows count, in units of their noise."""
        total = np.zeros(len(canaries))
        for (answer, scale), cells, of_known in zip(
            self.told, self.cells(canaries), self.cells(known), strict=True
        ):
            if cells is not None:
                counts = np.bincount(of_known, minlength=answer.size)
                total += (answer.ravel()[cells] - counts[cells]) / scale**2
        return total


def measure(with_noise: bool) -> dict:
    """One audit, as a row of the results."""
    schema = simulation_schema()
    train = sl.simulate_cohort(NUM_ROWS, seed=0)
    start = time.process_time()
    found = audit_epsilon(
        lambda rows, num_rows, seed: Answers(rows, schema, with_noise),
        train,
        schema,
        NUM_CANARIES,
        NUM_RUNS,
        DELTA,
        score=lambda answers, canaries: answers.score(canaries, train),
    )
    told = {"noise": "as accounted for" if with_noise else "none", "claimed": EPSILON, **found._asdict()}
    told["contradicted"] = found.low > EPSILON
    return told | {"cpu_s": round(time.process_time() - start)}


def round_table(rows: list[dict]) -> pd.DataFrame:
    """Results to three decimals; delta as it is, which would be nought."""
    table = pd.DataFrame(rows)
    return table.round(dict.fromkeys(table.columns.drop("delta", errors="ignore"), 3))


def main() -> None:
    """Write the results, and fail if either audit is not as it must be."""
    rows = [measure(True), measure(False)]
    table = round_table(rows)
    table.to_csv(RESULTS, index=False, lineterminator="\n")
    print(table.to_string(index=False))
    if [row["contradicted"] for row in rows] != [False, True]:
        raise SystemExit("expected no contradiction with noise, and one without")


if __name__ == "__main__":
    main()
