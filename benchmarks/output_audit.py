"""Does the output of a private generator show more of a patient than its budget, spent mostly on DP-SGD?

    python -m benchmarks.output_audit

Plants canaries, each with probability one half, in a simulated cohort, fits PrivateTabularGPT and
PrivateTabularGAN with nearly all of the budget on the steps of DP-SGD, and guesses which canaries were in:
from the table that is drawn (`table`), and from the generator's own likelihood of each canary (`likelihood`),
which is more than a release shows. Bins are those of a public table, or the tree's share would leave none
to tell canaries apart by. The same without the steps' noise, and without that of the tree. Writes
output_audit.csv. `benchmarks.step_audit` is the attack of the strongest adversary; this one is of a reader.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import PropertyMock, patch

import numpy as np
import pandas as pd

import synthlib as sl
from benchmarks.private_audit import round_table
from synthlib.data.simulation import simulation_schema
from synthlib.evaluation.leakage.auditing import bound_from_scores
from synthlib.evaluation.leakage.canaries import canary_scores, make_canaries
from synthlib.models import private_fit
from synthlib.models.private_fit import encode_alone
from synthlib.models.private_training import PrivateStep

RESULTS = Path(__file__).parent / "output_audit.csv"
DELTA, NUM_ROWS, NUM_CANARIES, NUM_RUNS, EPSILON = 1e-5, 800, 80, 2, 1.0
COMMON = {
    "epsilon": EPSILON, "delta": DELTA, "public_schema": True, "tree_rows": 500, "training_share": 0.95,
    "expected_batch": 200,
}  # fmt: skip
MODELS = {
    "PrivateTabularGPT": {
        "hidden_dim": 16, "num_layers": 1, "num_heads": 2, "num_epochs": 1, "num_steps": 30,
        "private_learning_rate": 1e-2,
    },
    "PrivateTabularGAN": {
        "hidden_dim": 8, "num_steps": 30, "batch_size": 64, "private_steps": 30, "adversarial_weight": 1.0,
    },
}  # fmt: skip


def without_noise(stack: ExitStack) -> None:
    """Takes the noise off all answers and steps, for as long as the stack is open."""
    stack.enter_context(patch.object(private_fit, "add_noise", lambda exact, scale, random: np.array(exact)))
    stack.enter_context(patch.object(PrivateStep, "noise_scale", PropertyMock(return_value=0.0)))


def look(model, canaries: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """How strongly each attack says of each canary that it was in."""
    drawn = model.sample(NUM_ROWS, seed=seed)
    if isinstance(model, sl.TabularGPT):
        likelihood = model.log_likelihood(canaries)
    else:
        rows = encode_alone(model.encoder_, canaries)
        likelihood = model.generator_.log_likelihood(*rows).numpy().sum(axis=0)
    return {"table": canary_scores(drawn, canaries, model.schema), "likelihood": likelihood}


def measure(name: str, with_noise: bool) -> list[dict]:
    """One audit, as rows of the results."""
    start, schema = time.process_time(), simulation_schema()
    train, public = (sl.simulate_cohort(NUM_ROWS, seed=seed) for seed in (0, 1))
    rng = np.random.default_rng(0)
    canaries = make_canaries(train, schema, NUM_CANARIES, rng)
    coins = rng.random((NUM_RUNS, NUM_CANARIES)) < 0.5

    def run(coin: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        rows = pd.concat([train, canaries[coin]], ignore_index=True)
        with ExitStack() as stack:
            if not with_noise:
                without_noise(stack)
            model = getattr(sl, name)(schema, **COMMON | MODELS[name]).fit(rows, public, progress=False)
        return look(model, canaries, seed)

    anyway = run(np.zeros(NUM_CANARIES, dtype=bool), 0)
    found = [run(coin, seed) for seed, coin in enumerate(coins, 1)]
    rows = []
    for attack, base in anyway.items():
        scores = np.array([one[attack] - base for one in found])
        scores -= np.median(scores, axis=1, keepdims=True)  # fits differ in more than their canaries
        audit = bound_from_scores(coins.ravel(), scores.ravel(), DELTA, 0.95, rng)
        audit = audit._replace(num_canaries=NUM_CANARIES, num_runs=NUM_RUNS)
        told = {"generator": name, "noise": "as accounted for" if with_noise else "none", "attack": attack}
        told |= {"claimed": EPSILON, **audit._asdict(), "contradicted": audit.low > EPSILON}
        rows.append(told | {"cpu_s": round(time.process_time() - start)})
    return rows


def main() -> None:
    """Write the results, and fail if an audit contradicts what is accounted for."""
    rows = []
    for name in MODELS:
        for with_noise in (True, False):
            rows += measure(name, with_noise)
            round_table(rows).to_csv(RESULTS, index=False, lineterminator="\n")
    print(round_table(rows).to_string(index=False))
    if any(row["contradicted"] for row in rows if row["noise"] != "none"):
        raise SystemExit("expected no contradiction with the noise that is accounted for")


if __name__ == "__main__":
    main()
