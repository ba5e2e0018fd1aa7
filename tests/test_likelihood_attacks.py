"""The benchmark of attacks that know the generator, on one that remembers its rows, without training any."""

import numpy as np
import pandas as pd

from benchmarks import likelihood_attacks


class Remembering:
    """Says that its own rows are likely, and draws nothing else."""

    def __init__(self, rows):
        self.rows, self.known = rows, set(map(str, rows.to_numpy().tolist()))

    def log_likelihood(self, table):
        return np.array([0.0 if str(row) in self.known else -5.0 for row in table.to_numpy().tolist()])

    def sample(self, num_rows, seed=0):
        return self.rows.sample(num_rows, replace=True, random_state=seed).reset_index(drop=True)


def test_who_learnt_train_is_caught_and_who_did_not_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(likelihood_attacks, "NUM_ROWS", 60)
    monkeypatch.setattr(likelihood_attacks, "fit", lambda rows, *_: Remembering(rows))
    out = tmp_path / "attacks.csv"
    monkeypatch.setattr("sys.argv", ["likelihood_attacks", "--shadows", "2", "--out", str(out)])
    assert likelihood_attacks.main() == 0
    found = pd.read_csv(out).set_index(["generator", "metric"])
    attacks = [f"membership_auroc[{name}]" for name in ("likelihood", "shadow", "domias")]
    for name in attacks:
        assert found.loc[("default", name), "low"] > 0.5
    unrelated = found.loc[(likelihood_attacks.UNRELATED, attacks[0])]
    assert unrelated["low"] <= 0.5 <= unrelated["high"]
    monkeypatch.setattr("sys.argv", ["x", "--shadows", "1", "--only", "default", "--out", str(out)])
    assert likelihood_attacks.main() == 0
    again = pd.read_csv(out)
    assert len(again) == len(found) and set(again["shadows"]) == {1, 2}
