"""Does the strongest adversary learn from steps of DP-SGD what they claim to lose, and no more?

    python -m benchmarks.step_audit

The adversary knows all patients but one, chooses that one's gradient and sees every noisy update: a canary
whose gradient is one entry of the parameters, far above the clip norm, is in or out by a coin for each run.
Audited are the plain step, and the steps of PrivateTabularGPT and PrivateTabularGAN with their own losses;
and the same with a mistake in each. Writes step_audit.csv: `low_any` bounds epsilon at delta for whatever
mechanism it is, `low` for a mechanism of the kind with more or less noise; both at 95%. `contradicted` says
that the claim, as a whole curve of epsilon and delta, is refuted. Of the right steps the runs are also cut
into blocks of 200, each an audit of its own: at most one in twenty may contradict.

Not every mistake shows. Shuffled batches, batches of fixed size, a rate somewhat higher and a batch used
again may lose more than is claimed, in events too rare for so few runs; a wrong sign loses nothing more.
`check_private_step` finds all of them, by looking at the batches and the direction themselves.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

import synthlib as sl
from benchmarks import broken_steps as broken
from synthlib.data.simulation import simulation_schema
from synthlib.evaluation.leakage.auditing import audit_runs
from synthlib.models.accounting import SampledTraining, calibrate
from synthlib.models.backend import keras, tf
from synthlib.models.networks import Layout, build_critic
from synthlib.models.private_canaries import STATISTICS, Canaries, list_curves, weigh
from synthlib.models.private_fit import encode_alone
from synthlib.models.private_gan import make_critic_step
from synthlib.models.private_gpt import make_step
from synthlib.models.private_training import PrivateStep
from synthlib.models.secrecy import SecretRandom

RESULTS = Path(__file__).parent / "step_audit.csv"
DELTA, NUM_PATIENTS, BLOCK = 1e-5, 20, 200
RATIOS = np.sort(np.append(np.geomspace(0.3, 6, 40), 1.0))  # of noise multipliers to the claimed one
LEAKS = (
    broken.NoNoise, broken.NoClipping, broken.NoiseOnce, broken.NoiseOnTheMean, broken.HigherRate,
    broken.SameBatchAgain, broken.InOrder, broken.Shuffled, broken.FixedSize, broken.WrongSign,
)  # fmt: skip
SMALL_LEAKS = (broken.NoiseOnTheMean, broken.InOrder)  # 600 runs refute them half of the time
SMALL = {
    "tree_rows": 500, "epsilon": 8.0, "public_schema": True, "training_share": 0.0,
}  # fmt: skip


def make_plain(training: SampledTraining) -> PrivateStep:
    """The step of a logistic regression."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(NUM_PATIENTS - 1, 20)).astype(np.float32)
    weights = keras.Variable(np.zeros(20, np.float32))

    def loss(x, y):
        return tf.nn.sigmoid_cross_entropy_with_logits(y, tf.reduce_sum(x * weights.value))

    arrays = [table, (table[:, 0] > 0).astype(np.float32)]
    return PrivateStep(loss, [weights], arrays, 0.5, training, SecretRandom())


def make_of_gpt(training: SampledTraining) -> PrivateStep:
    """The step that PrivateTabularGPT takes on its heads."""
    sizes = {"hidden_dim": 16, "num_layers": 1, "num_heads": 2, "num_epochs": 1}
    model, rows = _fit(sl.PrivateTabularGPT, sizes)
    return make_step(model, model.network_, *rows, training, SecretRandom())


def make_of_gan(training: SampledTraining) -> PrivateStep:
    """The step that PrivateTabularGAN's critic takes."""
    model, rows = _fit(sl.PrivateTabularGAN, {"hidden_dim": 8, "num_steps": 10})
    layout = Layout(model.encoder_)
    critic = build_critic(layout, 1, model.critic_dim)
    return make_critic_step(model, layout, critic, *rows, training, SecretRandom())


def _fit(kind, sizes: dict):
    table = sl.simulate_cohort(1000, seed=0)
    model = kind(simulation_schema(), **SMALL | sizes).fit(table, progress=False)
    return model, encode_alone(model.encoder_, table[: NUM_PATIENTS - 1])


MAKERS = {"step": make_plain, "PrivateTabularGPT": make_of_gpt, "PrivateTabularGAN": make_of_gan}


def measure(target: str, kind, epsilon: float, rate: float, num_steps: int, num_runs: int) -> dict:
    """One audit, as a row of the results; `kind` is a mistake or None."""
    start = time.process_time()
    training = calibrate(epsilon, DELTA, 1000, rate, num_steps)
    step = MAKERS[target](training)
    canaries = Canaries(step if kind is None else broken.break_step(step, kind), [3])
    included = np.random.default_rng(0).random(num_runs) < 0.5
    seen = [weigh(canaries.watch(np.array([coin])), training) for coin in included]
    statistics = np.concatenate(seen)
    curves = list_curves(training, DELTA, RATIOS)
    found, any_kind = (audit_runs(included, statistics, DELTA, curves=given) for given in (curves, None))
    claimed = [stated for stated, _ in curves][int(np.flatnonzero(RATIOS == 1)[0])]
    told = {
        "target": target, "mistake": "none" if kind is None else kind.__name__, "claimed": claimed,
        "low": found.low, "low_any": any_kind.low, "contradicted": found.low >= claimed,
        "sampling_rate": rate, "num_steps": num_steps, "noise_multiplier": training.noise_multiplier,
        "num_runs": num_runs, **found._asdict(), "statistic": STATISTICS[found.statistic],
    }  # fmt: skip
    blocks = num_runs // BLOCK if kind is None else 0
    told["num_blocks"], told["blocks_contradicted"] = blocks, 0
    for block in range(blocks):
        part = slice(block * BLOCK, (block + 1) * BLOCK)
        low = audit_runs(included[part], statistics[part], DELTA, curves=curves).low
        told["blocks_contradicted"] += int(low >= claimed)
    return told | {"cpu_s": round(time.process_time() - start)}


def list_audits() -> list[tuple]:
    """Arguments of `measure`: target, mistake, epsilon, sampling rate, steps, runs."""
    right = [("step", None, 1.0, 1.0, 1, 30_000)]
    right += [("step", None, epsilon, 1.0, 1, 10_000) for epsilon in (4.0, 8.0)]
    right.append(("step", None, 2.0, 0.1, 10, 3000))
    wrong = [("step", kind, 2.0, 0.1, 10, 3000 if kind in SMALL_LEAKS else 600) for kind in LEAKS]
    of_models = []
    for target in ("PrivateTabularGPT", "PrivateTabularGAN"):
        of_models.append((target, None, 4.0, 1.0, 1, 1000))
        of_models.append((target, None, 2.0, 0.25, 4, 400))
        leaks = (broken.NoNoise, broken.NoClipping, broken.NoiseOnce)
        of_models += [(target, kind, 2.0, 0.25, 4, 240) for kind in leaks]
    return right + wrong + of_models


def main() -> None:
    """Write the results."""
    rows = []
    for audit in list_audits():
        rows.append(measure(*audit))
        print(rows[-1], flush=True)
        pd.DataFrame(rows).round(3).to_csv(RESULTS, index=False, lineterminator="\n")
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
