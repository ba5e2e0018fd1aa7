"""Membership from likelihoods: an auditor's attack on generators that say how likely a record is.

No metric: it needs the released generator and fits more of its kind. It takes functions and arrays alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from synthlib.evaluation.features import pick_a_row_each
from synthlib.evaluation.leakage.membership import membership_p_value, membership_scores, split_turns
from synthlib.schema import Schema
from synthlib.scores import Score

LogLikelihood = Callable[[pd.DataFrame], np.ndarray]


def likelihood_ratio(
    released: np.ndarray, without: np.ndarray, within: np.ndarray | None = None
) -> np.ndarray:
    """How much likelier targets are under the released generator than under shadows that never saw them.

    Some records are likely for any generator of their population; shadows tell which. With shadows that saw
    them, the log ratio of two normal densities; without, how many standard deviations above the others.

    Args:
        released: log likelihoods of the targets in nats, shape (num_targets,).
        without: under shadows that did not learn from the target, shape (num_shadows, num_targets); NaN where
            a shadow did.
        within: the same of shadows that did; NaN where one did not.

    Returns:
        Array of shape (num_targets,), higher for members. Spreads are pooled over targets, since few shadows
        cannot tell those of single ones.

    Reference: Carlini et al. 2022 (their "global variance" for few shadows).
    """
    released, without = (_finite(values) for values in (released, without))
    mean, spread = _centre(without)
    if within is None:
        return (released - mean) / spread
    inner_mean, inner_spread = _centre(_finite(within))
    inner = -0.5 * ((released - inner_mean) / inner_spread) ** 2 - np.log(inner_spread)
    return inner + 0.5 * ((released - mean) / spread) ** 2 + np.log(spread)


def likelihood_attack(
    log_likelihood: LogLikelihood,
    fit: Callable[[pd.DataFrame, int], LogLikelihood],
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    schema: Schema,
    seed: int = 0,
    num_shadows: int = 4,
    online: bool = False,
    max_targets: int = 2_000,
) -> tuple[list[Score], float]:
    """Tell who was in train by the released generator's likelihoods, held against those of shadows.

    Args:
        log_likelihood: function of a table to the log likelihoods of its rows, of the released generator.
        fit: function of rows and a seed to such a function: fits a shadow.
        train, holdout: DataFrames of shape (num_rows, num_columns), of which each patient counts with one
            row; half of the holdout is the attacker's reference and half is asked about, and the other way
            round.
        schema: theirs.
        seed: of targets and shadows.
        num_shadows: fits in each of the two turns; one more if it is odd and `online`.
        online: whether a random half of the targets joins each shadow's reference: stronger, since then it is
            also known how likely a member becomes.
        max_targets: most members, and most others, to ask about.

    Returns:
        Scores as `membership_scores` gives them, named `likelihood`, and the p value of `membership_p_value`.

    Reference: Carlini et al. 2022, "Membership Inference Attacks From First Principles".
    """
    rng = np.random.default_rng([seed, 2])
    chosen, kept = (
        table.iloc[rng.permutation(pick_a_row_each(table, schema, rng))[:max_targets]]
        for table in (train, holdout)
    )
    scored = []
    num_shadows += num_shadows % 2 if online else 0
    for turn in split_turns(chosen, kept, rng):
        targets = turn.targets
        without, within = _shadow_likelihoods(fit, turn.reference, targets, rng, num_shadows, online)
        score = likelihood_ratio(log_likelihood(targets), without, within if online else None)
        scored.append(tuple(np.split(score, [len(turn.members)])))
    p_value = membership_p_value(scored, rng)
    return membership_scores("likelihood", scored, rng), p_value


def _shadow_likelihoods(fit, reference, targets, rng, num_shadows, online) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihoods under shadows without and with each target, each (num_shadows, num_targets)."""
    without, within = (np.full((num_shadows, len(targets)), np.nan) for _ in range(2))
    order = rng.permutation(len(targets))
    for shadow in range(num_shadows):
        rows = reference.iloc[rng.integers(0, len(reference), len(reference))]
        joined = np.zeros(len(targets), dtype=bool)
        if online:  # each target is in every other shadow, so that both kinds are known of it
            order = order if shadow % 2 else rng.permutation(len(targets))
            joined[np.array_split(order, 2)[shadow % 2]] = True
            rows = pd.concat([rows, targets[joined]], ignore_index=True)
        found = fit(rows.reset_index(drop=True), int(rng.integers(2**31)))(targets)
        without[shadow, ~joined], within[shadow, joined] = found[~joined], found[joined]
    return without, within


def _finite(values: np.ndarray) -> np.ndarray:
    """As floats, impossible records (minus infinity) far below any other."""
    return np.where(np.isneginf(values), -1e3, np.asarray(values, dtype=float))


def _centre(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean of each target over the shadows that have it, and one spread for all."""
    mean = np.nanmean(values, axis=0)
    freedom = max(int((~np.isnan(values)).sum()) - values.shape[1], 1)
    return mean, max(float(np.sqrt(np.nansum((values - mean) ** 2) / freedom)), 1e-3)
